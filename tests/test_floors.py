"""Imports go down only: each room may use the rooms on the floors below its own, and nothing above or beside it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PROGRAM = ROOT / "entrypoint"
VALUES = ("checks", "errors", "exif", "jsontext", "log", "text", "shard", "inputstate", "videofacts", "values")
OPTIONS = ("option", "parse", "detectionsettings", "resultsettings", "settings", "commandsettings")
FLOORS = (
    ("__main__", "__init__"),
    ("cli", "api"),
    ("run", "evaluate"),
    ("detect", "shards"),
    ("weights", "results"),
    ("engines", "sources"),
    ("host",),
    ("models",),
    (*VALUES, *OPTIONS),
)
FLOOR = {room: len(FLOORS) - number for number, rooms in enumerate(FLOORS) for room in rooms}


def room(path: Path) -> str:
    """The room of a module of the program, by its path."""
    return path.relative_to(PROGRAM).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """The rooms that a module imports from, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "entrypoint":
            below = node.module.split(".")[1:]
            yield from [below[0]] if below else [name.name for name in node.names if name.name in FLOOR]
        elif isinstance(node, ast.Import):
            yield from (name.name.split(".")[1] for name in node.names if name.name.startswith("entrypoint."))


MODULES = sorted(PROGRAM.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PROGRAM)))
def test_a_module_imports_its_own_room_and_lower_floors_only(path: Path) -> None:
    here = room(path)
    for there in imported(path):
        assert there == here or FLOOR[there] < FLOOR[here] or FLOOR[here] == FLOOR[there] == 1, f"{here} uses {there}"


def test_every_room_says_what_belongs_there() -> None:
    for package in {path.parent for path in MODULES} - {PROGRAM}:
        text = ast.get_docstring(ast.parse((package / "__init__.py").read_text()))
        assert text, f"{package.name} does not say what belongs in it"
