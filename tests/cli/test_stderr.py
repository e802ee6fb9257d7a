"""What reaches stdout and stderr: no character that does harm, and JSON alone where that is asked for."""

import json
import struct
import subprocess
import sys
import unicodedata
import zlib
from pathlib import Path

import pytest

from entrypoint.sources.samples import DEMO_SCENES
from tests.conftest import ROOT, start

HOSTILE = ["\x1b[2J.jpg", "x\nyolo-bac: error: forged.jpg", "x\rforged.jpg", "gpj.\u202eexe.jpg", "\x9b1A.jpg"]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_names_of_files_neither_move_the_cursor_nor_forge_a_line(tmp_path: Path, log_format: str) -> None:
    source = tmp_path / "in \x1b[31m\nResults: forged"
    source.mkdir()
    for name in HOSTILE:
        (source / name).write_bytes(b"\xff\xd8\xff\xe0 and no more")
    process = start("--demo", "--source", source, "--project", tmp_path / "out\x1b[0m", "--log-format", log_format)
    out, err = process.communicate()
    assert process.returncode == 5
    for text in (out, err):
        characters = set(text) - {"\n"}
        assert not {c for c in characters if unicodedata.category(c) in ("Cc", "Cf", "Cs")}
        assert not [line for line in text.splitlines() if line.startswith(("forged", "Results: forged"))]
    assert "yolo-bac: error: forged" not in [line[:24] for line in err.splitlines()]
    if log_format == "json":
        assert all(json.loads(line)["message"].isprintable() for line in err.splitlines())


def test_words_of_the_user_are_safe_in_the_answer_to_wrong_usage() -> None:
    process = start("--\x1b[2Jx\nforged")
    _, err = process.communicate()
    assert process.returncode == 2
    assert r"\x1b[2Jx\nforged" in err and "\x1b" not in err and len(err.splitlines()) == 1


def png_with_a_colour_profile_that_libpng_warns_of() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    scene = (DEMO_SCENES / "scene-1.png").read_bytes()
    header = 8 + 25  # the signature, and the chunk that comes first
    return scene[:header] + chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"x" * 200)) + scene[header:]


def test_what_libpng_warns_of_breaks_no_json_line(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(png_with_a_colour_profile_that_libpng_warns_of())
    process = start("--demo", "--source", tmp_path / "in", "--project", tmp_path, "--log-format", "json")
    _, err = process.communicate()
    assert process.returncode == 0
    assert all(json.loads(line)["message"] for line in err.splitlines())


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os.abort()", "os._exit(3)"])
def test_what_a_library_wrote_last_is_not_lost_when_the_process_dies(end: str) -> None:
    code = (
        "import os\n"
        "from entrypoint.cli.stderr import native_lines_as_json\n"
        "with native_lines_as_json():\n"
        f"    os.write(2, b'the last\\x1b words\\nunfinished'); {end}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode != 0
    messages = [json.loads(line)["message"] for line in done.stderr.splitlines()]
    assert messages[:2] == [r"the last\x1b words", "unfinished"]


@pytest.mark.parametrize("closed", ["1", "2"])
def test_a_closed_stream_is_no_failure_with_json_log_lines(tmp_path: Path, closed: str) -> None:
    command = [sys.executable, "-m", "entrypoint", "--demo", "--log-format", "json", "--project", str(tmp_path)]
    done = subprocess.run(["sh", "-c", f'exec "$@" {closed}>&-', "sh", *command], cwd=ROOT, check=False)
    assert done.returncode == 0
    assert (tmp_path / "exp" / "predictions.json").is_file()
