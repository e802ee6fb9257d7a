"""index.html and sheet.jpg: the report that a person looks at, and a sheet of small images."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from entrypoint.host.shortage import raise_if_out_of_files
from entrypoint.results.formats.base import RunFilesFormat
from entrypoint.results.formats.images import Images
from entrypoint.results.formats.thumbnails import Thumbnails
from entrypoint.results.paths import result_path
from entrypoint.results.runfolder import RunFolder
from entrypoint.results.runstatus import RunStatus
from entrypoint.settings import Settings
from entrypoint.values import Record


class Report(RunFilesFormat):
    """One page that needs no network, with what it shows inside, but for the annotated images, which it links."""

    name = "report"
    option = "--no-report"
    help = "index.html, the report, and sheet.jpg, a sheet of small images."
    default = True
    needs_images = True
    files = ("index.html", "sheet.jpg")

    @classmethod
    def is_wanted(cls, settings: Settings) -> bool:
        return settings.report and f"no-{cls.name}" not in settings.format

    @contextmanager
    def writing_all(
        self, files: Sequence[IO[bytes]], status: RunStatus, folder: RunFolder
    ) -> Iterator[Callable[[Record], None]]:
        from entrypoint.results.report.collect import Collected
        from entrypoint.results.report.page import page
        from entrypoint.results.report.sheet import contact_sheet, tiles_of

        collected = Collected()
        yield collected.add

        def thumbnail(file: str) -> bytes | None:
            try:
                descriptor = folder.tree.open(result_path(Thumbnails.folder, file, ".jpg"))
            except OSError as error:
                raise_if_out_of_files(error)
                return None
            with os.fdopen(descriptor, "rb") as picture:
                return picture.read()

        index, sheet = files
        palette = self.settings.palette
        annotated = Images.name in status.formats
        links = _links(folder, collected.shown_files) if annotated else {}
        text = page(
            status, collected, self.names, thumbnail=thumbnail, links=links, annotated=annotated, palette=palette
        )
        index.write(text)
        sheet.write(contact_sheet(tiles_of(collected.looked_at, thumbnail), palette))


def _links(folder: RunFolder, files: Sequence[str]) -> dict[str, str]:
    """Where an input's annotated image lies, for those that are not at images/<file>."""
    links = {}
    for file in files:
        first, *others = Images.places(Record(file, 1, 1, ()))
        if others and not folder.tree.exists(first):
            first = next((path for path in others if folder.tree.exists(path)), first)
        if first != result_path(Images.folder, file) or "~" in first:
            links[file] = first
    return links
