"""video-frames/<path>/<name>_<number>.jpg: frames of videos in which something was found, for --save-frames."""

from collections.abc import Iterator, Sequence

from entrypoint.results.formats.base import InputFormat
from entrypoint.results.formats.frames import FOLDER
from entrypoint.results.framerecords import frames_of
from entrypoint.results.imagenames import image_paths
from entrypoint.results.paths import frame_name
from entrypoint.values import Record


class SavedFrames(InputFormat):
    """With the boxes drawn on them. Frames are numbered from 1, in the order in which they were looked at."""

    name = "save-frames"
    option = "--save-frames"
    help = "video-frames/<path>/: the frames of each video in which something was found, with their boxes."
    level = "frame"
    needs_images = True
    folder = FOLDER

    @classmethod
    def suffixes(cls, file: str) -> Sequence[str]:
        return ()  # one a frame, in a folder that has the input's name

    @classmethod
    def places(cls, record: Record) -> Iterator[str]:
        for number, frame in frames_of(record):
            if frame.detections:
                yield from (path for path, _ in cls.paths(record.file, number))

    @classmethod
    def paths(cls, file: str, number: int) -> list[tuple[str, str]]:
        """Where a frame may go, each with the suffix that names its format."""
        return list(image_paths(cls.folder, f"{frame_name(file, number)}.jpg"))
