"""Share out what is installed to the image's layers, so that a node pulls little of what it has already.

python layers.py LAYERS VENV OTHER…

Makes the folders cuda-1, cuda-2, cuda-3, torch and packages in LAYERS, each a tree from the image's root on. What
changes seldom has layers of its own: the CUDA libraries, in three of about the same size, and PyTorch. All times are
those of 1970: the same packages give the same layers.
"""

import os
import shutil
import sys
from pathlib import Path

_CUDA = ("cuda-1", "cuda-2", "cuda-3")
_TORCH = ("torch", "torchgen", "functorch", "triton", "torchvision", "torchvision.libs")


def main(layers: Path, venv: Path, *others: Path) -> None:
    for name in (*_CUDA, "torch", "packages"):
        (layers / name).mkdir(parents=True)
    (site,) = venv.glob("lib/python3*/site-packages")
    sizes = dict.fromkeys(_CUDA, 0)
    libraries = [path for path in site.glob("nvidia/**/*") if path.is_file() or path.is_symlink()]
    for path in sorted(libraries, key=lambda path: (-path.lstat().st_size, path)):
        smallest = min(_CUDA, key=lambda name: sizes[name])
        sizes[smallest] += path.lstat().st_size
        _move(path, layers / smallest)
    for name in _TORCH:
        if (site / name).exists():
            _move(site / name, layers / "torch")
    for path in (venv, *others):
        _move(path, layers / "packages")
    for folder, names, files in os.walk(layers, topdown=False):
        for name in (*names, *files):
            os.utime(Path(folder, name), (0, 0), follow_symlinks=False)


def _move(path: Path, layer: Path) -> None:
    to = layer / path.relative_to("/")
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, to)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
