"""The options that say what is written, and how it looks. Each is declared here and nowhere else."""

from dataclasses import dataclass
from typing import Literal, get_args

from entrypoint import parse
from entrypoint.detectionsettings import DetectionSettings
from entrypoint.exif import ExifWanted
from entrypoint.option import CONVERT_RESULTS, RUN, option

Palette = Literal["bright", "safe"]
PALETTES: tuple[Palette, ...] = get_args(Palette)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultSettings(DetectionSettings):
    """The formats, the annotated images and the report; after them in `--help` stand the options of the folder."""

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
        "loads it from. convert-results takes that of the run, unless another is given.",
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
        help="Look at JPEG and TIFF images whose data is damaged as far as they can be decoded, instead of counting "
        "them as failed.",
    )
    exif: ExifWanted = option(
        "none",
        decides=True,
        help="What records tell from an image's EXIF data: time is when it was taken, all is also where, as latitude "
        "and longitude.",
    )
