"""Synthetic ground truths and detections: crowds, classes without objects, images without either."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from entrypoint.values import Detection, Record

NAMES = ("person", "never there", "bicycle", "car", "never found")
WIDTH, HEIGHT = 640, 480


def scenes(count: int, seed: int = 0, *, ties: bool = True) -> tuple[dict[str, Any], list[Record]]:
    """A ground truth as COCO has it, with category ids that are no sequence, and records of a detector that errs."""
    random_ = random.Random(seed)
    images: list[Any] = []
    annotations: list[Any] = []
    records: list[Record] = []
    for number in range(count):
        file = f"a b/{number:05}.jpg"
        images.append({"id": 3 * number + 7, "file_name": file, "width": WIDTH, "height": HEIGHT})
        found: list[Detection] = []
        for _ in range(random_.choice([0, 1, 3, 8])):
            class_id = random_.choice([0, 0, 0, 2, 3, 4])
            x, y, w, h = _box(random_)
            crowd = random_.random() < 0.05
            area = w * h * random_.uniform(0.5, 1)
            annotation = {"id": len(annotations) + 1, "image_id": 3 * number + 7, "category_id": 10 + 5 * class_id}
            annotations.append(annotation | {"bbox": [x, y, w, h], "area": area, "iscrowd": int(crowd)})
            seen = 0 if class_id == 4 else random_.choice([0, 1, 1, 1, 2])
            found += [_detection(random_, class_id, _shaken(random_, x, y, w, h)) for _ in range(seen)]
        found += [
            _detection(random_, random_.choice([0, 1, 2, 3]), _box(random_)) for _ in range(random_.choice([0, 1, 2]))
        ]
        if not ties:
            found = [replace(one, confidence=one.confidence + random_.uniform(0, 1e-5)) for one in found]
        found.sort(key=lambda one: -one.confidence)
        records.append(Record(file, WIDTH, HEIGHT, tuple(found)))
    categories = [{"id": 10 + 5 * number, "name": name} for number, name in enumerate(NAMES)]
    return {"images": images, "annotations": annotations, "categories": categories}, records


def _box(random_: random.Random) -> tuple[float, float, float, float]:
    w, h = 2 ** random_.uniform(3, 8), 2 ** random_.uniform(3, 8)
    return random_.uniform(0, WIDTH - w), random_.uniform(0, HEIGHT - h), w, h


def _shaken(random_: random.Random, x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
    dx, dy = random_.gauss(0, w / 12), random_.gauss(0, h / 12)
    return x + dx, y + dy, w * random_.uniform(0.85, 1.15), h * random_.uniform(0.85, 1.15)


def _detection(random_: random.Random, class_id: int, box: tuple[float, float, float, float]) -> Detection:
    x, y, w, h = box
    x1, y1, x2, y2 = max(0.0, x), max(0.0, y), min(WIDTH, x + w), min(HEIGHT, y + h)
    confidence = round(random_.uniform(0.01, 1), random_.choice([2, 6]))
    return Detection(NAMES[class_id], class_id, confidence, (x1, y1, max(x1, x2), max(y1, y2)))


def write_yolo(truth: dict[str, Any], folder: Path) -> Path:
    """The truth as a YOLO dataset without its crowds; an image without objects has no label file."""
    ids = {category["id"]: number for number, category in enumerate(truth["categories"])}
    files = {image["id"]: image["file_name"] for image in truth["images"]}
    lines: dict[str, list[str]] = {}
    for one in truth["annotations"]:
        x, y, w, h = one["bbox"]
        numbers = ((x + w / 2) / WIDTH, (y + h / 2) / HEIGHT, w / WIDTH, h / HEIGHT)
        line = " ".join([str(ids[one["category_id"]]), *(f"{number:.9f}" for number in numbers)])
        lines.setdefault(files[one["image_id"]], []).extend([] if one["iscrowd"] else [line])
    for file, rows in lines.items():
        path = (folder / "labels" / file).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(rows))
    names = "".join(f"  {number}: {json.dumps(name)}\n" for number, name in enumerate(NAMES))
    (folder / "data.yaml").write_text("names:\n" + names)
    return folder


def write_voc(truth: dict[str, Any], folder: Path) -> Path:
    """The truth as VOC's XML files."""
    names = {category["id"]: category["name"] for category in truth["categories"]}
    (folder / "Annotations").mkdir(parents=True)
    for image in truth["images"]:
        boxes = []
        for one in truth["annotations"]:
            if one["image_id"] == image["id"]:
                x, y, w, h = one["bbox"]
                corners = f"<xmin>{x}</xmin><ymin>{y}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax>"
                boxes.append(f"<object><name>{names[one['category_id']]}</name><bndbox>{corners}</bndbox></object>")
        text = f"<annotation><filename>{image['file_name']}</filename>{''.join(boxes)}</annotation>"
        (folder / "Annotations" / f"{image['id']}.xml").write_text(text)
    return folder
