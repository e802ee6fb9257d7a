"""What a source holds: every medium once, sorted, the odd ones with their failure."""

import glob
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrypoint import log
from entrypoint.errors import SourceError
from entrypoint.results.formats import clash
from entrypoint.results.recognise import holds_results
from entrypoint.sources import walk
from entrypoint.sources.globbing import matches
from entrypoint.sources.kinds.video import Video
from entrypoint.sources.medium import FailedMedium, FileMedium, Medium, first_image
from entrypoint.sources.samples import DEMO_SCENES
from entrypoint.sources.scan import scan
from entrypoint.values import Failure

PNG = (DEMO_SCENES / "scene-1.png").read_bytes()
JPEG_START = b"\xff\xd8\xff\xe0"
STATUS = b'{"state": "finished", "identity": {}, "counts": {}}'
AVI = b"RIFF\x00\x00\x00\x00AVI LIST"


def lay(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def listed(source: object, project: Path | None = None) -> dict[str, str | None]:
    """Files with the kind of their failure."""
    listing = scan(str(source), holds_results(project) if project else lambda folder: False, clash)
    assert list(listing.files) == sorted(listing.files) == [medium.file for medium in listing]
    return {medium.file: kind_of_failure(medium) for medium in listing}


def kind_of_failure(medium: Medium) -> str | None:
    """What the listing alone knows: files are not opened."""
    if isinstance(medium, FailedMedium):
        return medium.failure.kind
    return "unsupported" if isinstance(medium, Video) else None


def test_a_folder_is_read_to_its_depths(tmp_path: Path) -> None:
    lay(tmp_path, {"b.png": PNG, "a/c.JPG": PNG, "a/b/c.webp": PNG, "a.b/x.tiff": PNG})
    assert listed(tmp_path) == dict.fromkeys(["a.b/x.tiff", "a/b/c.webp", "a/c.JPG", "b.png"])


def test_media_without_a_telling_name_are_known_by_content(tmp_path: Path) -> None:
    lay(tmp_path, {"0b5c": PNG, "picture.dat": JPEG_START, "clip": AVI, "notes": b"hello", "weights": b"\x80\x02}"})
    assert listed(tmp_path) == {"0b5c": None, "picture.dat": None, "clip": "unsupported"}


def test_what_is_no_medium_is_counted(tmp_path: Path) -> None:
    lay(tmp_path, {"a.png": PNG, "a.txt": b"0 1", "b.txt": b"", "x.json": b"{}", ".DS_Store": b"x", "README": b"hi"})
    listing = scan(str(tmp_path))
    assert listing.files == ["a.png"]
    assert listing.ignored == {".txt file": 2, ".json file": 1, "hidden file": 1, "plain text": 1}


def test_a_single_file_may_have_any_name(tmp_path: Path) -> None:
    lay(tmp_path, {"datasets": PNG, "broken": b"\x00\x01"})
    assert listed(tmp_path / "datasets") == {"datasets": None}
    assert listed(tmp_path / "broken") == {"broken": None}


def test_a_text_file_of_paths(tmp_path: Path) -> None:
    lay(tmp_path, {"in/a.png": PNG, "in/deep/b.png": PNG, "other/c.png": PNG, "in/v.mp4": AVI})
    lines = ["a.png", "./deep", "", f"{tmp_path}/other/c.png", "../other/c.png", "gone.png", "v.mp4", "a.png"]
    lay(tmp_path, {"in/list.txt": "\r\n".join(lines).encode()})
    outside = str(tmp_path / "other" / "c.png").lstrip("/")
    assert listed(tmp_path / "in" / "list.txt") == {
        "a.png": None,
        "deep/b.png": None,
        "gone.png": "missing",
        outside: None,
        "v.mp4": "unsupported",
    }


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("*.png", ["a.png", "b[1].png"]),
        ("**/*.png", ["a.png", "b[1].png", "deep/c.png"]),
        ("d*/*.png", ["deep/c.png"]),
        ("b[1].png", ["b[1].png"]),  # a file of that very name
    ],
)
def test_globs(tmp_path: Path, pattern: str, files: list[str]) -> None:
    lay(tmp_path, {"a.png": PNG, "b[1].png": PNG, "deep/c.png": PNG, "a.txt": b""})
    assert listed(tmp_path / pattern) == dict.fromkeys(files)


