"""`python detect.py …` in the image: the same as `yolo-bac …`, for commands written for YOLOv5's repository."""

from entrypoint.cli.command import main

if __name__ == "__main__":
    main()
