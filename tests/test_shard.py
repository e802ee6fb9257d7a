"""Shards: a partition of the media, whatever else is there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.errors import UsageError
from entrypoint.shard import Shard, partition

FILES = st.sets(st.text(st.characters(codec="utf-8"), min_size=1))


@given(FILES, st.integers(1, 9))
def test_every_file_is_in_one_shard_alone(files: set[str], count: int) -> None:
    shares = [{file for file in files if Shard(index, count).holds(file)} for index in range(count)]
    assert set().union(*shares) == files
    assert sum(map(len, shares)) == len(files)


def test_shares_are_about_equal() -> None:
    shares = [sum(Shard(index, 7).holds(f"train/{n:06}.jpg") for n in range(7000)) for index in range(7)]
    assert min(shares) > 900 and max(shares) < 1100


@pytest.mark.parametrize(("file", "index"), [("a.jpg", 1), ("b.jpg", 0), ("a/c.jpg", 1), ("ü.png", 0)])
def test_a_share_is_the_same_on_every_machine(file: str, index: int) -> None:
    # The last hexadecimal digit of `printf %s FILE | b2sum -l 64`, even or odd.
    assert Shard(index, 2).holds(file)


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        ({}, None),
        ({"BACALHAU_PARTITION_INDEX": "0"}, None),  # before v1.6.1
        ({"BACALHAU_PARTITION_INDEX": "0", "BACALHAU_PARTITION_COUNT": "0"}, None),  # ops and daemon jobs
        ({"BACALHAU_PARTITION_INDEX": "0", "BACALHAU_PARTITION_COUNT": "1"}, None),
        ({"BACALHAU_PARTITION_INDEX": "2", "BACALHAU_PARTITION_COUNT": "3"}, Shard(2, 3)),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "9", "AWS_BATCH_JOB_ARRAY_SIZE": "10"}, Shard(9, 10)),
    ],
)
def test_the_platforms_partition(environment: dict[str, str], shard: Shard | None) -> None:
    assert partition(environment) == shard


@pytest.mark.parametrize(("index", "count"), [("3", "3"), ("", "3"), ("-1", "3"), ("a", "3"), ("1", "three")])
def test_a_partition_that_makes_no_sense_is_refused(index: str, count: str) -> None:
    with pytest.raises(UsageError, match=f"BACALHAU_PARTITION_COUNT={count}"):
        partition({"BACALHAU_PARTITION_INDEX": index, "BACALHAU_PARTITION_COUNT": count})


@pytest.mark.parametrize("text", ["3/3", "1", "1/", "/3", "-1/3", "a/b", "0/0", "1/2/3"])
def test_a_shard_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="shard"):
        Shard.parse(text)
