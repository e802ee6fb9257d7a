"""docs/options.md: every option, from its declaration."""

from collections.abc import Iterable

from entrypoint.cli.detectpy import FOREIGN
from entrypoint.commandsettings import CommandSettings
from entrypoint.option import COMPARE, CONVERT, CONVERT_RESULTS, EVALUATE, INSPECT, MERGE, RUN, Option, declared
from entrypoint.settings import Settings

_HEAD = """# Options

Every option of `yolo-bac`, from the declarations below [entrypoint/](../entrypoint/settings.py); `scripts/docs`
writes this page.

- **Names, defaults and meaning** are detect.py's where detect.py has the option. As there, an option can be shortened
  as long as it stays clear which one is meant (`--conf 0.4`); where two options could be meant, detect.py's is.
- **A list** follows its option word by word (`--classes 0 2`) or with commas (`--classes 0,2`, `--classes person,bus`).
- **The environment variable** of an option means what the same text after the option would mean, even when it is empty.
  A switch takes `true`, `yes`, `on`, `1` or `false`, `no`, `off`, `0`. What is on the command line goes first.
- **Decides**: other values give other results, so a run that was begun with one value is not continued with another.
"""
_COMMANDS = {
    MERGE: "`yolo-bac merge DIR...` makes one run of the parts of a job.",
    INSPECT: "`yolo-bac inspect FILE...` tells what files of weights are, without loading them.",
    CONVERT: "`yolo-bac convert FILE --to safe-pt|onnx` writes weights in another format.",
    EVALUATE: "`yolo-bac evaluate RUN --truth PATH` measures the results of a run against a ground truth.",
    COMPARE: "`yolo-bac compare FIRST SECOND` tells what changed between two runs.",
    CONVERT_RESULTS: "`yolo-bac convert-results RUN --format NAME ...` writes further formats of a run that has ended.",
}
_TAKES = """It takes the options below, before or after its name, and their environment variables. Other options are
refused, and other variables are ignored.
"""
_FOREIGN = """
## Options of detect.py without a use here

They are taken so that commands written for detect.py work; who gives one is told why nothing comes of it.
"""
_COLUMNS = "\n| option | default | environment variable | decides | |\n|---|---|---|---|---|\n"


def options(settings_class: type[Settings] = Settings) -> str:
    """The page."""
    known = list(declared(settings_class, CommandSettings))
    foreign = "".join(f"- `{one.word}`{' (refused)' if one.refused else ''}: {_cell(one.said)}\n" for one in FOREIGN)
    further = "".join(
        f"\n## {command}\n\n{said} {_TAKES}{_table(known, command)}" for command, said in _COMMANDS.items()
    )
    return f"{_HEAD}{_table(known, RUN)}{further}{_FOREIGN}\n{foreign}"


def short_row(option: Option) -> str:
    """A row of the README's short table."""
    return f"| {_words(option)} | {_cell(option.shown_default())} | {_cell(option.help)} |"


def _table(known: Iterable[Option], command: str) -> str:
    rows = [
        f"| {_words(option)} | {_cell(option.shown_default(command))} | `{option.variable}` | "
        f"{'yes' * option.decides} | {_cell(option.help)} |\n"
        for option in known
        if command in option.commands
    ]
    return _COLUMNS + "".join(rows)


def _words(option: Option) -> str:
    value = option.metavar or "|".join(option.choices)
    first, *more = (f"`{word}`" for word in (*option.words, *filter(None, [option.off_word])))
    return ", ".join([f"{first[:-1]} {_cell(value)}`" if value else first, *more])


def _cell(text: str) -> str:
    """As a cell of a table holds it: `<path>` is no tag there, and | no border."""
    return text.replace("|", "\\|").replace("<", "\\<")
