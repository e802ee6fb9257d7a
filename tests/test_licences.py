"""What the image says of the licences of what it brings."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.skipif(not Path("/usr/share/common-licenses").is_dir(), reason="only Debian has the texts at hand")
def test_the_gnu_licences_and_the_sources_of_what_wheels_bundle_are_there(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "image" / "licences.py"), str(tmp_path)], check=True)
    told = (tmp_path / "bundled.txt").read_text()
    assert (
        "av 18.1.0: FFmpeg" in told and "x264" in told and "https://" in told and "pillow_heif 1.8.1: libheif" in told
    )
    for name, word in (("GPL-2", "Version 2"), ("GPL-3", "Version 3"), ("LGPL-3", "Version 3")):
        text = (tmp_path / f"{name}.txt").read_text()
        assert "GENERAL PUBLIC LICENSE" in text and word in text
    assert (tmp_path / "packages.txt").read_text().count("\n") > 20
