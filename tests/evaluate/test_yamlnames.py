"""Class names in data.yaml, as PyYAML reads them."""

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import example, given
from hypothesis import strategies as st

from entrypoint.evaluate.yamlnames import names_in
from entrypoint.results.formats.yolo import described


@pytest.mark.parametrize(
    "text",
    [
        "nc: 2\nnames: [person, 'traffic light']\n",
        'names: ["a, b", "c]d", e f]  # three',
        "path: .\nnames:\n- person\n- 'it''s'\n- \"a: b\"\nval: images\n",
        "names:\n  0: person\n  1: bicycle  # with two wheels\n\n  # a comment\n  2: 'x # y'\n",
        "names:\n  2: c\n  0: a\n  1: b\ntrain: images",
        "names: [\n  'a',\n  'b'\n]\n",
        "names: []",
        "names:\n  1: person\n  2: car\n",
        "names:\n  '0': car\n  \"1\": person\n",
        "train: images\n",
    ],
)
def test_names_are_those_that_a_yaml_library_reads(text: str) -> None:
    names = (yaml.safe_load(text) or {}).get("names", [])
    numbered = names if isinstance(names, dict) else dict(enumerate(names))
    assert names_in(text) == {int(number): name for number, name in numbered.items()}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=4))
@example(["\\x00", "\\U0001f415", "\\\\x41"])
def test_what_a_run_writes_is_read_back(names: list[str]) -> None:
    assert list(names_in(described(names)).values()) == names


@pytest.mark.parametrize(
    "text", ["names: person", "names: [a, b", "names: [a, [b]]", "names:\n  0: 'a", "names:\n  a: 0\n"]
)
def test_what_is_no_list_of_names_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="names"):
        names_in(text)


def test_a_line_of_spaces_takes_no_longer_than_any_other() -> None:
    assert names_in(f"names:\n  0: a{' ' * 200_000}b\n") == {0: f"a{' ' * 200_000}b"}
