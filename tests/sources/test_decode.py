"""Pixels come out upright, in 8 bits, in colour, whatever the file holds; or the reason why not."""

import io
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow

from entrypoint.sources.decode import decode_image
from entrypoint.sources.kinds.still import Still
from entrypoint.sources.medium import ReadOptions, first_image
from entrypoint.values import Failure

# BGR: a red quarter top left, the rest blue; 160 wide, 80 high.
SCENE = np.zeros((80, 160, 3), np.uint8)
SCENE[:] = (200, 40, 20)
SCENE[:40, :80] = (20, 40, 200)


def pixels(data: bytes) -> NDArray[np.uint8]:
    found = decode_image(data)
    assert not isinstance(found, Failure), found
    assert found.dtype == np.uint8 and found.ndim == 3 and found.shape[2] == 3
    assert found.flags.writeable and found.flags.c_contiguous
    return found


def failure(data: bytes) -> str:
    found = decode_image(data)
    assert isinstance(found, Failure)
    return found.kind


def encoded(suffix: str, image: NDArray[Any] = SCENE, options: Sequence[int] = ()) -> bytes:
    done, data = cv2.imencode(suffix, image, options)
    assert done
    return data.tobytes()


def pillow(mode: str, kind: str, **options: Any) -> bytes:
    return saved(Pillow.fromarray(SCENE[..., ::-1].copy()).convert(mode), kind, **options)


def saved(image: Pillow.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def close(found: NDArray[np.uint8], expected: NDArray[np.uint8], tolerance: int = 12) -> bool:
    """Equal but for compression, away from the edges of the quarter."""
    assert found.shape == expected.shape
    difference = np.abs(found.astype(int) - expected)[[2, 2, -3, -3], [2, -3, 2, -3]]
    return bool(difference.max() <= tolerance)


@pytest.mark.parametrize(
    "suffix", [".jpg", ".png", ".bmp", ".tif", ".webp", ".ppm", ".jp2", ".gif", ".ras", ".avif", ".pam"]
)
def test_still_formats(suffix: str) -> None:
    assert close(pixels(encoded(suffix)), SCENE, 60 if suffix == ".gif" else 12)  # GIF: few colours, dithered


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, SCENE),
        (2, SCENE[:, ::-1]),
        (3, SCENE[::-1, ::-1]),
        (4, SCENE[::-1]),
        (5, SCENE.transpose(1, 0, 2)),
        (6, np.rot90(SCENE, -1)),
        (7, SCENE.transpose(1, 0, 2)[::-1, ::-1]),
        (8, np.rot90(SCENE)),
    ],
)
def test_exif_orientation_is_applied(kind: str, orientation: int, upright: NDArray[np.uint8]) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    assert close(pixels(pillow("RGB", kind, exif=exif, **options)), upright, 25)


def heif(mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Pillow.fromarray(SCENE[..., ::-1].copy()).convert(mode)).save(buffer, quality=95, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_photographs_of_phones(mode: str) -> None:
    found = pixels(heif(mode))
    assert close(found, SCENE, 25) if mode != "L" else (found[..., 0] == found[..., 2]).all()


@pytest.mark.parametrize(
    ("orientation", "upright"), [(3, SCENE[::-1, ::-1]), (6, np.rot90(SCENE, -1)), (8, np.rot90(SCENE))]
)
def test_photographs_of_phones_are_turned_upright(orientation: int, upright: NDArray[np.uint8]) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    assert close(pixels(heif(exif=exif.tobytes())), upright, 25)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.99])
def test_a_cut_photograph_of_a_phone(kept: float) -> None:
    whole = heif()
    assert failure(whole[: int(len(whole) * kept)]) == "truncated"


def test_a_photograph_of_a_phone_whose_images_lack_what_decodes_them() -> None:
    assert failure(heif().replace(b"hvcC", b"hvcB")) == "damaged"


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_alpha_is_dropped(kind: str) -> None:
    assert close(pixels(pillow("RGBA", kind)), SCENE)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_grey_spreads_over_three_channels(kind: str) -> None:
    found = pixels(pillow("L", kind))
    assert (found[..., 0] == found[..., 1]).all() and (found[..., 0] == found[..., 2]).all()
    assert abs(int(found[2, 2, 0]) - 86) < 3  # 0.299 red + 0.587 green + 0.114 blue


def test_palette_and_grey_with_alpha() -> None:
    palette = Pillow.fromarray(SCENE[..., ::-1].copy()).quantize(8)
    buffer = io.BytesIO()
    palette.save(buffer, "PNG")
    assert close(pixels(buffer.getvalue()), SCENE)
    assert pixels(pillow("LA", "PNG")).shape == SCENE.shape


