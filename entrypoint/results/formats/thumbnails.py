"""thumbnails/<path>.jpg: small pictures of the inputs, for the report."""

from collections.abc import Sequence

from entrypoint.results.formats.base import AnnotatedFrame, FrameFormat, Leave
from entrypoint.results.paths import result_path
from entrypoint.settings import Settings

_EMBEDDED = 2_000


class Thumbnails(FrameFormat):
    """Of each input where there are at most 2,000; of more inputs those on the contact sheet. Of a video, a strip.

    In a shard, of those that the merged run has one of.
    """

    name = "thumbnails"
    help = "thumbnails/<path>.jpg: the small images that index.html and sheet.jpg show."
    default = True
    folder = "thumbnails"

    @classmethod
    def is_wanted(cls, settings: Settings) -> bool:
        return settings.report and "no-report" not in settings.format and super().is_wanted(settings)

    @classmethod
    def suffixes(cls, file: str) -> Sequence[str]:
        return (".jpg",)

    @classmethod
    def is_in_the_way(cls, file: str, other: str) -> bool:
        return other.startswith(f"{file}.jpg/")  # all results have the suffix, so none has the name of an input

    def __init__(self, settings: Settings, names: tuple[str, ...]) -> None:
        super().__init__(settings, names)
        self._pictured: set[str] | None = None

    def expect(self, files: Sequence[str]) -> None:
        from entrypoint.results.report.thumbnails import sheet_places

        if len(files) > _EMBEDDED:
            self._pictured = {files[place] for place in sheet_places(len(files))}

    def write(self, shown: AnnotatedFrame, leave: Leave) -> None:
        from entrypoint.results.report.thumbnails import encoded, shrunk

        if self.leaves(shown.file):
            leave(self.path(shown.file), encoded(shrunk(shown.image)))

    def leaves(self, file: str) -> bool:
        return self._pictured is None or file in self._pictured

    @classmethod
    def path(cls, file: str) -> str:
        """Where that of an input is."""
        return result_path(cls.folder, file, ".jpg")
