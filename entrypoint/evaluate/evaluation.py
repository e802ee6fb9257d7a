"""The records of a run against a ground truth, and what comes out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from entrypoint.errors import SourceError
from entrypoint.evaluate.cocoway import CocoWay, Found, Mistakes, evaluate_as_coco
from entrypoint.evaluate.reading import read_truth
from entrypoint.evaluate.truth import Objects, Truth, match_files, objects, scaled
from entrypoint.evaluate.yolov5way import YoloWay, evaluate_as_yolov5
from entrypoint.results.cocoimages import images_of
from entrypoint.results.sameimages import Matched, loose_name
from entrypoint.values import Record

_FULL_CURVE = 0.001
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Image:
    """An image that was evaluated; `objects` and `found` count the classes of the truth."""

    file: str
    width: int
    height: int
    objects: Objects
    found: Found
    mistakes: Mistakes
    """At the best threshold."""
    is_frame: bool
    """Whether it is a frame of a video."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How good the results are: by COCO's way and by YOLOv5's, with what has to be known to trust the numbers."""

    names: tuple[str, ...]
    coco: CocoWay
    yolov5: YoloWay
    images: list[Image]
    warnings: list[str] = field(default_factory=list)

    @property
    def threshold(self) -> float:
        """The confidence at which F1 over all classes is highest; 0.25 where nothing is right."""
        best = self.yolov5.best_of_all
        return best.confidence if best else 0.25

    @property
    def objects_by_class(self) -> NDArray[np.int64]:
        """How many objects each class of the truth has."""
        kinds = [image.objects.class_id for image in self.images]
        return np.bincount(np.concatenate(kinds), minlength=len(self.names)).astype(np.int64)

    @property
    def worst(self) -> list[Image]:
        """The images with mistakes, those with most first."""
        return sorted(
            (image for image in self.images if image.mistakes), key=lambda image: (-len(image.mistakes), image.file)
        )


def evaluate(records: Iterable[Record], names: Sequence[str], path: Path, least_confidence: float | None) -> Evaluation:
    """Compare the records of a run with the ground truth at `path`.

    Each frame of a video that was looked at is an image, by the name that coco.json gives it; videos of which the truth
    names no frame are left out.

    `names` are the network's classes; `least_confidence` is the threshold that the run was made with. Raises
    SourceError where the truth cannot be read, or has no image or no class in common with the run.
    """
    truth = read_truth(path, names)
    warnings = _warnings_of(least_confidence)
    by_file, frames_of = _images(records)
    matched = _matched(truth, by_file, path)
    _leave_out_videos(by_file, frames_of, matched, warnings)
    frames = {frame for some in frames_of.values() for frame in some}
    pairs = _pairs(truth, by_file, matched, warnings)
    numbers = _class_numbers(truth, names, warnings)
    expected = [objects_ for _, objects_ in pairs]
    found = [_found(record, numbers) for record, _ in pairs]
    coco = evaluate_as_coco(expected, found, truth.names)
    yolov5 = evaluate_as_yolov5(expected, found, len(truth.names))
    evaluation = Evaluation(truth.names, coco, yolov5, [], warnings)
    for (record, objects_), seen, mistakes in zip(pairs, found, coco.mistakes(evaluation.threshold), strict=True):
        size = record.width or 1, record.height or 1
        evaluation.images.append(Image(record.file, *size, objects_, seen, mistakes, record.file in frames))
    return evaluation


def _images(records: Iterable[Record]) -> tuple[dict[str, Record], dict[str, list[str]]]:
    """The records by file, those of videos as one for each frame that was looked at; and the frames of each video."""
    by_file, frames_of = dict[str, Record](), dict[str, list[str]]()
    for record in records:
        if record.video is None:
            by_file[record.file] = record
            continue
        frames = frames_of.setdefault(record.file, [])
        for shown, found in images_of(record):
            frames.append(str(shown["file_name"]))
            by_file[frames[-1]] = Record(frames[-1], record.width, record.height, tuple(found))
    return by_file, frames_of


