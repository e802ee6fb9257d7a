"""Ground truths read from disk: COCO's JSON, a folder of YOLO's txt files, a folder of VOC's XML files."""

import json
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from entrypoint.errors import SourceError
from entrypoint.evaluate.truth import Objects, Truth, objects
from entrypoint.evaluate.yamlnames import names_in
from entrypoint.text import printable

_NOT_LABELS = {"classes.txt", "obj.names", "train.txt", "val.txt", "test.txt", "images.txt"}
_UTF_8 = "utf-8-sig"  # some editors put a mark before the text
_ENTITY = re.compile(r"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


def read_truth(path: Path, class_names: Sequence[str]) -> Truth:
    """The ground truth at `path`: a JSON file, a YAML file that describes a dataset, or a folder.

    YOLO's labels without names beside them have the numbers of `class_names`. Raises SourceError that says what was
    found and what was expected.
    """
    try:
        if path.is_dir():
            return _read_folder(path, class_names)
        if path.suffix.lower() in (".yaml", ".yml"):
            return _read_yolo(path.parent, _yaml_names(path), class_names)
        return _read_coco(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError, ElementTree.ParseError) as error:
        raise SourceError(
            f"the ground truth {printable(path)} cannot be read ({type(error).__name__}: {error}); expected COCO's "
            "JSON, a folder with YOLO's .txt or VOC's .xml files, or the data.yaml of such a folder"
        ) from error


def _read_folder(path: Path, class_names: Sequence[str]) -> Truth:
    if next(path.rglob("*.xml"), None) is not None:
        return _read_voc(path)
    if next(_label_files(path), None) is not None:
        return _read_yolo(path, _names_beside(path), class_names)
    candidates = sorted(path.glob("*.json"))
    if len(candidates) != 1:
        raise ValueError(f"a folder with {len(candidates)} .json files, and neither .txt nor .xml")
    return _read_coco(json.loads(candidates[0].read_bytes()))


def _read_coco(plain: Mapping[str, Any]) -> Truth:
    categories = {int(one["id"]): (number, str(one["name"])) for number, one in enumerate(plain["categories"])}
    by_image: dict[int, list[Mapping[str, Any]]] = {int(image["id"]): [] for image in plain["images"]}
    for annotation in plain["annotations"]:
        by_image[int(annotation["image_id"])].append(annotation)
    images: dict[str, Objects] = {}
    for image in plain["images"]:
        file = str(image["file_name"])
        with _told(file):
            if file in images:
                raise ValueError("two images have this file_name")
            images[file] = _coco_objects(by_image[int(image["id"])], categories)
    return Truth(images, tuple(name for _, name in categories.values()), tuple(categories))


def _coco_objects(annotations: Sequence[Mapping[str, Any]], categories: Mapping[int, tuple[int, str]]) -> Objects:
    corners = [(x, y, x + width, y + height) for x, y, width, height in (one["bbox"] for one in annotations)]
    return objects(
        corners,
        [categories[int(one["category_id"])][0] for one in annotations],
        [float(one.get("area", one["bbox"][2] * one["bbox"][3])) for one in annotations],
        [bool(one.get("iscrowd", 0)) for one in annotations],
    )


def _read_yolo(path: Path, own_names: Mapping[int, str], class_names: Sequence[str]) -> Truth:
    images: dict[str, Objects] = {}
    names = own_names or dict(enumerate(class_names))
    places = {number: place for place, number in enumerate(names)}
    for file in _label_files(path):
        with _told(file.relative_to(path).as_posix()):
            lines = file.read_text(_UTF_8).splitlines()
            rows = [[float(value) for value in line.split()] for line in lines if line.strip()]
            kinds = [row[0] for row in rows]
            if strange := [kind for kind in kinds if kind not in places]:
                raise ValueError(f"class {strange[0]:g}, but the {len(names)} classes have {_numbers(places)}")
            images[_below_labels(file, path)] = objects(map(_corners, rows), [places[int(kind)] for kind in kinds])
    return Truth(images, tuple(names.values()), tuple(names), is_yolo=True, is_named=bool(own_names))


def _numbers(places: Mapping[int, int]) -> str:
    numbers = list(places)
    return f"the numbers {numbers[0]} to {numbers[-1]}" if numbers else "no numbers"


def _label_files(path: Path) -> Iterator[Path]:
    """The label files of a dataset: those below a folder `labels`, or all where there is none."""
    top = path / "labels" if (path / "labels").is_dir() else path
    return (file for file in sorted(top.rglob("*.txt")) if file.name not in _NOT_LABELS)


def _below_labels(file: Path, path: Path) -> str:
    top = path / "labels" if (path / "labels").is_dir() else path
    return file.relative_to(top).with_suffix("").as_posix()


def _corners(row: Sequence[float]) -> tuple[float, float, float, float]:
    _, x, y, w, h, *more = row
    if len(more) > 1:
        raise ValueError(f"a line of {len(row)} numbers: outlines are not read; expected class, x, y, width, height")
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def _names_beside(path: Path) -> dict[int, str]:
    """Class names, by number, in a file that lies beside the labels; empty where there is none."""
    inner = path.absolute()
    above = [folder.parent for folder in inner.parents if folder.name == "labels"]  # for labels/val
    for folder in (inner, inner.parent, *above[:1]):
        for name in ("data.yaml", "dataset.yaml"):
            if (folder / name).is_file():
                return _yaml_names(folder / name)
        for name in ("classes.txt", "obj.names"):
            if (folder / name).is_file():
                lines = (folder / name).read_text(_UTF_8).splitlines()
                return dict(enumerate(line.strip() for line in lines if line.strip()))
    return {}


def _yaml_names(path: Path) -> dict[int, str]:
    return names_in(path.read_text(_UTF_8))


def _read_voc(path: Path) -> Truth:
    names: dict[str, int] = {}
    found: list[tuple[str, str, Objects]] = []
    top = path / "Annotations" if (path / "Annotations").is_dir() else path
    for file in sorted(top.rglob("*.xml")):
        folder = file.parent.relative_to(top)
        with _told((folder / file.name).as_posix()):
            image, of_image = _read_xml(file.read_text(_UTF_8), names)
        found.append((folder.as_posix(), image or file.stem, of_image))
    times = Counter(image for _, image, _ in found)
    images: dict[str, Objects] = {}
    for below, image, of_image in found:  # of files that two annotations name, the folders tell which is which
        whole = image if times[image] == 1 else PurePosixPath(below, image).as_posix()
        if whole in images:
            raise ValueError(f"{whole}: two annotations have this <filename>")
        images[whole] = of_image
    return Truth(images, tuple(names), tuple(range(len(names))))


def _read_xml(text: str, names: dict[str, int]) -> tuple[str, Objects]:
    """The <filename> of an annotation and its objects, whose classes are added to `names`."""
    if _ENTITY.search(text):
        raise ValueError("it declares entities, which no annotation needs")
    root = ElementTree.fromstring(text)  # noqa: S314 - entities, its one danger, are refused above
    boxes, kinds = [], []
    for item in root.iterfind("object"):
        boxes.append([float(item.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax")])
        kinds.append(names.setdefault(item.findtext("name", ""), len(names)))
    return root.findtext("filename") or "", objects(boxes, kinds)


@contextmanager
def _told(file: str) -> Iterator[None]:
    """Say which file of the truth has what cannot be read."""
    try:
        yield
    except (ValueError, TypeError, ArithmeticError, ElementTree.ParseError) as error:
        raise ValueError(f"{file}: {error}") from error
