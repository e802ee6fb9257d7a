"""Each stage of an image's way by itself, on one thread; and the network by itself, as the job runs it."""

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from entrypoint.detect.detector import Detector
from entrypoint.detect.loading import Loaded
from entrypoint.engines.base import Pixels
from entrypoint.jsontext import compact
from entrypoint.results.draw import DrawOptions, annotate
from entrypoint.results.encode import encode_image
from entrypoint.sources.decode import decode_image
from entrypoint.values import Failure, Record
from scripts.benchmark.clock import Span, median, timed

_NUMBERS = itertools.count()  # new files, as in a run: an old one costs more to replace
STAGES = (
    "read",
    "decode",
    "letterbox",
    "upload",
    "forward",
    "decode boxes",
    "nms",
    "draw",
    "encode",
    "record",
    "write",
)


def stages(loaded: Loaded, images: Sequence[Path], scratch: Path, rounds: int) -> dict[str, Span]:
    """An image's share of each stage: for every image the median of the rounds, over images the mean."""
    detector = loaded.lanes[0]
    spans: dict[str, list[Span]] = {}
    for path in images:
        looks = [_stages_of(detector, loaded.names, path, scratch) for _ in range(rounds + 1)][1:]
        for name in STAGES:
            spans.setdefault(name, []).append(median(look[name] for look in looks))
    return {
        name: Span(sum(span.wall for span in every) / len(every), sum(span.cpu for span in every) / len(every))
        for name, every in spans.items()
    }


def _stages_of(detector: Detector, names: tuple[str, ...], path: Path, scratch: Path) -> dict[str, Span]:
    spans: dict[str, Span] = {}
    with timed() as spans["read"]:
        data = path.read_bytes()
    with timed() as spans["decode"]:
        image = _decoded(data)
    height, width, _ = image.shape
    with timed() as spans["letterbox"]:
        letterbox = detector.letterbox(width, height)
        letterboxed = letterbox.apply(image)
    with timed() as spans["upload"]:
        pixels = detector.engine.upload([letterboxed])
    with timed() as spans["forward"]:
        outputs = detector.engine.run(pixels)
        synchronise(detector)
    with timed() as spans["decode boxes"]:
        _, candidates = detector.candidates(outputs)
    with timed() as spans["nms"]:
        found = detector.select([letterbox], [candidates])
    with timed() as spans["draw"]:
        canvas = annotate(image, found, names, DrawOptions())
    with timed() as spans["encode"]:
        encoded = encode_image(".jpg", canvas, 95)
    with timed() as spans["record"]:
        record = compact(Record(path.name, width, height, tuple(found.named(names))).to_json())
    with timed() as spans["write"]:
        for content in (encoded or b"", record):
            (scratch / str(next(_NUMBERS))).write_bytes(content)
    return spans


def uploaded(loaded: Loaded, images: Sequence[Path]) -> list[tuple[Detector, Pixels]]:
    """Full batches of each image, where the network wants them; one a lane in turn."""
    batches = []
    for number, path in enumerate(images):
        detector = loaded.lanes[number % len(loaded.lanes)]
        batches.append((detector, detector.engine.upload([_letterboxed(detector, path)] * loaded.batch_size)))
    return batches


def _letterboxed(detector: Detector, path: Path) -> NDArray[np.uint8]:
    image = _decoded(path.read_bytes())
    return detector.letterbox(image.shape[1], image.shape[0]).apply(image)


def _decoded(data: bytes) -> NDArray[np.uint8]:
    image = decode_image(data)
    if isinstance(image, Failure):
        raise RuntimeError(f"an image that cannot be measured with: {image}")
    return image


def forward(batches: list[tuple[Detector, Pixels]], lanes: int, batch_size: int, count: int) -> Span:
    """The network alone on so many images, in as many lanes as the job has: an image's share. The floor of the job."""

    def run(turn: tuple[Detector, Pixels]) -> None:
        detector, pixels = turn
        with detector.engine.queue():
            detector.engine.run(pixels)
            synchronise(detector)

    turns = list(itertools.islice(itertools.cycle(batches), -(-count // batch_size)))
    with ThreadPoolExecutor(lanes) as pool:
        list(pool.map(run, turns[:lanes]))
        with timed() as span:
            list(pool.map(run, turns))
    return span.each(len(turns) * batch_size)


def synchronise(detector: Detector) -> None:
    """Wait until a GPU has done what it was given."""
    if detector.device.on_gpu:
        import torch

        torch.cuda.current_stream(str(detector.device)).synchronize()
