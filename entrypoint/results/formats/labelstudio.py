"""labelstudio/: tasks with predictions for Label Studio, and the labelling interface that they fit."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from entrypoint.results.formats.base import JsonArray
from entrypoint.results.formats.stills import Labelled, StillsWriter
from entrypoint.results.formats.xmltext import xml_attribute
from entrypoint.values import Detection

LOCAL_FILES = "/data/local-files/?d="
"""Where Label Studio finds files of its own machine, below the folder that its local storage names."""


class LabelStudioWriter(StillsWriter):
    """tasks.json to import, after label_config.xml has been pasted as the project's interface.

    The address of an image is `url_prefix` and its percent-encoded path. Boxes are in percent of the image.
    """

    name, level, default = "labelstudio", "run", False
    help = "Also write labelstudio/: tasks.json with predictions, and label_config.xml, the interface they fit."
    leaves = ("labelstudio",)
    url_prefix = LOCAL_FILES

    @contextmanager
    def writing(self, info: dict[str, Any]) -> Iterator[Callable[[Labelled], None]]:
        model = PurePath(info.get("weights_file", "yolo-bac")).name
        where = self.folder.path / "labelstudio"
        with self.folder.open(where / "tasks.json") as file:
            file.write(b"[")
            tasks = JsonArray(file)

            def write(still: Labelled) -> None:
                image = {"image": self.url_prefix + quote(still.file)}
                tasks.add([{"data": image, "predictions": [_prediction(still, model)]}])

            yield write
            file.write(b"\n]\n")
        self.folder.write(where / "label_config.xml", _interface(self.names).encode())


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