def test_cmyk_jpeg_has_its_colours() -> None:
    assert close(pixels(pillow("CMYK", "JPEG", quality=95)), SCENE, 25)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(
    ("bits", "full"), [(16, 65535), (12, 4095), (10, 1023), (8, 255)], ids=["16 bits", "12 bits", "10 bits", "8 bits"]
)
def test_deep_images_keep_their_brightness(suffix: str, bits: int, full: int) -> None:
    deep = (SCENE.astype(np.float64) / 255 * full).round().astype(np.uint16)
    deep[-1, -1] = full  # its brightest pixel tells how many bits are used
    assert close(pixels(encoded(suffix, deep))[:-1], SCENE[:-1], 2), bits


# What Pillow and OpenCV write, in every mode, type and number of channels.
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I;16", "I", "F")
KINDS = ("PNG", "TIFF", "JPEG", "JPEG2000", "GIF", "BMP", "WEBP", "AVIF", "PPM", "TGA", "PCX", "SGI", "ICO", "DIB")
SUFFIXES = (".jpg", ".png", ".bmp", ".tif", ".webp", ".ppm", ".pgm", ".pnm", ".jp2", ".gif", ".ras", ".avif", ".pam")
NOT_AS_DETECT_PY = {
    "F in PPM": "PFM holds floating-point values, of which OpenCV makes 0 to 255 without scaling them",
    "float32 x 1 in .pfm": "the same",
    "float32 x 3 in .pfm": "the same",
    "I in PPM": "values to 255 in 16 bits, which come out black in OpenCV",
}


def all_written() -> dict[str, bytes]:
    found = {}
    for mode in MODES:
        for kind in KINDS:
            with suppress(OSError, KeyError, ValueError):
                found[f"{mode} in {kind}"] = in_mode(mode, kind)
    for bits in (1, 2, 4):
        found[f"P of {bits} bits in PNG"] = saved(Pillow.fromarray(SCENE).quantize(1 << bits), "PNG", bits=bits)
    deep = SCENE.astype(np.uint16) * 257
    for suffix in SUFFIXES:
        for image in (SCENE, deep):
            for channels, picture in ((1, image[..., 0]), (3, image), (4, np.dstack([image, image[..., 2]]))):
                with suppress(cv2.error, AssertionError):
                    found[f"{image.dtype} x {channels} in {suffix}"] = encoded(suffix, picture)
    bright = SCENE.astype(np.float32) / 255
    for suffix in (".hdr", ".pfm"):
        found[f"float32 x 3 in {suffix}"] = encoded(suffix, bright)
        found[f"float32 x 1 in {suffix}"] = encoded(suffix, bright[..., 0].copy())
    for depth in (10, 12):
        values = (SCENE.astype(np.uint32) * ((1 << depth) - 1) // 255).astype(np.uint16)
        found[f"{depth} bits in AVIF"] = encoded(".avif", values, [cv2.IMWRITE_AVIF_DEPTH, depth])
    found["grey of 16 bits with alpha in PNG"] = png(4, deep[..., :2])
    found["values to 100 in PPM"] = b"P6 160 80 100\n" + (SCENE // 3).tobytes()
    return found


def in_mode(mode: str, kind: str) -> bytes:
    image = Pillow.fromarray(SCENE[..., ::-1].copy())
    if mode == "I;16":
        return saved(Pillow.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257), kind)
    return saved((image.convert("RGBA") if mode == "PA" else image).convert(mode), kind)


def png(colour_type: int, values: NDArray[np.uint16]) -> bytes:
    """Return a PNG file of 16 bits, of a kind that no writer at hand gives."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))]
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


WRITTEN = all_written()


def test_that_most_is_written() -> None:
    assert len(WRITTEN) > 150


@pytest.mark.parametrize("name", WRITTEN)
def test_the_pixels_of_detect_py(name: str) -> None:
    expected = cv2.imdecode(np.frombuffer(WRITTEN[name], np.uint8), cv2.IMREAD_COLOR)
    found = decode_image(WRITTEN[name])
    if expected is None:
        assert isinstance(found, Failure)
    elif name not in NOT_AS_DETECT_PY:
        assert not isinstance(found, Failure), found
        np.testing.assert_array_equal(found, expected)
        assert found.max() > 60, "black"
    elif isinstance(found, Failure):
        assert found == Failure("unsupported", "PFM image, which is not read: convert it to JPEG or PNG")
    else:
        assert found.max() == 86 and expected.max() == 0


def test_grey_pfm() -> None:
    assert failure(encoded(".pfm", np.zeros((8, 8), np.float32))) == "unsupported"


def test_open_exr() -> None:
    found = decode_image(b"v/1\x01" + bytes(100))
    assert found == Failure("unsupported", "OpenEXR image, which is not read: convert it to JPEG or PNG")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "1", "P"])
def test_photographs_of_phones_have_the_pixels_that_pillow_has(mode: str) -> None:
    assert_as_pillow(heif(mode))


@pytest.mark.parametrize("depth", [10, 12])
@pytest.mark.parametrize("mode", ["RGB;16", "RGBA;16"])
def test_photographs_of_phones_of_more_bits(mode: str, depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", depth == 12)
    image = SCENE[..., ::-1] if mode == "RGB;16" else np.dstack([SCENE[..., ::-1], SCENE[..., :1]])
    assert_as_pillow(deep_heif(mode, image))


@pytest.mark.parametrize("depth", [10, 12])
def test_grey_photographs_of_more_bits(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow makes white of these."""
    monkeypatch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", depth == 12)
    assert close(pixels(deep_heif("I;16", SCENE[..., 0])), np.dstack([SCENE[..., 0]] * 3), 3)


def deep_heif(mode: str, image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_bytes(mode, (160, 80), (image.astype(np.uint16) * 257).tobytes()).save(buffer, quality=95)
    return buffer.getvalue()


def assert_as_pillow(data: bytes) -> None:
    pillow_heif.register_heif_opener()
    theirs = np.asarray(Pillow.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(pixels(data), theirs[..., ::-1])


def test_the_bytes_of_detect_py(tmp_path: Path) -> None:
    for suffix in (".jpg", ".png", ".bmp"):
        (tmp_path / f"x{suffix}").write_bytes(encoded(suffix))
        expected = cv2.imread(str(tmp_path / f"x{suffix}"))
        assert expected is not None
        np.testing.assert_array_equal(pixels(encoded(suffix)), expected)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"<html>404</html>", "not_an_image"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not_an_image"),
        (b"PK\x03\x04" + bytes(100), "not_an_image"),
        (bytes(range(256)) * 4, "not_an_image"),
        (b"\xff\xd8\xff\xe0" + bytes(2) + b"\xff\xd9", "damaged"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200) + b"IEND", "damaged"),
        (encoded(".jpg")[:-40], "truncated"),
        (encoded(".png")[:-20], "truncated"),
        (encoded(".webp")[:-20], "truncated"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(100), "damaged"),
        (b"\xff\x0a" + bytes(100), "unsupported"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100), "unsupported"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(100), "not_an_image"),
    ],
)
def test_failures_have_a_kind(data: bytes, kind: str) -> None:
    assert failure(data) == kind


