"""Arguments as detect.py takes them: shortened options, lists without commas, and options that have no use here."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from entrypoint.log import LOG


@dataclass(frozen=True, slots=True)
class Foreign:
    """An option of detect.py that does nothing here; `said` to who gives it. `refused`: it would have left results."""

    word: str
    said: str
    takes_value: bool = False
    refused: bool = False


FOREIGN = (
    Foreign("--data", "A checkpoint brings the names of its classes, so --data is not needed.", takes_value=True),
    Foreign(
        "--view-img",
        "--view-img opens a window in detect.py. A batch job has no screen: the annotated images are in images/ in the "
        "results.",
    ),
    Foreign(
        "--update",
        "--update makes the checkpoint smaller in detect.py. Weights are never written to here, so it does nothing.",
    ),
    Foreign(
        "--dnn",
        "--dnn runs ONNX weights with OpenCV in detect.py. The network is computed by ONNX Runtime or PyTorch here: "
        "--engine chooses.",
    ),
    Foreign(
        "--visualize",
        "--visualize writes pictures of the network's feature maps in detect.py. They are not offered here: leave it "
        "out.",
        refused=True,
    ),
)


class _ForeignOption(click.Option):
    is_list, detect_py = False, True

    def __init__(self, foreign: Foreign) -> None:
        def answer(ctx: click.Context, param: click.Parameter, value: Any) -> None:
            if not value:
                return
            if foreign.refused:
                raise click.UsageError(foreign.said)
            LOG.info("%s", foreign.said)

        super().__init__(
            [foreign.word], is_flag=not foreign.takes_value, hidden=True, expose_value=False, callback=answer
        )


def foreign_options() -> list[click.Parameter]:
    """The options of detect.py that have no use here."""
    return [_ForeignOption(foreign) for foreign in FOREIGN]


class Words:
    """The arguments of one command, read as detect.py's parser reads them and written as click does."""

    def __init__(self, parameters: Iterable[click.Parameter]) -> None:
        self._options = {
            word: parameter
            for parameter in parameters
            if isinstance(parameter, click.Option)
            for word in (*parameter.opts, *parameter.secondary_opts)
        }
        self._given: set[str] = set()

    def expanded(self, words: Sequence[str], *, until_positional: bool) -> tuple[list[str], list[str]]:
        """The words with each option in full and each list joined by commas, and those that are left.

        With `until_positional` the first word that is neither an option nor a value of one ends the reading: it names
        the sub-command that all that is left belongs to. Raises UsageError for a shortened option that may be several.
        """
        left, done = list(words), list[str]()
        while left:
            word = left.pop(0)
            if word == "--":
                return [*self._added_up(done), word], left
            if until_positional and not word.startswith("-"):
                return self._added_up(done), [word, *left]
            done += self._option(word, left) if word.startswith("--") else [word]
        return self._added_up(done), []

    def _added_up(self, words: Sequence[str]) -> list[str]:
        """The words with the values of an option that adds up joined."""
        values: dict[str, list[str]] = {}
        done: list[str] = []
        left = list(words)
        while left:
            name, equals, value = left.pop(0).partition("=")
            option = self._options.get(name)
            if option is None or not getattr(option, "adds_up", False) or not (equals or left):
                done.append(name + equals + value)
                continue
            values.setdefault(option.opts[0], []).append(value if equals else left.pop(0))
        return [*(word for name, given in values.items() for word in (name, ",".join(given))), *done]

    def _option(self, word: str, left: list[str]) -> Iterator[str]:
        """One option in full, and its values, which are taken from the words that are left."""
        short, equals, value = word.partition("=")
        name = self._in_full(short)
        yield name + equals + value
        option = self._options.get(name)
        self._require_once(option)
        if option is None or option.is_flag or equals:
            return
        if getattr(option, "is_list", False):
            values = []
            while left and not left[0].startswith("-"):
                values.append(left.pop(0))
            if "" in values:
                found = " ".join(map(repr, values))
                raise click.UsageError(f"{name} {found}: an empty word is no value (by a variable that is not set?).")
            if values:
                yield getattr(option, "separator", ",").join(values)
        elif left:
            yield left.pop(0)

    def _require_once(self, option: click.Option | None) -> None:
        """Raise UsageError where an option that may be given once is given again."""
        advice = getattr(option, "once", "")
        if option is None or not advice:
            return
        if option.opts[0] in self._given:
            raise click.UsageError(f"{option.opts[0]} is given twice, and one would be ignored; {advice}.")
        self._given.add(option.opts[0])

    def _in_full(self, short: str) -> str:
        """The name that a word begins; an option of detect.py goes before those that detect.py does not have."""
        if short in self._options:
            return short
        begun = [name for name in self._options if name.startswith(short)]
        theirs = [name for name in begun if getattr(self._options[name], "detect_py", False)]
        for names in (theirs, begun):
            if len({id(self._options[name]) for name in names}) == 1:
                return names[0]
        if begun:
            raise click.UsageError(f"{short} may be {' or '.join(theirs or begun)}: write it in full.")
        return short
