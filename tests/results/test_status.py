"""What status.json says of a run that is under way."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from entrypoint.results import status
from entrypoint.results.claim import claim
from entrypoint.values import Record

FACTS: dict[str, Any] = {"identity": {}, "settings": {}, "weights": None, "device": "", "engine": "", "source": ""}
FACTS |= {"shard": None, "part": None, "ignored": {}}


def test_a_status_of_a_run_under_way_is_renewed_and_never_takes_back_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    folder = claim(tmp_path, "exp", {})
    written = status.Status(folder, status.Counts(9), FACTS)

    def done() -> tuple[str, int]:
        found = json.loads((tmp_path / "exp" / "status.json").read_bytes())
        return found["state"], found["counts"]["done"]

    written.write("running", None, "under way")
    written.counts.add(Record("a.jpg", 9, 9, ()))
    written.refresh()
    assert done() == ("running", 0)
    clock[0] = 10.0
    written.refresh()
    assert done() == ("running", 1)
    written.write("stopped", 143, "stopped")
    clock[0] = 20.0
    written.refresh()
    assert done() == ("stopped", 1)
    folder.close()


def test_a_status_is_renewed_while_a_single_step_takes_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "_SECONDS", 0.2)
    monkeypatch.setattr(status, "_LOOK_SECONDS", 0.05)
    folder = claim(tmp_path, "exp", {})
    written = status.Status(folder, status.Counts(9), FACTS)
    written.write("running", None, "under way")
    seen = set()
    with written.kept_fresh():
        for _ in range(20):  # the step, of which nobody hears anything
            time.sleep(0.05)
            seen.add(json.loads((tmp_path / "exp" / "status.json").read_bytes())["seconds"])
    assert len(seen) >= 3
    written.write("finished", 0, "done")
    folder.close()
