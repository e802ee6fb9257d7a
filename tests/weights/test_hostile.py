"""Whatever a weights file is made of, it is refused within 200 MB and a second or, on a slow machine, two."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.weights.hostile.__main__ import corpus

NAMES = [name for name, _ in corpus(Path("canary"))]
MOST_SECONDS, MOST_BYTES = 2, 200_000_000


@pytest.fixture(scope="module")
def table() -> dict[str, dict[str, Any]]:
    """What came of each file of the corpus, looked at in a process of its own."""
    arguments = [sys.executable, "-m", "tests.weights.hostile", "--json"]
    ended = subprocess.run(arguments, check=True, capture_output=True, text=True, cwd=ROOT, timeout=600)
    rows = map(json.loads, ended.stdout.splitlines())
    return {row["name"]: row for row in rows}


def test_the_corpus_is_large() -> None:
    assert len(NAMES) == len(set(NAMES)) > 300


@pytest.mark.parametrize("name", NAMES)
def test_refused_at_once(table: dict[str, dict[str, Any]], name: str) -> None:
    row = table[name]
    assert row["verdict"] in ("WeightsError", "UnsafeWeightsError", "NotADetectorError"), row
    assert row["exit_code"] == 3, row
    assert row["cpu_seconds"] < MOST_SECONDS, row
    assert row["peak_bytes"] < MOST_BYTES, row
    assert row["message"].replace("\n", "").isprintable()
