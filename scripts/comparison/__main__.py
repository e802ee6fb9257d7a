"""Compare two checkouts: scripts/compare OLD NEW WEIGHTS PHOTOGRAPHS. Exits with 1 when a result differs."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.comparison.source import make_source

_FULL = ("--save-txt", "--save-conf", "--save-crop", "--save-csv")
_CASES: dict[str, tuple[str, ...]] = {
    # what it shows, the options
    "every format": _FULL,
    "plain boxes": ("--hide-labels", "--line-thickness", "1", "--quality", "80"),
    "labels alone": ("--nosave", "--conf-thres", "0.001", "--iou-thres", "0.6", "--max-det", "300"),
    "augmented": ("--augment", "--nosave", "--imgsz", "320"),
    "some classes": ("--nosave", "--classes", "0,5", "--agnostic-nms"),
    "in PyTorch": ("--nosave", "--engine", "torch"),
}
_SHARDS = 3
# Made anew by every run, with its times, versions and order of work.
_OWN = {"status.json", "records.jsonl", "index.html"}


def main(old: Path, new: Path, weights: Path, photographs: Path) -> int:
    """Run both on one source in every case, print a line each, and give the exit code."""
    found = sorted(path for path in photographs.iterdir() if path.is_file())
    differing = 0
    with tempfile.TemporaryDirectory() as place:
        source = Path(place, "source")
        make_source(source, found)
        for name, options in _CASES.items():
            runs = [
                _run(root, source, weights, Path(place, name, side), options)
                for root, side in ((old, "old"), (new, "new"))
            ]
            differing += _report(name, *runs)
        runs = [
            _sharded(root, source, weights, Path(place, "shards", side)) for root, side in ((old, "old"), (new, "new"))
        ]
        differing += _report(f"{_SHARDS} shards, merged", *runs)
        whole = Path(place, "every format", "new", "exp")
        differing += _report("the merged shards and the whole run", whole, runs[1])
    return int(differing > 0)


def _run(root: Path, source: Path, weights: Path, project: Path, options: tuple[str, ...]) -> Path:
    command = ["--weights", weights, "--source", source, "--project", project, *options]
    _call(root, *command)
    return project / "exp"


def _sharded(root: Path, source: Path, weights: Path, project: Path) -> Path:
    for index in range(_SHARDS):
        _run(root, source, weights, project, (*_FULL, "--shard", f"{index}/{_SHARDS}"))
    _call(root, "merge", project, "--project", project)
    return project / "merged"


def _call(root: Path, *arguments: object) -> None:
    command = [sys.executable, "-m", "entrypoint", *map(str, arguments)]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if ended.returncode not in (0, 5):
        raise SystemExit(f"{root}: {' '.join(command)} ended with {ended.returncode}:\n{ended.stderr[:2000]}")


def _report(name: str, first: Path, second: Path) -> int:
    """Print how two runs compare; gives the number of files that differ."""
    ours, theirs = dict(_files(first)), dict(_files(second))
    differing = sorted(file for file in ours.keys() | theirs.keys() if ours.get(file) != theirs.get(file))
    print(f"{name}: {len(ours)} files, {len(differing)} differ{': ' * bool(differing)}{', '.join(differing[:8])}")
    return len(differing)


def _files(run: Path) -> Iterator[tuple[str, Any]]:
    """Each result file by its path, as bytes; JSON files of the whole run without what says where they come from."""
    for path in run.rglob("*"):
        file = str(path.relative_to(run)).encode("utf-8", "backslashreplace").decode()
        if not path.is_file() or file in _OWN:
            continue
        data: Any = path.read_bytes()
        if file in ("predictions.json", "coco.json"):
            data = json.loads(data)
            del data["info"]
            data = json.dumps(data)
        yield file, data


if __name__ == "__main__":
    if len(sys.argv) != 5:
        raise SystemExit(__doc__)
    sys.exit(main(*(Path(word).absolute() for word in sys.argv[1:])))
