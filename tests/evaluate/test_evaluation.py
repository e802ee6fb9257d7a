"""The numbers of an evaluation, against those of pycocotools and of a plain count."""

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from entrypoint.errors import SourceError
from entrypoint.evaluate.cocoway import KEYS
from entrypoint.evaluate.evaluation import Evaluation, evaluate
from entrypoint.evaluate.figures import as_json
from entrypoint.evaluate.reading import read_truth
from entrypoint.evaluate.table import as_text
from entrypoint.evaluate.truth import Truth, match_files
from entrypoint.evaluate.yolov5way import IOUS
from entrypoint.values import Detection, Failure, Record
from tests.evaluate.scenes import NAMES, scenes, write_voc, write_yolo

NETWORK = ("car", "person", "bicycle", "never there", "never found", "of the network alone")


def as_network(record: Record) -> Record:
    """The record with the classes numbered as the network has them, not as the truth does."""
    if record.detections is None:
        return record
    return replace(
        record, detections=tuple(replace(one, class_id=NETWORK.index(one.name)) for one in record.detections)
    )


def evaluated(tmp_path: Path, truth: Any, records: list[Record], least: float | None = None) -> Evaluation:
    """Against a truth in COCO's format."""
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth))
    return evaluate(map(as_network, records), NETWORK, path, least)


