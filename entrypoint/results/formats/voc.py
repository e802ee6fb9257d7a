"""voc/: a dataset as Pascal VOC has it, a small XML file for each image."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from entrypoint.results.formats.stills import LabelFilesFormat, Labelled, flattened
from entrypoint.results.formats.xmltext import xml_text
from entrypoint.results.runstatus import RunStatus
from entrypoint.values import Detection, Record


class Voc(LabelFilesFormat):
    """Annotations/<name>.xml, ImageSets/Main/default.txt and labelmap.txt.

    The readers look into one folder only, so `a/x.jpg` becomes `a__x.xml`; <filename> has the whole path. Boxes are in
    pixels and not rounded. Confidences have no place in this format.
    """

    name = "voc"
    help = "voc/, a Pascal VOC dataset: an XML file for each image. It has no confidences."
    folder = "voc/Annotations"
    suffix = ".xml"
    files = ("voc/ImageSets/Main/default.txt", "voc/labelmap.txt")
    stem = staticmethod(flattened)

    def labels(self, still: Labelled) -> str:
        return _annotation(still)

    @contextmanager
    def writing_stills(self, files: Sequence[IO[bytes]], status: RunStatus) -> Iterator[Callable[[Labelled], None]]:
        members, labels = files
        colours_and_parts = ":::"  # none
        for name in dict.fromkeys(" ".join(name.split()) for name in self.names):
            labels.write(f"{name}{colours_and_parts}\n".encode())

        def write(still: Labelled) -> None:
            (path,) = self.places(Record(still.file, None, None, None))
            members.write(path.rpartition("/")[2].removesuffix(self.suffix).encode() + b"\n")

        yield write


def _annotation(still: Labelled) -> str:
    folder, _, _ = still.file.rpartition("/")
    return (
        "<annotation>\n"
        f"  <folder>{xml_text(folder)}</folder>\n"
        f"  <filename>{xml_text(still.file)}</filename>\n"
        f"  <size><width>{still.width}</width><height>{still.height}</height><depth>3</depth></size>\n"
        "  <segmented>0</segmented>\n"
        f"{''.join(map(_object, still.detections))}"
        "</annotation>\n"
    )


def _object(found: Detection) -> str:
    x1, y1, x2, y2 = found.box
    return (
        "  <object>\n"
        f"    <name>{xml_text(found.name)}</name>\n"
        "    <pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>\n"
        f"    <bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>\n"
        "  </object>\n"
    )
