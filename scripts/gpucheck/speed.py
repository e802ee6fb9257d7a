"""How fast the network is by itself, and the whole job around it; and what takes the time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click
import numpy as np

from entrypoint.detect.jpegdecoding import JpegDecoder, decoding_fault
from entrypoint.detect.loading import Loaded
from entrypoint.host.device import CPU, OUT_OF_MEMORY_ERRORS
from entrypoint.host.memory import is_out_of_memory
from entrypoint.models.network import Network
from entrypoint.models.yolov5.network import YoloV5
from entrypoint.sources.medium import FileMedium, first_image
from entrypoint.values import Failure
from scripts.benchmark import stages
from scripts.benchmark.workload import Workload
from scripts.gpucheck.architecture import find_boxes, random_network
from scripts.gpucheck.place import FULL, HALF, Busy, Precision, computing, forget_peaks, loaded, memory
from scripts.gpucheck.report import Report
from scripts.gpucheck.workplace import Workplace

NETWORK, JOB, JPEG, STAGES, LANES = "network", "job", "jpeg", "stages", "lanes"
_WARM_UP = 6  # batches of one shape, until whatever is chosen by shape has been chosen


def check(place: Workplace, report: Report) -> None:
    """Images a second, for random weights of each size."""
    networks = {size: _network(place, size) for size in place.amounts.sizes}
    report.section(NETWORK, f"The network alone at {place.amounts.side} pixels, images a second in batches of a size")
    for size, network in networks.items():
        for precision in (FULL, HALF):
            _network_alone(place, report, size, network, precision)
        _beside_plain(place, report, size, network)
    report.section(JOB, "The whole job, images a second, batches of 32")
    for size, network in networks.items():
        for precision in (FULL, HALF) if size == "s" else (HALF,):
            _whole_job(place, report, size, network, precision)
    middle = "s" if "s" in networks else next(iter(networks))
    jpeg_on_device(place, report, middle, networks[middle])
    _two_lanes(place, report, middle, networks[middle])
    _stages(place, report, middle, networks[middle])


def _network(place: Workplace, size: str) -> YoloV5:
    """Of random weights, with a head that finds some boxes in the first image."""
    network = random_network(size)
    image = first_image(place.many(len(place.images))[0])
    if isinstance(image, Failure):
        raise click.UsageError(f"the first image cannot be read: {image}")
    detector = loaded(network, CPU, FULL, place.settings, 1).lanes[0]
    find_boxes(network, detector.engine.run(detector.engine.upload([detector.views(image)[0].pixels])))
    return network


def _network_alone(place: Workplace, report: Report, size: str, network: Network, precision: Precision) -> None:
    what = f"yolov5{size}, {precision.name}"
    if not report.has_time_for(what, 30 * place.amounts.seconds):
        return
    forget_peaks(place.device)
    with computing(precision):
        ready = loaded(network, place.device, precision, place.settings, 1, lanes=1)
        rates = {f"{batch}": _rate(place, ready, batch) for batch in place.amounts.batches}
    report.row(NETWORK, what, rates | memory(place.device))


def _rate(place: Workplace, ready: Loaded, batch: int, lanes: int = 1, *, upload: bool = False) -> float | None:
    """Images a second; None where memory is out. With `upload` each batch comes from the host, and what is found goes
    back.
    """
    detector, side = ready.lanes[0], place.amounts.side
    images = list(np.random.default_rng(1).integers(0, 256, (batch, side, side, 3), np.uint8))
    starting = threading.Barrier(lanes)

    def look() -> None:
        if upload:
            detector.look(images)
        else:
            detector.engine.run(pixels)
            stages.synchronise(detector)

    def work(_: int) -> tuple[int, float, float]:
        try:
            with detector.engine.queue():
                for _ in range(_WARM_UP):
                    look()
                starting.wait()
                count, began = 0, time.perf_counter()
                while not count or time.perf_counter() < began + place.amounts.seconds:
                    look()
                    count += 1
        except BaseException:
            starting.abort()  # the other lane is not to wait for this one
            raise
        return count, began, time.perf_counter()

    try:
        pixels = detector.engine.upload(images)
        stages.synchronise(detector)
        with ThreadPoolExecutor(lanes) as pool:
            batches, began, ended = zip(*pool.map(work, range(lanes)), strict=True)
    except OUT_OF_MEMORY_ERRORS as error:
        if not (is_out_of_memory(error) or isinstance(error, threading.BrokenBarrierError)):
            raise
        detector.engine.free_cache()
        return None
    return float(sum(batches) * batch / (max(ended) - min(began)))


def _beside_plain(place: Workplace, report: Report, size: str, network: Network) -> None:
    """What the shortcuts gain: from the images in the host's memory to what was found, with and without them."""
    batch, what = min(32, place.amounts.batches[-1]), f"yolov5{size}, FP16, with upload and candidates"
    if not report.has_time_for(what, 10 * place.amounts.seconds):
        return
    with computing(HALF):
        fast, plain = (
            _rate(place, loaded(network, place.device, HALF, place.settings, batch, plain=plain), batch, upload=True)
            for plain in (False, True)
        )
    report.row(NETWORK, f"{what}, batches of {batch}", {"with shortcuts": fast, "without": plain})


