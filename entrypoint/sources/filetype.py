"""What a file is, from its bytes. Names and suffixes are never asked: a download may have neither."""

import errno
import json
import os
import re
import stat
import zipfile
from pathlib import Path
from typing import IO

from entrypoint.sources import modelformats
from entrypoint.sources.filetypes import FileType
from entrypoint.sources.modelformats import ONNX
from entrypoint.sources.suffixes import IMAGE_SUFFIXES, VIDEO_SUFFIXES, suffix
from entrypoint.sources.zipdirectory import LargeDirectoryError, read_directory

__all__ = ["HEAD_BYTES", "ONNX", "FileType", "identify", "identify_head"]

HEAD_BYTES = 4096
"""Bytes from the start of a file that `identify_head` wants to see."""

_MAX_SAFETENSORS_HEADER = 10_000_000
# torch.save before 1.6 pickles this number first (torch.serialization.MAGIC_NUMBER), with protocol 2.
_TORCH_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."

TORCH = FileType("weights", "torch checkpoint")
TORCH_LEGACY = FileType("weights", "torch checkpoint (legacy pickle)")
TORCHSCRIPT = FileType("weights", "TorchScript model")
SAFETENSORS = FileType("weights", "safetensors file")
EMPTY = FileType("empty", "an empty file")
HTML = FileType("document", "an HTML page (the download brought a web page, not the file)")
XML = FileType("document", "an XML document (the download brought an error message, not the file)")
JSON = FileType("document", "a JSON document (the download brought an error message, not the file)")
GIT_LFS = FileType("document", "a Git LFS pointer (run `git lfs pull` where it came from)")
TRUNCATED_ZIP = FileType("damaged", "a zip archive without its end (the download was cut: fetch it again)")
UNKNOWN = FileType("unknown", "of no known type")

TAR = FileType("archive", "tar archive")
SEVEN_ZIP, RAR = FileType("archive", "7z archive"), FileType("archive", "RAR archive")

JPEG = FileType("image", "JPEG image")
JPEG_XL = FileType("image", "JPEG XL image")
PNG = FileType("image", "PNG image")
TIFF = FileType("image", "TIFF image")
JPEG_2000 = FileType("image", "JPEG 2000 image")
NETPBM = FileType("image", "Netpbm image")
PFM = FileType("image", "PFM image")
OPEN_EXR = FileType("image", "OpenEXR image")
_AVIF, _HEIC, _HEIF = (FileType("image", f"{name} image") for name in ("AVIF", "HEIC", "HEIF"))
HEIF = frozenset((_HEIC, _HEIF))
# Brands of HEIF's container: which codec an image of it is of.
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), _AVIF),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), _HEIC),
    **dict.fromkeys((b"mif1", b"mif2", b"msf1"), _HEIF),
}

