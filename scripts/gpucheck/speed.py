"""How fast the network is by itself, and the whole job around it."""

import time

import click
import numpy as np

from entrypoint.detect.detector import Detector
from entrypoint.engines.torch import TorchEngine
from entrypoint.host.device import CPU, OUT_OF_MEMORY_ERRORS
from entrypoint.host.memory import is_out_of_memory
from entrypoint.models.yolov5.network import YoloV5
from entrypoint.sources.medium import first_image
from entrypoint.values import Failure
from scripts.benchmark.workload import Workload
from scripts.gpucheck.architecture import find_boxes, random_network
from scripts.gpucheck.place import FULL, HALF, Place, Precision
from scripts.gpucheck.report import Report

NETWORK, JOB = "network", "job"
_WARM_UP = 6  # batches of one shape, until whatever is chosen by shape has been chosen
_MOST_BATCH = 32


def check_network(place: Place, report: Report) -> None:
    """Add a row for each size of network and precision: images a second in batches of each size, memory."""
    report.section(NETWORK, f"The network alone at {place.amounts.side} pixels: images a second in batches of a size")
    for size in place.amounts.sizes:
        for precision in (FULL, HALF):
            what = f"yolov5{size}, {precision.name}"
            if not report.has_time_for(what, 30 * place.amounts.seconds):
                continue
            place.forget_peaks()
            with precision.computing():
                detector = place.loaded(random_network(size), precision.half, place.settings, 1).lanes[0]
                rates = {f"{batch}": _rate(place, detector, batch) for batch in place.amounts.batches}
            report.row(NETWORK, what, rates | place.memory())


def check_job(place: Place, report: Report) -> None:
    """Add a row for each size of network, with annotated images and without: images a second, core-ms an image.

    Where the job's rate is the network's, the GPU bounds; where core-ms by 1,000 / cores is, the cores do.
    """
    report.section(JOB, f"The whole job: images a second, in batches of {_MOST_BATCH}")
    for size in place.amounts.sizes:
        for precision in (FULL, HALF) if size == "s" else (HALF,):
            what = f"yolov5{size}, {precision.name}"
            if report.has_time_for(what, 40):
                with precision.computing():
                    _job(place, report, what, _with_boxes(place, size), precision)


def _rate(place: Place, detector: Detector, batch: int) -> float | None:
    """Images a second; None where memory is out."""
    side, engine = place.amounts.side, detector.engine
    images = list(np.random.default_rng(1).integers(0, 256, (batch, side, side, 3), np.uint8))
    try:
        with engine.queue():
            pixels = engine.upload(images)
            for _ in range(_WARM_UP):
                engine.run(pixels)
            place.synchronise()
            count, began = 0, time.perf_counter()
            while not count or time.perf_counter() < began + place.amounts.seconds:
                engine.run(pixels)
                place.synchronise()
                count += 1
    except OUT_OF_MEMORY_ERRORS as error:
        if not is_out_of_memory(error):
            raise
        engine.free_cache()
        return None
    return count * batch / (time.perf_counter() - began)


def _job(place: Place, report: Report, what: str, network: YoloV5, precision: Precision) -> None:
    media = place.many(place.amounts.images)
    batch = min(_MOST_BATCH, place.amounts.batches[-1])
    ready = place.loaded(network, precision.half, place.settings, batch)
    Workload(ready, media[: len(media) // 4], place.settings, place.scratch).job(nosave=True)  # warms up
    for name, nosave in (("--nosave", True), ("annotated images", False)):
        place.forget_peaks()
        span = Workload(ready, media, place.settings, place.scratch).job(nosave=nosave)
        figures = {"images/s": 1e3 / span.wall, "core-ms an image": span.cpu}
        report.row(JOB, f"{what}, {name}", figures | place.memory())


def _with_boxes(place: Place, size: str) -> YoloV5:
    """A network of random weights, with a head that finds some boxes in the first image."""
    network = random_network(size)
    image = first_image(place.many(len(place.images))[0])
    if isinstance(image, Failure):
        raise click.UsageError(f"the first image cannot be read: {image}")
    engine = TorchEngine(network.graph, CPU)
    view = place.loaded(network, False, place.settings, 1).lanes[0].views(image)[0]
    find_boxes(network, engine.run(engine.upload([view.pixels])))
    return network
