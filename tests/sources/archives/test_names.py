"""Whatever a member is called, its name is fit for an input of a run."""

import time
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.sources.archives.names import Names, is_hidden, safe_name
from entrypoint.values import checked_name

NAMES = [
    # as it stands in the archive, as an input is called
    ("a/b.jpg", "a/b.jpg"),
    ("../../etc/b.jpg", "etc/b.jpg"),
    ("/etc/b.jpg", "etc/b.jpg"),
    ("C:\\photos\\b.jpg", "photos/b.jpg"),
    ("c:b.jpg", "b.jpg"),
    ("a//./b/../c.jpg", "a/b/c.jpg"),
    ("..\\..\\b.jpg", "b.jpg"),
    ("..", "member"),
    ("", "member"),
    ("a\0b.jpg", "ab.jpg"),
    ("\udcff.jpg", "\\xff.jpg"),
]


@pytest.mark.parametrize(("name", "safe"), NAMES)
def test_names_stay_below_the_archive(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text(st.characters(exclude_categories=[]), max_size=60) | st.text("./\\:a", max_size=60))
def test_any_name_becomes_that_of_an_input(name: str) -> None:
    safe = safe_name(name)
    assert checked_name(safe) == safe
    assert not PurePosixPath(safe).is_absolute() and ".." not in PurePosixPath(safe).parts


@given(st.text(min_size=700, max_size=3000))
def test_long_names_are_cut_and_stay_apart(name: str) -> None:
    assert len(safe_name(name).encode()) <= 820
    assert safe_name(f"x/{name * 2}") != safe_name(f"y/{name * 2}") or len(name.encode()) < 800


def test_a_second_one_of_a_name_gets_a_number() -> None:
    names = Names()
    given = [names.free(name) for name in ("a.jpg", "a.jpg~2", "a.jpg", "b.jpg", "a.jpg", "a.jpg~2")]
    assert given == ["a.jpg", "a.jpg~2", "a.jpg~3", "b.jpg", "a.jpg~4", "a.jpg~2~2"]


def test_a_name_that_comes_very_often_is_numbered_in_no_time() -> None:
    names, began = Names(), time.process_time()
    assert len({names.free("a.jpg") for _ in range(100_000)}) == 100_000
    assert time.process_time() - began < 5


@pytest.mark.parametrize(("name", "hidden"), [("a/b.jpg", False), (".a/b.jpg", True), ("__MACOSX/._b.jpg", True)])
def test_hidden_files(name: str, hidden: bool) -> None:
    assert is_hidden(name) == hidden
