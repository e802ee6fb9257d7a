"""Gather the licences of the Python packages that are installed: a table, and each one's own texts.

python licences.py FOLDER
"""

import shutil
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

_TEXTS = ("licen", "copying", "notice", "authors", "eula")


def licence(package: Distribution) -> str:
    """What the package says its licence is, in a line."""
    metadata = package.metadata
    declared = metadata.get("License-Expression") or metadata.get("License") or ""
    named = declared if len(declared.splitlines()) == 1 else ""  # some put the whole text there
    classified = [c.rpartition(" :: ")[2] for c in metadata.get_all("Classifier", ()) if c.startswith("License")]
    return named or ", ".join(classified) or "see its texts"


def main(folder: Path) -> None:
    table = []
    for package in sorted(distributions(), key=lambda package: package.metadata["Name"].lower()):
        name = package.metadata["Name"]
        table.append(f"{name} {package.version}: {licence(package)}")
        for file in package.files or ():
            path = Path(str(file.locate()))
            if path.name.lower().startswith(_TEXTS) and path.suffix in ("", ".txt", ".md", ".rst") and path.is_file():
                copy = folder / name / file.as_posix().replace("/", "_")
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, copy)
    text = (
        "Python packages; Debian's are in /usr/share/doc/*/copyright, yolo-bac's own is in /opt/yolo-bac/LICENSE.\n\n"
    )
    (folder / "packages.txt").write_text(text + "\n".join(table) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
