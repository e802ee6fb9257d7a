"""Formats: what they declare is all that the program knows of them."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from entrypoint.inputstate import InputState
from entrypoint.results import formats
from entrypoint.results.claim import claim
from entrypoint.results.encode import encode_image
from entrypoint.results.formats import all_formats, clash
from entrypoint.results.formats.base import InputFormat, RunFormat
from entrypoint.results.imagenames import WRITTEN_IN_COLOUR
from entrypoint.results.results import Results
from entrypoint.results.runstatus import RunStatus
from entrypoint.settings import Settings
from entrypoint.sources.samples import DEMO_SCENES
from entrypoint.sources.suffixes import IMAGE_SUFFIXES
from entrypoint.values import Record
from entrypoint.videofacts import VideoFacts
from tests.conftest import ROOT, Ended

Run = Callable[..., Ended]


def test_each_says_what_it_is() -> None:
    found = {kind.name: (kind.option, kind.default, kind.level) for kind in all_formats()}
    assert found == {
        "images": ("--nosave", True, "frame"),
        "crops": ("--save-crop", False, "frame"),
        "txt": ("--save-txt", False, "frame"),
        "json": (None, True, "medium"),
        "predictions": (None, True, "run"),
        "coco": (None, True, "run"),
        "csv": ("--save-csv", False, "run"),
        "jsonl": (None, False, "run"),
        "parquet": (None, False, "run"),
        "yolo": (None, False, "medium"),
        "voc": (None, False, "medium"),
        "cvat": (None, False, "run"),
        "labelstudio": (None, False, "run"),
        "coco-results": (None, False, "run"),
        "megadetector": (None, False, "run"),
        "thumbnails": (None, True, "frame"),
        "report": ("--no-report", True, "run"),
        "videos": ("--nosave", True, "medium"),
        "frames": (None, True, "medium"),
        "save-frames": ("--save-frames", False, "frame"),
    }
    assert all(kind.help.endswith(".") for kind in all_formats())
    assert all_formats()[-1].name == "images", "the one that draws on the shared image comes last"


def test_declarations_import_no_library_that_draws_or_computes() -> None:
    code = (
        "import sys\n"
        "from entrypoint.results.formats import all_formats\n"
        "assert len(all_formats()) == 20\n"
        "assert not {'av', 'cv2', 'torch', 'onnxruntime', 'polars', 'jinja2'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_places_of_two_formats_never_meet() -> None:
    places = [
        path
        for kind in all_formats()
        if issubclass(kind, InputFormat)
        for path in kind.places(Record("a/x.tif", 9, 9, ()))
    ]
    assert len(places) == len(set(places)) > 3
    files = [kind.file for kind in all_formats() if issubclass(kind, RunFormat)]
    assert len(files) == len(set(files)) == 3


def test_places_of_formats_of_videos_never_meet() -> None:
    facts = VideoFacts(25, 3, 3, 0.12)
    places = [
        path
        for kind in all_formats()
        if issubclass(kind, InputFormat)
        for path in kind.places(Record("a/x.avi", 9, 9, (), video=facts))
    ]
    assert len(places) == len(set(places))
    assert {"images/a/x.avi.mp4", "video-frames/a/x.avi.jsonl", "labels/a/x.avi/x_3.txt"} <= set(places)


def test_what_is_written_in_colour_is_what_opencv_writes() -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    written = {suffix for suffix in IMAGE_SUFFIXES if encode_image(suffix, image, 95)}
    assert written == WRITTEN_IN_COLOUR


@pytest.mark.parametrize(
    ("file", "other", "expected"),
    [
        ("x", "x.jpg", True),  # images/x.jpg
        ("x.mpo", "x.mpo.jpg", True),
        ("x.heic", "x.heic.png", True),
        ("x.jpg", "x.jpg.jpg", False),
        ("a.png", "a.png.json/b.png", True),  # labels/a.png.json
        ("a.png", "a.png.json", True),
        ("a.png", "a.png.jsons/b.png", False),
        ("bus.jpg", "bus.jpg.0.jpg/q.jpg", True),  # crops/<class>/bus.jpg.0.jpg
        ("bus.jpg", "bus.jpg.17.jpg/a/q.jpg", True),
        ("bus.jpg", "bus.jpg.0.jpg", False),
        ("bus.jpg", "bus.jpg.x.jpg/q.jpg", False),
        ("a", "a/b.jpg", False),
        ("a.jpg", "a.jpg", False),
    ],
)
def test_results_that_would_be_in_the_way_of_anothers(file: str, other: str, expected: bool) -> None:
    assert clash(file, other) == expected


def test_coco_waits_on_the_output_folder_not_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/nowhere")
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    folder = claim(tmp_path, "exp", {})
    results = Results(folder, Settings(), ("a",), ["a.jpg"])
    results.finish(0, Record("a.jpg", 9, 9, ()), InputState(1, 2, 3, 4))
    results.write_run(RunStatus.claimed({}), lambda index: None)
    folder.close()
    assert json.loads((tmp_path / "exp" / "coco.json").read_bytes())["images"][0]["file_name"] == "a.jpg"


SIZES = '''
"""sizes/<path>.size and sizes.txt: a format of its own, as a stranger would add one."""
from contextlib import contextmanager
from entrypoint.results.formats.base import MediumFormat, RunFormat
from entrypoint.results.paths import result_path


class Size(MediumFormat):
    name = "size"
    help = "The size of each image."
    default = True
    folder = "sizes"

    @classmethod
    def suffixes(cls, file):
        return (".size",)

    def write(self, record, line, leave):
        leave(result_path(self.folder, record.file, ".size"), f"{record.width} x {record.height}".encode())


class Sizes(RunFormat):
    name = "sizes"
    help = "All of them."
    default = True
    file = "sizes.txt"

    @contextmanager
    def writing(self, file, info, scratch):
        yield lambda record: file.write(f"{record.file} {record.width}\\n".encode())
'''


@pytest.fixture
def sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One more format, by one more file."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "sizes.py").write_text(SIZES)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path / "more")])
    all_formats.cache_clear()
    yield
    all_formats.cache_clear()
    sys.modules.pop("entrypoint.results.formats.sizes", None)


@pytest.mark.usefixtures("sizes")
def test_a_new_format_is_one_new_file(yolo_bac: Run, tmp_path: Path) -> None:
    command = ["--demo", "--imgsz", 64, "--engine", "onnx", "--source", DEMO_SCENES, "--project", tmp_path / "out"]
    assert yolo_bac(*command).code == 0
    run = tmp_path / "out" / "exp"
    assert (run / "sizes" / "scene-1.png.size").read_text() == "320 x 320"
    assert len((run / "sizes.txt").read_text().splitlines()) == 6

    status = json.loads((run / "status.json").read_bytes())
    assert {"size", "sizes"} <= set(status["formats"]) and {"sizes/", "sizes.txt"} <= set(status["left"])
    (run / "status.json").write_text(json.dumps(status | {"state": "running"}))
    (run / "sizes" / "scene-2.png.size").unlink()
    assert yolo_bac(*command).code == 0, "resume makes what is missing"
    assert (run / "sizes" / "scene-2.png.size").exists()
    assert json.loads((run / "status.json").read_bytes())["counts"]["reused"] == 5

    for index in range(2):
        assert yolo_bac(*command, "--name", "parts", "--shard", f"{index}/2").code == 0
    assert yolo_bac("merge", tmp_path / "out" / "parts", "--project", tmp_path / "out").code == 0
    merged = tmp_path / "out" / "merged"
    assert {path.name: path.read_bytes() for path in (merged / "sizes").iterdir()} == {
        path.name: path.read_bytes() for path in (run / "sizes").iterdir()
    }
    assert (merged / "sizes.txt").read_bytes() == (run / "sizes.txt").read_bytes()

    assert yolo_bac(*command, "--exist-ok", "--conf-thres", "0.9").code == 0
    assert (run / "sizes" / "scene-1.png.size").exists()
    (run / "sizes" / "scene-1.png.size").unlink()
    (run / "sizes" / "scene-1.png.size").write_text("theirs, of the same name")
    (run / "records.jsonl").write_text("")
    ended = yolo_bac(*command, "--exist-ok", "--conf-thres", "0.8")
    assert ended.code == 6 and "is in the way" in ended.stderr


def test_no_format_is_known_by_name_elsewhere() -> None:
    """Nothing but a format's own file has its folder's or its file's name."""
    names = [f'"{kind.file}"' for kind in all_formats() if issubclass(kind, RunFormat)]
    names += [f'"{kind.folder}"' for kind in all_formats() if issubclass(kind, InputFormat)]
    for path in (ROOT / "entrypoint").rglob("*.py"):
        # Datasets that people have are laid out alike, JSON has such words as keys, and networks as names of inputs.
        if path.parent.name not in ("formats", "report", "evaluate") and "weights" not in path.parts:
            text = path.read_text()
            assert not [name for name in names if name in text], path


def test_a_format_is_asked_for_and_left_out_by_its_name(yolo_bac: Run, tmp_path: Path) -> None:
    ended = yolo_bac(
        "--demo", "--project", tmp_path, "--format", "csv,txt", "no-json", "no-images", "--no-report", "--imgsz", 64
    )
    assert ended.code == 0, ended.stderr
    left = {path.name for path in (tmp_path / "exp").iterdir()}
    tables = {"predictions.csv", "detections.csv", "images.csv"}
    assert left == {"status.json", "records.jsonl", "predictions.json", "coco.json", "labels"} | tables
    assert {path.suffix for path in (tmp_path / "exp" / "labels").iterdir()} == {".txt"}


def test_a_name_that_is_no_format_is_wrong_usage(yolo_bac: Run, tmp_path: Path) -> None:
    ended = yolo_bac("--demo", "--project", tmp_path, "--format", "csv,yaml")
    assert ended.code == 2 and "--format yaml: expected names of coco, coco-results, crops, csv" in ended.stderr
    assert not any(tmp_path.iterdir())
