"""TIFF files of values and layouts that no writer at hand gives."""

import struct
import zlib
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

_LONGS = {"I": 4, "Q": 16}


def tiff(
    planes: NDArray[Any],
    *,
    bits: int | None = None,
    sample_format: int | None = None,
    photometric: int | None = None,
    separate: bool = False,
    extra: int | None = None,
    deflated: bool = False,
    compression: int | None = None,
    palette: NDArray[np.uint16] | None = None,
    order: Literal["<", ">"] = "<",
    big: bool = False,
    rows: int = 16,
) -> bytes:
    """Return a file with its directory before its data, in strips of `rows`.

    `planes` are HWC or HW, RGB. With `bits` fewer than those of the array, values are packed without gaps. `extra` is
    the meaning of channels behind the third (or, of grey, the first); a `palette` has a row for each colour.
    """
    image = planes[..., None] if planes.ndim == 2 else planes
    height, width, samples = image.shape
    word = "Q" if big else "I"
    parts = [image[..., [k]] for k in range(samples)] if separate else [image]
    strips = [_packed(part[y : y + rows], bits, order) for part in parts for y in range(0, height, rows)]
    if deflated:
        strips = [zlib.compress(strip) for strip in strips]
    colours = 3 if samples > 2 else 1
    tags: dict[int, tuple[int, tuple[int, ...]]] = {
        256: (4, (width,)),
        257: (4, (height,)),
        258: (3, (bits or image.dtype.itemsize * 8,) * samples),
        259: (3, (compression or (8 if deflated else 1),)),
        262: (3, ((2 if colours == 3 else 1) if photometric is None else photometric,)),
        273: (_LONGS[word], (0,) * len(strips)),
        277: (3, (samples,)),
        278: (4, (rows,)),
        279: (_LONGS[word], tuple(map(len, strips))),
        284: (3, (2 if separate else 1,)),
        339: (3, (sample_format or {"u": 1, "i": 2, "f": 3, "c": 6}[image.dtype.kind],) * samples),
    }
    if palette is not None:
        tags[262], tags[320] = (3, (3,)), (3, tuple(palette.T.ravel().tolist()))
    if extra is not None:
        tags[338] = (3, (extra,) * (samples - colours))
    start = len(_head(tags, order, big))
    ends = np.cumsum([start, *map(len, strips)]).tolist()
    tags[273] = (_LONGS[word], tuple(ends[:-1]))
    return _head(tags, order, big) + b"".join(strips)


def _packed(strip: NDArray[Any], bits: int | None, order: Literal["<", ">"]) -> bytes:
    if bits is None or bits == strip.dtype.itemsize * 8:
        return strip.astype(strip.dtype.newbyteorder(order)).tobytes()
    digits = (strip.reshape(len(strip), -1, 1).astype(np.int64) >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(digits.reshape(len(strip), -1).astype(np.uint8), axis=1).tobytes()


def _head(tags: dict[int, tuple[int, tuple[int, ...]]], order: str, big: bool) -> bytes:
    entry, word, count = ("HHQ", "Q", "Q") if big else ("HHI", "I", "H")
    magic = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}H", 43 if big else 42)
    head = magic + (struct.pack(f"{order}HHQ", 8, 0, 16) if big else struct.pack(f"{order}I", 8))
    room = struct.calcsize(f"{order}{word}")
    behind = (
        len(head) + struct.calcsize(f"{order}{count}") + len(tags) * (struct.calcsize(f"{order}{entry}") + room) + room
    )
    directory, values = struct.pack(f"{order}{count}", len(tags)), b""
    for tag, (kind, numbers) in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(numbers)}{ {3: 'H', 4: 'I', 16: 'Q'}[kind] }", *numbers)
        if len(packed) > room:
            place = struct.pack(f"{order}{word}", behind + len(values))
            values += packed + b"\0" * (-len(packed) % 8)
        else:
            place = packed.ljust(room, b"\0")
        directory += struct.pack(f"{order}{entry}", tag, kind, len(numbers)) + place
    return head + directory + struct.pack(f"{order}{word}", 0) + values
