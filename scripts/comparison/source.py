"""A source that has something of everything: stills of many kinds, failures, nested folders, odd names."""

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SUFFIXES = ("jpg", "png", "bmp", "tiff", "webp", "ppm", "jp2", "gif", "avif")
_ODD_NAMES = (
    "with space.jpg",
    "ü é 雪.jpg",
    "quote'\".jpg",
    "two\nlines.jpg",
    "no_suffix",
    "UPPER.JPG",
    "a" * 200 + ".jpg",
)


def make_source(folder: Path, photographs: Sequence[Path]) -> None:
    """Fill `folder`, some of it with `photographs`, which are files that OpenCV reads."""
    scene = cv2.imread(str(photographs[0]))
    assert scene is not None
    small = cv2.resize(scene, (320, 240))
    _stills(folder / "stills", np.asarray(small, np.uint8))
    _broken(folder / "broken", photographs[0])
    odd = folder / "odd" / "deeper"
    odd.mkdir(parents=True)
    for name in _ODD_NAMES:
        (odd / name).write_bytes(photographs[0].read_bytes())
    Path(os.fsdecode(os.fsencode(odd) + b"/not\xffutf8.jpg")).write_bytes(photographs[0].read_bytes())
    (folder / "photographs").mkdir()
    for path in photographs:
        (folder / "photographs" / path.name).write_bytes(path.read_bytes())


def _stills(folder: Path, image: NDArray[np.uint8]) -> None:
    folder.mkdir(parents=True)
    for suffix in _SUFFIXES:
        done, data = cv2.imencode(f".{suffix}", image)
        if done:
            (folder / f"still.{suffix}").write_bytes(data.tobytes())
    cv2.imwrite(str(folder / "sixteen.png"), image.astype(np.uint16) * 257)
    cv2.imwrite(str(folder / "grey.png"), cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    cv2.imwrite(str(folder / "alpha.png"), cv2.cvtColor(image, cv2.COLOR_BGR2BGRA))
    photo = Image.fromarray(image[..., ::-1])
    photo.convert("CMYK").save(folder / "cmyk.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(folder / "turned.jpg", exif=exif)
    pages = [photo, photo.rotate(90), photo.rotate(180)]
    photo.save(folder / "pages.tiff", save_all=True, append_images=pages)
    photo.save(folder / "moving.gif", save_all=True, append_images=pages)
    photo.save(folder / "moving.webp", save_all=True, append_images=pages)
    photo.save(folder / "moving.png", save_all=True, append_images=pages)
    photo.save(folder / "stereo.mpo", save_all=True, append_images=pages[:1])


def _broken(folder: Path, photograph: Path) -> None:
    folder.mkdir(parents=True)
    data = photograph.read_bytes()
    (folder / "empty.jpg").touch()
    (folder / "cut.jpg").write_bytes(data[: len(data) // 2])
    (folder / "page.jpg").write_bytes(b"<!doctype html><html></html>")
    (folder / "noise.png").write_bytes(bytes(range(256)) * 8)
    (folder / "video.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(64))
    (folder / "notes.txt").write_text("nothing to look at\n")
    (folder / "gone.jpg").symlink_to("nowhere.jpg")
    (folder / "folder.jpg").mkdir()
