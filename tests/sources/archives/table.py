"""What becomes of every hostile archive, as a user runs the program on it: `python -m tests.sources.archives.table`."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.benchmark.processes import peak_mb
from tests.sources.archives.test_archives import BOMBS, ODD


def main(folder: Path) -> None:
    """Print a line for each: exit code, seconds and peak memory of the whole command, and what its records say."""
    print("| archive | bytes | exit code | s | MB | as it says it |\n|---|---|---|---|---|---|")
    makers = {name: make for name, (make, _) in ODD.items()} | {name: make for name, (make, _) in BOMBS.items()}
    for number, (name, make) in enumerate(makers.items()):
        archive, project = folder / f"{number}.archive", folder / f"{number}"
        archive.write_bytes(make())
        command = [sys.executable, "-m", "entrypoint", "--demo", "--nosave", "--source", str(archive)]
        began, peak = time.monotonic(), 0.0
        with (folder / "stderr").open("wb") as stderr:
            child = subprocess.Popen([*command, "--project", str(project)], stdout=subprocess.DEVNULL, stderr=stderr)
            while child.poll() is None:
                peak = max(peak, peak_mb(child.pid))
                time.sleep(0.01)
        figures = f"{child.returncode} | {time.monotonic() - began:.1f} | {peak:.0f}"
        said = _said(project) or (folder / "stderr").read_text().partition("\n")[0].replace(str(folder), "")
        print(f"| {name} | {archive.stat().st_size:,} | {figures} | {said} |")
        archive.unlink()


def _said(project: Path) -> str:
    """The failures of the archive and its members, each once; nothing where no run has begun."""
    found = [json.loads(path.read_bytes())["images"] for path in project.glob("*/predictions.json")]
    return "; ".join(dict.fromkeys(str(record["failure"]) for images in found for record in images))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))
