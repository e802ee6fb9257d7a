"""A listing keeps little more than names, and makes media of them when they are asked for."""

import gc
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.results.formats import clash
from entrypoint.shard import Shard
from entrypoint.sources.kinds.still import Still
from entrypoint.sources.kinds.video import Video
from entrypoint.sources.listing import Collector, Listing
from entrypoint.sources.medium import FailedMedium, FileMedium, ReadOptions
from entrypoint.sources.scan import scan
from entrypoint.values import Failure

MANY = 20_000


def listing(*inputs: tuple[str, str], failed: tuple[str, ...] = ()) -> Listing:
    """Of names and paths."""
    collector = Collector()
    for file, path in inputs:
        collector.add(file, path)
    for file in failed:
        collector.add(file, f"/in/{file}", failure=Failure("missing", "gone"))
    return collector.listing(clash, ReadOptions())


def paths(found: Listing) -> dict[str, str]:
    return {medium.file: medium.path for medium in found if isinstance(medium, FileMedium)}


def test_a_listed_input_takes_at_most_200_bytes(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "x.png").write_bytes(b"x")
    for number in range(MANY):
        (tmp_path / "in" / f"photograph-{number:012}.png").symlink_to("../x.png")
    scan(str(tmp_path))  # whatever is imported or made once
    gc.collect()
    tracemalloc.start()
    try:
        found = scan(str(tmp_path / "in"))
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == MANY
    assert kept < 150 * MANY
    assert most < 200 * MANY


def test_a_share_and_a_pass_over_all_media_keep_nothing(tmp_path: Path) -> None:
    collector = Collector()
    for number in range(MANY):
        collector.add(f"{number:012}.png", f"{tmp_path}/{number:012}.png")
    found = collector.listing(clash, ReadOptions())
    tracemalloc.start()
    try:
        share = found.share(Shard(0, 4))
        assert sum(medium.index for medium in share) == sum(range(len(share)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.2 < len(share) / MANY < 0.3
    assert most < 30 * MANY


def test_media_are_made_of_names() -> None:
    found = listing(("b.png", "in/b.png"), ("a.mp4", "in/a.mp4"), ("c", "in/c"), failed=("d.png",))
    assert found.files == ["a.mp4", "b.png", "c", "d.png"]
    assert [type(medium) for medium in found] == [Video, Still, Still, FailedMedium]
    assert [medium.index for medium in found] == [0, 1, 2, 3]
    assert paths(found) == {file: f"in/{file}" for file in ("a.mp4", "b.png", "c")}
    assert [medium.file for medium in found[1:3]] == ["b.png", "c"] and found[-1].file == "d.png"


def test_names_from_different_places() -> None:
    found = listing(("x/b.png", "/x/b.png"), ("a.png", "/in/a.png"), ("x/b.png", "/in/x/b.png"), ("a.png", "/in/a.png"))
    assert paths(found) == {"a.png": "/in/a.png", "x/b.png": "/x/b.png", "x/b.png~2": "/in/x/b.png"}
    assert paths(found.share(Shard(0, 1))) == paths(found)


def test_more_places_than_can_be_numbered() -> None:
    inputs = [(f"{number}.png", f"/{place}/{number}.png") for number in range(3) for place in range(300)]
    found = listing(*inputs)
    assert len(found) == 900 and sorted(paths(found).values()) == sorted(path for _, path in inputs)


@given(st.lists(st.sampled_from(["a", "a.jpg", "a.png", "a.png.json/b", "a~2", "a.json", "A"]), max_size=8), st.data())
def test_every_input_is_there_once_under_a_name_of_its_own(names: list[str], data: st.DataObject) -> None:
    inputs = [(name, data.draw(st.sampled_from(["/x/", "/y/"])) + name) for name in names]
    found = listing(*inputs)
    assert sorted(paths(found).values()) == sorted({path for _, path in inputs})
    taken = set(found.files) | {file.rpartition("/")[0] for file in found.files}
    for file in found.files:
        ends = [".json", ".txt"] + [".jpg", ".png"] * (not file.endswith((".png", ".jpg")))
        assert taken.isdisjoint(file + end for end in ends)


def test_a_million_names_are_sorted_and_told_apart_within_seconds() -> None:
    collector = Collector()
    for number in range(50 * MANY, 0, -1):
        collector.add(f"{number:08}.jpg", f"in/{number:08}.jpg")
    began = time.process_time()
    found = collector.listing(clash, ReadOptions())
    assert found.files[0] == "00000001.jpg" and len(found) == 50 * MANY
    assert time.process_time() - began < 20


@pytest.mark.parametrize("place", [-5, 4, 100])
def test_a_place_outside_raises(place: int) -> None:
    with pytest.raises(IndexError):
        listing(("a.png", "a.png"), failed=("b.png",))[place]
