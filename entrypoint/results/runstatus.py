"""status.json as a typed value: the only place that knows what stands in it."""

import json
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, Self, get_args

from entrypoint import __version__
from entrypoint.checks import checked_json, checked_number, checked_object, checked_text, checked_whole
from entrypoint.results.paths import parts_of

STATUS = "status.json"
PARTS = "parts"
"""The part of a merged run's identity that names the folders it was made of."""
_PACKAGES = ("torch", "torchvision", "onnxruntime", "opencv-python-headless", "numpy")
_COUNTS = ("total", "done", "reused", "taken_over", "new", "gone", "failed", "not_done", "detections")
_MANY = 1 << 53
_MOST_SHARDS = 1_000_000
_OPTIONAL = ("merged", "runs", "completed", "throughput", "notes")

State = Literal["claimed", "running", "finished", "stopped", "failed"]
_STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """status.json; `schemas/status.schema.json` says what each part means.

    Of a folder that is only claimed the facts are not known yet: `weights` is None, and texts are empty.
    """

    state: State
    exit_code: int | None
    message: str
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTS, 0))
    failures: dict[str, Any] = field(default_factory=lambda: {"by_kind": {}, "first": []})
    identity: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Any] | None = None
    device: str = ""
    engine: str = ""
    source: str = ""
    shard: dict[str, int] | None = None
    part: dict[str, int] | None = None
    merged: dict[str, Any] | None = None
    runs: list[dict[str, Any]] | None = None
    ignored: dict[str, int] = field(default_factory=dict)
    formats: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    versions: dict[str, str]
    started: str
    ended: str | None = None
    seconds: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)
    completed: str | None = None
    throughput: dict[str, Any] | None = None
    notes: list[str] | None = None

    @property
    def info(self) -> dict[str, Any]:
        """Return the origin of the records, for the files that hold them all: of a merged run, that of its job."""
        identity = {name: value for name, value in self.identity.items() if name != PARTS}
        origin = {**identity, "engine": self.engine, "source": self.source}
        return {"program": "yolo-bac", "versions": self.versions, **origin}

    @classmethod
    def claimed(cls, identity: dict[str, Any]) -> Self:
        """Of a folder that a run has just taken."""
        message = "claimed; the work has not begun"
        return cls(
            state="claimed", exit_code=None, message=message, identity=identity, versions=versions(), started=now()
        )

    def to_json(self) -> dict[str, Any]:
        """As the file has it; what only some runs have is left out elsewhere."""
        return {name: value for name, value in asdict(self).items() if name not in _OPTIONAL or value is not None}

    def to_text(self) -> bytes:
        """The file."""
        return json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"

    @classmethod
    def from_json(cls, value: object) -> Self:
        """A status that this program wrote, each part of it checked. Raises ValueError that says what is wrong."""
        plain = checked_object(value, "status")
        for name in _OPTIONAL:
            plain.setdefault(name, None)
        missing = [name for name in cls.__slots__ if name not in plain]
        if missing:
            raise ValueError(f"without {', '.join(missing)}")
        if plain["state"] not in _STATES:
            raise ValueError(f"state is {ascii(plain['state'])[:80]}")
        return cls(**{name: _CHECKS[name](plain[name], name) for name in cls.__slots__})


def _text_map(value: object, what: str) -> dict[str, str]:
    return {checked_text(k, what): checked_text(v, what) for k, v in checked_object(value, what).items()}


def _whole(value: object, what: str) -> int:
    return checked_whole(value, what, 0, _MANY)


def _whole_map(value: object, what: str) -> dict[str, int]:
    return {checked_text(k, what): _whole(v, f"{what} {k}") for k, v in checked_object(value, what).items()}


def _number_map(value: object, what: str) -> dict[str, float]:
    return {checked_text(k, what): checked_number(v, f"{what} {k}") for k, v in checked_object(value, what).items()}


