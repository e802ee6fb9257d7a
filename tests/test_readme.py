"""What the README says is so."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from entrypoint import errors
from entrypoint.cli.command import command
from entrypoint.option import declared
from entrypoint.settings import Settings
from scripts.reference.formats import formats
from scripts.reference.options import options, short_row
from scripts.reference.structure import structure
from tests.conftest import ROOT
from tests.schemas import assert_valid

README = (ROOT / "README.md").read_text()


def test_the_short_table_of_options_says_what_their_declarations_say() -> None:
    block = re.search(r"<!-- options:.*?-->\n.*\n.*\n((?:\|.*\n)+)", README)
    assert block
    rows = block.group(1).splitlines()
    assert len(rows) > 10
    assert set(rows) <= {short_row(option) for option in declared(Settings)}


def test_the_page_of_all_options_is_up_to_date() -> None:
    assert (ROOT / "docs" / "options.md").read_text() == options(), "run scripts/docs"


def test_the_page_of_all_formats_is_up_to_date() -> None:
    assert (ROOT / "docs" / "formats.md").read_text() == formats(), "run scripts/docs"


def test_the_page_of_all_options_has_each_word_that_the_command_takes() -> None:
    words = {word for parameter in command.params for word in (*parameter.opts, *parameter.secondary_opts)}
    page = (ROOT / "docs" / "options.md").read_text()
    assert {word for word in words - {"--help", "-h", "--version"} if not re.search(rf"`{word}[ `]", page)} == set()


def test_every_exit_code_is_listed() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    kinds = [getattr(errors, name) for name in dir(errors)]
    raised = {kind.exit_code for kind in kinds if isinstance(kind, type) and issubclass(kind, errors.YoloBacError)}
    assert codes == raised | {errors.EXIT_OK, errors.EXIT_MEDIA_FAILED}


def tracked() -> list[Path]:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [Path(line) for line in listing.stdout.splitlines()]


def test_the_file_tree_names_every_room_and_script() -> None:
    tree = README[README.index("entrypoint/             the program") :]
    for path in tracked():
        if path.parts[0] == "entrypoint" and len(path.parts) > 2 and path.suffix == ".py":
            assert f"{path.parts[1]}/" in tree, path
        if path.parent == Path("scripts") and not path.suffix:
            assert re.search(rf"scripts/ .*\b{path.name}\b", tree), path


def test_the_page_of_every_file_is_up_to_date() -> None:
    assert (ROOT / "docs" / "structure.md").read_text() == structure(ROOT), "run scripts/docs"


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_record_example_follows_the_schema() -> None:
    block = re.search(r"```jsonc\n(.*?)```", README, re.DOTALL)
    assert block
    assert_valid(json.loads(re.sub(r"//.*", "", block.group(1))), "record")


def test_the_project_names_no_machine() -> None:
    pattern = "|".join(["/" + "work/", "/" + "root/", "/" + "farm"])
    found = subprocess.run(
        ["git", "grep", "-nIE", pattern], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    assert found == ""