def _matched(truth: Truth, records: Mapping[str, Record], path: Path) -> Matched:
    """Which image of the truth each record is of. Raises SourceError where there is none."""
    matched = match_files(truth, sorted(records))
    if not matched.by_file:
        raise SourceError(
            f"no image of the ground truth {path} is one of the run's {len(records)} inputs: it has "
            f"{_few(list(truth.images))}, the run {_few(sorted(records))}"
            + f"; of {len(matched.unclear)} it is not clear which they are"
            * bool(matched.unclear)
        )
    return matched


def _leave_out_videos(
    records: dict[str, Record], frames_of: Mapping[str, Sequence[str]], matched: Matched, warnings: list[str]
) -> None:
    """Take out the frames of videos of which none is an image of the truth."""
    unnamed = [video for video, frames in frames_of.items() if matched.by_file.keys().isdisjoint(frames)]
    for video in unnamed:
        for frame in frames_of[video]:
            del records[frame]
    if unnamed:
        warnings.append(
            f"{len(unnamed)} videos are left out, for the truth names none of their frames: {_few(unnamed)}"
        )


def _warnings_of(least_confidence: float | None) -> list[str]:
    if least_confidence is None or least_confidence <= _FULL_CURVE:
        return []
    return [
        f"the run kept detections from confidence {least_confidence:g} on, so the curves lack their ends and the mean "
        "average precisions are too low; for figures that compare with val.py's, run with --conf-thres 0.001 "
        "--iou-thres 0.6 --max-det 300 --multi-label"
    ]


def _pairs(
    truth: Truth, records: Mapping[str, Record], matched: Matched, warnings: list[str]
) -> list[tuple[Record, Objects]]:
    """The images to evaluate, each with its record and its objects, sorted by file."""
    nothing = objects([], [])
    pairs, failed, unknown = [], 0, []
    for file, record in sorted(records.items()):
        if file in matched.by_file:
            failed += record.detections is None
            pairs.append((record, _objects(record, truth, matched.by_file[file])))
        elif file in matched.unclear_files:
            continue
        elif record.detections is not None and truth.is_yolo:
            unknown.append(file)
            pairs.append((record, nothing))
        elif record.detections is not None:
            unknown.append(file)
    if matched.unclear:
        warnings.append(
            f"{len(matched.unclear)} images of the truth are left out, for which of the run's they are is unclear: "
            f"{_few(sorted(matched.unclear))}; give the truth the paths that the run has"
        )
    if matched.without_file:
        warnings.append(
            f"{len(matched.without_file)} images of the truth are not in the run: {_few(matched.without_file)}"
        )
    if failed:
        warnings.append(f"{failed} images failed in the run; all their objects count as missed")
    if unknown:
        meaning = "count as images without objects" if truth.is_yolo else "are left out"
        warnings.append(f"{len(unknown)} images of the run are not in the truth and {meaning}: {_few(unknown)}")
    return pairs


def _objects(record: Record, truth: Truth, image: str) -> Objects:
    found = truth.images[image]
    return scaled(found, record.width or 1, record.height or 1) if truth.is_yolo else found


def _class_numbers(truth: Truth, names: Sequence[str], warnings: list[str]) -> dict[int, int]:
    """The truth's number of each of the network's classes, found by name."""
    if not truth.is_named:
        warnings.append("the truth names no classes: their numbers are taken for those of the network")
    if truth.names == tuple(names):  # also where two have one name
        return {class_id: class_id for class_id in range(len(names))}
    exact = {name: number for number, name in enumerate(truth.names)}
    loose = {loose_name(name): number for name, number in exact.items()}
    found = {class_id: exact.get(name, loose.get(loose_name(name))) for class_id, name in enumerate(names)}
    numbers = {class_id: number for class_id, number in found.items() if number is not None}
    if not numbers:
        raise SourceError(
            f"no class of the ground truth has the name of one of the network's: it has {_few(truth.names)}, the "
            f"network {_few(names)}"
        )
    strange = [name for number, name in enumerate(truth.names) if number not in numbers.values()]
    if strange:
        warnings.append(f"{len(strange)} classes of the truth are none of the network's: {_few(strange)}")
    return numbers


def _found(record: Record, numbers: dict[int, int]) -> Found:
    known = [one for one in record.detections or () if one.class_id in numbers]
    return Found(
        np.array([one.box for one in known], np.float64).reshape(-1, 4),
        np.array([one.confidence for one in known], np.float64),
        np.array([numbers[one.class_id] for one in known], np.int64),
    )


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + more
