"""coco_results.json: the detections alone, as COCO's evaluation servers and tools take them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from entrypoint.results.formats.base import JsonArray
from entrypoint.results.formats.stills import Labelled, StillsWriter
from entrypoint.values import Detection


class CocoResultsWriter(StillsWriter):
    """[{image_id, category_id, bbox, score}] with the ids of coco.json, or those that were given.

    `image_ids` and `category_ids` are the ids of a ground truth, by file and by class name; what it does not have is
    left out. `bbox` is x, y, width and height in pixels.
    """

    name, level, default = "coco-results", "run", False
    help = "Also write coco_results.json: detections alone, with the ids of coco.json."
    leaves = ("coco_results.json",)
    image_ids: Mapping[str, int] | None = None
    category_ids: Mapping[str, int] | None = None

    @contextmanager
    def writing(self, info: dict[str, Any]) -> Iterator[Callable[[Labelled], None]]:
        with self.folder.open(self.folder.path / "coco_results.json") as file:
            file.write(b"[")
            results, number = JsonArray(file), 0

            def write(still: Labelled) -> None:
                nonlocal number
                number += 1
                image = number if self.image_ids is None else self.image_ids.get(still.file)
                if image is not None:
                    results.add([line for found in still.detections if (line := self._line(image, found))])

            yield write
            file.write(b"\n]\n")

    def _line(self, image: int, found: Detection) -> dict[str, Any] | None:
        category = found.class_id if self.category_ids is None else self.category_ids.get(found.name)
        if category is None:
            return None
        x1, y1, x2, y2 = found.box
        box = [x1, y1, round(x2 - x1, 4), round(y2 - y1, 4)]
        return {"image_id": image, "category_id": category, "bbox": box, "score": found.confidence}
