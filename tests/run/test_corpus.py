"""Every video of a corpus of whole, odd and broken ones gives the record that is expected, in one run."""

from collections.abc import Callable
from pathlib import Path

from tests.conftest import Ended, records
from tests.corpus import CORPUS, make, seen

Run = Callable[..., Ended]


def test_the_corpus_of_videos(yolo_bac: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    make(tmp_path / "in")
    ended = yolo_bac("--demo", "--imgsz", 64, "--source", tmp_path / "in", "--project", tmp_path)
    assert ended.code == 5, ended.stderr
    found = records(tmp_path / "exp")
    assert found.keys() == CORPUS.keys() and len(found) >= 40
    for name, case in CORPUS.items():
        failure, count, size = seen(found[name])
        assert (failure, size) == (case.failure, case.size), found[name]["failure"]
        assert case.frames[0] <= count <= case.frames[1], (name, count)
        video = tmp_path / "exp" / "images" / (name if name.endswith(".mp4") else f"{name}.mp4")
        assert video.is_file() == (count > 0)
