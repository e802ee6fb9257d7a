"""Archives in a source: their members are inputs like files, wherever they lie and however they are packed."""

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from entrypoint.results.formats import clash
from entrypoint.shard import Shard
from entrypoint.sources.archives import tarmembers
from entrypoint.sources.listing import Listing
from entrypoint.sources.medium import FailedMedium, ReadOptions, Scratch, first_image
from entrypoint.sources.scan import scan
from entrypoint.values import Failure
from tests.sources.archives.test_archives import MAKERS, lost
from tests.videos import make_video, number_of, numbered

IMAGES = {f"{folder}/{number}.png": numbered(number, 96, 64) for folder in "ba" for number in range(6)}
FILES = {name: cv2.imencode(".png", image)[1].tobytes() for name, image in IMAGES.items()}
BESIDE = {"a/notes.txt": b"hello", "a/.hidden.png": b"x", "README": b"hi", "inner.zip": b"PK\x03\x04"}


def listed(source: Path, scratch: Path | None = None) -> Listing:
    return scan(str(source), clash=clash, options=ReadOptions(scratch=Scratch(str(scratch) if scratch else None)))


def kinds_of_failures(listing: Listing) -> dict[str, str | None]:
    return {medium.file: medium.failure.kind if isinstance(medium, FailedMedium) else None for medium in listing}


def read_in_order(listing: Listing) -> dict[str, np.ndarray | Failure]:
    """As a run does: each is told that it is about to be asked for, some time before it is."""
    found = {}
    media = [listing[index] for index in listing.reading_order()]
    for place, medium in enumerate(media):
        medium.read_ahead()
        if place >= 3:
            found[media[place - 3].file] = first_image(media[place - 3])
    return found | {medium.file: first_image(medium) for medium in media[-3:]}


@pytest.mark.parametrize("kind", MAKERS)
def test_members_are_inputs_named_after_the_archive(tmp_path: Path, kind: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "data.zip").write_bytes(MAKERS[kind](FILES | BESIDE))
    for own in ("another.png", "own.png"):
        (tmp_path / "in" / own).write_bytes(FILES["a/1.png"])
    for source, prefix in ((tmp_path / "in", "data.zip/"), (tmp_path / "in" / "data.zip", "data.zip/")):
        listing = listed(source)
        names = [f"{prefix}{name}" for name in sorted(IMAGES)]
        assert list(listing.files) == (["another.png", *names, "own.png"] if source.is_dir() else names)
        assert listing.ignored == {".txt file": 1, "hidden file": 1, "plain text": 1, ".zip file": 1}
        found = read_in_order(listing)
        for name, image in IMAGES.items():
            np.testing.assert_array_equal(found[f"{prefix}{name}"], image)
        for name in {"own.png", "another.png"} & found.keys():
            np.testing.assert_array_equal(found[name], IMAGES["a/1.png"])


@pytest.mark.parametrize("kind", ["stored zip", "tar.gz"])
def test_shards_and_any_order(tmp_path: Path, kind: str) -> None:
    (tmp_path / "data.bin").write_bytes(MAKERS[kind](FILES))
    whole = listed(tmp_path)
    shares = [whole.share(Shard(number, 3)) for number in range(3)]
    assert sorted(file for share in shares for file in share.files) == list(whole.files)
    for share in shares:
        for medium in reversed(share):
            np.testing.assert_array_equal(first_image(medium), IMAGES[medium.file.removeprefix("data.bin/")])
        read_in_order(share)


def test_a_compressed_tar_is_gone_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("x.tar.gz", "y.tar.gz"):
        (tmp_path / name).write_bytes(MAKERS["tar.gz"](FILES))
    listing = listed(tmp_path)
    passes = []
    begun = tarmembers._Pass.__init__

    def counted(self: tarmembers._Pass, path: str) -> None:
        passes.append(path)
        begun(self, path)

    monkeypatch.setattr(tarmembers._Pass, "__init__", counted)
    assert not [found for found in read_in_order(listing).values() if isinstance(found, Failure)]
    assert len(passes) == 2


