"""Result paths: whatever a name says, they stay below the run folder, and different names have different ones."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.results.formats.crops import Crops
from entrypoint.results.formats.images import Images
from entrypoint.results.paths import hashed_path, parts_of, result_path, twin_path, twins
from entrypoint.values import Detection, Record

RUN = "/project/exp"
parts = st.sampled_from(["..", ".", "", "a", "\0", "x" * 300, "ü" * 200, "a\\b", "\ud800"]) | st.text(max_size=9)
names = st.lists(parts, max_size=6).map("/".join)


@given(names, names)
def test_no_name_leads_out_of_the_run_folder(file: str, class_name: str) -> None:
    record = Record(file, 9, 9, (Detection(class_name, 0, 0.5, (0, 0, 1, 1)),))
    made = [result_path("labels", file, ".json"), hashed_path("images", file, ".png")]
    made += [*Images.places(record), *Crops.places(record)]
    for path in [*made, *map(twin_path, made)]:
        assert os.path.normpath(f"{RUN}/{path}") == f"{RUN}/{path}"
        assert path.partition("/")[0] in ("labels", "images", "crops")
        assert all(len(part.encode()) <= 255 for part in parts_of(path))


@given(st.lists(names.filter(lambda name: "~" not in name), min_size=2, max_size=2, unique=True))
def test_names_of_two_inputs_are_two_paths(files: list[str]) -> None:
    paths = {result_path("labels", file, ".json") for file in files}
    assert len(paths) == 2 or "\ud800" in "".join(files)


@pytest.mark.parametrize("path", ["", "/etc/passwd", "a/../b", "..", "a//b", "./a", "a\0"])
def test_what_a_file_says_is_a_path_is_checked(path: str) -> None:
    with pytest.raises(ValueError, match="does not stay below"):
        parts_of(path)


def test_plain_names_are_mirrored() -> None:
    assert result_path("images", "a b/ü (1).JPG") == "images/a b/ü (1).JPG"
    assert result_path("labels", "a/x.jpg", ".json") == "labels/a/x.jpg.json"


def test_a_name_too_long_ends_in_a_hash_and_its_suffix(tmp_path: Path) -> None:
    path = result_path("labels", "ü" * 126 + ".j", ".json")
    name = path.partition("/")[2]
    assert len(name.encode()) <= 255 and name.endswith(".json") and "~" in name
    (tmp_path / name).touch()
    assert result_path("labels", "ü" * 126 + ".k", ".json") != path


def test_names_that_differ_in_case_only_are_told_apart() -> None:
    files = sorted(["A/x.jpg", "a/x.jpg", "a/X.jpg", "a/y.jpg", "\u00e9.jpg", "e\u0301.jpg"])
    found = twins(files)
    assert len(found) == 3 and "a/y.jpg" not in found and "A/x.jpg" not in found
    paths = [twin_path(path) if file in found else path for file in files for path in [result_path("images", file)]]
    assert not twins(sorted(paths))
    assert all(path.endswith(".jpg") for path in paths)
    assert len(twin_path("images/" + "n" * 251 + ".jpg").encode()) <= 255 + len("images/")
