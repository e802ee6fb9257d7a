"""Networks in the formats of other tools are known by their bytes, and not taken for anything else."""

import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from entrypoint.errors import NotADetectorError, WeightsError
from entrypoint.sources import modelformats
from entrypoint.sources.filetype import UNKNOWN, FileType, identify
from entrypoint.sources.samples import DEMO_WEIGHTS
from entrypoint.weights.find import find_weights


def field(number: int, content: bytes) -> bytes:
    """A field of bytes in a protobuf message."""
    tag = number << 3 | 2
    return varint(tag) + varint(len(content)) + content


def varint(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])


VALUES = np.random.default_rng(0).normal(0, 0.1, 200).astype("<f4").tobytes()
ENGINE = json.dumps({"description": "Ultralytics YOLOv8n model", "author": "Ultralytics"}).encode()
CASES: list[tuple[str, FileType, bytes]] = [
    ("YOLOv3's weights", modelformats.DARKNET, struct.pack("<IIIQ", 0, 2, 5, 32013312) + VALUES),
    ("a TensorRT plan", modelformats.TENSORRT, b"ftrt" + bytes(200)),
    ("ultralytics' engine", modelformats.TENSORRT, len(ENGINE).to_bytes(4, "little") + ENGINE + b"ftrt" + bytes(200)),
    ("OpenVINO", modelformats.OPENVINO, b'<?xml version="1.0"?>\n<net name="main_graph" version="11"><layers/></net>'),
    ("TensorFlow Lite", modelformats.TFLITE, b"\x1c\0\0\0TFL3" + bytes(100)),
    ("Core ML", modelformats.COREML, b"\x08\x08" + field(2, b"\x0a\x05image") + field(502, bytes(50))),
    ("a SavedModel", modelformats.SAVED_MODEL, b"\x08\x01" + field(2, bytes(60))),
    (
        "a frozen graph",
        modelformats.FROZEN_GRAPH,
        field(1, field(1, b"input_1") + field(2, b"Placeholder")) + field(4, b"\x08\x16"),
    ),
    ("TensorFlow.js", modelformats.TFJS, b'{"format": "graph-model", "generatedBy": "2.13"}'),
    (
        "PaddlePaddle",
        modelformats.PADDLE,
        field(1, b"\x08\0\x10\xff\xff\xff\xff\x0f" + bytes(40)) + field(4, b"\x08\0"),
    ),
    ("PaddlePaddle 3", modelformats.PADDLE, b'{"base_code":{"magic":"pir","trainable":true}}'),
    ("NCNN", modelformats.NCNN, b"7767517\n230 272\nInput in0 0 1 in0\n"),
    ("Keras", modelformats.KERAS, b"\x89HDF\r\n\x1a\n" + bytes(100)),
    ("ExecuTorch", modelformats.EXECUTORCH, b"\x1c\0\0\0ET12" + bytes(100)),
    ("RKNN", modelformats.RKNN, b"RKNN" + bytes(100)),
]


@pytest.mark.parametrize(("kind", "content"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_is_refused_by_name_with_what_to_bring_instead(tmp_path: Path, kind: FileType, content: bytes) -> None:
    path = tmp_path / "download"
    path.write_bytes(content)
    assert identify(path) == kind
    with pytest.raises(NotADetectorError) as caught:
        find_weights(str(path), ())
    message = str(caught.value)
    assert kind.name in message and ("Bring" in message or "bring" in message)


def test_a_keras_archive(tmp_path: Path) -> None:
    path = tmp_path / "download"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            archive.writestr(name, b"{}")
    assert identify(path) == modelformats.KERAS_ZIP


def test_a_configuration_of_darknet_is_no_network(tmp_path: Path) -> None:
    (tmp_path / "yolov3.cfg").write_text("[net]\nbatch=64\n")
    with pytest.raises(WeightsError, match="a Darknet configuration"):
        find_weights(None, (tmp_path,))


def test_what_runs_is_taken_from_beside_what_does_not(tmp_path: Path) -> None:
    (tmp_path / "best.pt").write_bytes(DEMO_WEIGHTS.read_bytes())
    (tmp_path / "best.engine").write_bytes(b"ftrt" + bytes(200))
    (tmp_path / "best.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(100))
    assert find_weights(None, (tmp_path,)).path.name == "best.pt"


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<IIIQ", 0, 2, 5, 1 << 50) + VALUES,
        struct.pack("<IIIQ", 0, 2, 5, 1000) + b"\xff" * 400,
        struct.pack("<IIIQ", 0, 2, 5, 1000) + bytes(400),
        b"\x08\x01" + field(2, bytes(60))[:-1],
        b"\x1c\0\0\0TFL4" + bytes(100),
    ],
    ids=["seen too many", "no numbers", "nothing but zeros", "cut", "another mark"],
)
def test_what_only_looks_alike_is_of_no_known_type(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "download").write_bytes(content)
    assert identify(tmp_path / "download") == UNKNOWN
