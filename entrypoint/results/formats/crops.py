"""crops/<class>/<path>: each detection cut out of its image, for --save-crop."""

import re
from collections.abc import Collection, Iterator, Sequence

from entrypoint.results.formats.base import AnnotatedFrame, FrameFormat, Leave
from entrypoint.results.framerecords import frames_of
from entrypoint.results.imagenames import image_paths
from entrypoint.results.paths import frame_name
from entrypoint.values import Detection, Record

_GAIN, _PAD = 1.02, 10  # detect.py cuts a little more than the box
_MAX_BYTES = 200
_BEHIND_THE_NAME = re.compile(r"\.[0-9]+\.jpg/", re.ASCII)


class Crops(FrameFormat):
    """Named by the input's path and the detection's place in its record: crops/person/a/img.jpg.0.jpg."""

    name = "crops"
    option = "--save-crop"
    help = "crops/<class>/<path>: each detection cut out of its image."
    folder = "crops"
    of_videos = True

    @classmethod
    def suffixes(cls, file: str) -> Sequence[str]:
        return ()  # one a detection, so without end

    @classmethod
    def places(cls, record: Record) -> Iterator[str]:
        named: Iterator[tuple[str, Collection[Detection]]] = iter([(record.file, record.detections or ())])
        if record.video:
            named = ((frame_name(record.file, number), frame.detections) for number, frame in frames_of(record))
        for name, detections in named:
            for number, found in enumerate(detections):
                yield from (path for path, _ in _paths(name, number, found.name))

    @classmethod
    def is_in_the_way(cls, file: str, other: str) -> bool:
        return other.startswith(file) and _BEHIND_THE_NAME.match(other, len(file)) is not None

    def write(self, shown: AnnotatedFrame, leave: Leave) -> None:
        from entrypoint.results.encode import leave_image

        height, width = shown.image.shape[:2]
        name = shown.file if shown.number is None else frame_name(shown.file, shown.number)
        found = shown.detections
        for number, ((x1, y1, x2, y2), class_id) in enumerate(
            zip(found.xyxy.tolist(), found.class_id.tolist(), strict=True)
        ):
            half_x, half_y = (x2 - x1) * _GAIN / 2 + _PAD / 2, (y2 - y1) * _GAIN / 2 + _PAD / 2
            x, y = (x1 + x2) / 2, (y1 + y2) / 2
            left, right = max(0, int(x - half_x)), min(width, int(x + half_x))
            top, bottom = max(0, int(y - half_y)), min(height, int(y + half_y))
            crop = shown.image[top:bottom, left:right]
            leave_image(crop, _paths(name, number, self.names[class_id]), self.settings.quality, leave)


def _paths(file: str, number: int, class_name: str) -> Iterator[tuple[str, str]]:
    """Where a detection's crop may go, each with the suffix that names its format."""
    return image_paths(f"crops/{_folder_name(class_name)}", f"{file}.{number}.jpg")


def _folder_name(class_name: str) -> str:
    """A class name from a checkpoint, as a folder name that stays where it is put."""
    encoded = re.sub(r"[/\\\x00]", "_", class_name).encode("utf-8", "backslashreplace")
    return encoded[:_MAX_BYTES].decode("utf-8", "ignore").strip(". ") or "class"
