"""What is known of a file of weights without loading it, and how that is told."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A file of weights as it describes itself. None, or nothing: the file does not say, or cannot be read.

    `kind`: what it was recognised as. `family`: whose tool made it; `version`: of that tool. `architecture`: the class
    of the model, and the plan it was made from. `classes`: names by id. `imgsz`: height and width it is meant for.
    `parameters`: numbers that were learnt; `precision`: the types they are stored in. `date`: when it was saved, in the
    file's words. `globals`: every name that its pickle would import, or every operation that it is made of; `refused`:
    those of them that are not allowed. `fault`: why it does not run.
    """

    file: str
    kind: str
    size: int
    sha256: str
    family: str | None = None
    version: str | None = None
    task: str | None = None
    architecture: str | None = None
    classes: tuple[str, ...] | None = None
    imgsz: tuple[int, int] | None = None
    stride: int | None = None
    parameters: int | None = None
    precision: str | None = None
    date: str | None = None
    globals: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    fault: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values, in this order."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @property
    def summary(self) -> str:
        """A line for a list of files, without the file's name."""
        words = [f"{self.size} bytes  sha256 {self.sha256[:12]}…  {self.kind}"]
        words += [word for word in (self.family, self.version and f"version {self.version}", self.task) if word]
        words += [f"{len(self.classes)} classes"] if self.classes is not None else []
        words += ["not loadable"] if self.fault else []
        return ", ".join(words)

    def lines(self) -> list[str]:
        """For a person: a line for each thing that is known."""
        known = self.as_json()
        known["imgsz"] = " × ".join(map(str, self.imgsz)) if self.imgsz else None
        known["parameters"] = f"{self.parameters:,}" if self.parameters is not None else None
        if self.classes is not None:
            known["classes"] = f"{len(self.classes)}: {_listed(self.classes)}"
        known["globals"] = f"{len(self.globals)}: {', '.join(self.globals)}" if self.globals else None
        known["refused"] = ", ".join(self.refused) or None
        return [f"{name + ':':<14}{value}" for name, value in known.items() if value is not None]


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listed(names: tuple[str, ...]) -> str:
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
