"""Files below a folder: reached step by step, and through no link."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from entrypoint.results.tree import Tree


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").write_bytes(b"new")
    return tmp_path / "source"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def test_nothing_is_written_read_or_removed_through_a_link(root: Path, source: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").write_bytes(b"theirs")
    (root / "images").symlink_to(tmp_path / "outside")
    (root / "file").symlink_to(tmp_path / "outside" / "kept")
    tree = Tree(root)
    with pytest.raises(OSError, match=r"."):
        tree.link(str(source), "images/x")
    for path in ("images/kept", "file"):
        with pytest.raises(OSError, match=r"."):
            tree.open(path)
    tree.remove("images/kept")
    assert {path.name: path.read_bytes() for path in (tmp_path / "outside").iterdir()} == {"kept": b"theirs"}
    assert tree.obstacle("images/x") == "images"
    assert tree.obstacle("file") == "file"


def test_a_folder_that_becomes_a_link_while_it_is_open_leads_nowhere_else(
    root: Path, source: Path, tmp_path: Path
) -> None:
    tree = Tree(root)
    tree.link(str(source), "a/1")
    (tmp_path / "outside").mkdir()
    (root / "a").rename(root / "moved")
    (root / "a").symlink_to(tmp_path / "outside")
    tree.link(str(source), "a/2")
    assert sorted(path.name for path in (root / "moved").iterdir()) == ["1", "2"]
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize("there", ["file", "folder", "link", "dangling"])
def test_what_is_there_is_not_replaced(root: Path, source: Path, there: str) -> None:
    match there:
        case "file":
            (root / "x").write_bytes(b"theirs")
        case "folder":
            (root / "x").mkdir()
        case "link":
            (root / "x").symlink_to(source)
        case _:
            (root / "x").symlink_to("nowhere")
    tree = Tree(root)
    before = (root / "x").lstat()
    with pytest.raises(FileExistsError):
        tree.link(str(source), "x")
    assert (root / "x").lstat() == before and tree.exists("x") and tree.obstacle("x") == "x"


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "", "a//x", "a/\0"])
def test_a_path_that_is_not_below_is_refused(root: Path, source: Path, path: str) -> None:
    with pytest.raises(ValueError, match="does not stay below"):
        Tree(root).link(str(source), path)


def test_paths_longer_than_the_system_takes(root: Path, source: Path) -> None:
    tree, path = Tree(root), "/".join(["d" * 200] * 30) + "/file"
    tree.link(str(source), path)
    with os.fdopen(tree.open(path), "rb") as file:
        assert file.read() == b"new"
    tree.remove(path)
    tree.prune(path.rpartition("/")[0])
    assert not list(root.iterdir())


def test_a_folder_that_was_removed_is_made_again(root: Path, source: Path) -> None:
    tree = Tree(root)
    tree.link(str(source), "a/b/c/1")
    tree.remove("a/b/c/1")
    tree.prune("a/b/c")
    assert not list(root.iterdir())
    tree.link(str(source), "a/b/c/2")
    (root / "a" / "b" / "c" / "2").unlink()
    for folder in ("a/b/c", "a/b", "a"):
        (root / folder).rmdir()
    tree.link(str(source), "a/b/c/3")
    assert (root / "a" / "b" / "c" / "3").read_bytes() == b"new"


def test_empty_folders_go_and_others_stay(root: Path) -> None:
    (root / "images" / "a" / "b").mkdir(parents=True)
    (root / "images" / "c").mkdir()
    (root / "images" / "c" / "theirs").touch()
    Tree(root).prune("images", whole=True)
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*")) == ["images", "images/c", "images/c/theirs"]


def test_folders_directly_below_are_announced_before_they_are_made(root: Path, source: Path) -> None:
    heard: list[tuple[str, bool]] = []
    tree = Tree(root, on_made=lambda top: heard.append((top, (root / top).exists())))
    (root / "there").mkdir()
    for path in ("a/b/1", "a/2", "there/3", "4"):
        tree.link(str(source), path)
    assert heard == [("a", False)]


def test_only_so_many_folders_stay_open(root: Path, source: Path) -> None:
    tree = Tree(root)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(300):
        tree.link(str(source), f"{number}/a/x")
    assert len(list(Path("/proc/self/fd").iterdir())) - before < 70


def test_a_folder_that_one_thread_empties_and_another_fills_loses_nothing(root: Path, source: Path) -> None:
    # The inputs of one folder, each replacing its earlier result: any of them may leave the folder empty for a moment.
    tree, others = Tree(root), sys.getswitchinterval()

    def replace(name: str) -> None:
        for number in range(300):
            path = f"crops/{'abc'[number % 3]}/new/{name}"
            tree.link(str(source), path)
            assert tree.exists(path)
            tree.remove(path)
            assert not (root / path).exists()
            tree.prune(path.rpartition("/")[0])
        tree.link(str(source), f"crops/a/new/{name}")

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(replace, "wxyz"))
    finally:
        sys.setswitchinterval(others)
    assert sorted(path.name for path in root.rglob("*")) == ["a", "crops", "new", *"wxyz"]
