"""Checkpoints from before torch 1.6: one pickle after another, then the raw bytes of every storage."""

import pickle

import numpy as np

from entrypoint.weights.classic.budget import Budget
from entrypoint.weights.classic.nodes import ALLOWED, NodeKind
from entrypoint.weights.classic.opcodes import Buffer
from entrypoint.weights.classic.tensors import Storage, StorageReference, storage_reference, stored_values
from entrypoint.weights.classic.unpickler import Unpickler

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_LENGTH_BYTES = 8


def read_legacy(data: Buffer, budget: Budget) -> object:
    """The object that a legacy checkpoint pickled; `data` is the whole file.

    Raises pickle.UnpicklingError and EOFError as `Unpickler.load` does.
    """
    storages = _Storages(len(data))
    unpickler = Unpickler(ALLOWED, storages.persistent, budget)
    magic, position = unpickler.load(data, 0)
    protocol, position = unpickler.load(data, position)
    if type(magic) is not int or type(protocol) is not int or (magic, protocol) != (_MAGIC, _PROTOCOL):
        raise pickle.UnpicklingError("it does not start as torch's legacy format does")
    system, position = unpickler.load(data, position)
    if not isinstance(system, dict) or system.get("little_endian", True) is not True:
        raise pickle.UnpicklingError("its tensors are big-endian")
    content, position = unpickler.load(data, position)
    keys, position = unpickler.load(data, position)
    storages.fill(keys, data, position)
    return content


class _Storages:
    """The storages that the pickle speaks of: arrays that get their values when it has been read, for these follow it.

    All together they are no larger than the file, and take no memory before they are filled.
    """

    def __init__(self, file_bytes: int) -> None:
        self._room = file_bytes
        self._found: dict[str, tuple[StorageReference, Storage]] = {}

    def persistent(self, found: object) -> object:
        """A storage; or a class, which comes with its source code."""
        if isinstance(found, tuple) and len(found) > 1 and found[0] == "module" and isinstance(found[1], NodeKind):
            return found[1]
        reference = storage_reference(found)
        if reference.key not in self._found:
            self._room -= reference.nbytes
            if self._room < 0:
                raise pickle.UnpicklingError("its tensors are larger than the file")
            self._found[reference.key] = reference, Storage(np.zeros(reference.length, reference.dtype))
        known, storage = self._found[reference.key]
        if known != reference:
            raise pickle.UnpicklingError("a storage of two kinds")
        return storage

    def fill(self, keys: object, data: Buffer, position: int) -> None:
        """Read the values, in the order of `keys`: of each storage its length, then its values."""
        if not isinstance(keys, list) or len(keys) != len(self._found):
            raise pickle.UnpicklingError("its list of storages does not match its tensors")
        places: dict[str, int] = {}
        for key in keys:
            if not isinstance(key, str) or key not in self._found or key in places:
                raise pickle.UnpicklingError("its list of storages does not match its tensors")
            reference, _ = self._found[key]
            start = position + _LENGTH_BYTES
            places[key], position = start, start + reference.nbytes
            if (
                position > len(data)
                or int.from_bytes(data[start - _LENGTH_BYTES : start], "little") != reference.length
            ):
                raise EOFError("a tensor's values are cut off")
        for key, start in places.items():
            reference, storage = self._found[key]
            storage.values[:] = stored_values(reference, data, start)
