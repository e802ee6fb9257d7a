"""voc/: a dataset as Pascal VOC has it, a small XML file for each image."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from entrypoint.results.formats.stills import Labelled, StillsWriter, flattened, refuse_same_names
from entrypoint.results.formats.xmltext import xml_text
from entrypoint.values import Detection


class VocWriter(StillsWriter):
    """Annotations/<name>.xml, ImageSets/Main/default.txt and labelmap.txt.

    The readers look into one folder only, so `a/x.jpg` becomes `a__x.xml`; <filename> has the whole path. Boxes are in
    pixels and not rounded. Confidences have no place in this format.
    """

    name, level, default = "voc", "run", False
    help = "Also write voc/, a Pascal VOC dataset: an XML file for each image. It has no confidences."
    leaves = ("voc",)

    @classmethod
    def check(cls, files: Sequence[str]) -> None:
        """Raises UsageError when two files would share their labels."""
        refuse_same_names(cls.name, files, flattened)

    @contextmanager
    def writing(self, info: dict[str, Any]) -> Iterator[Callable[[Labelled], None]]:
        with self.folder.open(self.folder.path / "voc" / "ImageSets" / "Main" / "default.txt") as members:

            def write(still: Labelled) -> None:
                path = self.folder.file("voc/Annotations", flattened(still.file), ".xml")
                self.folder.write(path, _annotation(still).encode())
                members.write(path.name.removesuffix(".xml").encode() + b"\n")

            yield write
        colours_and_parts = ":::"  # none
        names = dict.fromkeys(" ".join(name.split()) for name in self.names)
        labels = "".join(f"{name}{colours_and_parts}\n" for name in names)
        self.folder.write(self.folder.path / "voc" / "labelmap.txt", labels.encode())


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
