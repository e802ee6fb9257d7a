"""Every kind of media × every name of the weights × every fate of the outputs: what is to happen, and what did.

What is to be found is known from how the data are made, and from the drawn scenes' ground truth.
"""

import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entrypoint.sources.samples import DEMO_IMGSZ, DEMO_SCENES, DEMO_WEIGHTS
from tests.bacalhau_node.inputs import Source, empty_partition, ipfs, local, s3, url
from tests.bacalhau_node.node import Execution, Job, Node
from tests.bacalhau_node.publish import Publisher

SHAPES: dict[str, int] = {
    scene: len(shapes) for scene, shapes in json.loads((DEMO_SCENES.parent / "truth.json").read_bytes()).items()
}
"""How many shapes are drawn on each scene."""

TREE = {
    "scene-1.png": "scene-1.png",
    "a/scene-2.png": "scene-2.png",
    "a/b c/größe.png": "scene-3.png",
    "a/b c/no suffix": "scene-4.png",
}
DANGLING = "a/gone.jpg"


@dataclass(frozen=True, slots=True)
class Media:
    """A kind of input at /datasets: the shapes to be found by file (None: the name is the node's), and what fails."""

    make: Callable[[Path], Source]
    shapes: dict[str | None, int]
    failures: frozenset[str] = frozenset()


_TREE_SHAPES: dict[str | None, int] = {file: SHAPES[scene] for file, scene in TREE.items()}
_SCENE = DEMO_SCENES / "scene-5.png"

MEDIA = {
    "URL, own name": Media(lambda data: url(_SCENE, "a photo.png"), {"a photo.png": SHAPES[_SCENE.name]}),
    "URL, UUID": Media(lambda data: url(_SCENE), {None: SHAPES[_SCENE.name]}),
    "CID of a file": Media(lambda data: ipfs(_SCENE), {"datasets": SHAPES[_SCENE.name]}),
    "CID of a tree, dangling links": Media(
        lambda data: ipfs(data / "linked"), _TREE_SHAPES, failures=frozenset((DANGLING,))
    ),
    "S3, 0700": Media(lambda data: s3(data / "tree"), _TREE_SHAPES),
    "S3, empty partition": Media(lambda data: empty_partition(), {}),
    "local, read-only, dangling links": Media(
        lambda data: local(data / "linked"), _TREE_SHAPES, failures=frozenset((DANGLING,))
    ),
    "local file, read-only": Media(lambda data: local(_SCENE), {"datasets": SHAPES[_SCENE.name]}),
}

WEIGHTS: dict[str, Callable[[Path], Source]] = {
    "URL, own name": lambda data: url(DEMO_WEIGHTS, "yolov5s.pt"),
    "URL, UUID": lambda data: url(DEMO_WEIGHTS),
    "URL, odd name": lambda data: url(DEMO_WEIGHTS, "poids é 最终 (2).jpg"),
    "CID of a file": lambda data: ipfs(DEMO_WEIGHTS),
    "CID of a tree, dangling links": lambda data: ipfs(data / "training"),
    "S3, deep": lambda data: s3(data / "training"),
    "local file, read-only": lambda data: local(DEMO_WEIGHTS),
}

