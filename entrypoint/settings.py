"""Everything a run is asked for. Each option is declared here and nowhere else; `entrypoint.option` says how."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

from entrypoint import parse
from entrypoint.exif import ExifWanted
from entrypoint.log import LogFormat
from entrypoint.option import (
    COMPARE,
    CONVERT,
    CONVERT_RESULTS,
    EVALUATE,
    INSPECT,
    MERGE,
    RUN,
    declared,
    option,
)
from entrypoint.shard import Shard

INPUTS = Path("/inputs")
DATASETS = Path("/datasets")
OUTPUTS = Path("/outputs")
PREVIOUS = Path("/previous")
BAKED_WEIGHTS = Path("/opt/yolo-bac/weights")

Engine = Literal["auto", "torch", "onnx"]
ENGINES: tuple[Engine, ...] = get_args(Engine)
Palette = Literal["bright", "safe"]
PALETTES: tuple[Palette, ...] = get_args(Palette)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of a run, in the order of `--help`; `imgsz` is (height, width).

    `imgsz`, `iou_thres` and `max_det` are None where they are left to the weights; `filled` says what that comes to.
    """

    weights: str | None = option(
        None,
        metavar="PATH ...",
        detect_py=True,
        default_text="what /inputs holds, else the image's own",
        is_list=True,
        separator="\n",
        help="The weights: a file, a folder that holds it, or the name of a file below /inputs. It is recognised by "
        "its content, whatever it is called. Several together are an ensemble, whose candidates meet before NMS. In "
        "the environment, each stands on a line of its own.",
    )
    source: str | None = option(
        None,
        metavar="PATH",
        detect_py=True,
        default_text="/datasets, else images in /inputs, else two bundled samples",
        help="The images and videos: a file, a folder, an archive, a glob, or a text file with a path on each line.",
    )
    imgsz: tuple[int, int] | None = option(
        None,
        aliases=("--img", "--img-size"),
        parse=parse.image_size,
        metavar="N [N]",
        default_text="640; for weights of the ultralytics package the size that they were trained with",
        is_list=True,
        decides=True,
        detect_py=True,
        help="The size in pixels that images are scaled to for the network: that of the longer side, or height and "
        "width.",
    )
    conf_thres: float = option(
        0.25,
        parse=parse.fraction,
        metavar="0..1",
        decides=True,
        detect_py=True,
        help="The lowest confidence that a detection is reported with.",
    )
    iou_thres: float | None = option(
        None,
        parse=parse.fraction,
        metavar="0..1",
        default_text="0.45; for weights of the ultralytics package 0.7",
        decides=True,
        detect_py=True,
        help="The overlap, as intersection over union, above which NMS drops the less confident of two boxes.",
    )
    max_det: int | None = option(
        None,
        parse=parse.whole(1, 30000),
        metavar="N",
        default_text="1000; for weights of the ultralytics package 300",
        decides=True,
        detect_py=True,
        help="The most detections that are reported for an image: the most confident ones.",
    )
    device: str = option(
        "",
        metavar="cpu|N[,N]",
        detect_py=True,
        default_text="all GPUs, or the CPU where there is none",
        help="Where the network runs: cpu, or GPUs by their numbers.",
    )
    half: bool = option(
        False,
        decides=True,
        detect_py=True,
        help="Compute in FP16 on a GPU, unless a trial on the first images loses boxes.",
    )
    engine: Engine = option(
        "auto",
        decides=True,
        help="What computes the network on a CPU: auto is ONNX Runtime, or PyTorch where that cannot run these "
        "weights.",
    )
    batch_size: int | None = option(
        None,
        parse=parse.batch_size,
        metavar="auto|N",
        default_text="auto",
        help="How many images of one shape go through the network together. The results do not depend on it.",
    )
    classes: tuple[str, ...] | None = option(
        None,
        parse=parse.classes,
        metavar="N|NAME ...",
        default_text="all classes",
        is_list=True,
        decides=True,
        detect_py=True,
        help="Report only detections of these classes, given by id or by name.",
    )
    agnostic_nms: bool = option(
        False,
        decides=True,
        detect_py=True,
        help="Let NMS drop a box that overlaps a more confident one of another class, too.",
    )
    multi_label: bool = option(
        False,
        decides=True,
        help="Report a box once for each class whose confidence is high enough, not only for the best one, as YOLOv5's "
        "val.py does to measure weights.",
    )
    augment: bool = option(
        False,
        decides=True,
        detect_py=True,
        help="Look at each image at three sizes, at one of them mirrored (test-time augmentation).",
    )
    save_txt: bool = option(
        False,
        decides=True,
        detect_py=True,
        help="Also write labels/<path>.txt: a line for each detection, in YOLO's format.",
    )
    save_conf: bool = option(False, decides=True, detect_py=True, help="With --save-txt: also write each confidence.")
    save_crop: bool = option(
        False,
        decides=True,
        detect_py=True,
        help="Also cut each detection out of its image: crops/<class>/<path>.",
    )
    save_csv: bool = option(
        False,
        decides=True,
        detect_py=True,
        help="Also write predictions.csv: a row for each detection.",
    )
    save_frames: bool = option(
        False,
        decides=True,
        help="Also write the frames of videos in which something was found, with their boxes: video-frames/<path>/.",
    )
    nosave: bool = option(False, decides=True, detect_py=True, help="Do not write annotated images and videos.")
    vid_stride: int = option(
        1,
        parse=parse.whole(1),
        metavar="N",
        decides=True,
        detect_py=True,
        help="Look at every Nth frame of a video: the Nth, the 2Nth, and so on.",
    )
    format: tuple[str, ...] = option(
        (),
        parse=parse.words,
        metavar="NAME ...",
        default_text="what is written by default",
        is_list=True,
        adds_up=True,
        decides=True,
        commands=(RUN, CONVERT_RESULTS),
        help="Also write the results in the formats of these names; `no-NAME` leaves one out that is written by "
        "default. docs/formats.md lists them.",
    )
    image_url: str = option(
        "/data/local-files/?d=",
        metavar="URL",
        decides=True,
        commands=(RUN, CONVERT_RESULTS),
        help="With --format labelstudio: what stands before the path of an image in the address that Label Studio "
        "loads it from.",
    )
    report: bool = option(
        True,
        decides=True,
        help="Write index.html, a report to look at in a browser, and sheet.jpg, a sheet of small images.",
    )
    quality: int = option(
        95,
        parse=parse.whole(1, 100),
        metavar="1..100",
        decides=True,
        help="The JPEG quality of annotated images and crops.",
    )
    line_thickness: int = option(
        3,
        parse=parse.whole(1, 100),
        metavar="PIXELS",
        decides=True,
        detect_py=True,
        help="How thick the boxes in annotated images are drawn.",
    )
    hide_labels: bool = option(
        False,
        decides=True,
        detect_py=True,
        help="Draw the boxes in annotated images without class names and confidences.",
    )
    hide_conf: bool = option(
        False,
        decides=True,
        detect_py=True,
        help="Draw the boxes in annotated images without confidences.",
    )
    palette: Palette = option(
        "bright",
        decides=True,
        help="The colours of classes in annotated images: safe is told apart with every kind of colour vision.",
    )
    accept_damaged: bool = option(
        False,
        decides=True,
        help="Look at JPEG images whose data is damaged as far as they can be decoded, instead of counting them as "
        "failed.",
    )
    exif: ExifWanted = option(
        "none",
        decides=True,
        help="What records tell from an image's EXIF data: time is when it was taken, all is also where, as latitude "
        "and longitude.",
    )
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
        "takes the numbers that Bacalhau or AWS Batch gave this execution; `none` says that each execution sees "
        "other data. `merge` makes one run of the parts.",
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
