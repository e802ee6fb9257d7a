"""Pickles that mean harm in the form of the ultralytics package's checkpoints, whose classes run what they are given.

What the classic ones try is tried again around this package's layers.
"""

import struct
from pathlib import Path
from typing import Any

from tests.weights.hostile.assemble import called, named, node, plain, storage, tensor, text, whole
from tests.weights.hostile.pickles import SEQUENTIAL, attacks

CONV, HEAD = "ultralytics.nn.modules.conv.Conv", "ultralytics.nn.modules.head.Detect"
MODEL, OPTIONS = "ultralytics.nn.tasks.DetectionModel", "ultralytics.utils.IterableSimpleNamespace"
LOSS = "ultralytics.utils.loss.v8DetectionLoss"
VALUES = struct.pack("<16f", 8, 16, 32, *[1.0] * 13)
"""The bytes of the one storage that these have."""
STRIDES = tensor(storage(plain(16)), plain(0), plain((3,)), plain((1,)))


def package(canary: Path) -> dict[str, bytes]:
    """Whole pickles by what they try; those that would run code would make `canary`."""
    again = {f"again, {what}": opcodes for what, opcodes in attacks(canary, CONV).items()}
    cases = {**again, **_constructed(canary), **_called(canary), **_carried(canary), **_shaped()}
    return {f"ultralytics: {what}": _checkpoint(opcodes) for what, opcodes in cases.items()}


def _checkpoint(model: bytes) -> bytes:
    """As the package's trainer saves it: the model of averaged weights, and notes."""
    notes = plain({"epoch": -1, "model": None, "train_args": {"task": "detect", "imgsz": 640}, "version": "8.4.190"})
    return whole(notes + text("ema") + model + b"s")


def _plan(canary: Path) -> dict[str, Any]:
    """What a model is made from. The package evaluates the text of its activation."""
    layers = [[-1, 1, "Conv", [16, 3, 2]], [[0], 1, "Detect", ["nc"]]]
    code = f"open({str(canary)!r}, 'w')"
    return {"nc": 1, "activation": code, "scales": {"n": [1, 1, 1024]}, "backbone": layers[:1], "head": layers[1:]}


def _constructed(canary: Path) -> dict[str, bytes]:
    """The constructors of models, in every way in which a pickle can call them."""
    plan = plain(_plan(canary))
    models = ("DetectionModel", "SegmentationModel", "PoseModel", "YOLOv10DetectionModel", "OBBModel", "WorldModel")
    return {
        **{f"{name} that evaluates its plan": called(f"ultralytics.nn.tasks.{name}", plan) for name in models},
        "a model by NEWOBJ": named(MODEL) + plan + b"\x85\x81",
        "a model by NEWOBJ_EX": named(MODEL) + b")" + plain({"cfg": _plan(canary)}) + b"\x92",
        "a model by OBJ": b"(" + named(MODEL) + plan + b"o",
        "a model by INST": b"(" + plan + b"iultralytics.nn.tasks\nDetectionModel\n",
        "a model by its name on the stack": text("ultralytics.nn.tasks")
        + text("DetectionModel")
        + (b"\x93" + plan + b"\x85R"),
        "a model in the state of a layer": node(CONV, b"}" + text("act") + called(MODEL, plan) + b"s"),
        "a model that is told to read a file": called(MODEL, text(str(canary))),
        "a plan that stands in a state": node(MODEL, b"}" + text("yaml") + plan + b"s"),
        "a layer that downloads": called("ultralytics.nn.modules.block.TorchVision", text("resnet18"), text("DEFAULT")),
        "a convolution with an activation of its own": called(CONV, plain(3), plain(8), plain(1)),
    }


def _called(canary: Path) -> dict[str, bytes]:
    """Functions of the package that load, fetch, install or evaluate."""
    place = text(str(canary))
    functions = {
        "nn.tasks.attempt_load_one_weight": place,
        "nn.tasks.load_checkpoint": place,
        "nn.tasks.torch_safe_load": place,
        "nn.tasks.parse_model": plain(_plan(canary)) + plain(3),
        "nn.autobackend.AutoBackend": place,
        "engine.model.Model": place,
        "YOLO": place,
        "utils.checks.check_requirements": text("a-package"),
        "utils.downloads.safe_download": text("file:///etc/passwd") + place,
        "utils.downloads.attempt_download_asset": place,
        "utils.patches.torch_load": place,
        "utils.patches.torch_save": plain({}) + place,
        "utils.YAML.save": place + plain({}),
        "utils.SettingsManager": place,
        "utils.callbacks.base.add_integration_callbacks": b"N",
        "data.utils.check_det_dataset": place,
    }
    return {f"calls {name}": called(f"ultralytics.{name}", arguments) for name, arguments in functions.items()}


