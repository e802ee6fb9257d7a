"""A pickle's opcodes, decoded within a budget: the one place where the bytes of a pickle are taken apart.

Whatever the bytes say of themselves is held against what is there before anything is made of it. The opcodes come out
as steps, of which there are fewer kinds: everything that pushes a plain value is a PUSH, all ways to remember a value
are a PUT with its index, all ways to fetch one a GET.

Not covered: what no torch checkpoint holds, so that it is refused here. That is the opcodes written as text (those of
protocol 0, but for names of classes), bytearrays and buffers, frozen sets, the extension registry, keyword arguments.
"""

import pickle
import struct
from collections.abc import Iterator
from mmap import mmap

from entrypoint.weights.classic.budget import Budget

Buffer = bytes | mmap
Step = tuple[int, object]

PUSH, GET, PUT = -1, -2, -3
"""The kinds of step that several opcodes share. All others are called by their opcode."""

_MOST_NAME_BYTES = 500
_MOST_INT_BYTES = 64
_FRAME_BYTES = struct.Struct("<Q").unpack_from


def walk(data: Buffer, position: int, budget: Budget) -> Iterator[Step]:
    """The steps of the pickle that starts at `position`, to STOP, whose argument is the position behind it.

    Raises pickle.UnpicklingError for what no checkpoint holds, EOFError where the data ends first.
    """
    end = len(data)
    remembered = 0
    while True:
        budget.opcodes -= 1
        if budget.opcodes < 0:
            raise pickle.UnpicklingError("it holds more opcodes than a checkpoint of its size")
        if position >= end:
            raise EOFError("its pickle has no end")
        code = data[position]
        position += 1
        if code in _BARE:
            yield code, None
        elif code == FRAME:
            position += 8
            if position > end or position + _FRAME_BYTES(data, position - 8)[0] > end:
                raise EOFError("its pickle declares more bytes than are left")
        elif code in _CONSTANTS:
            yield PUSH, _CONSTANTS[code]
        elif code in _NUMBERS:
            kind, unpack, size = _NUMBERS[code]
            if position + size > end:
                raise EOFError("its pickle has no end")
            (value,) = unpack(data, position)
            position += size
            if kind != PUSH:
                if value > remembered or (kind == GET and value == remembered):
                    raise pickle.UnpicklingError(f"it speaks of value {value}, and has {remembered}")
                remembered += kind == PUT and value == remembered
            yield kind, value
        elif code in _COUNTED:
            argument, position = _counted(code, data, position, budget)
            yield PUSH, argument
        elif code == MEMOIZE:
            remembered += 1
            yield PUT, remembered - 1
        elif code in (GLOBAL, INST):
            argument, position = _names(data, position, budget)
            yield code, argument
        elif code == PROTO:
            if position >= end or data[position] > pickle.HIGHEST_PROTOCOL:
                raise pickle.UnpicklingError("it is of a protocol that Python does not have")
            position += 1
        elif code == STOP:
            yield code, position
            return
        else:
            raise pickle.UnpicklingError(f"it holds the opcode 0x{code:02x}, which torch never writes")


def _length(data: Buffer, position: int, size: int) -> tuple[int, int]:
    """The length that `size` bytes declare of what follows them, and where that starts."""
    start = position + size
    length = int.from_bytes(data[position:start], "little")
    if start + length > len(data):
        raise EOFError(f"its pickle declares {length} bytes where {max(0, len(data) - start)} are left")
    return length, start


def _counted(code: int, data: Buffer, position: int, budget: Budget) -> tuple[object, int]:
    """A value whose length stands before it, and the position behind it."""
    kind, size = _COUNTED[code]
    length, start = _length(data, position, size)
    behind = start + length
    if kind == "int":
        if length > _MOST_INT_BYTES:
            raise pickle.UnpicklingError(f"it holds a whole number of {length} bytes")
        return int.from_bytes(data[start:behind], "little", signed=True), behind
    budget.take_text(length)
    found = data[start:behind]
    if kind == "bytes":
        return found, behind
    try:
        return found.decode("utf-8" if kind == "text" else "ascii", "surrogatepass"), behind
    except UnicodeDecodeError:
        raise pickle.UnpicklingError("it holds text that is none") from None


def _names(data: Buffer, position: int, budget: Budget) -> tuple[tuple[str, str], int]:
    """The two lines of a class: its module and its name there."""
    found = []
    for _ in range(2):
        end = data.find(b"\n", position, position + _MOST_NAME_BYTES)
        if end < 0:
            raise pickle.UnpicklingError("it holds the name of a class without an end")
        budget.take_text(end - position)
        try:
            found.append(data[position:end].decode())
        except UnicodeDecodeError:
            raise pickle.UnpicklingError("it holds the name of a class that is no text") from None
        position = end + 1
    return (found[0], found[1]), position


def _codes(*opcodes: bytes) -> frozenset[int]:
    return frozenset(opcode[0] for opcode in opcodes)


GLOBAL, INST, STACK_GLOBAL = pickle.GLOBAL[0], pickle.INST[0], pickle.STACK_GLOBAL[0]
MEMOIZE, PROTO, FRAME, STOP = pickle.MEMOIZE[0], pickle.PROTO[0], pickle.FRAME[0], pickle.STOP[0]
_BARE = _codes(
    *(pickle.MARK, pickle.POP, pickle.POP_MARK, pickle.DUP),
    *(pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS, pickle.LIST),
    *(pickle.EMPTY_DICT, pickle.SETITEM, pickle.SETITEMS, pickle.DICT),
    *(pickle.EMPTY_SET, pickle.ADDITEMS, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
    *(pickle.STACK_GLOBAL, pickle.REDUCE, pickle.NEWOBJ, pickle.BUILD, pickle.BINPERSID),
)
_CONSTANTS: dict[int, object] = {
    pickle.EMPTY_TUPLE[0]: (),
    pickle.NONE[0]: None,
    pickle.NEWTRUE[0]: True,
    pickle.NEWFALSE[0]: False,
}
_NUMBERS = {
    opcode[0]: (kind, struct.Struct(form).unpack_from, struct.calcsize(form))
    for opcode, kind, form in (
        (pickle.BINGET, GET, "<B"),
        (pickle.LONG_BINGET, GET, "<I"),
        (pickle.BINPUT, PUT, "<B"),
        (pickle.LONG_BINPUT, PUT, "<I"),
        (pickle.BININT1, PUSH, "<B"),
        (pickle.BININT2, PUSH, "<H"),
        (pickle.BININT, PUSH, "<i"),
        (pickle.BINFLOAT, PUSH, ">d"),
    )
}
_COUNTED = {
    opcode[0]: (kind, size)
    for opcode, kind, size in (
        (pickle.SHORT_BINUNICODE, "text", 1),
        (pickle.BINUNICODE, "text", 4),
        (pickle.BINUNICODE8, "text", 8),
        (pickle.SHORT_BINBYTES, "bytes", 1),
        (pickle.BINBYTES, "bytes", 4),
        (pickle.BINBYTES8, "bytes", 8),
        (pickle.SHORT_BINSTRING, "ascii", 1),
        (pickle.BINSTRING, "ascii", 4),
        (pickle.LONG1, "int", 1),
        (pickle.LONG4, "int", 4),
    )
}
