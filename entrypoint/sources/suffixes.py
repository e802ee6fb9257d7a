"""What the suffix of a file's name says of its content, before anyone has opened it."""

import os

IMAGE_SUFFIXES = frozenset(
    (
        ".avif .bmp .dib .dng .exr .gif .hdr .heic .heif .hif .jfif .jp2 .jpe .jpeg .jpg .jxl .mpo .pbm .pfm .pgm .pic "
        ".png .pnm .ppm .pxm .ras .sr .tif .tiff .webp"
    ).split()
)
VIDEO_SUFFIXES = frozenset(
    (
        ".264 .265 .3g2 .3gp .asf .avi .f4v .flv .h264 .h265 .hevc .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .nut "
        ".ogv .rm .rmvb .ts .vob .webm .wmv .wtv .y4m"
    ).split()
)
ARCHIVE_SUFFIXES = frozenset(".zip .tar .tgz .gz .tbz .tbz2 .bz2 .txz .xz .tzst .zst".split())
OTHER_SUFFIXES = ARCHIVE_SUFFIXES | frozenset(
    (
        ".txt .json .jsonl .xml .csv .tsv .md .yaml .yml .html .py .sh .log .cache .npy .npz .pt .pth .onnx "
        ".7z .rar .parquet .pdf .db .ini .toml"
    ).split()
)
"""Files that lie beside images in datasets: they are not opened to see whether they are media after all."""


def suffix(path: str) -> str:
    """In lower case with its dot, empty where there is none."""
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 - a Path for each of a million files costs seconds
