"""coco_results.json: the detections alone, as COCO's evaluation servers and tools take them."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from entrypoint.errors import SourceError
from entrypoint.log import LOG
from entrypoint.results.cocoimages import images_of
from entrypoint.results.formats.base import JsonArray, RunFormat
from entrypoint.results.sameimages import loose_name, match_names, shorter
from entrypoint.text import printable
from entrypoint.values import Detection, Record


class CocoResults(RunFormat):
    """[{image_id, category_id, bbox, score}] with the ids of coco.json, or those that were given.

    `image_ids` and `category_ids` are the ids of a ground truth, by file and by class name; what it does not have is
    left out, and how much that is, is logged. `bbox` is x, y, width and height in pixels.
    """

    name = "coco-results"
    help = "coco_results.json: detections alone, with the ids of coco.json."
    file = "coco_results.json"
    image_ids: Mapping[str, int] | None = None
    category_ids: Mapping[str, int] | None = None
    _ids: Mapping[str, int] = MappingProxyType({})

    def expect(self, files: Sequence[str]) -> None:
        """Find the images of the ground truth among them, where there is one."""
        if ids := self.image_ids:
            self._ids = {file: ids[image] for file, image in match_names(ids, files).by_file.items()}

    @contextmanager
    def writing(self, file: IO[bytes], info: dict[str, Any], scratch: Path) -> Iterator[Callable[[Record], None]]:
        file.write(b"[")
        results, numbers, strange = JsonArray(file), count(1), Counter[str]()

        def take(record: Record) -> None:
            for shown, detections in images_of(record):
                number = next(numbers)  # as coco.json counts
                image = number if self.image_ids is None else self._id_of(record, str(shown["file_name"]))
                if image is None:
                    strange["images"] += 1
                    continue
                lines = [line for found in detections if (line := self._line(image, found))]
                results.add(lines)
                strange["detections of other classes"] += len(detections) - len(lines)

        yield take
        file.write(b"\n]\n")
        if said := ", ".join(f"{number} {what}" for what, number in strange.items() if number):
            LOG.warning("coco-results leaves out what the ground truth does not have: %s", said)

    def _line(self, image: int, found: Detection) -> dict[str, Any] | None:
        ids = self.category_ids
        category = found.class_id if ids is None else ids.get(found.name, ids.get(loose_name(found.name)))
        if category is None:
            return None
        x1, y1, x2, y2 = found.box
        box = [x1, y1, round(x2 - x1, 4), round(y2 - y1, 4)]
        return {"image_id": image, "category_id": category, "bbox": box, "score": found.confidence}

    def _id_of(self, record: Record, name: str) -> int | None:
        """Of a still; or of a frame of a video, which has a name of its own, and is looked for by the ends of that."""
        if record.video is None:
            return self._ids.get(record.file)
        ids = self.image_ids or {}
        return next((ids[end] for end in (name, *shorter(name)) if end in ids), None)


def ids_of(truth: Path) -> tuple[dict[str, int], dict[str, int]]:
    """The ids that a ground truth in COCO's format gives images, by file, and classes, by name. Raises SourceError."""
    try:
        plain = json.loads(truth.read_bytes())
        images = {str(image["file_name"]): int(image["id"]) for image in plain["images"]}
        named = {str(category["name"]): int(category["id"]) for category in plain["categories"]}
        categories = {loose_name(name): number for name, number in named.items()} | named
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
        raise SourceError(
            f"{printable(truth)} cannot be read ({type(error).__name__}: {error}); expected a ground truth as "
            "COCO has it"
        ) from error
    return images, categories
