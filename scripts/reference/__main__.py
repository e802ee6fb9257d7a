"""Write the generated pages of docs/: python -m scripts.reference."""

from pathlib import Path

from scripts.reference.formats import formats
from scripts.reference.options import options
from scripts.reference.structure import structure

ROOT = Path(__file__).parent.parent.parent

if __name__ == "__main__":
    (ROOT / "docs" / "structure.md").write_text(structure(ROOT))
    (ROOT / "docs" / "options.md").write_text(options())
    (ROOT / "docs" / "formats.md").write_text(formats())
