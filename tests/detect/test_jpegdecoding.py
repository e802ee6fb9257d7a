"""JPEG images decoded on the device: on a CPU torchvision's libjpeg stands in for nvJPEG, behind the same seam."""

import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from entrypoint.detect import jpegdecoding, loading
from entrypoint.detect.detector import Detector, DetectorOptions
from entrypoint.detect.jpegdecoding import Decode, JpegDecoder, decoding_fault, jpeg_decoder
from entrypoint.engines.onnx import OnnxEngine
from entrypoint.host.device import CPU, Device
from entrypoint.sources.decode import decode_image
from entrypoint.sources.exif import is_plain_jpeg
from entrypoint.sources.listing import Listing
from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from entrypoint.sources.scan import scan
from entrypoint.values import Failure
from entrypoint.weights.checkpoint import load_checkpoint
from tests.conftest import Ended


def usual(data: bytes) -> NDArray[np.uint8]:
    image = decode_image(data)
    assert isinstance(image, np.ndarray)
    return image


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's scenes as JPEG images, and one that is none."""
    folder = tmp_path_factory.mktemp("jpeg")
    for path in sorted(DEMO_SCENES.glob("*.png")):
        cv2.imwrite(str(folder / f"{path.stem}.jpg"), usual(path.read_bytes()))
    (folder / "a.png").write_bytes(next(iter(sorted(DEMO_SCENES.glob("*.png")))).read_bytes())
    return folder


@pytest.fixture(scope="module")
def detector() -> Detector:
    network = load_checkpoint(DEMO_WEIGHTS)
    return Detector(OnnxEngine(network.graph, 1), network, DetectorOptions((320, 320)))


def jpeg(mode: str = "RGB", **more: Any) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    packed = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(packed, "JPEG", **more)
    return packed.getvalue()