def test_a_glob_does_not_go_round_by_links(tmp_path: Path) -> None:
    lay(tmp_path, {"in/a.png": PNG, "in/deep/b.png": PNG, "other/c.png": PNG})
    for name in ("loop", "another"):
        (tmp_path / "in" / name).symlink_to(".")
        (tmp_path / "in" / "deep" / name).symlink_to("..")
    (tmp_path / "in" / "linked").symlink_to("../other")
    expected = dict.fromkeys(["a.png", "deep/b.png", "linked/c.png"])
    for pattern in ("**", "**/*.*", "**/**/*.png"):
        assert listed(tmp_path / "in" / pattern) == expected


@pytest.mark.parametrize(
    "pattern", ["**", "**/*", "*/**", "*/*", "**/d/**", ".*/*", "**/[ab]*.png", "d/../*.png", "**.png"]
)
def test_a_glob_matches_what_that_of_python_does(tmp_path: Path, pattern: str) -> None:
    lay(tmp_path, dict.fromkeys(["a.png", "d/b.png", "d/d/c.png", ".h/a.png", "d/.h/x.png", "e/d/.a.png"], PNG))
    ours, theirs = matches(str(tmp_path / pattern)), glob.glob(str(tmp_path / pattern), recursive=True)  # noqa: PTH207
    files = [{os.path.normpath(path) for path in found if Path(path).is_file()} for found in (ours, theirs)]
    assert files[0] == files[1]


def test_a_glob_without_matches_is_empty(tmp_path: Path) -> None:
    assert listed(tmp_path / "*.png") == {}


def test_links(tmp_path: Path) -> None:
    lay(tmp_path, {"store/a.png": PNG, "in/own.png": PNG})
    root = tmp_path / "in"
    (root / "file.png").symlink_to("../store/a.png")
    (root / "folder").symlink_to("../store")
    (root / "dangling.png").symlink_to("nowhere")
    (root / "dangling").symlink_to("nowhere")
    (root / "self.png").symlink_to("self.png")
    (root / "up").symlink_to(".")
    assert listed(root) == {
        "own.png": None,
        "file.png": None,
        "folder/a.png": None,
        "dangling.png": "dangling_link",
        "self.png": "link_loop",
        "up": "link_loop",
    }


@pytest.mark.parametrize("name", ["a.zip", "a.TAR", "a.tar.gz", "a.tzst", "deep/a.tgz"])
def test_an_archive_of_which_nothing_can_be_read_is_an_input_that_failed(tmp_path: Path, name: str) -> None:
    lay(tmp_path, {"in/own.png": PNG, f"in/{name}": b"", "in/notes.gz": b""})
    path = tmp_path / "in" / name
    assert listed(tmp_path / "in") == {"own.png": None, name: "empty"}
    path.unlink()
    os.mkfifo(path)
    assert listed(tmp_path / "in") == {"own.png": None, name: "not_a_file"}
    assert listed(tmp_path / "in" / "**" / "*.*") == {"own.png": None, name: "not_a_file"}
    path.unlink()
    path.symlink_to("nowhere")
    assert listed(tmp_path / "in") == {"own.png": None, name: "dangling_link"}


def test_a_pipe_that_is_named_as_an_archive_is_not_waited_for(tmp_path: Path) -> None:
    lay(tmp_path, {"list.txt": b"a.zip"})
    os.mkfifo(tmp_path / "a.zip")
    for source in (tmp_path / "a.zip", tmp_path / "list.txt"):
        (medium,) = scan(str(source))
        found = first_image(medium)
        assert isinstance(found, Failure) and found.kind == "not_a_file"


def test_an_archive_that_may_not_be_read_is_an_input_that_failed(tmp_path: Path) -> None:
    lay(tmp_path, {"own.png": PNG, "a.zip": b"PK\x03\x04"})
    (tmp_path / "a.zip").chmod(0)
    assert as_nobody(tmp_path, lambda: listed(tmp_path)) == {"own.png": None, "a.zip": "unreadable"}


def as_nobody(folder: Path, ask: Callable[[], object]) -> object:
    """What is found in a folder by a process that, unlike root's, is bound by permissions."""
    for above in (folder, *folder.parents):
        if above == folder or above.name.startswith(("pytest-", "popen-")):  # not those that are there without a test
            above.chmod(above.stat().st_mode | 0o555)
    if os.geteuid():
        return ask()
    os.seteuid(65534)
    try:
        return ask()
    finally:
        os.seteuid(0)