OUTPUTS: dict[str, tuple[bool, Publisher]] = {
    "local": (True, "local"),
    "IPFS": (True, "ipfs"),
    "undeclared": (False, "local"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A combination, by the keys of MEDIA, WEIGHTS and OUTPUTS."""

    media: str
    weights: str
    outputs: str


def all_rows() -> Iterator[Row]:
    """Every combination."""
    return itertools.starmap(Row, itertools.product(MEDIA, WEIGHTS, OUTPUTS))


def each_kind_once() -> Iterator[Row]:
    """As few rows as hold each kind at least once."""
    longest = max(len(MEDIA), len(WEIGHTS), len(OUTPUTS))
    kinds = zip(itertools.cycle(MEDIA), itertools.cycle(WEIGHTS), itertools.cycle(OUTPUTS), strict=True)
    return itertools.starmap(Row, itertools.islice(kinds, longest))


def make_data(folder: Path) -> Path:
    """A tree of scenes, the same with dangling links, and a training's results with the checkpoint deep down."""
    for file, scene in TREE.items():
        (folder / "tree" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(DEMO_SCENES / scene, folder / "tree" / file)
    (folder / "tree" / "a" / "notes.txt").write_text("not an image\n")
    shutil.copytree(folder / "tree", folder / "linked")
    for link in (DANGLING, "nowhere"):
        (folder / "linked" / link).symlink_to("/cid/of/another/node")
    deep = folder / "training" / "runs" / "train" / "exp 3" / "weights"
    deep.mkdir(parents=True)
    shutil.copyfile(DEMO_WEIGHTS, deep / "best.pt")
    (deep / "last.pt").symlink_to("gone.pt")
    (folder / "training" / "runs" / "results.csv").write_text("epoch,map\n1,0.9\n")
    return folder


def job(row: Row, data: Path) -> Job:
    """The job of a combination; `data` as make_data makes it."""
    declared, publisher = OUTPUTS[row.outputs]
    return Job(
        arguments=("--imgsz", str(DEMO_IMGSZ)),
        inputs={"/inputs": WEIGHTS[row.weights](data), "/datasets": MEDIA[row.media].make(data)},
        outputs=declared,
        publisher=publisher,
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a row's execution did; `faults`: where that is not what was to happen."""

    row: Row
    execution: Execution
    faults: list[str]


def outcome(row: Row, data: Path, node: Node) -> Outcome:
    """Run a row's job and judge it."""
    execution = node.run(job(row, data))
    return Outcome(row, execution, list(_faults(row, execution)))


def _faults(row: Row, execution: Execution) -> Iterator[str]:
    media = MEDIA[row.media]
    if execution.code != (5 if media.failures else 0):
        yield f"exit code {execution.code}: {execution.stderr[:300]}"
        return
    if execution.changed_inputs():
        yield f"inputs have changed: {execution.changed_inputs()}"
    counts = f"{len(media.shapes) + len(media.failures)} image"
    if (counts if media.shapes else "Nothing to do") not in execution.stdout.partition("\n")[0]:
        yield f"stdout begins with {execution.stdout[:80]!r}"
    warned = "lost with the container" in execution.stderr.partition("\n")[0]
    if warned is (declared := OUTPUTS[row.outputs][0]):
        yield f"stderr begins with {execution.stderr[:80]!r}"
    if execution.dropped:
        yield f"not published: {', '.join(execution.dropped)}"
    if declared:
        yield from _wrong_records(media, execution.outputs / "exp")


def _wrong_records(media: Media, run: Path) -> Iterator[str]:
    records: list[dict[str, Any]] = json.loads((run / "predictions.json").read_bytes())["images"]
    failures = {record["file"] for record in records if record["failure"] is not None}
    if failures != media.failures:
        yield f"failed: {sorted(failures)}"
    found = {record["file"]: len(record["detections"]) for record in records if record["failure"] is None}
    for file in found:
        if not (run / "images" / file).is_file() and not (run / "images" / f"{file}.jpg").is_file():
            yield f"no annotated image of {file}"
    if None in media.shapes and len(found) == 1:
        found = dict(zip(media.shapes, found.values(), strict=True))
    if found != media.shapes:
        yield f"found: {found}"


def lines(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """The table as text, a line an outcome, as they come."""
    widths = [max(map(len, kinds)) for kinds in (MEDIA, WEIGHTS, OUTPUTS)]

    def line(*cells: str) -> str:
        return "  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)), *cells[3:]])

    yield line("media", "weights", "outputs", "exit", "what happened")
    for found in outcomes:
        row, execution = found.row, found.execution
        said = "; ".join(found.faults) or execution.stdout.partition("\n")[0]
        verdict = "FAULT: " * bool(found.faults) + said
        yield line(row.media, row.weights, row.outputs, f"{execution.code!s:>4}", verdict)
