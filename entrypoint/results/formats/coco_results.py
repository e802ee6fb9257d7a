"""coco_results.json: the detections alone, as COCO's evaluation servers and tools take them."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO, Any

from entrypoint.errors import SourceError
from entrypoint.results.cocoimages import images_of
from entrypoint.results.formats.base import JsonArray, RunFormat
from entrypoint.text import printable
from entrypoint.values import Detection, Record


class CocoResults(RunFormat):
    """[{image_id, category_id, bbox, score}] with the ids of coco.json, or those that were given.

    `image_ids` and `category_ids` are the ids of a ground truth, by file and by class name; what it does not have is
    left out. An image is the file of its whole name, or the one whose path ends in it. `bbox` is x, y, width and height
    in pixels.
    """

    name = "coco-results"
    help = "coco_results.json: detections alone, with the ids of coco.json."
    file = "coco_results.json"
    image_ids: Mapping[str, int] | None = None
    category_ids: Mapping[str, int] | None = None

    @contextmanager
    def writing(self, file: IO[bytes], info: dict[str, Any], scratch: Path) -> Iterator[Callable[[Record], None]]:
        file.write(b"[")
        results, numbers = JsonArray(file), count(1)

        def take(record: Record) -> None:
            for shown, detections in images_of(record):
                number = next(numbers)  # as coco.json counts
                image = number if self.image_ids is None else _id_of(str(shown["file_name"]), self.image_ids)
                if image is not None:
                    results.add([line for found in detections if (line := self._line(image, found))])

        yield take
        file.write(b"\n]\n")

    def _line(self, image: int, found: Detection) -> dict[str, Any] | None:
        category = found.class_id if self.category_ids is None else self.category_ids.get(found.name)
        if category is None:
            return None
        x1, y1, x2, y2 = found.box
        box = [x1, y1, round(x2 - x1, 4), round(y2 - y1, 4)]
        return {"image_id": image, "category_id": category, "bbox": box, "score": found.confidence}


def _id_of(file: str, ids: Mapping[str, int]) -> int | None:
    parts = file.split("/")
    return next((ids[end] for start in range(len(parts)) if (end := "/".join(parts[start:])) in ids), None)


def ids_of(truth: Path) -> tuple[dict[str, int], dict[str, int]]:
    """The ids that a ground truth in COCO's format gives images, by file, and classes, by name. Raises SourceError."""
    try:
        plain = json.loads(truth.read_bytes())
        images = {str(image["file_name"]): int(image["id"]) for image in plain["images"]}
        categories = {str(category["name"]): int(category["id"]) for category in plain["categories"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SourceError(
            f"{printable(truth)} cannot be read ({type(error).__name__}: {error}); expected a ground truth as "
            "COCO has it"
        ) from error
    return images, categories