def test_names_that_climb_and_names_that_repeat(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for number, name in enumerate(["a.png", "../../b.png", "/c.png", "a.png", "d\\e.png"]):
            header = tarfile.TarInfo(name)
            header.size = len(FILES[f"a/{number}.png"])
            archive.addfile(header, io.BytesIO(FILES[f"a/{number}.png"]))
    listing = listed(tmp_path)
    assert list(listing.files) == ["x.tar/a.png", "x.tar/a.png~2", "x.tar/b.png", "x.tar/c.png", "x.tar/d/e.png"]
    numbers = {medium.file: number_of(first_image(medium)) for medium in listing}  # type: ignore[arg-type]
    assert numbers == {"x.tar/a.png": 0, "x.tar/b.png": 1, "x.tar/c.png": 2, "x.tar/a.png~2": 3, "x.tar/d/e.png": 4}


def test_a_cut_archive_has_a_record_beside_those_of_its_members(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(lost(MAKERS["pax tar"](FILES)))
    (tmp_path / "y.zip").write_bytes(lost(MAKERS["stored zip"](FILES)))
    (tmp_path / "z.zip").write_bytes(MAKERS["stored zip"](BESIDE))
    found = kinds_of_failures(listed(tmp_path))
    assert found.pop("x.tar") == found.pop("y.zip") == "truncated"
    assert found and set(found.values()) == {None} and all(file.startswith("x.tar/") for file in found)


def test_weights_are_no_archive(tmp_path: Path) -> None:
    data = MAKERS["stored zip"]({"archive/data.pkl": b"", "archive/data/0": FILES["a/1.png"]})
    (tmp_path / "weights").write_bytes(data)
    (tmp_path / "a.png").write_bytes(FILES["a/1.png"])
    assert list(listed(tmp_path).files) == ["a.png"]


def test_lists_and_patterns_may_name_archives(tmp_path: Path) -> None:
    (tmp_path / "data.zip").write_bytes(MAKERS["deflated zip"]({"a.png": FILES["a/1.png"]}))
    (tmp_path / "list.txt").write_text("data.zip\n")
    for source in (tmp_path / "list.txt", tmp_path / "*.zip"):
        assert list(listed(source).files) == ["data.zip/a.png"]


@pytest.mark.parametrize("kind", ["stored zip", "deflated zip", "pax tar", "tar.zst"])
def test_videos_in_archives(tmp_path: Path, kind: str) -> None:
    (tmp_path / "in").mkdir()
    video = make_video(tmp_path / "a.mp4", [numbered(number) for number in range(9)]).read_bytes()
    (tmp_path / "in" / "x.data").write_bytes(MAKERS[kind]({"1.mp4": video, "2.png": FILES["a/1.png"], "3.mp4": video}))
    listing = listed(tmp_path / "in", tmp_path)
    media = [listing[index] for index in listing.reading_order()]
    assert len(media) == 3
    for medium in media:
        medium.read_ahead()
    for medium in media:
        frames = list(medium.frames())
        assert [number_of(frame.image) for frame in frames] == ([1] if "png" in medium.file else list(range(9)))  # type: ignore[union-attr]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_second_video_of_one_name_is_one_too(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    make_video(tmp_path / "a.mp4", [numbered(number) for number in range(3)])
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for _ in range(2):
            archive.add(tmp_path / "a.mp4", "a.mp4")
    (tmp_path / "x.tar").write_bytes(pack(buffer.getvalue()))
    listing = listed(tmp_path / "x.tar", tmp_path)
    assert list(listing.files) == ["x.tar/a.mp4", "x.tar/a.mp4~2"]
    for medium in listing:
        assert [number_of(frame.image) for frame in medium.frames()] == [0, 1, 2]  # type: ignore[union-attr]


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")])
def test_an_archive_that_changes_after_it_was_listed(tmp_path: Path, change: Callable[[Path], None]) -> None:
    for name, kind in (("x.zip", "deflated zip"), ("y.tar", "pax tar"), ("z.tar.gz", "tar.gz")):
        (tmp_path / name).write_bytes(MAKERS[kind]({"a.png": FILES["a/1.png"]}))
    listing = listed(tmp_path)
    for name in ("x.zip", "y.tar", "z.tar.gz"):
        change(tmp_path / name)
    assert all(isinstance(found, Failure) for found in read_in_order(listing).values())
