"""coco.json: the detections as a COCO dataset."""

import tempfile
from collections.abc import Iterable
from typing import Any

from entrypoint.records import Record, compact
from entrypoint.writers.base import RunWriter


class CocoWriter(RunWriter):
    """Images (also those without a box), annotations with `score`, categories by the network's class ids.

    `bbox` is x, y, width, height in pixels of the upright image. Inputs that failed have no size and are left out;
    predictions.json has them.
    """

    def write(self, records: Iterable[Record], info: dict[str, Any]) -> None:
        path = self.folder.path / "coco.json"
        with self.folder.open(path) as file, tempfile.TemporaryFile() as annotations:
            file.write(b'{"info": ' + compact(info) + b',\n"images": [')
            images, boxes = 0, 0
            for record in records:
                if record["failure"] is not None:
                    continue
                images += 1
                image = {
                    "id": images,
                    "file_name": record["file"],
                    "width": record["width"],
                    "height": record["height"],
                }
                file.write((b",\n" if images > 1 else b"\n") + compact(image))
                for found in record["detections"]:
                    boxes += 1
                    annotations.write((b",\n" if boxes > 1 else b"\n") + compact(_annotation(boxes, images, found)))
            file.write(b'\n],\n"annotations": [')
            annotations.seek(0)
            while block := annotations.read(1 << 20):
                file.write(block)
            categories = [{"id": class_id, "name": name} for class_id, name in enumerate(self.names)]
            file.write(b'\n],\n"categories": ' + compact(categories) + b"}\n")


def _annotation(number: int, image: int, found: dict[str, Any]) -> dict[str, Any]:
    x1, y1, x2, y2 = found["box"].values()
    width, height = round(x2 - x1, 4), round(y2 - y1, 4)
    return {
        "id": number,
        "image_id": image,
        "category_id": found["class"],
        "bbox": [x1, y1, width, height],
        "area": round(width * height, 4),
        "iscrowd": 0,
        "score": found["confidence"],
    }
