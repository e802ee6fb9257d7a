"""The options that say what is looked at, and how. Each is declared here and nowhere else."""

from dataclasses import dataclass
from typing import Literal, get_args

from entrypoint import parse
from entrypoint.option import option

Engine = Literal["auto", "torch", "onnx"]
ENGINES: tuple[Engine, ...] = get_args(Engine)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionSettings:
    """The weights, the source and the network; `imgsz` is (height, width).

    `imgsz`, `iou_thres` and `max_det` are None where they are left to the weights.
    """

    weights: str | None = option(
        None,
        metavar="PATH ...",
        detect_py=True,
        default_text="what /inputs holds, else the image's own",
        parse=parse.paths,
        is_list=True,
        once="name all weights behind one --weights: they are an ensemble",
        separator="\n",
        help="The weights: a file, a folder that holds it, or the name of a file below /inputs. It is recognised by "
        "its content, whatever it is called. Several are an ensemble: each looks at every image, and NMS chooses among "
        "the boxes of all. The environment variable names each on a line of its own.",
    )
    source: str | None = option(
        None,
        parse=parse.path,
        metavar="PATH",
        detect_py=True,
        once="name a folder that holds all, a pattern between quotes, or a text file with a path on each line",
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
        once="name all classes behind one --classes",
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