_MAGIC: tuple[tuple[bytes, int, FileType], ...] = (
    # signature, offset, type
    (b"\xff\xd8\xff", 0, JPEG),
    (b"\x89PNG\r\n\x1a\n", 0, PNG),
    (b"GIF87a", 0, FileType("image", "GIF image")),
    (b"GIF89a", 0, FileType("image", "GIF image")),
    (b"WEBP", 8, FileType("image", "WebP image")),
    (b"II*\x00", 0, TIFF),
    (b"MM\x00*", 0, TIFF),
    (b"II+\x00", 0, TIFF),
    (b"MM\x00+", 0, TIFF),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", 0, JPEG_2000),
    (b"\xff\x4f\xff\x51", 0, JPEG_2000),
    (b"v/1\x01", 0, OPEN_EXR),
    (b"#?RADIANCE", 0, FileType("image", "Radiance HDR image")),
    (b"#?RGBE", 0, FileType("image", "Radiance HDR image")),
    (b"\x59\xa6\x6a\x95", 0, FileType("image", "Sun raster image")),
    (b"ftyp", 4, FileType("video", "MP4 or MOV video")),  # unless its brands are those of an image
    (b"\xff\x0a", 0, JPEG_XL),
    (b"\0\0\0\x0cJXL \r\n\x87\n", 0, JPEG_XL),
    (b"AVI ", 8, FileType("video", "AVI video")),
    (b"\x1a\x45\xdf\xa3", 0, FileType("video", "Matroska or WebM video")),
    (b"\x00\x00\x01\xba", 0, FileType("video", "MPEG video")),
    (b"\x00\x00\x01\xb3", 0, FileType("video", "MPEG video")),
    (b"OggS", 0, FileType("video", "Ogg video")),
    (b"DKIF", 0, FileType("video", "IVF video")),
    (b"YUV4MPEG2 ", 0, FileType("video", "Y4M video")),
    (b"nut/multimedia container\0", 0, FileType("video", "NUT video")),
    (b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02", 0, FileType("video", "MXF video")),
    (b".RMF", 0, FileType("video", "RealMedia video")),
    (b"FLV\x01", 0, FileType("video", "FLV video")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", 0, FileType("video", "WMV video")),
    (b"\x1f\x8b", 0, FileType("archive", "gzip archive")),
    (b"BZh", 0, FileType("archive", "bzip2 archive")),
    (b"\xfd7zXZ\x00", 0, FileType("archive", "xz archive")),
    (b"\x28\xb5\x2f\xfd", 0, FileType("archive", "zstd archive")),
    (b"7z\xbc\xaf\x27\x1c", 0, SEVEN_ZIP),
    (b"Rar!\x1a\x07", 0, RAR),
    (b"ustar", 257, TAR),
    (b"%PDF-", 0, FileType("document", "a PDF document")),
)
_MEDIA_SUFFIXES = IMAGE_SUFFIXES | VIDEO_SUFFIXES
_ZIP = FileType("archive", "zip archive")
_TS, _TS_PACKET, _TS_SIGN = FileType("video", "MPEG transport stream"), 188, 0x47
_BMP = FileType("image", "BMP image")


def identify(path: Path) -> FileType:
    """The type of a regular file.

    Raises OSError when the file cannot be read.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        head = file.read(HEAD_BYTES) or b""  # None from a file that only looks like one, such as /proc/kmsg
        if head.startswith(b"PK\x03\x04"):
            return _identify_zip(file)
        found = identify_head(head)
        if found is not UNKNOWN:
            return found
        size = file.seek(0, 2)
        if _is_safetensors(head, size, file):
            return SAFETENSORS
        return modelformats.identify_binary(head, size, file) or UNKNOWN


def _without_waiting(path: str, flags: int) -> int:
    """Open what may be a pipe, that nobody writes to."""
    return os.open(path, flags | os.O_NONBLOCK)


def identify_head(head: bytes) -> FileType:
    """The type of a file that starts with `head` (HEAD_BYTES of it), where its start alone tells."""
    if not head:
        return EMPTY
    if head.startswith(_TORCH_LEGACY):
        return TORCH_LEGACY
    for signature, offset, kind in (*_MAGIC, *modelformats.MAGIC):
        if head.startswith(signature, offset):
            return _of_brands(head) or kind if signature == b"ftyp" else kind
    if len(head) > 2 * _TS_PACKET and head[0] == head[_TS_PACKET] == head[2 * _TS_PACKET] == _TS_SIGN:
        return _TS
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return _BMP
    if re.match(rb"P[1-7]\s", head):
        return NETPBM
    if re.match(rb"P[Ff]\s", head):
        return PFM
    return _identify_text(head)


def _of_brands(head: bytes) -> FileType | None:
    """The kind of image that a file of ISO's container holds by its brands, the first of which counts most."""
    length = min(int.from_bytes(head[:4], "big"), 256)
    brands = [head[8:12], *(head[place : place + 4] for place in range(16, length - 3, 4))]
    if brands[0] not in _BRANDS:
        return None
    found = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    return next((kind for kind in found if kind is not _HEIF), _HEIF)


def _identify_text(head: bytes) -> FileType:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    lowered = text[:512].lower()
    if text.startswith(b"version https://git-lfs"):
        return GIT_LFS
    if found := modelformats.identify_text(text):
        return found
    if lowered.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return HTML
    if lowered.startswith(b"<?xml"):
        return HTML if b"<html" in lowered else XML
    if re.match(rb'(\{\s*("|\})|\[\s*("|\{|\[|\d|\]))', text):
        return JSON
    if b"\0" not in head and re.fullmatch(rb"[\t\n\r\x20-\x7e\x80-\xff]+", head):
        try:
            head.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.start < len(head) - 3:  # not merely a character cut by the end of the head
                return UNKNOWN
        return FileType("document", "plain text")
    return UNKNOWN


def _identify_zip(file: IO[bytes]) -> FileType:
    try:
        members = read_directory(file)
    except LargeDirectoryError:
        return _ZIP
    except zipfile.BadZipFile:
        return TRUNCATED_ZIP
    names = {"/".join(member.filename.split("/")[1:]) for member in members}
    # Neither kind of weights has images in it, and a data set may have a file of any name.
    if "data.pkl" in names and not any(suffix(name) in _MEDIA_SUFFIXES for name in names):
        return TORCHSCRIPT if "constants.pkl" in names else TORCH
    if {"config.json", "model.weights.h5"} <= {member.filename for member in members}:
        return modelformats.KERAS_ZIP
    return _ZIP


def _is_safetensors(head: bytes, size: int, file: IO[bytes]) -> bool:
    length = int.from_bytes(head[:8], "little")
    if head[8:9] != b"{" or not 2 <= length <= min(size - 8, _MAX_SAFETENSORS_HEADER):
        return False
    file.seek(8)
    try:
        return isinstance(json.loads(file.read(length)), dict)
    except (ValueError, RecursionError):
        return False
