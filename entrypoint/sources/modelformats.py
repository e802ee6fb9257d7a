"""Networks in the formats of other tools, told by their bytes: they are known by name, so that a message can name them.

What stands beside such a network in a file of its own, without a sign of what it is (the `.bin` of OpenVINO and NCNN,
the `.pdiparams` of PaddlePaddle), is not told.
"""

import math
import re
import struct
from typing import IO

from entrypoint.sources.filetypes import FileType

DARKNET = FileType("weights", "Darknet weights file (YOLOv3, YOLOv4)")
DARKNET_CFG = FileType("document", "a Darknet configuration (the .cfg of a YOLOv3 or YOLOv4)")
TENSORRT = FileType("weights", "TensorRT engine")
OPENVINO = FileType("weights", "OpenVINO network (.xml, with its values in a .bin beside it)")
TFLITE = FileType("weights", "TensorFlow Lite network")
COREML = FileType("weights", "Core ML network")
SAVED_MODEL = FileType("weights", "TensorFlow SavedModel")
FROZEN_GRAPH = FileType("weights", "TensorFlow graph (.pb)")
TFJS = FileType("weights", "TensorFlow.js network")
PADDLE = FileType("weights", "PaddlePaddle network")
NCNN = FileType("weights", "NCNN network (.param, with its values in a .bin beside it)")
KERAS = FileType("weights", "Keras network (HDF5)")
KERAS_ZIP = FileType("weights", "Keras network (.keras)")
EXECUTORCH = FileType("weights", "ExecuTorch program")
RKNN = FileType("weights", "RKNN network")
OTHERS = (
    *(DARKNET, TENSORRT, OPENVINO, TFLITE, COREML, SAVED_MODEL, FROZEN_GRAPH, TFJS, PADDLE, NCNN, KERAS, KERAS_ZIP),
    *(EXECUTORCH, RKNN),
)
"""Networks that this program knows, and does not run."""

MAGIC: tuple[tuple[bytes, int, FileType], ...] = (
    (b"ftrt", 0, TENSORRT),
    (b"TFL3", 4, TFLITE),
    (b"ET12", 4, EXECUTORCH),
    (b"RKNN", 0, RKNN),
    (b"\x89HDF\r\n\x1a\n", 0, KERAS),
)
"""Signature, offset, type."""
_MOST_SEEN = 1 << 40  # images that a Darknet was trained with
_MOST_FIELDS = 10_000
_ONNX_FIELDS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26})
_ONNX_GRAPH = 7
_COREML_TYPES = range(200, 3001)
ONNX = FileType("weights", "ONNX model")


def identify_text(text: bytes) -> FileType | None:
    """The type of a network that is written as text, of its beginning without leading white space."""
    if re.match(rb"\[net(work)?\]", text):
        return DARKNET_CFG
    if re.match(rb"<\?xml[^>]*>\s*<net\s", text):
        return OPENVINO
    if text.startswith(b"7767517") and re.match(rb"7767517\s+\d+\s+\d+\s", text):
        return NCNN
    if text.startswith(b"{") and re.search(rb'"magic"\s*:\s*"pir"', text[:200]):
        return PADDLE
    if text.startswith(b"{") and re.search(rb'"format"\s*:\s*"(graph|layers)-model"', text[:200]):
        return TFJS
    return None


def identify_binary(head: bytes, size: int, file: IO[bytes]) -> FileType | None:
    """The type of a network by more than a signature; `head` is how a file of `size` bytes begins."""
    length = int.from_bytes(head[:4], "little")
    # The ultralytics package writes what it knows of an engine before it, as JSON.
    if head[4:6] == b'{"' and b'"description"' in head and length < size:
        return TENSORRT
    if _is_darknet(head, size):
        return DARKNET
    return _identify_protobuf(head, size, file)


def _is_darknet(head: bytes, size: int) -> bool:
    """Three numbers of a version, how many images it has seen, and then values only."""
    if len(head) < 84 or (size - 20) % 4:
        return False
    major, minor, revision, seen = struct.unpack_from("<IIIQ", head)
    values = struct.unpack_from("<16f", head, 20)
    in_reach = all(math.isfinite(value) and abs(value) < 1e4 for value in values)
    return major == 0 and minor in (1, 2) and revision <= 10 and seen < _MOST_SEEN and in_reach and any(values)


def _identify_protobuf(head: bytes, size: int, file: IO[bytes]) -> FileType | None:
    """By the numbers of the outermost fields, which must be walkable."""
    found = _fields(file, size)
    if not found:
        return None
    if _ONNX_GRAPH in found and found <= _ONNX_FIELDS:
        return ONNX
    if {1, 2} <= found and any(number in _COREML_TYPES for number in found) and min(found - {1, 2, 10}) >= 200:
        return COREML
    if found == {1, 2} and head.startswith(b"\x08\x01\x12"):
        return SAVED_MODEL
    if 1 in found and found <= {1, 2, 3, 4} and re.match(rb"\x0a.{1,3}\x0a", head, re.DOTALL):
        return FROZEN_GRAPH if b"\x12\x05Const" in head or b"\x12\x0bPlaceholder" in head else None
    if 1 in found and found <= {1, 4, 5} and re.match(rb"\x0a.{1,5}\x08\x00\x10", head, re.DOTALL):
        return PADDLE
    return None


def _fields(file: IO[bytes], size: int) -> set[int]:
    """The numbers of the fields of a message that fills the file; none where it is no message."""
    file.seek(0)
    found: set[int] = set()
    for _ in range(_MOST_FIELDS):
        if file.tell() == size:
            return found
        tag = _varint(file)
        value = None if tag is None or not tag >> 3 else _varint(file)
        if tag is None or value is None or tag & 7 not in (0, 2):
            return set()
        found.add(tag >> 3)
        if tag & 7 == 2:
            if value > size - file.tell():  # a seek by more than a file can hold would raise
                return set()
            file.seek(value, 1)
    return set()


def _varint(file: IO[bytes]) -> int | None:
    value = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None
