"""What status.json says of a run that is under way."""

import json
from pathlib import Path
from typing import Any

import pytest

from entrypoint.results import status
from entrypoint.results.claim import claim
from entrypoint.values import Record


def test_a_status_of_a_run_under_way_is_renewed_and_never_takes_back_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    folder = claim(tmp_path, "exp", {})
    facts: dict[str, Any] = {"identity": {}, "settings": {}, "weights": None, "device": "", "engine": "", "source": ""}
    written = status.Status(folder, status.Counts(9), facts | {"shard": None, "part": None, "ignored": {}})

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
