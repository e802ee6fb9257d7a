"""YOLOv5 object detection as a batch job; `entrypoint.cli.command` is the command, `entrypoint.run.job` the run.

`from entrypoint import Detector` is detection from Python (`entrypoint.api`); nothing heavy is imported before that.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from entrypoint.api import Detector

__version__ = "0.1.0"
__all__ = ["Detector", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Detector":
        from entrypoint.api import Detector

        return Detector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