def test_linked_folders_do_not_multiply_without_end(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / str(number)).mkdir()
        if number:
            for name in ("a", "b"):
                (tmp_path / str(number - 1) / name).symlink_to(f"../{number}")
    lay(tmp_path, {"19/x.png": PNG})
    found = listed(tmp_path / "0")
    assert 0 < len(found) < 500
    assert set(found.values()) == {"link_loop"}


def test_results_inside_the_source_are_not_read(tmp_path: Path) -> None:
    lay(tmp_path, {"a.png": PNG, "outputs/exp/images/a.png": PNG, "outputs/exp/status.json": STATUS})
    assert listed(tmp_path, tmp_path / "outputs") == {"a.png": None}


@pytest.mark.parametrize("source", ["nowhere", "http://example.org/a.jpg", "rtsp://camera", "0"])
def test_sources_that_cannot_be(source: str) -> None:
    with pytest.raises(SourceError):
        scan(source)


def test_a_source_that_is_a_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "datasets").symlink_to("gone")
    with pytest.raises(SourceError, match="is a link to nothing"):
        scan(str(tmp_path / "datasets"))


def test_names_that_are_not_unicode_stay_apart(tmp_path: Path) -> None:
    for name in (b"\xff.png", b"\\xff.png", b"\xfe.png"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:  # noqa: PTH118, PTH123
            file.write(PNG)
    media = scan(str(tmp_path))
    assert sorted(medium.file for medium in media) == ["\\xfe.png", "\\xff.png", "\\xff.png~2"]
    assert all(isinstance(medium, FileMedium) and Path(medium.path).read_bytes() == PNG for medium in media)


names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20).filter(
    lambda name: not name.startswith(".") and len(name.encode()) < 200
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(names, min_size=1, max_size=3), max_size=8))
def test_any_tree_is_listed_whole(tmp_path_factory: pytest.TempPathFactory, paths: list[list[str]]) -> None:
    root = tmp_path_factory.mktemp("tree")
    made = set()
    for parts in paths:
        file = "/".join([*(f"{part}.d" for part in parts[:-1]), f"{parts[-1]}.png"])
        lay(root, {file: PNG})
        made.add(file)
    assert listed(root) == dict.fromkeys(made)


def test_names_whose_results_would_collide_are_told_apart(tmp_path: Path) -> None:
    lay(tmp_path, {"x": PNG, "x.jpg": PNG, "a.png": PNG, "a.png.json/b.png": PNG, "y": PNG})
    assert listed(tmp_path) == dict.fromkeys(["x~2", "x.jpg", "a.png~2", "a.png.json/b.png", "y"])


def test_the_source_may_be_the_project(tmp_path: Path) -> None:
    lay(tmp_path, {"a.png": PNG, "exp/status.json": STATUS, "exp/images/a.png": PNG, "holiday/b.png": PNG})
    assert listed(tmp_path, tmp_path) == {"a.png": None, "holiday/b.png": None}


def test_a_listed_name_too_long_for_any_file_is_missing(tmp_path: Path) -> None:
    lay(tmp_path, {"a.png": PNG, "list.txt": b"a.png\n" + b"n" * 5000 + b"\n"})
    assert listed(tmp_path / "list.txt") == {"a.png": None, "n" * 5000: "missing"}
    with pytest.raises(SourceError):
        scan("n" * 5000)


def test_links_that_fan_out_are_bounded(tmp_path: Path) -> None:
    for level in range(8):
        (tmp_path / str(level)).mkdir()
        for number in range(10):
            (tmp_path / str(level) / f"l{number}").symlink_to(f"../{level + 1}")
    lay(tmp_path, {"8/x.png": PNG})
    assert len(listed(tmp_path / "0")) < 2000


def names_are_below(found: dict[str, str | None]) -> bool:
    return all(part not in ("", ".", "..") for file in found for part in file.split("/"))


@pytest.mark.parametrize("source", ["list.txt", "deep/../list.txt"], ids=["here", "by way of a folder"])
def test_listed_files_outside_the_lists_folder_get_names_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    lay(tmp_path, {"in/a.png": PNG, "out/a.png": PNG, "in/deep/x": b""})
    lay(tmp_path, {"in/list.txt": b"../out/a.png\na.png\n../out\n"})
    monkeypatch.chdir(tmp_path / "in")
    outside = str(tmp_path / "out" / "a.png").lstrip("/")
    assert listed(source) == {"a.png": None, outside: None}


