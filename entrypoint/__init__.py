"""YOLOv5 object detection as a batch job; `entrypoint.cli.command` is the command, `entrypoint.run.job` the run."""

__version__ = "0.1.0"
