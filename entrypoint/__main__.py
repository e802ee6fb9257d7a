"""`python -m entrypoint`: the same as the command `yolo-bac`."""

from entrypoint.cli.command import main

if __name__ == "__main__":
    main()
