"""Living within a memory limit: nothing starts that cannot end, and running out is an error, never a kill.

The kernel ends a process that exceeds its cgroup's limit, and on a batch platform that is the loss of all results. So
the heap gets a limit of its own, a little below: an allocation beyond it fails, and what asked for it can give way.
"""

import math
import resource
from pathlib import Path

from entrypoint.errors import ResourceError, YoloBacError
from entrypoint.host import limits

LEAST_BYTES = 100_000_000
"""What the libraries need, before any network."""
PYTORCH_BYTES = 420_000_000
"""The same with PyTorch among them."""

# While a network is made ready its weights are there so many times.
_COPIES = 4.5
# The values that it makes of a pixel grow with its width, and that with the root of its weights.
_PIXEL_BYTES, _WIDTH_BYTES = 50, 0.009

# PyTorch's allocator on a CPU, oneDNN (whose kernels are compiled into memory), ONNX Runtime's, OpenCV's, C++, Python,
# CUDA's libraries.
_WORDS = (
    "can't allocate memory",
    "could not create a",
    "Failed to allocate memory",
    "Insufficient memory",
    "out of memory",
    "bad_alloc",
    "can't start new thread",
    "STATUS_ALLOC_FAILED",
)
_STATUS, _MEMINFO = Path("/proc/self/status"), Path("/proc/meminfo")
_SHARE_OF_HOST = 0.95
# Left free of the heap: the program's own code, which the kernel can read again from disk but had better not, and files
# being written.
_CODE_BYTES = 32 << 20
_STACK_BYTES = 8 << 20
_STACKS_PER_CPU = 3  # to compute, to decode, to write
_LEAST_WAITING, _MOST_WAITING = 4 << 20, 192 << 20
# For some ten shapes of photographs, with what the network is to see of each.
_BYTES_PER_BATCH_SIZE, _MOST_FOR_BATCHES = 24 << 20, 1 << 30
ADVICE = "raise the limit: `--memory 4gb` for bacalhau docker run, `--memory 4g` for docker run"


def require_least() -> None:
    """Raises ResourceError where not even the libraries fit; to be asked before they are imported."""
    require(LEAST_BYTES, "this program")


def require(needed: int, what: str) -> None:
    """Raises ResourceError where memory is limited to fewer bytes than `what` needs."""
    limit = limits.memory_limit()
    if limit is not None and limit < needed:
        raise ResourceError(
            f"memory is limited to {limit // 1_000_000} MB, and {what} needs {-(-needed // 1_000_000)} MB: {ADVICE}"
        )


def need_of(weights: int, imgsz: tuple[int, int]) -> int:
    """Bytes that a job needs for a network of so many bytes of weights, and images of that height and width."""
    of_pixels = imgsz[0] * imgsz[1] * (_PIXEL_BYTES + _WIDTH_BYTES * math.sqrt(weights))
    return LEAST_BYTES + int(_COPIES * weights + of_pixels)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says, in the words of one of the libraries, that memory is out."""
    if isinstance(error, MemoryError):
        return True
    return not isinstance(error, YoloBacError) and any(words in str(error) for words in _WORDS)


def shortage(what: str) -> ResourceError:
    """The error for something that does not fit into this process's memory."""
    limit = limits.memory_limit()
    if limit is None:
        free = f"{sum(_fields(_MEMINFO, 'MemAvailable', 'SwapFree').values()) // 1_000_000} MB"
        return ResourceError(
            f"not enough memory for {what}: {free} are free on this machine, and no limit is set; "
            "use a larger machine, or choose a smaller model or --imgsz"
        )
    return ResourceError(
        f"memory is limited to {limit // 1_000_000} MB, too little for {what}: {ADVICE}, or choose a smaller model or "
        "--imgsz"
    )


def guard(*, by_host: bool = False) -> None:
    """Make allocations fail before the cgroup's limit kills.

    `by_host` guards what the whole host has free now, too, for where there is no limit, or one above that; then what
    the kernel would kill may be another process. It is not for a process that uses a GPU: CUDA reserves more address
    space than it uses.
    """
    rooms = [free for free in (room(), _room_of_host() if by_host else None) if free is not None]
    if not rooms:
        return
    free = min(rooms)
    # RLIMIT_DATA counts what is mapped, the cgroup what is touched: thread stacks are mapped whole.
    data = _status("VmData") + max(0, free) + _STACK_BYTES * _STACKS_PER_CPU * limits.threads()
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (data if hard == resource.RLIM_INFINITY else min(data, hard), hard))


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
