"""From text to values, and what no text may stand for."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint import parse
from entrypoint.shard import Shard


@pytest.mark.parametrize(
    ("parser", "text", "value"),
    [
        (parse.whole(1, 9), "9", 9),
        (parse.fraction, "1e-3", 0.001),
        (parse.seconds, "0.5", 0.5),
        (parse.image_size, "480 640", (480, 640)),
        (parse.image_size, "480,640", (480, 640)),
        (parse.image_size, "640", (640, 640)),
        (parse.batch_size, "auto", None),
        (parse.batch_size, "16", 16),
        (parse.classes, "0 5", ("0", "5")),
        (parse.classes, "0, 5 ,person", ("0", "5", "person")),
        (parse.classes, "sports ball,7 8", ("sports ball", "7", "8")),
        (parse.shard, "auto", "auto"),
        (parse.shard, "1/3", Shard(1, 3)),
        (parse.folder, "runs/a", Path("runs/a")),
        (parse.name_below, "a/b c/…", "a/b c/…"),
    ],
)
def test_values(parser: Callable[[str], object], text: str, value: object) -> None:
    assert parser(text) == value


@pytest.mark.parametrize(
    ("parser", "texts"),
    [
        (parse.whole(1, 9), ["0", "10", "-1", "1.0", "²", "", "9" * 20]),
        (parse.whole(0), ["-1", "x"]),
        (parse.fraction, ["nan", "-0.1", "1.1", "x", ""]),
        (parse.seconds, ["nan", "inf", "-inf", "1e999", "0", "-1", "soon", ""]),
        (parse.image_size, ["0", "1 2 3", "16385", "²", ""]),
        (parse.batch_size, ["0", "4097", "many", ""]),
        (parse.classes, ["", " ", ",", " , "]),
        (parse.shard, ["3/3", "x", ""]),
        (parse.folder, [""]),
        (parse.name_below, ["", ".", "..", "/a", "a/", "a//b", "a/../b", "./a"]),
    ],
)
def test_what_is_refused_is_said_with_what_is_expected(parser: Callable[[str], object], texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(ValueError, match=r"expected|is not a|is neither|shard"):
            parser(text)


@given(st.text(st.sampled_from("a./\\ ~"), max_size=12))
def test_a_name_never_leads_out_of_the_folder_it_is_below(text: str) -> None:
    try:
        name = parse.name_below(text)
    except ValueError:
        return
    path = Path("/project", name)
    assert path != Path("/project")
    assert Path("/project") in path.resolve().parents