def test_a_glob_that_climbs_gets_names_below_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, {"in/deep/a.png": PNG, "in/b.png": PNG, "out/c.png": PNG})
    monkeypatch.chdir(tmp_path)
    assert listed("in/*/../b.png") == {"b.png": None}
    found = listed("in/*/../../out/*.png")
    assert found == {str(tmp_path / "out" / "c.png").lstrip("/"): None}
    assert listed(f"../{tmp_path.name}/[i]n/b.png") == {"in/b.png": None}
    assert names_are_below(found)


def test_a_link_to_a_folder_is_followed_before_dots_climb(tmp_path: Path) -> None:
    lay(tmp_path, {"store/deep/x": b"", "store/a.png": PNG, "in/a.png": JPEG_START})
    lay(tmp_path, {"in/list.txt": b"link/../a.png\na.png"})
    (tmp_path / "in" / "link").symlink_to("../store/deep")
    media = [medium for medium in scan(str(tmp_path / "in" / "list.txt")) if isinstance(medium, FileMedium)]
    assert {medium.file: Path(medium.path).read_bytes() for medium in media} == {"a.png": PNG, "a.png~2": JPEG_START}


@pytest.mark.parametrize("line", [b"gone\0.png", b"\xff.png", b"../" * 60 + b"etc/hostname"])
def test_any_line_of_a_list_gives_a_name_below(tmp_path: Path, line: bytes) -> None:
    lay(tmp_path, {"list.txt": b"#" * 5000 + b"\n" + line + b"\n"})
    found = listed(tmp_path / "list.txt")
    assert len(found) == 2 and names_are_below(found) and not any("\0" in file for file in found)


def test_results_are_no_input_at_any_depth_of_the_project(tmp_path: Path) -> None:
    project, beside = tmp_path / "project", tmp_path / "beside"
    lay(
        project,
        {
            "a.png": PNG,
            "exp/part-0-of-2/status.json": STATUS,
            "exp/part-0-of-2/images/a.png": PNG,
            "x/y/status.json": STATUS,
            "x/y/images/a.png": PNG,
            "claimed/images/a.png": PNG,
            "claimed/.partial/1": b"",
            "mine/status.json": b'{"state": "sunny"}',
            "mine/b.png": PNG,
            "exp/part-0-of-2/list.txt": b"images/a.png",
        },
    )
    inputs = dict.fromkeys(["a.png", "mine/b.png"])
    assert listed(project, project) == inputs
    assert listed(project / "**" / "*.png", project) == inputs
    lines = ["a.png", "exp/part-0-of-2/images/a.png", "x/y/images", "x", "x/y", "claimed/images/a.png", "mine"]
    lay(project, {"list.txt": "\n".join(lines).encode()})
    assert listed(project / "list.txt", project) == inputs
    lay(beside, {"list.txt": f"{project}/x/y/images/a.png\n{project}/a.png".encode()})
    assert listed(beside / "list.txt", project) == {str(project / "a.png").lstrip("/"): None}
    # Who names results themselves wants them read, as for a second look at crops.
    assert listed(project / "x" / "y" / "images", project) == {"a.png": None}
    assert listed(project / "exp" / "part-0-of-2" / "list.txt", project) == {"images/a.png": None}


def test_a_folder_of_folders_is_read_however_deep(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(700):
        deep /= "d"
        deep.mkdir()
    lay(deep, {"a.png": PNG})
    assert listed(tmp_path) == {"d/" * 700 + "a.png": None}


def test_a_long_listing_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lay(tmp_path, {f"{number}.png": b"" for number in range(5)})
    monkeypatch.setattr(log.LOG, "propagate", True)
    caplog.set_level("INFO", log.LOG.name)
    monkeypatch.setattr(walk, "_SILENT_SECONDS", 0.0)
    assert len(scan(str(tmp_path))) == 5
    assert caplog.messages[-1] == "listing the source: 4 media so far"
    caplog.clear()
    monkeypatch.setattr(walk, "_SILENT_SECONDS", 30.0)
    scan(str(tmp_path))
    assert not caplog.messages