def test_a_thumbnail_does_not_hide_a_cut() -> None:
    whole = pillow("RGB", "JPEG", exif=b"Exif\x00\x00" + encoded(".jpg"))
    assert close(pixels(whole), SCENE)
    assert failure(whole[: len(whole) - 200]) == "truncated"
    assert failure(whole[: whole.index(b"\xff\xd9") + 2]) == "truncated"  # right behind the thumbnail


def test_a_cut_between_the_scans_of_a_progressive_jpeg_is_one() -> None:
    whole = pillow("RGB", "JPEG", progressive=True)
    assert close(pixels(whole), SCENE, 25)
    scans = [place for place in range(len(whole)) if whole[place : place + 2] == b"\xff\xda"]
    assert len(scans) > 3
    assert all(failure(whole[:place]) == "truncated" for place in scans)


def test_bytes_behind_the_end_are_no_harm() -> None:
    assert close(pixels(encoded(".jpg") + b"\0" * 500), SCENE)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@given(data=st.data())
def test_no_cut_passes_for_whole(suffix: str, data: st.DataObject) -> None:
    whole = encoded(suffix)
    length = data.draw(st.integers(0, len(whole) - 13))
    assert isinstance(decode_image(whole[:length]), Failure)


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\x00", b"GIF89a"])
)
def test_any_bytes_give_an_image_or_a_failure(tail: bytes, start: bytes) -> None:
    found = decode_image(start + tail)
    assert isinstance(found, Failure) or found.ndim == 3


def fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "kind"),
    [(lambda path: None, "vanished"), (Path.mkdir, "not_a_file"), (fifo, "not_a_file")],
    ids=["absent", "folder", "pipe"],
)
def test_what_is_no_file(tmp_path: Path, make: Callable[[Path], None], kind: str) -> None:
    make(tmp_path / "x.jpg")
    found = first_image(Still(0, "x.jpg", str(tmp_path / "x.jpg"), ReadOptions()))
    assert isinstance(found, Failure) and found.kind == kind
