"""labelstudio/: tasks with predictions for Label Studio, and the labelling interface that they fit."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import IO, Any
from urllib.parse import quote

from entrypoint.results.formats.base import JsonArray
from entrypoint.results.formats.stills import Labelled, StillsFormat
from entrypoint.results.formats.xmltext import xml_attribute
from entrypoint.results.runstatus import RunStatus
from entrypoint.values import Detection


class LabelStudio(StillsFormat):
    """tasks.json to import, after label_config.xml has been pasted as the project's interface.

    The address of an image is --image-url and its percent-encoded path. Boxes are in percent of the image.
    """

    name = "labelstudio"
    help = "labelstudio/: tasks.json with predictions, and label_config.xml, the interface they fit."
    files = ("labelstudio/tasks.json", "labelstudio/label_config.xml")

    @contextmanager
    def writing_stills(self, files: Sequence[IO[bytes]], status: RunStatus) -> Iterator[Callable[[Labelled], None]]:
        file, interface = files
        interface.write(_interface(self.names).encode())
        model = PurePath((status.weights or {}).get("file", "")).name
        file.write(b"[")
        tasks = JsonArray(file)

        def write(still: Labelled) -> None:
            image = {"image": self.settings.image_url + quote(still.file)}
            tasks.add([{"data": image, "predictions": [_prediction(still, model)]}])

        yield write
        file.write(b"\n]\n")


def _prediction(still: Labelled, model: str) -> dict[str, Any]:
    results = [_rectangle(found, still.width, still.height) for found in still.detections]
    scores = [found.confidence for found in still.detections]
    score = {"score": round(sum(scores) / len(scores), 6)} if scores else {}
    return {"model_version": model, **score, "result": results}


def _rectangle(found: Detection, width: int, height: int) -> dict[str, Any]:
    x1, y1, x2, y2 = found.box
    return {
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {
            "x": round(x1 / width * 100, 6),
            "y": round(y1 / height * 100, 6),
            "width": round((x2 - x1) / width * 100, 6),
            "height": round((y2 - y1) / height * 100, 6),
            "rotation": 0,
            "rectanglelabels": [found.name],
        },
        "score": found.confidence,
    }


def _interface(names: Sequence[str]) -> str:
    labels = "".join(f"    <Label value={xml_attribute(name)}/>\n" for name in dict.fromkeys(names))
    return (
        '<View>\n  <Image name="image" value="$image"/>\n'
        f'  <RectangleLabels name="label" toName="image">\n{labels}  </RectangleLabels>\n</View>\n'
    )