def _texts(value: object, what: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{what} is no list")
    return tuple(checked_text(item, what) for item in value)


def _paths(value: object, what: str) -> tuple[str, ...]:
    paths = _texts(value, what)
    for path in paths:
        parts_of(path.removesuffix("/"))
    return paths


def _counts(value: object, what: str) -> dict[str, int]:
    counts = _whole_map(value, what)
    if counts.keys() != set(_COUNTS):
        raise ValueError(f"{what} are of {', '.join(map(ascii, sorted(counts)))}")
    return counts


def _failures(value: object, what: str) -> dict[str, Any]:
    plain = checked_object(value, what)
    return {"by_kind": _whole_map(plain.get("by_kind"), what), "first": list(_texts(plain.get("first"), what))}


def _identity(value: object, what: str) -> dict[str, Any]:
    plain = checked_json(value, what)
    if plain and not isinstance(plain.get("settings", {}), dict):
        raise ValueError(f"{what} has settings that are no object")
    return plain


def _weights(value: object, what: str) -> dict[str, Any] | None:
    if value is None:
        return None
    plain = checked_object(value, what)
    return {
        **{name: checked_text(plain.get(name), f"{what} {name}") for name in ("file", "kind", "sha256")},
        "size": _whole(plain.get("size"), f"{what} size"),
        "classes": list(_texts(plain.get("classes"), f"{what} classes")),
    }


def _share(value: object, what: str) -> dict[str, int] | None:
    if value is None:
        return None
    plain = checked_object(value, what)
    count = checked_whole(plain.get("count"), f"{what} count", 1, _MOST_SHARDS)
    return {"index": checked_whole(plain.get("index"), f"{what} index", 0, count - 1), "count": count}


def _merged(value: object, what: str) -> dict[str, Any] | None:
    if value is None:
        return None
    plain = checked_object(value, what)
    count = checked_whole(plain.get("count"), f"{what} count", 1, _MOST_SHARDS)
    left = _whole_map(plain.get("left"), f"{what} left")
    for index in left:
        if not (index.isascii() and index.isdigit()) or int(index) >= count:
            raise ValueError(f"{what} left of part {index!a}")
    return {"count": count, "left": left}


def _throughput(value: object, what: str) -> dict[str, Any] | None:
    if value is None:
        return None
    plain = checked_object(value, what)
    done = plain.get("done")
    if not isinstance(done, list):
        raise ValueError(f"{what} has no list of what was done")
    return {
        "seconds": checked_number(plain.get("seconds"), f"{what} seconds"),
        "done": [_whole(count, f"{what} done") for count in done],
    }


def _runs(value: object, what: str) -> list[dict[str, Any]] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise ValueError(f"{what} is no list")
    return [_run(checked_object(item, what), what) for item in value]


def _run(plain: dict[str, Any], what: str) -> dict[str, Any]:
    texts = {name: checked_text(plain.get(name), f"{what} {name}") for name in ("name", "source", "state", "message")}
    code, counts = _code(plain.get("exit_code"), f"{what} exit_code"), _counts(plain.get("counts"), f"{what} counts")
    return {**texts, "exit_code": code, "counts": counts}


def _code(value: object, what: str) -> int | None:
    return None if value is None else checked_whole(value, what, 0, 255)


def _moment(value: object, what: str) -> str | None:
    return None if value is None else checked_text(value, what)


_CHECKS: dict[str, Any] = {
    "state": checked_text,
    "exit_code": _code,
    "message": checked_text,
    "identity": _identity,
    "versions": _text_map,
    "started": checked_text,
    "left": _paths,
    "counts": _counts,
    "failures": _failures,
    "settings": checked_json,
    "weights": _weights,
    "device": checked_text,
    "engine": checked_text,
    "source": checked_text,
    "formats": _texts,
    "shard": _share,
    "part": _share,
    "merged": _merged,
    "runs": _runs,
    "ignored": _whole_map,
    "ended": _moment,
    "seconds": checked_number,
    "timings": _number_map,
    "completed": _moment,
    "throughput": _throughput,
    "notes": lambda value, what: None if value is None else list(_texts(value, what)),
}


@cache
def versions() -> dict[str, str]:
    """Versions of this program and of what its results depend on."""
    found = {"yolo-bac": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):  # PyTorch need not be here
            found[name] = version(name)
    return found


def now() -> str:
    """The moment, in UTC, as status.json has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
