"""What the pipeline asks of a run's results: each input's own, whole, or a failure that says why."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from entrypoint.errors import OutputError
from entrypoint.inputstate import InputState
from entrypoint.results.claim import claim
from entrypoint.results.formats.base import AnnotatedFrame
from entrypoint.results.ledger import ClosedError
from entrypoint.results.results import Results
from entrypoint.results.runfolder import RunFolder
from entrypoint.results.runstatus import RunStatus
from entrypoint.settings import Settings
from entrypoint.values import OUT_OF_MEMORY, Detections, Failure, Record, ResultError

STATE = InputState(1, 2, 3, 4)
ALL = Settings(save_txt=True, save_crop=True, save_csv=True)
FOUND = Detections(np.array([[1, 1, 30, 30]], np.float32), np.array([0.9], np.float32), np.array([0]))


def opened(project: Path, files: list[str], settings: Settings = ALL) -> tuple[RunFolder, Results]:
    folder = claim(project, "exp", {})
    return folder, Results(folder, settings, ("cat",), files)


def shown(file: str, shape: tuple[int, int, int] = (40, 40, 3)) -> AnnotatedFrame:
    return AnnotatedFrame(file, np.full(shape, 114, np.uint8), FOUND)


def looked(file: str) -> Record:
    return Record(file, 40, 40, tuple(FOUND.named(("cat",))))


def process(results: Results, file: str, index: int) -> Failure | None:
    """As the pipeline does: a result that cannot be written makes the input fail."""
    results.begin(index)
    try:
        results.frame(shown(file))
        results.finish(index, looked(file), STATE)
    except ResultError as error:
        results.finish(index, Record.failed(file, error.failure), STATE)
        return error.failure
    return None


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def journal(folder: RunFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder.path / "records.jsonl").read_bytes().splitlines()]


def test_a_record_names_all_that_was_left(tmp_path: Path) -> None:
    folder, results = opened(tmp_path, ["a.jpg"])
    assert process(results, "a.jpg", 0) is None
    (line,) = journal(folder)
    wanted = {"images/a.jpg", "labels/a.jpg.json", "labels/a.jpg.txt", "crops/cat/a.jpg.0.jpg", "thumbnails/a.jpg.jpg"}
    assert set(line["files"]) == wanted == {name for name in tree(folder.path) if "/" in name and name[0] != "."}
    folder.close()


def test_a_failed_input_leaves_nothing_of_its_frames(tmp_path: Path) -> None:
    folder, results = opened(tmp_path, ["a.jpg"])
    results.begin(0)
    results.frame(shown("a.jpg"))
    results.finish(0, Record.failed("a.jpg", Failure("damaged", "it")), STATE)
    folder.close()
    assert tree(folder.path) == {"labels/a.jpg.json", "records.jsonl", "status.json"}


def test_an_input_that_is_begun_again_leaves_nothing_of_the_first_time(tmp_path: Path) -> None:
    folder, results = opened(tmp_path, ["a.jpg"])
    results.begin(0)
    results.frame(shown("a.jpg"))  # and then memory was out
    results.begin(0)
    results.finish(0, Record("a.jpg", 40, 40, ()), STATE)
    results.begin(0)
    assert process(results, "a.jpg", 0) is None
    assert [line.get("gone") for line in journal(folder)] == [None, True, None]
    folder.close()


@pytest.mark.parametrize(
    "files",
    [
        ("x.mpo", "x.mpo.jpg"),
        ("bus.jpg", "bus.jpg.0.jpg/q.jpg"),
        ("a.png", "a.png.json/b.png"),
        ("x", "x.png"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_two_inputs_that_come_to_share_a_name_never_share_a_result(
    tmp_path: Path, files: tuple[str, ...], order: int
) -> None:
    """Names are told apart when the source is listed; where they were not, the second input fails."""
    folder, results = opened(tmp_path, sorted(files))
    failures = [process(results, file, sorted(files).index(file)) for file in files[::order]]
    lefts = [set(line["files"]) for line in journal(folder)]
    assert lefts[0].isdisjoint(lefts[1])
    assert all(failure is None or failure.kind == "not_written" for failure in failures)
    assert all((folder.path / path).is_file() for left in lefts for path in left)
    folder.close()


def test_an_image_too_large_for_its_format_gets_a_name_that_is_no_other_inputs(tmp_path: Path) -> None:
    files = ["x.webp", "x.webp.jpg"]
    folder, results = opened(tmp_path, files, Settings())
    for index, file in enumerate(files):
        results.begin(index)
        results.frame(shown(file, (4, 17000, 3)))
        results.finish(index, looked(file), STATE)
    images = [path for line in journal(folder) for path in line["files"] if path.startswith("images")]
    assert len(set(images)) == 2 and images[0] != "images/x.webp.jpg" == images[1]
    assert all(cv2.imread(str(folder.path / path)) is not None for path in images)
    folder.close()


def test_an_image_that_no_format_takes_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, results = opened(tmp_path, ["a.jpg"])
    monkeypatch.setattr(cv2, "imencode", lambda *_: (False, None))
    failure = process(results, "a.jpg", 0)
    assert failure is not None and str(failure).startswith("not_written: no format takes an image of ")
    assert journal(folder)[0]["failure"] == str(failure)
    folder.close()
    assert tree(folder.path) == {"labels/a.jpg.json", "records.jsonl", "status.json"}


def test_memory_that_is_out_is_told_from_other_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, results = opened(tmp_path, ["a.jpg"])

    def empty(*_: object) -> None:
        raise MemoryError

    def insufficient(*_: object) -> None:
        raise cv2.error("OpenCV: (-4:Insufficient memory) Failed to allocate 8 bytes in function 'OutOfMemoryError'")

    monkeypatch.setattr(cv2, "imencode", lambda *_: (False, None))
    monkeypatch.setattr(np, "empty", empty)
    for encode in (cv2.imencode, insufficient):
        monkeypatch.setattr(cv2, "imencode", encode)
        failure = process(results, "a.jpg", 0)
        assert failure is not None and failure.kind == OUT_OF_MEMORY
    folder.close()


def test_a_path_longer_than_the_system_takes_is_written_all_the_same(tmp_path: Path) -> None:
    file = "/".join(["d" * 100] * 41) + "/x.jpg"
    folder, results = opened(tmp_path, [file], Settings(nosave=True))
    assert process(results, file, 0) is None
    (line,) = journal(folder)
    assert results.reusable(0, STATE) == (tuple(line["files"]), 1, None) and len(line["files"][0]) > 4096
    folder.close()


@pytest.mark.parametrize(
    ("code", "ends_the_run"), [("ENAMETOOLONG", False), ("ENOSPC", True), ("EROFS", True), ("EACCES", True)]
)
def test_what_concerns_one_name_concerns_one_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, ends_the_run: bool
) -> None:
    import errno

    folder, results = opened(tmp_path, ["a.jpg", "b.jpg"], Settings(nosave=True))
    real = os.link

    def link(source: Any, name: Any, **more: Any) -> None:
        if str(name).startswith("a.jpg"):
            raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)))
        real(source, name, **more)

    monkeypatch.setattr(os, "link", link)
    if ends_the_run:
        with pytest.raises(OutputError):
            process(results, "a.jpg", 0)
    else:
        failure = process(results, "a.jpg", 0)
        assert failure is not None and failure.kind == "not_written"
        assert process(results, "b.jpg", 1) is None
        assert len(journal(folder)) == 2
    folder.close()


def test_names_that_differ_in_case_only_where_the_file_system_does_not_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunFolder, "tells_case", False)
    files = sorted(["A.jpg", "a.jpg", "b/C.jpg", "B/c.jpg"])
    folder, results = opened(tmp_path, files)
    assert [process(results, file, index) for index, file in enumerate(files)] == [None] * 4
    left = [path for line in journal(folder) for path in line["files"]]
    assert len({path.casefold() for path in left}) == len(left) == 20
    assert "images/A.jpg" in left
    folder.close()


def test_whether_case_is_told_is_seen_from_a_file_that_is_there(tmp_path: Path) -> None:
    folder = claim(tmp_path, "exp", {})
    told = [folder.tells_case]
    (folder.path / "STATUS.JSON").write_bytes((folder.path / "status.json").read_bytes())
    assert [*told, folder.tells_case] == [True, False]
    folder.close()


def test_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    folder, results = opened(tmp_path, ["a.jpg", "b.jpg"])
    monkeypatch.setattr(os, "link", link)
    assert process(results, "a.jpg", 0) is None
    assert (folder.path / "images" / "a.jpg").is_file()
    folder.fresh = False
    (folder.path / "images" / "b.jpg").write_bytes(b"theirs")
    with pytest.raises(OutputError, match=r"images/b\.jpg is in the way"):
        process(results, "b.jpg", 1)
    assert (folder.path / "images" / "b.jpg").read_bytes() == b"theirs"
    folder.close()


def test_a_file_that_appears_in_the_way_in_mid_run_is_left(tmp_path: Path) -> None:
    folder, results = opened(tmp_path, ["a.jpg", "b.jpg"])
    assert process(results, "a.jpg", 0) is None
    (folder.path / "images" / "b.jpg").write_bytes(b"theirs")
    with pytest.raises(OutputError, match=r"images/b\.jpg is in the way"):
        process(results, "b.jpg", 1)
    folder.close()
    assert (folder.path / "images" / "b.jpg").read_bytes() == b"theirs"
    assert not [name for name in tree(folder.path) if "b.jpg" in name and name != "images/b.jpg"]


def test_threads_write_side_by_side(tmp_path: Path) -> None:
    files = [f"{number % 7}/{number:04}.jpg" for number in range(200)]
    files.sort()
    folder, results = opened(tmp_path, files, Settings(nosave=True))
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda index: process(results, files[index], index), range(200))) == {None}
    results.write_run(RunStatus.claimed({}), lambda index: None)
    assert len(journal(folder)) == 200
    found = json.loads((folder.path / "predictions.json").read_bytes())["images"]
    assert [record["file"] for record in found] == files
    folder.close()


def test_what_a_stop_finds_unrecorded_goes(tmp_path: Path) -> None:
    folder, results = opened(tmp_path, ["a.jpg", "b.jpg"])
    assert process(results, "a.jpg", 0) is None
    results.begin(1)
    results.frame(shown("b.jpg"))
    folder.clear()
    steps: list[Callable[[], object]] = [
        lambda: results.frame(shown("b.jpg")),
        lambda: results.finish(1, looked("b.jpg"), STATE),
    ]
    for step in steps:
        with pytest.raises((OutputError, ClosedError)):
            step()
    assert not [name for name in tree(folder.path) if "b.jpg" in name] and len(journal(folder)) == 1
    assert not [path for path in folder.path.iterdir() if path.name.startswith(".")]


def test_a_stop_also_removes_what_a_thread_was_about_to_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = opened(tmp_path, ["a.jpg"])
    late = iter(("0123456789abcdef", "fedcba9876543210"))
    honest = Path.rmdir

    def rmdir(self: Path) -> None:
        if name := next(late, None):
            (self / name).touch()
        honest(self)

    monkeypatch.setattr(Path, "rmdir", rmdir)
    folder.clear()
    assert not [path for path in folder.path.iterdir() if path.name.startswith(".")]
