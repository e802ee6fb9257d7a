"""docs/structure.md: every room and module of the program, with the first sentence of its docstring."""

import ast
from pathlib import Path

_HEAD = """# Structure

Every file of the program, with the first line of what it says of itself. `scripts/docs` writes this page.

Imports go down only, from the room at the top of this list of floors to the one at its bottom; `tests/test_floors.py`
holds them to it.
"""


def structure(root: Path) -> str:
    """The page, for the checkout at `root`."""
    program = root / "entrypoint"
    rooms = sorted({path.parent for path in program.rglob("*.py")})
    return _HEAD + "".join(_room(room, root) for room in rooms)


def _room(room: Path, root: Path) -> str:
    about = _docstring(room / "__init__.py")
    files = [path for path in sorted(room.glob("*.py")) if path.name != "__init__.py"]
    rows = [f"| `{path.name}` | {_first_line(path)} |\n" for path in files]
    table = "".join(["\n| file | |\n|---|---|\n", *rows]) if rows else ""
    return f"\n## {room.relative_to(root)}\n\n{about}\n{table}"


def _first_line(path: Path) -> str:
    return _docstring(path).partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""
