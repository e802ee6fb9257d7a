"""YOLOv5 object detection as a batch job; `entrypoint.cli` is the command, `entrypoint.job` the run."""

__version__ = "0.1.0"
