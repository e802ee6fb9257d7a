"""What the pages in docs/ link to is there."""

import re

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_the_pages_link_to_what_is_there(page: object) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / "docs" / str(page)).read_text()):
        assert (ROOT / "docs" / target).exists(), target
