"""Where inputs come from: how a medium is made of a name."""

from dataclasses import dataclass

from entrypoint.sources import kinds
from entrypoint.sources.kinds.still import Still
from entrypoint.sources.medium import FileMedium, Medium, ReadOptions
from entrypoint.sources.suffixes import suffix

Kind = type[FileMedium]


@dataclass(frozen=True, slots=True)
class Origin:
    """Inputs whose path is `base` and then their name; `kind` is None where the suffix tells it."""

    base: str
    kind: Kind | None = None

    @property
    def group(self) -> object:
        """What inputs have in common that are to be read one after the other, by their `place`; None for others."""
        return None

    def place(self, file: str) -> int:
        """The place of an input in its group."""
        return 0

    def kind_of(self, file: str) -> Kind:
        """The kind of an input."""
        return self.kind or kinds.by_suffix(suffix(file)) or Still

    def medium(self, index: int, name: str, file: str, options: ReadOptions) -> Medium:
        """The input that is found here as `file`, and is called `name` in the listing."""
        return self.kind_of(file)(index, name, self.base + file, options)