def turned(kind: int = 3) -> bytes:
    """An image that is to be turned to the right, by a tag of that type: 3 is the one that the standard has."""
    tag = struct.pack("<HHII", 0x0112, kind, 1, 6)
    return jpeg(exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0" + tag + bytes(4))


def in_rgb() -> bytes:
    """An image whose components are called R, G and B, which is how some writers say that they are."""
    data = bytearray(jpeg())
    for marker, first, step in ((b"\xff\xc0", 10, 3), (b"\xff\xda", 5, 2)):
        at = data.index(marker) + first
        data[at : at + 3 * step : step] = b"RGB"
    return bytes(data)


def media(folder: Path) -> Listing:
    return scan(str(folder))


def test_its_pixels_are_those_of_the_usual_way(photographs: Path, detector: Detector) -> None:
    decoder = JpegDecoder(CPU)
    for path in photographs.glob("*.jpg"):
        theirs, ours = usual(path.read_bytes()), decoder(path.read_bytes())
        assert ours is not None and ours.shape == theirs.shape
        assert ours.flags.c_contiguous and ours.dtype == np.uint8
        assert np.abs(ours.astype(int) - theirs).mean() < 0.5
    assert decoding_fault(decoder, detector, media(photographs)) is None


def test_grey_is_spread_over_three_channels() -> None:
    ours = JpegDecoder(CPU)(jpeg("L"))
    assert ours is not None and ours.shape == (20, 30, 3) and (ours == ours[..., :1]).all()


@pytest.mark.parametrize(
    "data",
    [turned(), turned(1), turned(2), turned(5), in_rgb(), jpeg("CMYK"), jpeg()[:200], jpeg()[:2] + b"rubbish", b""],
    ids=["turned", "by a byte", "by text", "by a fraction", "RGB", "CMYK", "cut", "no", "0"],
)
def test_what_it_may_show_otherwise_is_left_to_the_usual_way(data: bytes) -> None:
    assert JpegDecoder(CPU)(data) is None


def test_an_image_that_claims_more_pixels_than_it_may_is_left_to_the_usual_way() -> None:
    data = jpeg()
    size = data.index(b"\xff\xc0") + 5
    assert JpegDecoder(CPU)(data[:size] + b"\xff\xff\xff\xff" + data[size + 4 :]) is None
    assert is_plain_jpeg(data, 600) and not is_plain_jpeg(data, 599)


def test_a_jpeg_image_is_asked_for_there_first_and_nothing_else_is(photographs: Path) -> None:
    asked: list[bytes] = []

    def decode(data: bytes) -> None:
        asked.append(data[:2])

    listing = media(photographs)
    listing.options.jpeg.decode = decode
    assert [type(next(iter(medium.frames()))).__name__ for medium in listing] == ["Frame"] * len(listing)
    assert asked == [b"\xff\xd8"] * (len(listing) - 1)
    assert isinstance(decode_image(jpeg()[:300], jpeg_first=JpegDecoder(CPU)), Failure)


@pytest.mark.parametrize(
    ("decode", "fault"),
    [
        (lambda data: usual(data)[..., ::-1], "pixels differ by"),
        (lambda data: usual(data)[1:], "images come out as"),
        (lambda data: None, "no JPEG image of the source could be tried"),
        (lambda data: cv2.GaussianBlur(usual(data), (0, 0), 25), "nvJPEG loses"),
    ],
)
def test_a_decoder_that_is_wrong_is_not_trusted(
    photographs: Path, detector: Detector, monkeypatch: pytest.MonkeyPatch, decode: Decode, fault: str
) -> None:
    if "loses" in fault:
        monkeypatch.setattr(jpegdecoding, "_MOST_DIFFERENCE", 255)
    found = decoding_fault(decode, detector, media(photographs))
    assert found is not None and found.startswith(fault)


def test_it_is_for_gpus_and_says_so(detector: Detector, caplog: pytest.LogCaptureFixture) -> None:
    assert jpeg_decoder(detector, []) is None
    assert "--gpu-jpeg: it needs a GPU; JPEG images are decoded on the CPU" in caplog.text


def test_it_is_not_trusted_without_a_jpeg_image_to_try(detector: Detector) -> None:
    assert (
        decoding_fault(JpegDecoder(CPU), detector, media(DEMO_SCENES)) == "no JPEG image of the source could be tried"
    )


def test_jpeg_images_behind_many_others_are_tried(photographs: Path, detector: Detector, tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"0{number}.png").symlink_to(photographs / "a.png")
    for path in photographs.glob("*.jpg"):
        (tmp_path / path.name).symlink_to(path)
    assert decoding_fault(JpegDecoder(CPU), detector, media(tmp_path)) is None


def test_what_cannot_decode_there_is_said(
    detector: Detector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, photographs: Path
) -> None:
    played = Device(0)
    monkeypatch.setattr(Detector, "device", played)
    monkeypatch.setattr(torch.ops, "image", object())
    assert jpeg_decoder(detector, media(photographs)) is None
    assert "decode_jpegs_cuda" in caplog.text and "JPEG images are decoded on the CPU" in caplog.text


def test_memory_that_is_out_is_not_taken_for_a_file_that_cannot_be_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def out(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    decoder = JpegDecoder(CPU)
    monkeypatch.setattr(decoder, "_decode", out)
    with pytest.raises(torch.OutOfMemoryError):
        decoder(jpeg())


def test_a_job_decodes_there_and_finds_the_same(
    yolo_bac: Callable[..., Ended], photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Counted(JpegDecoder):
        def __call__(self, data: bytes) -> NDArray[np.uint8] | None:
            asked.append(len(data))
            return super().__call__(data)

    def played(of: Detector, media: Listing) -> JpegDecoder:
        decoder = Counted(Device())
        assert decoding_fault(decoder, of, media) is None
        return decoder

    job = ["--weights", DEMO_WEIGHTS, "--imgsz", 320, "--source", photographs, "--device", "cpu", "--project", tmp_path]
    assert yolo_bac(*job, "--name", "usual").code == 0
    monkeypatch.setattr(loading, "jpeg_decoder", played)
    assert yolo_bac(*job, "--name", "there", "--gpu-jpeg").code == 0
    jpegs = len(list(photographs.glob("*.jpg")))
    assert len(asked) == min(4, jpegs) + jpegs
    runs = [json.loads((tmp_path / name / "predictions.json").read_bytes())["images"] for name in ("usual", "there")]
    for one, other in zip(*runs, strict=True):
        assert [found["name"] for found in one["detections"]] == [found["name"] for found in other["detections"]]
