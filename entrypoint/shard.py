"""Which share of the media a run looks at, when several share the work."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from entrypoint.errors import UsageError

# Index and count as platforms give them to each of the executions of a job.
_PLATFORMS = (
    ("BACALHAU_PARTITION_INDEX", "BACALHAU_PARTITION_COUNT"),
    ("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"),
)
_NUMBER = re.compile("[0-9]{1,6}")
_OWN_DATA = ("ops", "daemon")
_EXECUTION = re.compile("[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` shares, `index` from 0. Raises ValueError for one that cannot be."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(f"{self.index}/{self.count}: shards of {self.count} are 0 to {self.count - 1}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `I/N`. Raises ValueError."""
        index, slash, count = text.partition("/")
        if not slash or not _NUMBER.fullmatch(index) or not _NUMBER.fullmatch(count):
            raise ValueError(f"{text!r} is not a shard: expected I/N, the first of three is 0/3")
        return cls(int(index), int(count))

    @property
    def folder(self) -> str:
        """Where its results go, in the folder of the run."""
        return f"part-{self.index}-of-{self.count}"

    def holds(self, file: str) -> bool:
        """Whether it looks at a medium of that name. By the name alone: nothing else in the source matters."""
        digest = hashlib.blake2b(file.encode(), digest_size=8).digest()
        return int.from_bytes(digest) % self.count == self.index


def partition(environment: Mapping[str, str]) -> Shard | None:
    """The share that the platform meant for this execution; None where there is one execution alone.

    Raises UsageError when its variables make no sense.
    """
    for index_name, count_name in _PLATFORMS:
        index, count = environment.get(index_name, ""), environment.get(count_name, "")
        if count in ("", "0", "1"):
            continue
        try:
            return Shard.parse(f"{index}/{count}")
        except ValueError as error:
            raise UsageError(
                f"{index_name}={index} and {count_name}={count}: {error}; unset them, or say --shard I/N"
            ) from error
    return None


def own_execution(environment: Mapping[str, str]) -> str | None:
    """The id of this execution where each has data of its own, as in Bacalhau's ops and daemon jobs; else None.

    Raises UsageError when it is no name of a folder.
    """
    execution = environment.get("BACALHAU_EXECUTION_ID", "")
    if environment.get("BACALHAU_JOB_TYPE") not in _OWN_DATA or not execution:
        return None
    if not _EXECUTION.fullmatch(execution):
        raise UsageError(f"BACALHAU_EXECUTION_ID={execution!r} is not the id of an execution; unset it")
    return execution