def pycocotools(truth: Any, records: list[Record]) -> Any:
    """The evaluation by pycocotools."""
    from pycocotools.coco import COCO  # type: ignore[import-untyped]
    from pycocotools.cocoeval import COCOeval  # type: ignore[import-untyped]

    images = {image["file_name"]: image["id"] for image in truth["images"]}
    ids = {category["name"]: category["id"] for category in truth["categories"]}
    results = [
        {
            "image_id": images[record.file],
            "category_id": ids[one.name],
            "bbox": [one.box[0], one.box[1], one.box[2] - one.box[0], one.box[3] - one.box[1]],
            "score": one.confidence,
        }
        for record in records
        for one in record.detections or ()
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        real = COCO()
        real.dataset = truth
        real.createIndex()
        evaluation = COCOeval(real, real.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def test_the_twelve_numbers_and_each_class_are_those_of_pycocotools(tmp_path: Path) -> None:
    truth, records = scenes(500)
    ours, theirs = evaluated(tmp_path, truth, records).coco, pycocotools(truth, records)
    assert np.allclose([ours.numbers[key] for key in KEYS], theirs.stats, atol=1e-9)
    precision = theirs.eval["precision"][:, :, :, 0, 2]
    assert np.allclose(ours.precision, precision[0], atol=1e-9)
    means = [column.mean() if column.min() > -1 else -1 for column in np.moveaxis(precision, 2, 0)]
    assert np.allclose(ours.ap, means, atol=1e-9)
    assert ours.ap[NAMES.index("never there")] == -1


Detected = tuple[list[bool], list[float], list[int], list[int]]


def matched_one_by_one(truth: Any, records: list[Record], least_iou: float) -> Detected:
    """Whether each detection is right at that IoU, its confidence and class; and the class of each object.

    As val.py has it: a detection turns to the object of its class that it overlaps most, and of several detections that
    turn to one object the most confident is right.
    """
    correct, score, kind, there = [], [], [], []
    ids = [category["id"] for category in truth["categories"]]
    for image, record in zip(truth["images"], records, strict=True):
        objects = [one for one in truth["annotations"] if one["image_id"] == image["id"] and not one["iscrowd"]]
        taken = set()
        for found in record.detections or ():  # by falling confidence
            overlaps = [
                iou(one["bbox"], found.box) if ids.index(one["category_id"]) == found.class_id else 0.0
                for one in objects
            ]
            best = max(range(len(objects)), key=overlaps.__getitem__, default=None)
            right = best is not None and overlaps[best] >= least_iou and best not in taken
            taken |= {best} if right else set()
            correct.append(right)
            score.append(found.confidence)
            kind.append(found.class_id)
        there += [ids.index(one["category_id"]) for one in objects]
    return correct, score, kind, there


def iou(box: list[float], corners: tuple[float, float, float, float]) -> float:
    """Of a box with a width and height, and another with two corners."""
    x, y, width, height = box
    x1, y1, x2, y2 = corners
    overlap = max(0.0, min(x + width, x2) - max(x, x1)) * max(0.0, min(y + height, y2) - max(y, y1))
    return overlap / (width * height + (x2 - x1) * (y2 - y1) - overlap)


def area_below(correct: list[bool], objects: int) -> float:
    """Average precision at 101 recalls, of detections by falling confidence; 0 where there is none."""
    if not correct:
        return 0.0
    points = [(0.0, 1.0)]
    right = 0
    for seen, one in enumerate(correct, 1):
        right += one
        points.append((right / objects, right / seen))
    points.append((1.0, 0.0))
    envelope = [max(precision for _, precision in points[place:]) for place in range(len(points))]
    at = np.interp(np.linspace(0, 1, 101), [recall for recall, _ in points], envelope)
    return float((at[1:] + at[:-1]).sum() / 200)


def test_yolov5s_way_gives_each_detection_the_object_it_overlaps_most(tmp_path: Path) -> None:
    truth, records = scenes(150, seed=1)
    ours = evaluated(tmp_path, truth, records).yolov5
    assert np.isnan(ours.ap[NAMES.index("never there")]).all()
    for number, least_iou in enumerate(IOUS):
        correct, score, kind, there = matched_one_by_one(truth, records, least_iou)
        ranked = sorted(range(len(score)), key=lambda place: -score[place])
        for class_id in set(there):
            of_class = [correct[place] for place in ranked if kind[place] == class_id]
            expected = area_below(of_class, there.count(class_id))
            assert ours.ap[class_id, number] == pytest.approx(expected, abs=1e-3)


def test_the_best_threshold_is_the_best_of_all_that_there_are(tmp_path: Path) -> None:
    truth, records = scenes(60, seed=2)
    correct, score, kind, there = matched_one_by_one(truth, records, 0.5)

    def f1(threshold: float) -> float:
        kept = [place for place, value in enumerate(score) if value >= threshold and kind[place] == 0]
        return 2 * sum(correct[place] for place in kept) / (len(kept) + there.count(0))

    best = evaluated(tmp_path, truth, records).yolov5.best[0]
    assert best is not None
    assert best.f1 == pytest.approx(max(map(f1, score)))
    assert best.f1 == pytest.approx(f1(best.confidence))
    assert best.f1 == pytest.approx(2 * best.precision * best.recall / (best.precision + best.recall))


@pytest.mark.parametrize("write", [write_yolo, write_voc])
def test_the_same_truth_in_another_format_gives_the_same_numbers(tmp_path: Path, write: Any) -> None:
    truth, records = scenes(40, seed=3)
    for one in truth["annotations"]:
        one["iscrowd"] = 0
        one["area"] = one["bbox"][2] * one["bbox"][3]
    expected = evaluated(tmp_path, truth, records)
    ours = evaluate(map(as_network, records), NETWORK, write(truth, tmp_path / "other"), None)
    for key in KEYS:
        assert ours.coco.numbers[key] == pytest.approx(expected.coco.numbers[key], abs=1e-6)
    assert ours.yolov5.map == pytest.approx(expected.yolov5.map, abs=1e-6)


def test_images_are_found_when_truth_and_run_start_from_different_folders(tmp_path: Path) -> None:
    truth, records = scenes(30, seed=4)
    expected = evaluated(tmp_path, truth, records).coco.numbers
    deeper = [replace(record, file=f"images/val/{record.file}") for record in records]
    assert evaluated(tmp_path, truth, deeper).coco.numbers == expected
    for image in truth["images"]:
        image["file_name"] = f"/data/images/{image['file_name']}"
    assert evaluated(tmp_path, truth, records).coco.numbers == expected


def test_what_is_wrong_with_the_comparison_is_said(tmp_path: Path) -> None:
    truth, records = scenes(20, seed=5)
    records[0] = Record.failed(records[0].file, Failure("damaged", "x"))
    records[1] = replace(records[1], file="elsewhere.jpg")
    truth["categories"][4]["name"] = "strange"
    said = evaluated(tmp_path, truth, records, 0.25).warnings
    for words in ("0.25", "1 images of the truth", "1 images failed", "not in the truth and are left out", "'strange'"):
        assert any(words in line for line in said), words
    assert evaluated(tmp_path, *scenes(20, seed=5), 0.001).warnings == []


def test_an_image_without_a_label_file_counts_as_empty_and_that_is_said(tmp_path: Path) -> None:
    truth, records = scenes(20, seed=6)
    ours = evaluate(map(as_network, records), NETWORK, write_yolo(truth, tmp_path), None)
    assert len(ours.images) == 20
    assert any("count as images without objects" in line for line in ours.warnings)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ('{"images": [], "annotations": [], "categories": []}', "no image of the ground truth"),
        ('{"images": [{"id": 1, "file_name": "a b/00000.jpg"}], "annotations": [], "categories": []}', "no class"),
        ('{"images": [], "annotations": [{"image_id": 4}], "categories": []}', "cannot be read"),
    ],
)
def test_a_truth_that_cannot_be_used_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "truth.json"
    path.write_text(content)
    with pytest.raises(SourceError, match=said):
        evaluate(scenes(3)[1], NAMES, path, None)


