"""The journal: what was appended whole is read back, whatever happened to the end of the file."""

import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.inputstate import InputState
from entrypoint.jsontext import compact, decoded
from entrypoint.results.journal import Journal, left_files
from entrypoint.results.journalentry import Done, Entry, glance, record_in
from entrypoint.results.journallines import lines, name_in
from entrypoint.values import Detection, Failure, Record
from entrypoint.videofacts import VideoFacts
from tests.schemas import assert_valid

STATE = InputState(10, -5, 1 << 63, 7)
VIDEO = VideoFacts(25.0, 1, 1, 0.04)
NAMES = ["a.jpg", 'b/ü "q" \\ \n.jpg', "c.jpg"]


def entry(file: str, confidence: float = 0.5) -> Entry:
    found = (Detection("person", 0, confidence, (0.0, 1.0, 2.5, 3.25)),)
    return Entry(Record(file, 9, 9, found), STATE, (f"images/{file}", f"labels/{file}.json"))


def opened(path: Path, files: list[str] = NAMES) -> Journal:
    return Journal(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644), files)


def filled(path: Path) -> None:
    journal = opened(path)
    for index, file in enumerate(NAMES):
        journal.append(index, entry(file).to_line())
    journal.close()


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    filled(tmp_path / "j")
    journal = opened(tmp_path / "j")
    assert [journal.read(index) for index in range(3)] == [entry(file) for file in NAMES]
    failed = Entry(Record.failed("a.jpg", Failure("damaged", "it")), None, ())
    journal.append(0, failed.to_line())
    assert journal.read(0) == failed
    journal.close()
    assert opened(tmp_path / "j").read(0) == failed, "of several lines the last counts"


@given(st.text(), st.booleans())
def test_the_text_of_a_record_that_was_read_back_is_that_of_its_line(file: str, odd: bool) -> None:
    # Names and paths may hold what stands between the record and what the journal says of it.
    name = f'x{", " if odd else ""}"input": {file}'.replace("/", "").replace("\0", "").encode(errors="replace").decode()
    said = replace(entry(name), files=(f'images/, "input": {name}',))
    with tempfile.TemporaryDirectory() as folder:
        journal = opened(Path(folder, "j"), [name])
        journal.append(0, said.to_line())
        read = journal.read(0)
        journal.close()
    assert read == said
    assert b"".join(read.record.to_text()) == compact(said.record.to_json())
    renamed = replace(said.record, file="another")
    assert b"".join(replace(read.record, file="another").to_text()) == compact(renamed.to_json())


def test_lines_are_valid_by_their_schema(tmp_path: Path) -> None:
    filled(tmp_path / "j")
    journal = opened(tmp_path / "j")
    journal.append(0, Entry(Record.failed("a.jpg", Failure("damaged", "it")), None, ()).to_line())
    journal.take_back("a.jpg")
    found = [json.loads(line) for line in (tmp_path / "j").read_bytes().splitlines()]
    assert len(found) == 5
    for line in found:
        assert_valid(line, "journal")
    for broken in (found[0] | {"extra": 1}, {"file": "a"}, found[0] | {"input": {"size": 1}}, found[4] | {"gone": 1}):
        with pytest.raises(Exception, match=r".+"):
            assert_valid(broken, "journal")


@given(st.text(), st.text(), st.integers(0, 3), st.booleans())
def test_a_glance_tells_what_the_whole_line_does_or_nothing(file: str, kind: str, count: int, damaged: bool) -> None:
    name = f'x", "input": {file}'.replace("/", "").replace("\0", "").encode(errors="replace").decode()
    found = (Detection('{"name": ', 0, 0.5, (0.0, 1.0, 2.5, 3.25)),) * count
    record = Record.failed(name, Failure("damaged", f"{kind}.")) if damaged else Record(name, 9, 9, found)
    said = Entry(record, STATE, (f'images/{name}", "files": ', name) if count else ())
    line = said.to_line().rstrip()
    assert glance(line, STATE) == (None if damaged else (said.files, count, None))
    assert glance(line, replace(STATE, inode=8)) is None
    assert (
        decoded(line)["input"] == asdict(STATE) and Entry.from_line(line).record.to_json() == record_in(line).to_json()
    )


def test_a_line_that_is_not_as_it_was_written_is_not_taken_at_a_glance() -> None:
    line = entry("a.jpg").to_line().rstrip()
    assert glance(line, STATE) == Done.of(entry("a.jpg"))
    for place in range(len(line)):
        changed = bytearray(line)
        changed[place] ^= 1
        assert glance(bytes(changed), STATE) is None, place
        for read, whole in ((Entry.from_line, entry("a.jpg")), (record_in, entry("a.jpg").record)):
            with suppress(ValueError):
                assert read(bytes(changed)) == whole, "the checksum's own key is damaged, or nothing is believed"
    older = line[: line.rindex(b', "crc32"')] + b"}"
    assert glance(older, STATE) is None and Entry.from_line(older) == entry("a.jpg")
    assert glance(Entry(replace(entry("v.mp4").record, video=VIDEO), STATE, ()).to_line().rstrip(), STATE) is None


