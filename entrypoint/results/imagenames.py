"""The names of images that are written, and the formats that these names promise."""

from collections.abc import Iterator

from entrypoint.results.paths import hashed_path, result_path

# What OpenCV writes in colour, by suffix. Everything else it is asked for gets .jpg behind its name.
WRITTEN_IN_COLOUR = frozenset(
    ".avif .bmp .dib .gif .hdr .jp2 .jpe .jpeg .jpg .pfm .pic .png .pnm .ppm .ras .sr .tif .tiff .webp".split()
)
_INSTEAD = (".jpg", ".png")


def image_suffixes(file: str) -> tuple[str, ...]:
    """What may stand behind the name of `file` in the plain name of its image."""
    return ("",) if suffix_of(file) in WRITTEN_IN_COLOUR else _INSTEAD


def image_paths(folder: str, file: str) -> Iterator[tuple[str, str]]:
    """Where below `folder` an image of `file` may go, each with the suffix of its format: the first that takes it.

    An image too large for the format of its own name gets a name that no other input's can be.
    """
    own = suffix_of(file)
    if own in WRITTEN_IN_COLOUR:
        yield result_path(folder, file), own
    for suffix in _INSTEAD:
        yield (hashed_path if own in WRITTEN_IN_COLOUR else result_path)(folder, file, suffix), suffix


def suffix_of(file: str) -> str:
    """`.jpg` of `a/B.JPG`."""
    return "." + file.rpartition(".")[2].lower()
