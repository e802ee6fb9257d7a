"""cvat/annotations.xml: "CVAT for images 1.1", to be uploaded to a task that has the images."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import IO

from entrypoint.results.formats.stills import Labelled, StillsFormat
from entrypoint.results.formats.xmltext import xml_attribute, xml_text
from entrypoint.results.runstatus import RunStatus
from entrypoint.values import Detection


class Cvat(StillsFormat):
    """Each box has its confidence as the attribute `score`, which the labels of the file declare."""

    name = "cvat"
    help = "cvat/annotations.xml, as CVAT takes it for images."
    files = ("cvat/annotations.xml",)

    @contextmanager
    def writing_stills(self, files: Sequence[IO[bytes]], status: RunStatus) -> Iterator[Callable[[Labelled], None]]:
        (file,) = files
        file.write(_head(self.names).encode())
        numbers = count()

        def write(still: Labelled) -> None:
            file.write(_image(next(numbers), still).encode())

        yield write
        file.write(b"</annotations>\n")


def _head(names: Sequence[str]) -> str:
    labels = "".join(
        f"<label><name>{xml_text(name)}</name><attributes><attribute><name>score</name><mutable>False</mutable>"
        "<input_type>text</input_type><default_value></default_value><values></values></attribute></attributes></label>\n"
        for name in dict.fromkeys(names)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
        f"<meta><task><name>yolo-bac</name><mode>annotation</mode><labels>\n{labels}</labels></task></meta>\n"
    )


def _image(number: int, still: Labelled) -> str:
    boxes = "".join(map(_box, still.detections))
    size = f'width="{still.width}" height="{still.height}"'
    return f'<image id="{number}" name={xml_attribute(still.file)} {size}>\n{boxes}</image>\n'


def _box(found: Detection) -> str:
    x1, y1, x2, y2 = found.box
    return (
        f'<box label={xml_attribute(found.name)} source="auto" occluded="0" '
        f'xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}" z_order="0">'
        f'<attribute name="score">{found.confidence}</attribute></box>\n'
    )
