"""A read that never returns: the time budget is kept, its input has failed, and all others have their results."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import records, start
from tests.deadserver import dead_server

SCENES = sorted(DEMO_SCENES.iterdir())
BUDGET, PATIENCE = 6, 60


@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize("name", ["stuck.png", "stuck.mp4"])
def test_a_read_that_never_returns_fails_its_input_at_the_deadline(tmp_path: Path, name: str, batch_size: int) -> None:
    source = tmp_path / "in"
    (source / "server").mkdir(parents=True)
    for scene in SCENES:
        (source / scene.name).write_bytes(scene.read_bytes())
    options = ["--demo", "--source", source, "--project", tmp_path, "--batch-size", batch_size]
    with dead_server(source / "server", name) as server:
        process = start(*options, "--time-budget", BUDGET)
        _, stderr = process.communicate(timeout=PATIENCE)
        assert server.reads
    assert process.returncode == 5, stderr
    found = records(tmp_path / "exp")
    assert found[f"server/{name}"]["failure"] == "timed_out: its reading had not ended when the time budget did"
    assert all(found[scene.name]["detections"] for scene in SCENES)
    status = json.loads((tmp_path / "exp" / "status.json").read_bytes())
    assert (status["state"], status["exit_code"]) == ("stopped", 5)
    assert status["counts"]["failed"] == 1 and status["counts"]["done"] == len(SCENES)

    # The server is back: the same command continues.
    (source / "server").rmdir()
    (source / "server").mkdir()
    (source / "server" / name).write_bytes(SCENES[0].read_bytes())
    process = start(*options)
    _, stderr = process.communicate(timeout=PATIENCE)
    status = json.loads((tmp_path / "exp" / "status.json").read_bytes())
    assert status["counts"]["reused"] == len(SCENES), stderr
    assert process.returncode == (0 if name.endswith(".png") else 5)


def test_an_archive_that_is_stuck_while_it_is_read_ahead_of_its_turn(tmp_path: Path) -> None:
    """A compressed archive is read ahead, in its order, before a lane has any of its members."""
    source = tmp_path / "in"
    source.mkdir()
    (source / "z.png").write_bytes(SCENES[0].read_bytes())
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        archive.add(SCENES[0], "a.png")
    (source / "x.tar.gz").write_bytes(file.getvalue())
    code = f"""
import sys, threading
from entrypoint.sources.archives import tarmembers
tarmembers._Pass.unpack = lambda *_: threading.Event().wait()
sys.argv = ["yolo-bac", "--demo", "--source", {str(source)!r}, "--project", {str(tmp_path)!r}, "--time-budget", "6"]
from entrypoint.cli.command import main
main()
"""
    process = start(program=["-c", code])
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 5, stderr
    found = records(tmp_path / "exp")
    assert found["x.tar.gz/a.png"]["failure"].startswith("timed_out: ")
