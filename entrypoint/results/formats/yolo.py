"""yolo/: a dataset that ultralytics and YOLOv5 load, once the images lie in yolo/images."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from entrypoint.results.formats.stills import LabelFilesFormat, Labelled, without_suffix
from entrypoint.results.runstatus import RunStatus
from entrypoint.values import Detection


class Yolo(LabelFilesFormat):
    """labels/<path without suffix>.txt, data.yaml and classes.txt.

    A line is class, x and y of the centre, width and height as fractions of the image. An image in which nothing was
    found has an empty file. `labels/<path>.txt` of --save-txt is another thing: those names keep the image's suffix, as
    two images may differ in nothing else, and so these tools do not find them.
    """

    name = "yolo"
    help = "yolo/, a dataset for ultralytics and YOLOv5: labels, data.yaml, classes.txt."
    folder = "yolo/labels"
    suffix = ".txt"
    files = ("yolo/data.yaml", "yolo/classes.txt")
    stem = staticmethod(without_suffix)

    def labels(self, still: Labelled) -> str:
        return "".join(_line(found, still.width, still.height) for found in still.detections)

    @contextmanager
    def writing_stills(self, files: Sequence[IO[bytes]], status: RunStatus) -> Iterator[Callable[[Labelled], None]]:
        description, classes = files
        description.write(described(self.names).encode())
        classes.write("".join(" ".join(name.splitlines()) + "\n" for name in self.names).encode())
        yield lambda still: None


def _line(found: Detection, width: int, height: int) -> str:
    x1, y1, x2, y2 = found.box
    values = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
    return f"{found.class_id} " + " ".join(f"{value:.6f}" for value in values) + "\n"


def described(names: Sequence[str]) -> str:
    """data.yaml for classes of these names.

    It has no `path`, for the readers then start from the folder that it lies in, wherever that is moved.
    """
    lines = [
        "# Put the images that were looked at into images/ beside this file, or link them there. The annotated ones of",
        "# the run are no use here: boxes are drawn on them.",
        "train: images",
        "val: images",
        "names:",
        *(f"  {class_id}: {_quoted(name)}" for class_id, name in enumerate(names)),
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A YAML string in double quotes, in which everything that YAML does not call printable is escaped."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08X}"
