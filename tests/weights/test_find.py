"""Weights are known by their content, whatever they are called and wherever they lie."""

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from entrypoint.errors import NotADetectorError, WeightsError
from entrypoint.sources.filetype import ONNX, SAFETENSORS, TORCH, TORCH_LEGACY, TORCHSCRIPT, identify
from entrypoint.sources.samples import DEMO_WEIGHTS
from entrypoint.weights.checkpoint import load_checkpoint
from entrypoint.weights.find import find_weights
from tests.classic import save_classic, tiny_model, tiny_names


def legacy(path: Path) -> None:
    save_classic({"model": tiny_model()}, path, tiny_names(), _use_new_zipfile_serialization=False)


def torchscript(path: Path) -> None:
    torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)).save(path)  # type: ignore[no-untyped-call]


def onnx(path: Path) -> None:
    # ModelProto: ir_version 8, producer_name "pytorch", graph of 40 bytes, opset_import of 2 bytes.
    path.write_bytes(b"\x08\x08\x12\x07pytorch" + b"\x3a\x28" + bytes(40) + b"\x42\x02\x10\x11")


def safetensors(path: Path) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))


def demo(path: Path) -> None:
    path.write_bytes(DEMO_WEIGHTS.read_bytes())


def cut(path: Path) -> None:
    path.write_bytes(DEMO_WEIGHTS.read_bytes()[:500_000])


def text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)


def image(suffix: str) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(cv2.imencode(suffix, np.zeros((9, 9, 3), np.uint8))[1].tobytes())


@pytest.mark.parametrize(
    ("write", "kind"),
    [(demo, TORCH), (legacy, TORCH_LEGACY), (torchscript, TORCHSCRIPT), (onnx, ONNX), (safetensors, SAFETENSORS)],
    ids=["zip", "legacy", "TorchScript", "ONNX", "safetensors"],
)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_model_formats(tmp_path: Path, write: Callable[[Path], None], kind: object) -> None:
    path = tmp_path / "download"
    write(path)
    assert identify(path) == kind
    if kind in (ONNX, TORCHSCRIPT):
        assert find_weights(str(path), ()).kind == kind
    elif kind in (TORCH, TORCH_LEGACY):
        assert find_weights(str(path), ()).kind == kind
        assert load_checkpoint(path).graph.nodes
    else:
        with pytest.raises(NotADetectorError, match=r"bring the \.pt file"):
            find_weights(str(path), ())


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (text("<!DOCTYPE html><html><body>404</body></html>"), "an HTML page"),
        (text("\ufeff\n  <html lang=en>"), "an HTML page"),
        (text('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'), "an XML document"),
        (text('{"message": "Not Found"}'), "a JSON document"),
        (text("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1\n"), "a Git LFS pointer"),
        (text(""), "an empty file"),
        (text("yolov5s"), "plain text"),
        (cut, "a zip archive without its end (the download was cut: fetch it again)"),
        (image(".jpg"), "a JPEG image"),
        (image(".png"), "a PNG image"),
        (lambda path: path.write_bytes(b"\x1f\x8b" + bytes(50)), "a gzip archive"),
        (lambda path: path.write_bytes(bytes(range(200, 256))), "of no known type"),
    ],
)
def test_what_is_no_model_is_called_by_its_name(tmp_path: Path, write: Callable[[Path], object], words: str) -> None:
    path = tmp_path / "yolov5s.pt"
    write(path)
    with pytest.raises(WeightsError) as caught:
        find_weights(None, (tmp_path,))
    assert words in str(caught.value)
    assert "expected a YOLOv5 checkpoint (.pt), under any name" in str(caught.value)


def in_a_file(root: Path) -> None:
    root.rmdir()
    demo(root)


def in_a_deep_tree(root: Path) -> None:
    (root / "a" / "b é ü").mkdir(parents=True)
    demo(root / "a" / "b é ü" / "76813c2d-b52b-47af-95fb-e92c1b0b2783")


def behind_a_link(root: Path) -> None:
    demo(root.parent / "elsewhere")
    (root / "link").symlink_to("../elsewhere")


def behind_a_linked_folder(root: Path) -> None:
    (root.parent / "store").mkdir()
    demo(root.parent / "store" / "x")
    (root / "folder").symlink_to("../store")


def twice_the_same(root: Path) -> None:
    demo(root / "a")
    demo(root / "b")


def beside_other_files(root: Path) -> None:
    demo(root / "weights.jpg")
    image(".png")(root / "picture.pt")
    text("<html>")(root / "page.pt")
    (root / "dangling.pt").symlink_to("nowhere")
    (root / "loop").symlink_to(".")


@pytest.mark.parametrize(
    "lay",
    [in_a_file, in_a_deep_tree, behind_a_link, behind_a_linked_folder, twice_the_same, beside_other_files],
    ids=lambda lay: lay.__name__,
)
def test_found_wherever_it_lies(tmp_path: Path, lay: Callable[[Path], None]) -> None:
    root = tmp_path / "inputs"
    root.mkdir()
    lay(root)
    found = find_weights(None, (root,))
    assert found.sha256 == hashlib.sha256(DEMO_WEIGHTS.read_bytes()).hexdigest()
    assert found.path.read_bytes() == DEMO_WEIGHTS.read_bytes()


def test_named_within_inputs(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    demo(tmp_path / "deep" / "mine.pt")
    legacy(tmp_path / "other.pt")
    assert find_weights("mine.pt", (tmp_path,)).path == tmp_path / "deep" / "mine.pt"
    assert find_weights("deep/mine.pt", (tmp_path,)).path == tmp_path / "deep" / "mine.pt"


def test_baked_weights_come_after_inputs(tmp_path: Path) -> None:
    inputs, baked = tmp_path / "inputs", tmp_path / "baked"
    inputs.mkdir()
    baked.mkdir()
    legacy(baked / "yolov5s.pt")
    assert find_weights(None, (inputs, baked)).path.parent == baked
    image(".jpg")(inputs / "a.jpg")
    assert find_weights(None, (inputs, baked)).path.parent == baked
    demo(inputs / "mine")
    assert find_weights(None, (inputs, baked)).path.parent == inputs


def test_a_failed_download_is_not_replaced_by_baked_weights(tmp_path: Path) -> None:
    inputs, baked = tmp_path / "inputs", tmp_path / "baked"
    inputs.mkdir()
    baked.mkdir()
    demo(baked / "yolov5s.pt")
    cut(inputs / "yolov5l.pt")
    with pytest.raises(WeightsError, match="the download was cut"):
        find_weights(None, (inputs, baked))


def test_nothing_at_all(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no /inputs"):
        find_weights(None, (tmp_path / "absent",))
    with pytest.raises(WeightsError, match="is an empty folder"):
        find_weights(None, (tmp_path,))


def test_an_empty_place_in_the_image_is_not_news(tmp_path: Path) -> None:
    (tmp_path / "baked").mkdir()
    with pytest.raises(WeightsError, match=r"there is no /inputs.*--weights.*--demo"):
        find_weights(None, (tmp_path / "inputs", tmp_path / "baked"))
