"""How an option is declared: once, as a field of a dataclass, with all that the program needs to know of it.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        max_det: int = option(1000, parse=whole(1, 30000), metavar="N", help="The most detections in an image.")

The command line, the environment variable (`YOLO_BAC_MAX_DET`), the check of the value, the run's identity and
docs/options.md all come from that line.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from entrypoint.errors import UsageError

RUN, MERGE, INSPECT, CONVERT = "run", "merge", "inspect", "convert"
EVALUATE, COMPARE, CONVERT_RESULTS = "evaluate", "compare", "convert-results"
"""The commands: `run` is the one without a name."""

_PREFIX = "YOLO_BAC_"
_KEY = "option"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option; its type and default are those of its field, the rest as `option` takes it."""

    name: str
    default: Any
    help: str
    aliases: tuple[str, ...] = ()
    parse: Callable[[str], Any] | None = None
    choices: tuple[str, ...] = ()
    metavar: str = ""
    default_text: str = ""
    is_list: bool = False
    adds_up: bool = False
    once: str = ""
    separator: str = ","
    decides: bool = False
    detect_py: bool = False
    commands: tuple[str, ...] = (RUN,)
    default_of: Mapping[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> tuple[str, ...]:
        """How it is written on the command line."""
        return (f"--{self.name.replace('_', '-')}", *self.aliases)

    @property
    def off_word(self) -> str | None:
        """How a switch that is on by default is turned off."""
        return f"--no-{self.name.replace('_', '-')}" if self.default is True else None

    @property
    def variable(self) -> str:
        """The environment variable that sets it, where the command line does not."""
        return f"{_PREFIX}{self.name.upper()}"

    @property
    def is_switch(self) -> bool:
        """Whether it takes no value on the command line."""
        return isinstance(self.default, bool)

    def default_in(self, command: str) -> Any:
        """What a command takes it for when it is not given."""
        return self.default_of.get(command, self.default)

    def shown_default(self, command: str = RUN) -> str:
        """The default as a person reads it; empty for a switch that is off."""
        default = self.default_in(command)
        if self.is_switch:
            return "on" if default else ""
        return self.default_text or ("" if default is None else str(default))

    def parsed(self, text: str) -> Any:
        """The value that a text stands for. Raises ValueError that says what was found and what is expected."""
        if self.is_switch:
            return _switch(text)
        if self.choices:
            if text not in self.choices:
                raise ValueError(f"{text!r} is none of {', '.join(self.choices)}")
            return text
        return self.parse(text) if self.parse else text

    def checked(self, value: object) -> Any:
        """The value that a Python program gave, as strictly as on the command line. Raises UsageError."""
        if (value is None and self.default is None) or (self.is_switch and isinstance(value, bool)):
            return value
        parts = value if isinstance(value, (list, tuple)) else (value,)
        try:
            return self.parsed(self.separator.join(map(str, parts)))
        except ValueError as error:
            raise UsageError(f"{self.name}: {error}") from error


def option(
    default: Any,
    *,
    help: str,  # noqa: A002 - the word of everything that reads it
    aliases: tuple[str, ...] = (),
    parse: Callable[[str], Any] | None = None,
    metavar: str = "",
    default_text: str = "",
    is_list: bool = False,
    adds_up: bool = False,
    once: str = "",
    separator: str = ",",
    decides: bool = False,
    detect_py: bool = False,
    commands: tuple[str, ...] = (RUN,),
    default_of: Mapping[str, Any] | None = None,
) -> Any:
    """A field of a dataclass that is an option: a switch where the default is a bool, a choice where it is a Literal.

    `help`: whole sentences. `aliases`: further words for it, with their dashes. `parse`: from text to the value; raises
    ValueError. `metavar`: what stands for the value in the help. `default_text`: the default in words, where the value
    itself says little. `is_list`: several words may follow it, as in `--classes 0 2`; `parse` gets them joined with
    commas, or with another `separator`. `adds_up`: given several times, all count, where of other options the last
    does. `once`: given several times, it is refused with this advice, as all but the last would be lost without a word.
    `decides`: other values give other results, so a run with another one is another run. `detect_py`: YOLOv5's
    detect.py has it. `commands`: those that take it, and `default_of` what is the default in one of them alone.
    """
    declaration = {
        "help": help,
        "aliases": aliases,
        "parse": parse,
        "metavar": metavar,
        "default_text": default_text,
        "is_list": is_list,
        "adds_up": adds_up,
        "once": once,
        "separator": separator,
        "decides": decides,
        "detect_py": detect_py,
        "commands": commands,
        "default_of": default_of or {},
    }
    return field(default=default, metadata={_KEY: declaration})


def declared(*classes: type) -> Iterable[Option]:
    """The options that are declared in these dataclasses, in the order of their fields."""
    for class_ in classes:
        for declaration in dataclasses.fields(class_):
            if _KEY in declaration.metadata:
                given: dict[str, Any] = declaration.metadata[_KEY]
                yield Option(
                    name=declaration.name,
                    default=declaration.default,
                    choices=() if isinstance(declaration.default, bool) else _choices(declaration.type),
                    **given,
                )


def _choices(kind: Any) -> tuple[str, ...]:
    values = get_args(kind)
    return values if values and all(isinstance(value, str) for value in values) else ()


def _switch(text: str) -> bool:
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.strip().lower() not in known:
        raise ValueError(f"{text!r} is neither true nor false; expected one of {', '.join(known)}")
    return known[text.strip().lower()]
