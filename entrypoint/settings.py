"""Everything a run is asked for. Each option is declared once, as a field; `entrypoint.option` says how.

The fields of `DetectionSettings` and `ResultSettings` come first, in the order of `--help`.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from entrypoint import parse
from entrypoint.option import CONVERT_RESULTS, MERGE, RUN, declared, option
from entrypoint.resultsettings import ResultSettings
from entrypoint.shard import Shard

INPUTS = Path("/inputs")
DATASETS = Path("/datasets")
OUTPUTS = Path("/outputs")
PREVIOUS = Path("/previous")
BAKED_WEIGHTS = Path("/opt/yolo-bac/weights")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ResultSettings):
    """All options of a run; `filled` says what those come to that are left to the weights."""

    project: Path = option(
        OUTPUTS,
        parse=parse.folder,
        metavar="PATH",
        detect_py=True,
        commands=(RUN, MERGE, CONVERT_RESULTS),
        help="The folder that holds all runs.",
    )
    name: str = option(
        "exp",
        parse=parse.name_below,
        metavar="NAME",
        detect_py=True,
        commands=(RUN, MERGE, CONVERT_RESULTS),
        default_of={MERGE: "merged", CONVERT_RESULTS: "converted"},
        help="The folder below PROJECT that this run writes to. When it is taken, a number is added: NAME2, NAME3, …",
    )
    exist_ok: bool = option(
        False,
        detect_py=True,
        help="Write into that folder even when it is taken: results that an earlier run of this program left there are "
        "replaced; files of anybody else are never touched, and one in the way ends the run with exit code 6.",
    )
    resume: bool = option(
        True,
        help="Continue an unfinished run with the same weights, source and settings, instead of starting a new one.",
    )
    previous: Path | None = option(
        None,
        parse=parse.folder,
        metavar="PATH",
        default_text="/previous, if something is mounted there",
        help="Results of earlier runs: a run, its parts, a folder above them, or their .tar.gz archives. An image that "
        "is there, by its content, is taken over with its results instead of being looked at again. The weights and "
        "the settings that decide results must be the same.",
    )
    shard: Shard | Literal["auto", "none"] | None = option(
        None,
        parse=parse.shard,
        metavar="auto|none|I/N",
        default_text="the whole source",
        help="Look at share I of N only, from 0/N to N-1/N, and write to part-I-of-N in this run's folder; `auto` "
        "takes the numbers that Bacalhau or AWS Batch gave this execution; `none` says that each execution of the job "
        "has data of its own, of which it looks at all. `merge` makes one run of the parts.",
    )
    max_failures: int = option(
        0,
        parse=parse.whole(0),
        metavar="N",
        help="How many images may fail before the exit code is 5.",
    )
    time_budget: float | None = option(
        None,
        parse=parse.seconds,
        metavar="SECONDS",
        default_text="no limit",
        help="Stop taking new images in time to end cleanly this long after the start. The exit code is 5 when some "
        "are left, and the same command continues.",
    )

    def filled(self, **values: Any) -> Self:
        """The same, with these values where an option is left to the weights."""
        return replace(self, **{name: value for name, value in values.items() if getattr(self, name) is None})

    def of_results(self) -> dict[str, Any]:
        """The settings that decide what the results are: a run with other ones cannot be continued by this one."""
        values = {option.name: getattr(self, option.name) for option in declared(type(self)) if option.decides}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
