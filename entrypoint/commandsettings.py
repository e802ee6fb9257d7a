"""The options that concern a command itself, and not what a run does. Each is declared here and nowhere else."""

from dataclasses import dataclass
from pathlib import Path

from entrypoint import parse
from entrypoint.log import LogFormat
from entrypoint.option import COMPARE, CONVERT, CONVERT_RESULTS, EVALUATE, INSPECT, MERGE, RUN, option


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSettings:
    """The options that concern the command itself, and not what a run does."""

    demo: bool = option(
        False,
        help="Run the embedded demo, a tiny network on drawn scenes: nothing needs to be mounted.",
    )
    truth: Path | None = option(
        None,
        parse=parse.folder,
        metavar="PATH",
        commands=(EVALUATE, CONVERT_RESULTS),
        default_text="none",
        help="The ground truth: a COCO JSON file, a folder with YOLO's .txt or VOC's .xml files, or the data.yaml of "
        "such a folder.",
    )
    out: Path | None = option(
        None,
        parse=parse.folder,
        metavar="PATH",
        commands=(EVALUATE, COMPARE),
        default_text="the run's own for evaluate, none for compare",
        help="The folder that evaluation.json and evaluation.html, or comparison.json, are written to.",
    )
    side_by_side: bool = option(
        False,
        commands=(MERGE,),
        help="Put runs of different sources beside each other, as an ops job leaves them: each input is named by its "
        "run, and then by its own name.",
    )
    log_format: LogFormat = option(
        "text",
        commands=(RUN, MERGE, INSPECT, CONVERT, EVALUATE, COMPARE, CONVERT_RESULTS),
        help="How the lines on stderr are written: as text, or each as a JSON object.",
    )