def _carried(canary: Path) -> dict[str, bytes]:
    """Harm in what travels beside the layers, and in what is taken by name."""
    system = called("posix.system", text(f"touch {canary}"))
    conv = node(CONV, b"}")
    return {
        "in the options of a training": called(OPTIONS, system),
        "as the state of the options": node(OPTIONS, system),
        "in a loss": node(LOSS, b"}" + text("bce") + system + b"s"),
        "in a loss, as its class": called(LOSS, node(MODEL, b"}" + text("args") + system + b"s")),
        "in a criterion of the model": node(MODEL, b"}" + text("criterion") + node(LOSS, system) + b"s"),
        "in a hook": node(MODEL, b"}" + text("_forward_hooks") + b"}" + plain(0) + system + b"ss"),
        "in the names of classes": node(MODEL, b"}" + text("names") + b"}" + plain(0) + system + b"ss"),
        "what a fused layer calls": called("__builtin__.getattr", conv, text("__init__")),
        "what a fused layer calls, called": called("__builtin__.getattr", conv, text("forward_fuse")) + b")R",
        "what a fused model calls": called("__builtin__.getattr", named(MODEL), text("fuse")),
        "a path of attributes": text("ultralytics.nn.modules.conv") + text("Conv.forward.__globals__") + b"\x93",
        "a module of the package": text("ultralytics.nn.tasks") + text("torch.serialization.load") + b"\x93",
        "a class of another package in its clothes": named("ultralytics.nn.modules.conv.os.system"),
    }


def _children(*layers: bytes) -> bytes:
    items = b"".join(text(str(number)) + layer for number, layer in enumerate(layers))
    return node(SEQUENTIAL, b"}" + text("_modules") + b"}(" + items + b"us")


def _model(*layers: bytes) -> bytes:
    return node(MODEL, b"}" + text("_modules") + b"}" + text("model") + _children(*layers) + b"ss")


def _layer(dotted: str, stride: bytes = STRIDES, **values: object) -> bytes:
    """A layer whose own layers do nothing, whatever it looks for among them."""
    nothing = node("torch.nn.modules.linear.Identity", b"}")
    own = {**dict.fromkeys(("cv2", "cv3"), _children(*[nothing] * 3)), "cv1": nothing, "m": nothing}
    if dotted != HEAD:
        own |= dict.fromkeys(("cv2", "cv3"), nothing)
    state = b"}" + text("stride") + stride + b"s"
    state += text("_modules") + b"}(" + b"".join(text(name) + layer for name, layer in own.items()) + b"us"
    for name, value in ({"i": 0, "f": -1} | values).items():
        state += text(name) + plain(value) + b"s"
    return node(dotted, state)


def _shaped() -> dict[str, bytes]:
    """Models whose numbers ask for much, or make no sense."""
    block = "ultralytics.nn.modules.block."
    itself = named(SEQUENTIAL) + b")\x81q\0}" + text("_modules") + b"}" + text("m") + b"h\0ssb"
    return {
        "a head of 2^60 classes": _model(_layer(HEAD, nc=1 << 60)),
        "a head of no classes": _model(_layer(HEAD, nc=0)),
        "a head of 2^30 bins": _model(_layer(HEAD, nc=1, reg_max=1 << 30)),
        "a head whose strides are text": _model(_layer(HEAD, text("8"), nc=1)),
        "a head that reads itself": _model(_layer(HEAD, nc=1, i=0, f=0)),
        "a head that reads 90,000 layers": _model(_layer(HEAD, nc=1, f=[-1] * 90_000)),
        "a model without layers": _model(),
        "a model that is a list": plain([1, 2]),
        "a head alone": _layer(HEAD, nc=1),
        "a layer within itself": node(MODEL, b"}" + text("_modules") + b"}" + text("model") + itself + b"ss"),
        "one bottleneck 8,000 times": _model(
            _layer(f"{block}Bottleneck", add=True) + b"q\0", *[b"h\0"] * 7999, _layer(HEAD, nc=1)
        ),
        "a fusion of 2^40 inputs": _model(_layer(f"{block}CBFuse", idx=[1 << 40]), _layer(HEAD, nc=1)),
        "a pyramid of 2^40 pools": _model(_layer(f"{block}SPPF", n=1 << 40), _layer(HEAD, nc=1)),
    }
