"""An error that nobody expected fails the input that it concerns, wherever a library raises it, and no other input."""

import errno
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import Ended, records
from tests.videos import moving

MARK = b"the victim"
SCENES = [path.read_bytes() for path in sorted(DEMO_SCENES.iterdir())]


class UnforeseenError(Exception):
    """None of the errors that the program knows."""


def photograph() -> bytes:
    file = io.BytesIO()
    Image.open(io.BytesIO(SCENES[0])).convert("RGB").save(file, "JPEG", exif=Image.Exif())
    return file.getvalue() + MARK + b"\xff\xd9"


def heic() -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.open(io.BytesIO(SCENES[0])).convert("RGB")).save(file)
    return file.getvalue() + MARK


def zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.png", data)
    return file.getvalue()


def tarred(data: bytes, mode: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, one in {"w.png": SCENES[1], "x.png": data, "y.png": SCENES[2]}.items():
            member = tarfile.TarInfo(name)
            member.size = len(one)
            archive.addfile(member, io.BytesIO(one))
    return file.getvalue()


def of_mark(*arguments: Any) -> bool:
    """Whether what a call is given are bytes of the victim."""
    for one in arguments:
        data = one.tobytes() if isinstance(one, np.ndarray) else one
        if isinstance(data, bytes) and MARK in data:
            return True
    return False


def of_name(*arguments: Any) -> bool:
    """Whether what a call is given names the victim."""
    return any(
        "victim" in str(getattr(one, name, "")) for one in arguments for name in ("file", "path", "medium", "_path")
    ) or any("victim" in one for one in arguments if isinstance(one, str))


def any_call(*_: Any) -> bool:
    return True


@dataclass(frozen=True)
class Seam:
    """Where a library reads or writes for one input: `place` is to raise for the victim, told by its arguments."""

    place: str
    name: str
    data: bytes
    is_victim: Callable[..., bool]
    options: tuple[str, ...] = ()


PNG = SCENES[0] + MARK
NARROW = cv2.imencode(".png", np.full((77, 13, 3), 9, np.uint8))[1].tobytes()
SOURCES, ARCHIVES = "entrypoint.sources", "entrypoint.sources.archives"
FORMATS = "entrypoint.results.formats"


def second(_: Any, number: int, *__: Any) -> bool:
    """Whether an archive is asked for its second member."""
    return number == 1


def narrow(_: Any, image: np.ndarray) -> bool:
    return image.shape == (77, 13, 3)


SEAMS = {
    "recognition": Seam(f"{SOURCES}.kinds.by_content", "victim", PNG, any_call),
    "reading": Seam(f"{SOURCES}.extent.InputFile.read", "victim.png", PNG, of_name),
    "hash": Seam(f"{SOURCES}.unmoving.hashlib.sha256", "victim.png", PNG, of_mark),
    "decoder": Seam("cv2.imdecode", "victim.png", PNG, of_mark),
    "HEIC decoder": Seam("pillow_heif.open_heif", "victim.heic", heic(), of_mark),
    "EXIF": Seam(f"{SOURCES}.unmoving.read_exif", "victim.jpg", photograph(), of_mark, ("--exif", "all")),
    "list of an archive": Seam(f"{ARCHIVES}.zipmembers.entries", "victim.zip", zipped(PNG), any_call),
    "zip": Seam(f"{ARCHIVES}.zipmembers.unpacked", "victim.zip", zipped(PNG), any_call),
    "tar": Seam(f"{ARCHIVES}.member.Archive.read", "victim.tar", tarred(PNG, "w"), second),
    "compressed tar": Seam(f"{ARCHIVES}.tarmembers._Pass.unpack", "victim.tar.gz", tarred(PNG, "w:gz"), second),
    "letterbox": Seam("entrypoint.detect.letterbox.Letterbox.apply", "victim.png", NARROW, narrow),
    "annotated image": Seam(f"{FORMATS}.images.Images.write", "victim.png", PNG, of_name),
    "thumbnail": Seam(f"{FORMATS}.thumbnails.Thumbnails.write", "victim.png", PNG, of_name),
    "crops": Seam(f"{FORMATS}.crops.Crops.write", "victim.png", PNG, of_name, ("--save-crop",)),
    "label": Seam(f"{FORMATS}.json.Json.write", "victim.png", PNG, of_name),
    "VOC": Seam(f"{FORMATS}.voc.Voc.write", "victim.png", PNG, of_name, ("--format", "voc")),
}
VIDEO_SEAMS = {
    "video container": "av.open",
    "video decoder": "entrypoint.sources.decoding.Decoding._decoded",
    "pixels of a frame": "entrypoint.sources.video._upright",
    "hash of a video": "entrypoint.sources.extent.Extent.sha256",
    "video encoder": "entrypoint.results.videoencoder.VideoEncoder.write",
    "pieces of a video": "entrypoint.results.videoresults.join",
    "small pictures of a video": "entrypoint.results.report.tiles.Tiles.add",
}


def break_it(monkeypatch: pytest.MonkeyPatch, place: str, when: Callable[..., bool]) -> None:
    """Have what stands at `place` raise for the victim."""
    target, _, name = place.rpartition(".")
    try:
        owner: Any = import_module(target)
    except ImportError:
        module, _, inner = target.rpartition(".")
        owner = getattr(import_module(module), inner)
    usual = getattr(owner, name)

    def unforeseen(*arguments: Any, **named: Any) -> Any:
        if when(*arguments):
            raise UnforeseenError("nobody knows me")
        return usual(*arguments, **named)

    monkeypatch.setattr(owner, name, unforeseen)


def assert_only_the_victim_fails(ended: Ended, run: Path) -> None:
    found = records(run)
    failed = {file: record["failure"] for file, record in found.items() if record["failure"]}
    assert ended.code == 5, ended.stderr
    assert len(failed) == 1 and "victim" in next(iter(failed))
    assert next(iter(failed.values())).startswith("defect: cannot ")
    assert "UnforeseenError: nobody knows me" in next(iter(failed.values()))
    assert "by a defect of this program: UnforeseenError: nobody knows me (test_unforeseen.py:" in ended.stderr
    assert all(record["detections"] for file, record in found.items() if file not in failed)
    assert {"a.png", "z.png"} <= found.keys()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(SCENES[1])
    (tmp_path / "in" / "z.png").write_bytes(SCENES[2])
    return tmp_path / "in"


@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize("seam", SEAMS)
def test_an_error_in_a_seam_fails_one_input(
    yolo_bac: Callable[..., Ended],
    monkeypatch: pytest.MonkeyPatch,
    source: Path,
    tmp_path: Path,
    seam: str,
    batch_size: int,
) -> None:
    this = SEAMS[seam]
    (source / this.name).write_bytes(this.data)
    break_it(monkeypatch, this.place, this.is_victim)
    options = ["--batch-size", batch_size, *this.options]
    ended = yolo_bac("--demo", "--source", source, "--project", tmp_path, *options)
    assert_only_the_victim_fails(ended, tmp_path / "exp")


@pytest.mark.parametrize("seam", VIDEO_SEAMS)
def test_an_error_in_a_seam_of_videos_fails_one_video(
    yolo_bac: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, source: Path, tmp_path: Path, seam: str
) -> None:
    moving(source / "victim.mp4", 5)
    break_it(monkeypatch, VIDEO_SEAMS[seam], any_call)
    ended = yolo_bac("--demo", "--source", source, "--project", tmp_path)
    assert_only_the_victim_fails(ended, tmp_path / "exp")


def test_an_error_while_earlier_results_are_looked_up_has_the_input_looked_at(
    yolo_bac: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, source: Path, tmp_path: Path
) -> None:
    assert yolo_bac("--demo", "--source", source, "--project", tmp_path, "--name", "before").code == 0
    (source / "victim.png").write_bytes(PNG)
    break_it(monkeypatch, "entrypoint.sources.extent.Extent.sha256", any_call)
    options = ["--previous", tmp_path / "before"]
    assert yolo_bac("--demo", "--source", source, "--project", tmp_path, *options).code == 0
    assert all(record["detections"] for record in records(tmp_path / "exp").values())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "may be open at once (ulimit -n"),
        (RuntimeError("can't start new thread"), "processes and threads"),
    ],
    ids=["files", "threads"],
)
def test_a_limit_that_no_input_can_help_ends_the_run_and_names_the_limit(
    yolo_bac: Callable[..., Ended],
    monkeypatch: pytest.MonkeyPatch,
    source: Path,
    tmp_path: Path,
    error: Exception,
    words: str,
) -> None:
    def out_of_it(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(cv2, "imdecode", out_of_it)
    ended = yolo_bac("--demo", "--source", source, "--project", tmp_path)
    assert ended.code == 7 and words in ended.stderr
    status = json.loads((tmp_path / "exp" / "status.json").read_bytes())
    assert (status["state"], status["exit_code"]) == ("failed", 7)
