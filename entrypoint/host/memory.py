"""Living within a memory limit: nothing starts that cannot end, and running out is an error, never a kill.

The kernel ends a process that exceeds its cgroup's limit, and on a batch platform that is the loss of all results. So
the heap gets a limit of its own, a little below: an allocation beyond it fails, and what asked for it can give way.
"""

import ctypes
import errno
import math
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from entrypoint.errors import ResourceError, YoloBacError
from entrypoint.host import limits

LEAST_BYTES = 100_000_000
"""What the libraries need, before any network."""
PYTORCH_BYTES = 420_000_000
"""The same with PyTorch among them."""
# An address space holds the code of all libraries as well, and room that is set aside and never used.
_MAPPED_BYTES = 350_000_000
_M_ARENA_MAX = -8  # of malloc.h

# While a network is made ready its weights are there so many times.
_COPIES = 4.5
# The values that it makes of a pixel grow with its width, and that with the root of its weights.
_PIXEL_BYTES, _WIDTH_BYTES = 50, 0.009

# PyTorch's allocator on a CPU, oneDNN (whose kernels are compiled into memory), ONNX Runtime's, OpenCV's, C++, CUDA's
# libraries, the loader of libraries.
_WORDS = (
    "can't allocate memory",
    "could not create a",
    "Failed to allocate memory",
    "Insufficient memory",
    "out of memory",
    "bad_alloc",
    "STATUS_ALLOC_FAILED",
    "failed to map segment",
)
_STATUS, _MEMINFO = Path("/proc/self/status"), Path("/proc/meminfo")
_SHARE_OF_HOST = 0.95
# Left free of the heap: the program's own code, which the kernel can read again from disk but had better not, and files
# being written.
_CODE_BYTES = 32 << 20
_STACK_BYTES = 8 << 20
_STACKS_PER_CPU = 3  # to compute, to decode, to write
_STARTING, _STARTING_BYTES = threading.Lock(), 2 * _STACK_BYTES
_LEAST_WAITING, _MOST_WAITING = 4 << 20, 192 << 20
# For some ten shapes of photographs, with what the network is to see of each.
_BYTES_PER_BATCH_SIZE, _MOST_FOR_BATCHES = 24 << 20, 1 << 30
_INPUT_BYTES = 110_000_000  # for a photograph or a video on its way
_FLAGS = "`--memory 4gb` for bacalhau docker run, `--memory 4g` for docker run"


def require_least() -> None:
    """Raises ResourceError where not even the libraries fit; to be asked before they are imported."""
    require(LEAST_BYTES, "this program")


def require(needed: int, what: str) -> None:
    """Raises ResourceError where memory is limited to fewer bytes than `what` needs."""
    for one in _set():
        if one.bytes < needed + one.beside:
            raise ResourceError(
                f"{one}, and {what} needs {-(-(needed + one.beside) // 1_000_000)} MB: raise the limit: {one.remedy}"
            )


def save_address_space() -> None:
    """Have all threads share one heap where the address space is limited: each of its own would take 64 MB of that."""
    if limits.address_space() is not None:
        with suppress(AttributeError, OSError):  # another C library than glibc
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def set_aside(needed: int, what: str) -> None:
    """Keep so many bytes free of this process's heap, for `what` runs in another beside it.

    Raises ResourceError where the job, which is ready to look at inputs, would have too little left for one of them.
    """
    require(needed, what)
    free, (soft, hard) = room(), resource.getrlimit(resource.RLIMIT_DATA)
    if free is None or soft == resource.RLIM_INFINITY:  # of a process that looks at no inputs
        return
    if free < needed + _INPUT_BYTES:
        raise ResourceError(
            f"{_set()[0]}, and {what} needs {-(-(needed + _INPUT_BYTES) // 1_000_000)} MB beside the network, which "
            f"leaves {max(0, free) // 1_000_000} MB: {advice()}"
        )
    resource.setrlimit(resource.RLIMIT_DATA, (soft - needed, hard))


def need_of(weights: int, imgsz: tuple[int, int]) -> int:
    """Bytes that a job needs for a network of so many bytes of weights, and images of that height and width."""
    of_pixels = imgsz[0] * imgsz[1] * (_PIXEL_BYTES + _WIDTH_BYTES * math.sqrt(weights))
    return LEAST_BYTES + int(_COPIES * weights + of_pixels)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says, in the words of one of the libraries, that memory is out."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return not isinstance(error, YoloBacError) and any(words in str(error) for words in _WORDS)