@pytest.mark.parametrize("cut", [1, 2, 20, 100])
def test_a_torn_last_line_is_cut_off_and_the_next_one_starts_fresh(tmp_path: Path, cut: int) -> None:
    filled(tmp_path / "j")
    whole = (tmp_path / "j").read_bytes()
    (tmp_path / "j").write_bytes(whole[:-cut])
    journal = opened(tmp_path / "j")
    assert [journal.has(index) for index in range(3)] == [True, True, False]
    journal.append(2, entry(NAMES[2]).to_line())
    journal.close()
    assert (tmp_path / "j").read_bytes() == whole


@pytest.mark.parametrize("rubbish", [b"\0\0\0", b"[]", b'{"file": "a.jpg"', b'{"file": "a.jpg"}', b"\xff", b"[" * 9999])
def test_a_damaged_line_is_no_record(tmp_path: Path, rubbish: bytes) -> None:
    filled(tmp_path / "j")
    with (tmp_path / "j").open("ab") as file:
        file.write(rubbish + b"\n")
    journal = opened(tmp_path / "j")
    assert journal.read(1) == entry(NAMES[1]) and journal.read(2) == entry(NAMES[2])
    assert journal.read(0) in (None, entry(NAMES[0]))


def test_what_was_taken_back_stays_so(tmp_path: Path) -> None:
    filled(tmp_path / "j")
    journal = opened(tmp_path / "j")
    journal.take_back(NAMES[1])
    journal.close()
    again = opened(tmp_path / "j")
    assert [again.has(index) for index in range(3)] == [True, False, True]
    descriptor = os.open(tmp_path / "j", os.O_RDONLY)
    assert list(left_files(descriptor)) == [entry(NAMES[0]).files, entry(NAMES[2], 0.75).files]


def test_inputs_that_are_gone_are_known(tmp_path: Path) -> None:
    filled(tmp_path / "j")
    journal = opened(tmp_path / "j", [NAMES[0]])
    assert list(journal.unlisted) == NAMES[1:]
    found = journal.read_at(journal.unlisted[NAMES[2]])
    assert found == entry(NAMES[2])
    journal.take_back(NAMES[2])
    journal.close()
    assert list(opened(tmp_path / "j", [NAMES[0]]).unlisted) == [NAMES[1]]


def test_threads_append_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    monkeypatch.setattr(os, "fdatasync", syncs.append)
    files = [f"{number:05}.jpg" for number in range(2000)]
    journal = opened(tmp_path / "j", files)

    def append(index: int) -> None:
        journal.append(index, entry(files[index], index / 2000).to_line())
        journal.sync()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(2000)))
    assert all(journal.read(index) == entry(files[index], index / 2000) for index in range(2000))
    assert 1 <= len(syncs) <= 20, "at most one a hundred lines, less where threads wait for one another"


def test_a_line_of_any_length_is_read_back(tmp_path: Path) -> None:
    found = tuple(Detection("x", 0, 0.5, (0.0, 0.0, 1.0, 1.0)) for _ in range(9000))
    large = Entry(Record("c.jpg", 9, 9, found), None, ())
    journal = opened(tmp_path / "j")
    for index in (0, 1, 2):
        journal.append(index, large.to_line() if index == 1 else entry(NAMES[index]).to_line())
    assert journal.read(1) == large and journal.read(2) == entry(NAMES[2])


def test_eight_bytes_an_input_are_held(tmp_path: Path) -> None:
    journal = opened(tmp_path / "j", [])
    few = sys.getsizeof(journal._offsets)
    many = Journal(os.open(tmp_path / "k", os.O_RDWR | os.O_CREAT | os.O_APPEND), range(1000))  # type: ignore[arg-type]
    assert sys.getsizeof(many._offsets) - few == 8000


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_the_name_is_told_without_decoding_the_line(name: str, rest: str) -> None:
    line = compact({"file": name, "width": rest}) + b"\n"
    assert name_in(line) == name == decoded(line)["file"]


@given(st.binary(max_size=40))
def test_no_rubbish_is_too_odd_for_a_name(rubbish: bytes) -> None:
    name = name_in(b'{"file": "' + rubbish)
    assert name is None or isinstance(name, str)


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path / "j")
    journal, before, real = opened(tmp_path / "j"), (tmp_path / "j").read_bytes(), os.write
    left = [30]

    def full(descriptor: int, data: bytes) -> int:
        if not left:
            raise OSError(28, "No space left on device")
        return real(descriptor, bytes(data)[: left.pop()])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        journal.append(0, entry(NAMES[0], 0.9).to_line())
    assert (tmp_path / "j").read_bytes() == before
    assert [line for _, line in lines(os.open(tmp_path / "j", os.O_RDONLY))] == before.splitlines(keepends=True)
