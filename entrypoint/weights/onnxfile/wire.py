"""The wire format of protobuf: the fields of a message, as views of its bytes, every length held against what is there.

The package that has this costs 50 ms to import, and takes what it is given at its word.
"""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from entrypoint.errors import UnsafeWeightsError

Field: TypeAlias = int | memoryview
"""A number, or the bytes of text, of a message, or of four or eight bytes that are no varint."""

_MOST_NAME, _SHORT = 1000, 200  # characters
_VARINT, _EIGHT_BYTES, _COUNTED, _FOUR_BYTES = 0, 1, 2, 5
_MOST_VARINT_BYTES = 10
_WIDTHS = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}


class Budget:
    """Fields that all messages of one file may have, together."""

    def __init__(self, fields: int) -> None:
        self._left = self._most = fields

    def take(self) -> None:
        """One field more. Raises UnsafeWeightsError where there are too many."""
        self.require(1)
        self._left -= 1

    def require(self, count: int) -> None:
        """Raise UnsafeWeightsError where so many more would be too many."""
        if count > self._left:
            raise UnsafeWeightsError(f"holds more than {self._most} fields, and no detector does")


def fields(message: memoryview, budget: Budget) -> Iterator[tuple[int, Field]]:
    """The fields of a message, as they stand there: their numbers and values.

    Raises UnsafeWeightsError for bytes that are no message.
    """
    position, end = 0, len(message)
    while position < end:
        budget.take()
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if kind == _COUNTED:
            length, position = _varint(message, position)
        elif kind in _WIDTHS:
            length = _WIDTHS[kind]
        else:
            raise UnsafeWeightsError(f"its protobuf message has a field of wire type {kind}")
        if length > end - position:
            raise UnsafeWeightsError(
                f"its protobuf message declares {length} bytes where {end - position} are left: the file is damaged, "
                "or was cut"
            )
        yield number, message[position : position + length]
        position += length


def signed(value: int) -> int:
    """A varint as the signed number of 64 bits that it stands for."""
    return value - (1 << 64) if value >> 63 else value


def varints(packed: memoryview, budget: Budget) -> Iterator[int]:
    """The signed numbers of a packed field, which are counted before the first is read."""
    budget.require(len(packed) // _MOST_VARINT_BYTES)  # so that counting them costs no more than those allowed
    budget.require(int(np.count_nonzero(np.frombuffer(packed, np.uint8) < 0x80)))
    position = 0
    while position < len(packed):
        budget.take()
        value, position = _varint(packed, position)
        yield signed(value)


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 7 * _MOST_VARINT_BYTES, 7):
        if position >= len(message):
            raise UnsafeWeightsError("its protobuf message ends within a number: the file is damaged, or was cut")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & ((1 << 64) - 1), position
    raise UnsafeWeightsError("its protobuf message has a number of more than 64 bits")


def body_of(value: Field) -> memoryview:
    """The bytes of a field."""
    if isinstance(value, int):
        raise UnsafeWeightsError("its protobuf message has a number where bytes should be")
    return value


def number_of(value: Field) -> int:
    """The number of a field, without a sign."""
    if not isinstance(value, int):
        raise UnsafeWeightsError("its protobuf message has bytes where a number should be")
    return value


def name_of(value: Field) -> str:
    """The name of a value or an operation."""
    found = text(body_of(value))
    if len(found) > _MOST_NAME:
        raise UnsafeWeightsError(f"has a name of {len(found)} characters")
    return found


def beginning(value: Field) -> str:
    """The beginning of a text."""
    return text(body_of(value)[:_SHORT])


def text(value: memoryview) -> str:
    """Text as it is, with a sign for what is none."""
    return bytes(value).decode("utf-8", "replace")