def shortage(what: str) -> ResourceError:
    """The error for something that does not fit into this process's memory."""
    found = _set()
    if not found:
        free = f"{sum(_fields(_MEMINFO, 'MemAvailable', 'SwapFree').values()) // 1_000_000} MB"
        return ResourceError(
            f"not enough memory for {what}: {free} are free on this machine, and no limit is set; "
            "use a larger machine, or choose a smaller model or --imgsz"
        )
    return ResourceError(
        f"{' and '.join(map(str, found))}, too little for {what}: {advice()}, or choose a smaller model or --imgsz"
    )


def advice() -> str:
    """How to raise the limits that are set; those of the container where there are none."""
    return f"raise the limit: {', '.join(one.remedy for one in _set()) or _FLAGS}"


def is_limited() -> bool:
    """Whether there is a limit of memory, of data or of the address space."""
    return bool(_set())


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit of so many bytes for `noun`, how it is raised, and the bytes that count there beside the heap."""

    bytes: int
    noun: str
    remedy: str
    beside: int = 0

    def __str__(self) -> str:
        return f"{self.noun} is limited to {self.bytes // 1_000_000} MB"


def _set() -> list[_Limit]:
    """The limits that are set, that of the cgroup first."""
    memory, space, data = limits.memory_limit(), limits.address_space(), limits.data()
    found = []
    if memory is not None:
        found.append(_Limit(memory, "memory", _FLAGS))
    if space is not None:
        found.append(_Limit(space, "the address space (ulimit -v)", "`ulimit -v unlimited`", _MAPPED_BYTES))
    if data is not None:
        found.append(_Limit(data, "the data segment (ulimit -d)", "`ulimit -d unlimited`"))
    return found


def guard(*, by_host: bool = False) -> None:
    """Make allocations fail before the cgroup's limit kills.

    `by_host` guards what the whole host has free now, too, for where there is no limit, or one above that; then what
    the kernel would kill may be another process. It is not for a process that uses a GPU.

    The limit is what is mapped now (VmData in /proc/self/status) and what the cgroup still has room for. CUDA, cuDNN
    and pinned memory map more than they use: where a GPU is used, guard once they are there.
    """
    rooms = [free for free in (room(), _room_of_host() if by_host else None) if free is not None]
    if not rooms:
        return
    free = min(rooms)
    # RLIMIT_DATA counts what is mapped, the cgroup what is touched: thread stacks are mapped whole.
    data = _status("VmData") + max(0, free) + _STACK_BYTES * _STACKS_PER_CPU * limits.threads()
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (data if hard == resource.RLIM_INFINITY else min(data, hard), hard))


@contextmanager
def starting_threads() -> Iterator[None]:
    """Have threads that start within the block get their stack beyond the limit of `guard`.

    Python waits for ever for a new thread that finds no memory before it has told that it runs.
    """
    with _STARTING:
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if soft in (resource.RLIM_INFINITY, hard):
            yield
            return
        more = soft + _STARTING_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (more if hard == resource.RLIM_INFINITY else min(more, hard), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def room() -> int | None:
    """Bytes that the heap may still grow by; None for no limit."""
    limit = limits.memory_limit()
    return None if limit is None else limit - _status("RssAnon", "VmRSS") - _CODE_BYTES


def _room_of_host() -> int | None:
    """Bytes that the host could give the heap at this moment, less a share for what else runs there."""
    found = _fields(_MEMINFO, "MemAvailable", "SwapFree")
    if "MemAvailable" not in found:
        return None
    return int(sum(found.values()) * _SHARE_OF_HOST) - _CODE_BYTES


def waiting_bytes(batch_size: int = 1) -> int:
    """Bytes of decoded images that may wait at each place where images wait, so that batches of that size fill up."""
    free = room()
    most = max(_MOST_WAITING, min(_MOST_FOR_BATCHES, batch_size * _BYTES_PER_BATCH_SIZE))
    if batch_size > 1 and free is None:
        free = _room_of_host()
    return most if free is None else min(most, max(_LEAST_WAITING, free // 8))


def _status(*names: str) -> int:
    """Bytes from this process's status: the first of these that the kernel tells."""
    return next(iter(_fields(_STATUS, *names).values()), 0)


def _fields(path: Path, *names: str) -> dict[str, int]:
    """Bytes by name from a file of the kernel's, of those of these names that it has, in the order of `names`."""
    try:
        lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
        return {name: int(lines[name].split()[0]) * 1024 for name in names if name in lines}
    except (OSError, ValueError, IndexError):
        return {}