def test_xml_that_declares_entities_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>')
    with pytest.raises(SourceError, match="entities"):
        evaluate(scenes(3)[1], NAMES, tmp_path, None)


def test_voc_files_of_one_name_are_told_by_their_folders(tmp_path: Path) -> None:
    """As labelImg writes them: <filename> has no folder, and images in two folders have the same names."""
    names: tuple[str, ...] = ("cat", "dog")
    for folder, name in (("a", "cat"), ("b", "dog")):
        (tmp_path / folder).mkdir()
        box = "<xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax>"
        text = f"<filename>1.jpg</filename><object><name>{name}</name><bndbox>{box}</bndbox></object>"
        (tmp_path / folder / "1.xml").write_text(f"<annotation>{text}</annotation>")
    truth = read_truth(tmp_path, names)
    found = {file: truth.names[truth.images[image].class_id[0]] for file, image in by_file(truth).items()}
    assert found == {"x/a/1.jpg": "cat", "x/b/1.jpg": "dog"}

    (tmp_path / "a" / "2.xml").write_bytes((tmp_path / "a" / "1.xml").read_bytes())
    with pytest.raises(SourceError, match=r"a/1\.jpg: two annotations have this <filename>"):
        read_truth(tmp_path, names)


def by_file(truth: Truth) -> dict[str, str]:
    return match_files(truth, ["x/a/1.jpg", "x/b/1.jpg"]).by_file


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-1 0.5 0.5 0.1 0.1", "class -1"),
        ("0 0.5 0.5 -0.1 0.1", "negative"),
        ("inf 0.5 0.5 0.1 0.1", "class inf"),
        ("9 0.5 0.5 0.1 0.1", "class 9, but the 5 classes have the numbers 0 to 4"),
        ("0 nan 0.5 0.1 0.1", "no number"),
        ("0 0.5 inf 0.1 0.1", "no number"),
        ("0 0.5 0.5", "values to unpack"),
        ("a 0.5 0.5 0.1 0.1", "'a'"),
    ],
)
def test_a_label_that_is_no_box_is_refused_and_its_file_named(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "labels" / "b").mkdir(parents=True)
    (tmp_path / "labels" / "b" / "x.txt").write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(SourceError, match=rf"labels/b/x\.txt: .*{said}"):
        read_truth(tmp_path, NAMES)


