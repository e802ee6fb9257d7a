"""A TIFF image has the pixels that detect.py has of it, or a failure that tells which values or data it holds."""

import io
import struct
from typing import Any, Literal

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import TiffImagePlugin

from entrypoint.sources import tiff as tiffs
from entrypoint.sources.decode import decode_image
from entrypoint.values import Failure
from tests.tiffs import tiff

# RGB: a gradient from left to right, another from top to bottom, and a red quarter.
SCENE = np.zeros((48, 64, 3), np.uint8)
SCENE[..., 1], SCENE[..., 2] = np.arange(64) * 4, np.arange(48)[:, None] * 5
SCENE[:24, :32] = (200, 40, 20)
ALPHA = np.full((48, 64, 1), 255, np.uint8)
GREY = SCENE[..., 1]
CHANNELS = {
    "grey": GREY,
    "grey, alpha": np.dstack([GREY, ALPHA]),
    "RGB": SCENE,
    "RGBA": np.dstack([SCENE, ALPHA]),
}

# Which pixels detect.py's `cv2.imdecode(..., cv2.IMREAD_COLOR)` has of values of each type, in OpenCV 5.0.0: those of
# the scene, or those of the values taken for unsigned (so that -1 is white and 0 black), or none.
RIGHT, WRAPPED, NONE = "right", "wrapped", "none"
VALUES = {
    "uint8": (1, RIGHT, ""),
    "uint16": (257, RIGHT, ""),
    "int8": (1, WRAPPED, "8-bit signed integers"),
    "int16": (256, WRAPPED, "16-bit signed integers"),
    "uint32": (1, NONE, "32-bit values"),
    "int32": (1, NONE, "32-bit signed integers"),
    "uint64": (1, NONE, "64-bit values"),
    "int64": (1, NONE, "64-bit signed integers"),
    "float16": (1 / 255, NONE, "16-bit floating-point values"),
    "float32": (1 / 255, NONE, "32-bit floating-point values"),
    "float64": (1, NONE, "64-bit floating-point values"),
    "complex64": (1, NONE, "64-bit complex values"),
}
LAYOUTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "big-endian": {"order": ">"},
    "BigTIFF": {"big": True},
    "big-endian BigTIFF": {"order": ">", "big": True},
    "separate planes": {"separate": True},
    "deflated": {"deflated": True},
    "one strip": {"rows": 48},
}


def of_detect_py(data: bytes) -> NDArray[np.uint8] | None:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)  # type: ignore[return-value]


def failure(data: bytes) -> Failure:
    found = decode_image(data)
    assert isinstance(found, Failure), "it passes for whole"
    return found


def assert_shows(data: bytes, expected: NDArray[np.uint8], tolerance: int = 1) -> None:
    found = decode_image(data)
    assert not isinstance(found, Failure), found
    bgr = np.dstack([expected] * 3) if expected.ndim == 2 else expected[..., 2::-1]
    np.testing.assert_allclose(found.astype(int), bgr, atol=tolerance)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", VALUES)
def test_values_of_every_type(dtype: str, channels: str, layout: str) -> None:
    scale, opencv, words = VALUES[dtype]
    image = CHANNELS[channels]
    values = (image.astype(np.int64) * scale).astype(dtype)
    if opencv is WRAPPED:
        values = ((image.astype(np.int64) - 128) * scale).astype(dtype)
    data = tiff(values, extra=1 if "alpha" in channels or channels == "RGBA" else None, **LAYOUTS[layout])
    theirs = of_detect_py(data)
    assert (theirs is None) is (opencv is NONE)
    if opencv is RIGHT:
        np.testing.assert_array_equal(decode_image(data), theirs)
        assert_shows(data, image[..., 0] if channels == "grey, alpha" else image)
    else:
        found = failure(data)
        assert found.kind == "unsupported"
        assert words in found.detail and "convert it to unsigned values of 8 or 16 bits" in found.detail
    if theirs is not None and opencv is WRAPPED:
        negative, positive = values.reshape(48, 64, -1)[..., 0] < 0, values.reshape(48, 64, -1)[..., 0] > 0
        assert theirs[..., -1][negative].min() > theirs[..., -1][positive].max()


