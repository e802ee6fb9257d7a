"""The source that a run takes its media from."""

import glob

from entrypoint.errors import SourceError
from entrypoint.results.formats import clash
from entrypoint.results.recognise import holds_results
from entrypoint.settings import DATASETS, INPUTS, Settings
from entrypoint.sources.listing import Listing
from entrypoint.sources.medium import ReadOptions
from entrypoint.sources.samples import bundled_images
from entrypoint.sources.scan import scan


def find_media(settings: Settings) -> tuple[str, Listing]:
    """The source that applies first, and what it holds. Raises SourceError."""
    is_results = holds_results(settings.project)
    options = ReadOptions(settings.accept_damaged, settings.vid_stride, settings.exif)
    if settings.source is not None:
        listing = scan(settings.source, is_results, clash, options)
        if not listing:
            what = "matches no images" if glob.has_magic(settings.source) else "holds no images"
            raise SourceError(f"source {settings.source!r} {what}{ignored(listing)}; expected at least one")
        return settings.source, listing
    if DATASETS.exists():
        return str(DATASETS), scan(str(DATASETS), is_results, clash, options)
    if INPUTS.is_dir() and (listing := scan(str(INPUTS), is_results, clash, options)):
        return str(INPUTS), listing
    samples = str(bundled_images())
    return samples, scan(samples, options=options)


def ignored(listing: Listing) -> str:
    """What else there was, for a person; nothing where there was nothing else."""
    kinds = ", ".join(f"{count} × {kind}" for kind, count in listing.ignored.most_common(5))
    return f" (ignored: {kinds})" if kinds else ""