def test_an_image_for_which_two_labels_come_into_question_is_left_out(tmp_path: Path) -> None:
    """Train and validation images of one stem: the labels of neither are taken for those of the other."""
    for part in ("train", "val"):
        (tmp_path / "labels" / part).mkdir(parents=True)
        (tmp_path / "labels" / part / "x.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (tmp_path / "labels" / "val" / "y.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    truth = read_truth(tmp_path, NAMES)
    unclear = match_files(truth, ["x.jpg", "y.jpg"])
    assert (unclear.by_file, unclear.unclear_files) == ({"y.jpg": "val/y"}, {"x.jpg"})
    assert sorted(unclear.unclear) == ["train/x", "val/x"] and unclear.without_file == []
    clear = match_files(truth, ["val/x.jpg", "y.jpg"])
    assert (clear.by_file, clear.without_file) == ({"val/x.jpg": "val/x", "y.jpg": "val/y"}, ["train/x"])
    several = match_files(truth, ["a/val/y.jpg", "b/val/y.jpg", "val/x.jpg"])
    assert (several.unclear, several.unclear_files) == (["val/y"], {"a/val/y.jpg", "b/val/y.jpg"})
    found = Record("x.jpg", 100, 100, (Detection(NAMES[0], 0, 0.9, (45, 45, 55, 55)),))
    other = replace(found, file="y.jpg")
    ours = evaluate([found, other], NAMES, tmp_path, None)
    assert [image.file for image in ours.images] == ["y.jpg"]
    assert any("which of the run's they are is unclear" in line for line in ours.warnings)


def test_labels_have_the_numbers_of_the_names_that_lie_above_them(tmp_path: Path) -> None:
    (tmp_path / "labels" / "val").mkdir(parents=True)
    (tmp_path / "labels" / "val" / "x.txt").write_text("2 0.5 0.5 0.1 0.1\n")
    (tmp_path / "data.yaml").write_bytes(b"\xef\xbb\xbfnames:\n  1: person\n  2: car\n")
    for place in (tmp_path, tmp_path / "labels" / "val", tmp_path / "data.yaml"):
        truth = read_truth(place, ("a", "b", "c"))
        assert (truth.names, truth.ids, truth.is_named) == (("person", "car"), (1, 2), True)
        assert [list(found.class_id) for found in truth.images.values()] == [[1]]
    (tmp_path / "data.yaml").unlink()
    truth = read_truth(tmp_path, ("car", "person", "car"))
    assert (truth.names, truth.is_named) == (("car", "person", "car"), False)


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    truth, _ = scenes(3)
    truth["images"][1]["file_name"] = truth["images"][0]["file_name"]
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(truth))
    with pytest.raises(SourceError, match="two images have this file_name"):
        read_truth(path, NAMES)


def test_the_worst_images_come_first_and_the_counts_add_up(tmp_path: Path) -> None:
    truth, records = scenes(80, seed=7)
    ours = evaluated(tmp_path, truth, records)
    mistakes = [len(image.mistakes) for image in ours.worst]
    assert mistakes == sorted(mistakes, reverse=True) and mistakes[-1] > 0
    for image in ours.images:
        right, wrong, missed = image.mistakes.right, image.mistakes.wrong, image.mistakes.missed
        kept = image.found.score >= ours.threshold
        assert not (right & wrong).any() and not ((right | wrong) & ~kept).any()
        assert right.sum() + missed.sum() == len(image.objects) - image.objects.crowd.sum()


def test_confusion_counts_every_object_in_its_row(tmp_path: Path) -> None:
    truth, records = scenes(80, seed=8)
    matrix = np.array(as_json(evaluated(tmp_path, truth, records))["confusion"]["matrix"])
    ids = [category["id"] for category in truth["categories"]]
    counts = [sum(one["category_id"] == id_ and not one["iscrowd"] for one in truth["annotations"]) for id_ in ids]
    assert matrix.sum(1)[:-1].tolist() == counts


def test_json_is_standard_and_the_text_names_both_ways(tmp_path: Path) -> None:
    ours = evaluated(tmp_path, *scenes(20, seed=9), 0.25)
    json.dumps(as_json(ours), allow_nan=False)
    text = as_text(ours)
    assert "COCO's way:" in text and "YOLOv5's val.py:" in text and "--conf-thres" in text and "Note: " in text


@pytest.mark.parametrize("found", [(), (Detection("car", 3, 0.5, (1.0, 1.0, 2.0, 2.0)),)], ids=["nothing", "something"])
def test_a_truth_without_objects_gives_numbers_that_are_not_defined(tmp_path: Path, found: Any) -> None:
    truth, _ = scenes(1)
    truth["annotations"] = []
    ours = evaluated(tmp_path, truth, [Record("a b/00000.jpg", 640, 480, found)])
    assert as_json(ours)["coco"]["AP"] is None
    assert as_json(ours)["yolov5"]["mAP50"] == 0
    as_text(ours)