def _whole_job(place: Workplace, report: Report, size: str, network: Network, precision: Precision) -> None:
    batch = min(32, place.amounts.batches[-1])
    settings, media = place.settings, place.many(place.amounts.images)
    what = f"yolov5{size}, {precision.name}"
    if not report.has_time_for(what, 40):
        return
    with computing(precision):
        ready = loaded(network, place.device, precision, settings, batch)
        work = Workload(ready, media, settings, place.scratch)
        Workload(ready, media[: len(media) // 4], settings, place.scratch).job(nosave=True)  # warms up
        for name, nosave in (("--nosave", True), ("annotated images", False)):
            busy = Busy(place.device)
            forget_peaks(place.device)
            boxes = 0

            def count(_: int, record: object) -> None:
                nonlocal boxes
                boxes += len(getattr(record, "detections", None) or ())

            with busy.watched():
                span = work.job(nosave=nosave, on_record=count)
            figures = {"images/s": 1e3 / span.wall, "core-ms an image": span.cpu, "boxes an image": boxes / len(media)}
            if busy.share is not None:
                figures["GPU busy %"] = busy.share
            report.row(JOB, f"{what}, {name}", figures | memory(place.device))


def jpeg_on_device(place: Workplace, report: Report, size: str, network: Network) -> None:
    """The whole job with JPEG images decoded by the host, and on the device; and whether the trial would trust that."""
    what, batch = f"yolov5{size}, FP16, --nosave", min(32, place.amounts.batches[-1])
    report.section(JPEG, "The whole job, JPEG images decoded by the host, and on the device")
    if not report.has_time_for(what, 60):
        return
    try:
        decoder = JpegDecoder(place.device)
    except ImportError as error:
        report.row(JPEG, what, {"left out": str(error)})
        return
    media = [medium for medium in place.many(place.amounts.images) if isinstance(medium, FileMedium)]
    way = media[0].options.jpeg  # that of all
    with computing(HALF):
        ready = loaded(network, place.device, HALF, place.settings, batch)
        work = Workload(ready, media, place.settings, place.scratch)
        figures: dict[str, Any] = {}
        for name, way.decode in (("by the host", None), ("there", decoder)):
            Workload(ready, media[: len(media) // 4], place.settings, place.scratch).job(nosave=True)  # warms up
            span = work.job(nosave=True)
            figures |= {f"{name}, images/s": 1e3 / span.wall, f"{name}, core-ms an image": span.cpu}
        way.decode = None
        figures["trial"] = decoding_fault(decoder, ready.lanes[0], media) or "agrees"
    report.row(JPEG, what, figures)


def _two_lanes(place: Workplace, report: Report, size: str, network: Network) -> None:
    report.section(LANES, f"yolov5{size} in FP16 with upload and candidates, images a second: one lane, and two")
    batch = min(32, place.amounts.batches[-1])
    with computing(HALF):
        ready = loaded(network, place.device, HALF, place.settings, batch)
        one, two = (_rate(place, ready, batch, lanes, upload=True) for lanes in (1, 2))
    report.row(LANES, f"batches of {batch}", {"one": one, "two": two, "gain": two / one if one and two else None})


def _stages(place: Workplace, report: Report, size: str, network: Network) -> None:
    report.section(STAGES, f"Each stage by itself, one image at a time, yolov5{size} in FP16: ms, and share of all")
    with computing(HALF):
        ready = loaded(network, place.device, HALF, place.settings, 1, lanes=1)
        rounds = 5 if place.device.on_gpu else 1
        found = stages.stages(ready, place.images, place.scratch, rounds)
    total = sum(span.wall for span in found.values())
    for name, span in found.items():
        report.row(STAGES, name, {"ms": span.wall, "share": span.wall / total})
