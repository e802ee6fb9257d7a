"""A new kind of media is one class: a job finds its files, looks at every frame, and knows it again when continued."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from entrypoint.inputstate import InputState
from entrypoint.sources import kinds
from entrypoint.sources.kinds.still import Still
from entrypoint.sources.medium import FileMedium, Frame, ReadOptions, first_image
from entrypoint.sources.samples import DEMO_SCENES
from entrypoint.sources.scan import scan
from entrypoint.values import Failure
from tests.conftest import Ended, records

Run = Callable[..., Ended]


class Stack(FileMedium):
    """An array of images in NumPy's format, two a second."""

    __slots__ = ()
    suffixes = frozenset([".npy"])

    @classmethod
    def recognises(cls, head: bytes) -> bool:
        return head.startswith(b"\x93NUMPY")

    def frames(self) -> Iterator[Frame | Failure]:
        with self.opened() as file:
            if isinstance(file, Failure):
                yield file
                return
            try:
                images = np.load(f"/proc/self/fd/{file.descriptor}", mmap_mode="r")
            except ValueError as error:
                yield Failure("damaged", str(error))
                return
            for index, image in enumerate(images):
                if not image.any():
                    yield Failure("damaged", f"frame {index} is black")
                yield Frame(index, index / 2, np.array(image))


@pytest.fixture(autouse=True)
def stacks(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds.by_suffix(".png")  # those that are there have registered themselves
    monkeypatch.setattr(kinds, "_KINDS", list(kinds._KINDS))
    kinds.register(Stack)


def scenes() -> list[np.ndarray]:
    found = [cv2.imread(str(path)) for path in sorted(DEMO_SCENES.iterdir())]
    return [cv2.resize(scene, (320, 320)) for scene in found if scene is not None]


@pytest.mark.parametrize("batch", [1, 4], ids=["one by one", "in batches"])
def test_a_job_looks_at_every_frame_of_a_new_kind(yolo_bac: Run, tmp_path: Path, batch: int) -> None:
    source, stills = tmp_path / "in", tmp_path / "stills"
    source.mkdir()
    stills.mkdir()
    frames = scenes()
    for number, scene in enumerate(frames):
        cv2.imwrite(str(stills / f"{number}.png"), scene)
    np.save(source / "a.npy", np.array(frames * 3))
    (source / "without-suffix").write_bytes((source / "a.npy").read_bytes())
    np.save(source / "dark.npy", np.array([frames[0], frames[0] * 0, frames[1]]))
    (source / "b.npy").write_bytes(b"\x93NUMPY and no more")
    cv2.imwrite(str(source / "c.png"), frames[0])
    options = ["--demo", "--batch-size", batch, "--project", tmp_path]
    assert yolo_bac(*options, "--source", source).code == 5
    assert yolo_bac(*options, "--source", stills, "--name", "alone").code == 0
    found, alone = records(tmp_path / "exp"), records(tmp_path / "alone")
    assert list(found) == ["a.npy", "b.npy", "c.png", "dark.npy", "without-suffix"]
    expected = [
        one | {"frame": frame, "time": frame / 2}
        for frame in range(3 * len(frames))
        for one in alone[f"{frame % len(frames)}.png"]["detections"]
    ]
    assert len(expected) > len(frames)
    assert found["a.npy"]["detections"] == found["without-suffix"]["detections"] == expected
    assert (found["a.npy"]["width"], found["a.npy"]["height"]) == (320, 320)
    assert found["dark.npy"]["failure"] == "damaged: frame 1 is black"
    assert found["b.npy"]["failure"].startswith("damaged: ")
    assert found["c.png"]["detections"] == alone["0.png"]["detections"]

    status = tmp_path / "exp" / "status.json"
    status.write_text(json.dumps(json.loads(status.read_bytes()) | {"state": "stopped"}))
    assert yolo_bac(*options, "--source", source).code == 5
    assert json.loads(status.read_bytes())["counts"]["reused"] == 3


def test_the_kind_of_a_file_is_known_by_suffix_and_by_content() -> None:
    assert kinds.by_suffix(".npy") is Stack and kinds.by_suffix(".png") is Still and kinds.by_suffix(".txt") is None
    assert kinds.by_content(b"\x93NUMPY") is Stack and kinds.by_content(b"\xff\xd8\xff\xe0") is Still
    assert kinds.by_content(b"hello") is None


def test_a_file_that_changes_has_another_state(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    medium = Still(0, "a.png", str(path), ReadOptions())
    assert medium.state() is None
    assert isinstance(first_image(medium), Failure)
    path.write_bytes(b"x")
    found = path.stat()
    first = medium.state()
    assert first == InputState(1, found.st_mtime_ns, found.st_ino, found.st_ctime_ns)
    other = tmp_path / "other"
    other.write_bytes(b"y")
    other.rename(path)
    assert medium.state() != first


@pytest.mark.parametrize("suffix", [".tif", ".gif", ".webp", ".png"])
def test_of_several_pages_or_pictures_the_first_is_the_one(tmp_path: Path, suffix: str) -> None:
    from PIL import Image

    red, blue = (Image.new("RGB", (40, 30), colour) for colour in ("red", "blue"))
    red.save(tmp_path / f"x{suffix}", save_all=True, append_images=[blue])
    frames = list(Still(0, f"x{suffix}", str(tmp_path / f"x{suffix}"), ReadOptions()).frames())
    assert len(frames) == 1
    (frame,) = frames
    assert isinstance(frame, Frame) and (frame.index, frame.time) == (0, None)
    assert frame.image[5, 5, 2] > 200 and frame.image[5, 5, 0] < 60


def test_a_still_has_the_sha256_of_what_was_read(tmp_path: Path) -> None:
    data = sorted(DEMO_SCENES.iterdir())[0].read_bytes()
    (tmp_path / "a.png").write_bytes(data)
    (tmp_path / "b.png").write_bytes(data[:500])
    for medium, content in zip(scan(str(tmp_path)), (data, data[:500]), strict=True):
        list(medium.frames())
        assert medium.sha256 == hashlib.sha256(content).hexdigest()
        assert medium.seen == medium.state() and medium.digest() == (medium.sha256, medium.seen)
    gone = scan(str(tmp_path))[0]
    (tmp_path / "a.png").unlink()
    assert [type(frame) for frame in gone.frames()] == [Failure] and gone.sha256 is None and gone.digest() is None