@pytest.mark.parametrize("value", [0.5, 128.0, 70000.0, -1.0, np.nan, np.inf])
def test_no_floating_point_value_passes(value: float) -> None:
    for image in (np.full((8, 8), value, np.float32), np.full((8, 8, 3), value, np.float32)):
        assert failure(tiff(image)).kind == "unsupported"


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_values_packed_without_gaps(bits: int, layout: str) -> None:
    for image in (GREY, SCENE):
        values = (image.astype(np.uint32) * ((1 << bits) - 1) // 255).astype(np.uint16)
        data = tiff(values, bits=bits, **LAYOUTS[layout])
        assert of_detect_py(data) is None
        if layout == "separate planes" and image is SCENE:
            assert failure(data).detail.startswith(f"a TIFF image of {bits}-bit values in separate planes")
        elif "big-endian" not in layout:  # libtiff gives the bytes of these in the order of a word
            assert_shows(data, image, 2)


def test_dark_packed_values_stay_dark() -> None:
    assert_shows(tiff(np.full((8, 8), 63, np.uint16), bits=12), np.full((8, 8), 3, np.uint8), 0)


@pytest.mark.parametrize("bits", [2, 4, 6, 24])
def test_other_numbers_of_bits(bits: int) -> None:
    for image in (GREY, SCENE):
        values = (image.astype(np.uint32) * ((1 << bits) - 1) // 255).astype(np.uint32)
        assert failure(tiff(values, bits=bits)).detail.startswith(f"a TIFF image of {bits}-bit values, which is not")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(
    ("photometric", "image", "extra"),
    [
        (0, GREY, None),
        (0, np.dstack([GREY, ALPHA // 2]), 2),
        (2, np.dstack([SCENE, ALPHA // 2]), 0),
        (2, np.dstack([SCENE, ALPHA // 2]), 1),
        (2, np.dstack([SCENE, ALPHA // 2]), 2),
        (5, np.dstack([SCENE, ALPHA // 2]), None),
    ],
    ids=["0 is white", "0 is white, alpha", "any fourth", "premultiplied", "alpha", "CMYK"],
)
@pytest.mark.parametrize("separate", [False, True])
def test_meanings_of_values(
    dtype: str, photometric: int, image: NDArray[np.uint8], extra: int | None, separate: bool
) -> None:
    values = (image.astype(np.int64) * (257 if dtype == "uint16" else 1)).astype(dtype)
    data = tiff(values, photometric=photometric, extra=extra, separate=separate)
    expected = of_detect_py(data)
    if expected is None:
        assert (dtype, photometric) == ("uint16", 5)
        assert failure(data).detail.startswith("a TIFF image of 16-bit values that are not RGB")
    else:
        np.testing.assert_array_equal(decode_image(data), expected)


def test_five_channels() -> None:
    data = tiff(np.dstack([SCENE, ALPHA, ALPHA]), extra=0)
    assert failure(data) == Failure("unsupported", "a TIFF image of 5 channels, which is not read: convert it to RGB")


@pytest.mark.parametrize("method", [34712, 34887, 34925, 50000, 50001, 12345])
def test_compression_that_is_not_read(method: int) -> None:
    """JPEG 2000, LERC, LZMA, Zstandard, WebP: of the first, OpenCV gives black."""
    found = failure(tiff(SCENE, compression=method))
    assert found.kind == "unsupported" and f"compressed by method {method}" in found.detail


@pytest.mark.parametrize("method", [cv2.IMWRITE_TIFF_COMPRESSION_SGILOG, cv2.IMWRITE_TIFF_COMPRESSION_SGILOG24])
def test_values_in_the_logarithm_of_luminance(method: int) -> None:
    bright = SCENE[..., ::-1].astype(np.float32) / 255
    data = cv2.imencode(".tif", bright, [cv2.IMWRITE_TIFF_COMPRESSION, method])[1].tobytes()
    np.testing.assert_array_equal(decode_image(data), of_detect_py(data))


def test_twelve_bits_in_sixteen_keep_their_brightness() -> None:
    assert_shows(tiff(SCENE.astype(np.uint16) * 16), SCENE)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette(bits: int) -> None:
    colours = np.random.default_rng(3).integers(0, 256, (1 << bits, 3), np.uint16)
    indices = (np.arange(48 * 64) % (1 << bits)).reshape(48, 64).astype(np.uint8)
    data = tiff(indices, bits=bits, palette=colours * 257)
    if bits == 2:
        assert of_detect_py(data) is None
        assert failure(data).detail.startswith("a TIFF image of 2-bit values, which is not read")
    else:
        np.testing.assert_array_equal(decode_image(data), of_detect_py(data))
        assert_shows(data, colours[indices].astype(np.uint8))
    without = changed(data, 320, tag=50000)
    assert isinstance(decode_image(without), Failure), "indices pass for grey"
    if bits != 2:
        assert failure(changed(data, 320, value=1 << 30)).kind == "truncated"


def test_too_many_parts() -> None:
    assert failure(tiff(np.zeros((65537, 1), np.uint8), rows=65537)).kind == "too_large"
    assert failure(tiff(np.zeros((65537, 1), np.uint8), rows=1)).kind == "too_large"


# Damage


def saved(mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)
    Pillow.fromarray(noise).resize((320, 240)).convert(mode).save(buffer, "TIFF", **options)
    return buffer.getvalue()


PACKED = {
    "LZW": saved(compression="tiff_lzw"),
    "deflate": saved(compression="tiff_adobe_deflate"),
    "old deflate": saved(compression="tiff_deflate"),
    "PackBits": saved(mode="P", compression="packbits"),
    "JPEG": saved(compression="jpeg", quality=90),
    "CCITT group 3": saved(mode="1", compression="group3"),
    "CCITT group 4": saved(mode="1", compression="group4"),
    "deflate, 16 bits": tiff(SCENE.astype(np.uint16) * 257, deflated=True),
    "deflate, one strip": tiff(SCENE, deflated=True, rows=48),
}


@pytest.mark.parametrize("name", PACKED)
def test_damaged_data_are_told(name: str) -> None:
    whole = PACKED[name]
    assert not isinstance(decode_image(whole), Failure)
    rng = np.random.default_rng(2)
    told = 0
    for place in rng.integers(len(whole) // 4, len(whole) * 3 // 4 - 200, 20).tolist():
        data = whole[:place] + rng.bytes(200) + whole[place + 200 :]
        found = decode_image(data)
        if isinstance(found, Failure):
            assert found.kind == "damaged" and "whose data are damaged: " in found.detail
            told += 1
        taken, theirs = decode_image(data, accept_damaged=True), of_detect_py(data)
        if theirs is not None:
            np.testing.assert_array_equal(taken, theirs)
    assert told >= (20 if name != "PackBits" else 16)


@pytest.mark.parametrize("name", ["deflate", "old deflate", "deflate, 16 bits", "deflate, one strip"])
def test_a_changed_bit_of_deflated_data_is_told(name: str) -> None:
    whole = PACKED[name]
    for place in range(len(whole) // 3, len(whole) // 3 + 40):
        assert failure(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]).kind == "damaged"


@pytest.mark.parametrize("layout", ["plain", "separate planes", "deflated", "one strip", "BigTIFF"])
def test_no_cut_passes_for_whole(layout: str) -> None:
    whole = tiff(SCENE, **LAYOUTS[layout])
    for length in range(1, len(whole), 37):
        assert isinstance(decode_image(whole[:length]), Failure)
    for name, data in PACKED.items():
        for length in range(4, len(data) - 4, len(data) // 20):
            assert failure(data[:length]).kind in ("truncated", "damaged"), name


@given(
    big=st.booleans(),
    order=st.sampled_from("<>"),
    changes=st.lists(
        st.tuples(st.integers(4, 400), st.binary(min_size=1, max_size=9) | st.just(b"\xff" * 8)), max_size=4
    ),
)
def test_any_directory_gives_an_image_or_a_failure(
    big: bool, order: Literal["<", ">"], changes: list[tuple[int, bytes]]
) -> None:
    data = tiff(SCENE, big=big, order=order)
    for place, new in changes:
        data = data[:place] + new + data[place + len(new) :]
    found = decode_image(data)
    assert isinstance(found, Failure) or (found.dtype == np.uint8 and found.ndim == 3)


@pytest.mark.parametrize("place", [1 << 62, 1 << 63, (1 << 64) - 1])
def test_a_directory_far_behind_the_end(place: int) -> None:
    assert failure(b"II+\0\x08\0\0\0" + struct.pack("<Q", place) + bytes(100)).kind == "truncated"


# No harm


def tagged(tags: dict[int, tuple[int, object]]) -> bytes:
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, (kind, value) in tags.items():
        directory.tagtype[tag] = kind
        directory[tag] = value
    return saved(tiffinfo=directory, compression="tiff_lzw")


def changed(data: bytes, entry_of: int, **fields: int) -> bytes:
    """Return `data` with another `tag`, `kind`, `count` or `value` in an entry of its first directory."""
    start = struct.unpack_from("<I", data, 4)[0]
    for entry in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", data, start)[0], 12):
        tag, kind, count, value = struct.unpack_from("<HHII", data, entry)
        if tag == entry_of:
            new = {"tag": tag, "kind": kind, "count": count, "value": value} | fields
            return data[:entry] + struct.pack("<HHII", *new.values()) + data[entry + 12 :]
    raise AssertionError(f"no tag {entry_of}")


def with_next(data: bytes, place: int) -> bytes:
    """Return `data` that says where a second directory lies."""
    start = struct.unpack_from("<I", data, 4)[0]
    end = start + 2 + 12 * struct.unpack_from("<H", data, start)[0]
    return data[:end] + struct.pack("<I", place) + data[end + 4 :]


TAGGED = tagged({274: (3, 1), 296: (3, 2), 282: (5, 72.0), 305: (2, "somebody's"), 700: (1, b"metadata")})
HARMLESS = {
    "unknown tags": tagged({50001: (3, 7), 65000: (2, "x")}),
    "GeoTIFF": tagged({33550: (12, (1.0, 1.0, 0.0)), 34735: (3, (1, 1, 0, 0)), 42112: (2, "<GDALMetadata/>")}),
    "no colour profile": tagged({34675: (7, b"nonsense")}),
    "an orientation that is none": changed(TAGGED, 274, value=99),
    "a unit that is none": changed(TAGGED, 296, value=9),
    "a resolution behind the end": changed(TAGGED, 282, value=1 << 30),
    "a resolution of letters": changed(TAGGED, 282, kind=2),
    "a name behind the end": changed(TAGGED, 305, count=1 << 20, value=1 << 29),
    "endless metadata": changed(TAGGED, 700, count=1 << 30),
    "a second image behind the end": with_next(TAGGED, len(TAGGED) + 5000),
    "a second image that is none": with_next(TAGGED, 100),
    "a second image that is the first": with_next(TAGGED, struct.unpack_from("<I", TAGGED, 4)[0]),
    "several images": saved(save_all=True, append_images=[Pillow.new("RGB", (30, 20))]),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_warnings_that_cost_no_pixel(name: str) -> None:
    np.testing.assert_array_equal(decode_image(HARMLESS[name]), of_detect_py(saved()))


def test_that_these_files_provoke_warnings(capfd: pytest.CaptureFixture[str]) -> None:
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_WARNING)
    try:
        for name, data in HARMLESS.items():
            of_detect_py(data)
            printed = capfd.readouterr().err
            assert ("TIFF_" in printed) is (name not in ("no colour profile", "several images")), name
            assert tiffs.fault(printed, data) is None
    finally:
        cv2.utils.logging.setLogLevel(before)


def test_deflated_data_of_reversed_bits() -> None:
    """Their checksums are not read, but libtiff reads them."""
    assert tiffs.Layout(48, (8,), 1, 1, 1, False, 8, 0, ((0, 4),)).fault(b"\x1e\x39\xff\xff") is None


def test_what_is_inflated_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiffs, "_MAX_INFLATED", 1000)
    assert failure(tiff(np.zeros((64, 64), np.uint8), deflated=True)).detail.endswith("more bytes than an image has")
