"""Folders for what is measured: images in the number asked for, and results that leave no trace in the next figure."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def copies(folder: Path, images: Sequence[Path], count: int) -> Path:
    """A folder of so many images, links to the given ones in turn."""
    folder.mkdir()
    for number in range(count):
        image = images[number % len(images)]
        (folder / f"{number:06}-{image.name}").symlink_to(image.resolve())
    return folder


@contextmanager
def results(scratch: Path) -> Iterator[Path]:
    """A new folder in `scratch`, whose files are emptied when the block ends.

    They are not removed: for a minute after many were, ext4 makes new files slowly (it looks for inodes that were not
    in use of late), and the next measurement would pay for that.
    """
    folder = Path(tempfile.mkdtemp(dir=scratch))
    try:
        yield folder
    finally:
        for path in folder.rglob("*"):
            if path.is_file():
                os.truncate(path, 0)
