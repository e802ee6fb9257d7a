"""Checkpoints since torch 1.6: a zip archive of one pickle and, stored as they are, the bytes of every storage."""

import pickle
import struct
import zipfile
from collections.abc import Sequence

from entrypoint.errors import WeightsError
from entrypoint.weights.classic.budget import Budget
from entrypoint.weights.classic.nodes import ALLOWED
from entrypoint.weights.classic.opcodes import Buffer
from entrypoint.weights.classic.tensors import Storage, StorageReference, storage_reference, stored_values
from entrypoint.weights.classic.unpickler import Unpickler

_LOCAL_HEADER = struct.Struct("<4s22xHH")  # its signature; bytes of the name and of the extra field behind it
_ENCRYPTED = 1
_MOST_PICKLE_BYTES = 32 << 20


class Archive:
    """The members of a checkpoint's archive.

    `data` is the whole file, `members` its directory. Raises WeightsError for an archive that torch never writes.
    """

    def __init__(self, data: Buffer, members: Sequence[zipfile.ZipInfo]) -> None:
        self._data = data
        declared = sum(member.file_size for member in members)
        if declared > len(data):
            raise WeightsError(
                f"the archive declares {declared} bytes of contents in a file of {len(data)}; a checkpoint that torch "
                "saved never does. Save it again with torch.save."
            )
        if any(member.compress_type != zipfile.ZIP_STORED or member.flag_bits & _ENCRYPTED for member in members):
            raise _unlike_torch("has members that are compressed or encrypted")
        self._members = {member.filename: member for member in members}
        if len(self._members) < len(members):
            raise _unlike_torch("has several members of one name")
        roots = [name[: -len("data.pkl")] for name in self._members if name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise _unlike_torch(f"has {len(roots)} members that are called data.pkl, expected one")
        self._root = roots[0]
        if "byteorder" in self and self._bytes("byteorder", 16) != b"little":
            raise WeightsError("its tensors are big-endian; save it again on the machine that most have")

    def __contains__(self, name: str) -> bool:
        return self._root + name in self._members

    @property
    def pickle(self) -> bytes:
        """The pickle of everything but the tensors' values."""
        return self._bytes("data.pkl", _MOST_PICKLE_BYTES)

    def storage(self, reference: StorageReference) -> Storage:
        """A storage's values, as a view of the file. Raises pickle.UnpicklingError where they are not there."""
        name = f"data/{reference.key}"
        if name not in self:
            raise pickle.UnpicklingError("a tensor whose values are missing from the archive")
        start, size = self._place(name)
        if size != reference.nbytes:
            raise pickle.UnpicklingError(f"a storage of {reference.nbytes} bytes of which the archive has {size}")
        return Storage(stored_values(reference, self._data, start))

    def _bytes(self, name: str, most: int) -> bytes:
        start, size = self._place(name)
        if size > most:
            raise _unlike_torch(f"has a {name} of {size} bytes, expected at most {most}")
        return self._data[start : start + size]

    def _place(self, name: str) -> tuple[int, int]:
        """Where a member's bytes start, and how many they are."""
        member = self._members[self._root + name]
        start, size = member.header_offset, member.file_size
        header = self._data[start : start + _LOCAL_HEADER.size] if start >= 0 else b""
        if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
            raise _unlike_torch(f"has no {name} where it should be")
        _, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(header)
        start += _LOCAL_HEADER.size + name_bytes + extra_bytes
        if member.compress_size != size or start + size > len(self._data):
            raise _unlike_torch(f"has a {name} that does not lie in it")
        return start, size


def read_zip(archive: Archive, budget: Budget) -> object:
    """The object that a checkpoint pickled, its tensors as views of the file.

    Raises pickle.UnpicklingError and EOFError as `Unpickler.load` does, WeightsError as `Archive` does.
    """
    storages: dict[str, tuple[StorageReference, Storage]] = {}

    def persistent(found: object) -> Storage:
        reference = storage_reference(found)
        if reference.key not in storages:
            storages[reference.key] = reference, archive.storage(reference)
        known, storage = storages[reference.key]
        if known != reference:
            raise pickle.UnpicklingError("a storage of two kinds")
        return storage

    return Unpickler(ALLOWED, persistent, budget).load(archive.pickle, 0)[0]


def _unlike_torch(what: str) -> WeightsError:
    return WeightsError(f"the archive {what}; torch never saves one like that. Save it again with torch.save.")
