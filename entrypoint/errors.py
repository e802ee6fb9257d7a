"""What can end a run, each with its exit code.

    YoloBacError                 1
    ├── UsageError               2   an option, or two that contradict each other
    ├── WeightsError             3   none found, several, not readable
    │   ├── UnsafeWeightsError   3   the checkpoint wants to import something outside the allow-list
    │   └── NotADetectorError    3   readable, but not a YOLOv5 detection checkpoint
    ├── SourceError              4   the source does not exist or holds no media
    ├── OutputError              6   the output folder cannot be written
    └── ResourceError            7   memory or device cannot carry the job

A medium that fails is not an exception but a value, `entrypoint.values.Failure`: it becomes the input's record,
and more of them than `--max-failures` make the run end with `EXIT_MEDIA_FAILED`.
"""

from collections.abc import Sequence

EXIT_OK = 0
EXIT_MEDIA_FAILED = 5
EXIT_SIGNAL = 128


class YoloBacError(Exception):
    """An error a user can cause; its message says what was found, what was expected and what to do.

    `message` is one line; `rows` are further lines, such as a list of what was found. They are kept apart so that a
    line break in a file's name cannot be taken for one of these.
    """

    exit_code = 1

    def __init__(self, message: str, rows: Sequence[str] = ()) -> None:
        super().__init__("\n".join([message, *rows]))
        self.lines = (message, *rows)


def exit_code_of(error: Exception) -> int:
    """Return the exit code of a process that an error ends."""
    return error.exit_code if isinstance(error, YoloBacError) else YoloBacError.exit_code


class UsageError(YoloBacError):
    exit_code = 2


class WeightsError(YoloBacError):
    exit_code = 3


class UnsafeWeightsError(WeightsError):
    pass


class NotADetectorError(WeightsError):
    pass


class SourceError(YoloBacError):
    exit_code = 4


class OutputError(YoloBacError):
    exit_code = 6


class ResourceError(YoloBacError):
    exit_code = 7
