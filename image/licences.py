"""Gather the licences of the Python packages that are installed: a table, and each one's own texts.

python licences.py FOLDER
"""

import shutil
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

_TEXTS = ("licen", "copying", "notice", "authors", "eula")
# Wheels that bring libraries of others under the GNU licences, without their texts: which, and where their sources are.
_BUNDLED = {
    "av": (
        "FFmpeg (LGPL-3.0-or-later), with x264 and x265 (GPL-2.0-or-later): together GPL-3.0-or-later; LAME and GnuTLS "
        "(LGPL), libvpx, dav1d, SVT-AV1, Opus, WebP (BSD)",
        "https://github.com/PyAV-Org/pyav-ffmpeg, which builds them and names the sources of each; "
        "https://ffmpeg.org/releases, https://code.videolan.org/videolan/x264, "
        "https://bitbucket.org/multicoreware/x265_git",
    ),
    "pillow_heif": (
        "libheif and libde265 (LGPL-3.0), x265 (GPL-2.0-or-later): together GPL-3.0",
        "named in its LICENSES_bundled.txt",
    ),
}
_GNU = ("GPL-2", "GPL-3", "LGPL-2.1", "LGPL-3")
_COMMON = Path("/usr/share/common-licenses")  # Debian's and Ubuntu's own copies


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
    bundled(folder)
    text = (
        "Python packages; Debian's are in /usr/share/doc/*/copyright, yolo-bac's own is in /opt/yolo-bac/LICENSE.\n\n"
    )
    (folder / "packages.txt").write_text(text + "\n".join(table) + "\n")


def bundled(folder: Path) -> None:
    """What is brought under the GNU licences, with their texts and where the sources are."""
    lines = ["Libraries within these packages. yolo-bac is AGPL-3.0, with which GPL-3.0 may be combined.\n"]
    for package in sorted(distributions(), key=lambda package: package.metadata["Name"]):
        name = package.metadata["Name"]
        if name in _BUNDLED:
            what, sources = _BUNDLED[name]
            lines.append(f"{name} {package.version}: {what}\n  sources: {sources}\n")
    (folder / "bundled.txt").write_text("\n".join(lines))
    for text in _GNU:
        shutil.copy(_COMMON / text, folder / f"{text}.txt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
