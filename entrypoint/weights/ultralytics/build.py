"""From the nodes of a checkpoint of the ultralytics package to a network that can run, every value checked."""

from collections.abc import Mapping

from entrypoint.errors import NotADetectorError
from entrypoint.log import LOG
from entrypoint.models.graph import Value, Writer
from entrypoint.models.network import Family
from entrypoint.models.ultralytics.head import Head, level
from entrypoint.models.ultralytics.network import Ultralytics
from entrypoint.weights.classic.layerbuilders import build_layer
from entrypoint.weights.classic.pickledmodule import Allowance, PickledModule
from entrypoint.weights.classnames import class_names
from entrypoint.weights.ultralytics.names import PREFIX
from entrypoint.weights.wiring import input_stride, strides_of, written

_IOU_THRES, _MAX_DET, _IMGSZ = 0.7, 300, 640
_MOST_PIXELS = 1 << 14  # of a side
_OF_MANY = (f"{PREFIX}Concat", f"{PREFIX}CBFuse")
_BOXES_AND_MORE = {"Segment": "masks", "Segment26": "masks", "Pose": "keypoints", "Pose26": "keypoints"}
_HEADS = ("Detect", "v10Detect", *_BOXES_AND_MORE)
_MOST_BINS = 64


def build_network(model: object, train_args: object, file_bytes: int) -> Ultralytics:
    """The network of a pickled `DetectionModel`, or of the boxes of a segmentation or pose model.

    `train_args`: the options it was trained with, as the checkpoint has them. `file_bytes`, the size of the checkpoint,
    bounds the network's. Raises NotADetectorError for a model of another task, WeightsError for values no real
    checkpoint has.
    """
    root = PickledModule(model, "model", Allowance(file_bytes))
    modules = list(root.child("model").children())
    kind = modules[-1].name.removeprefix(PREFIX) if modules else ""
    if kind not in _HEADS:
        raise NotADetectorError(
            f"a model whose last layer is {kind or 'missing'}, not a detection head (Detect); expected weights that "
            "were trained for detection."
        )
    detect = modules.pop()
    strides = strides_of(detect if detect.optional_array("stride") is not None else root)
    layers = [build_layer(module) for module in modules]
    stride, classes, bins = input_stride(strides), detect.number("nc"), detect.number("reg_max", 16)
    if classes < 1 or not 1 <= bins <= _MOST_BINS:
        raise detect.wrong(f"has {classes} classes and {bins} bins a side")
    one_to_one = not _is_there(detect, "cv2", len(strides))
    keys = ("one2one_cv2", "one2one_cv3") if one_to_one else ("cv2", "cv3")
    boxes, scores = ([build_layer(module) for module in detect.child(key).children()] for key in keys)
    writer = Writer(2 * stride)
    features = written(writer, modules, layers, _OF_MANY, detect)
    if not len(features) == len(boxes) == len(scores) == len(strides):
        raise detect.wrong("has levels and strides that do not match")
    for feature, box, score in zip(features, boxes, scores, strict=True):
        writer.graph.outputs.append(_level(detect, box(feature), score(feature), 4 * bins, classes).name)
    if kind in _BOXES_AND_MORE:
        LOG.info("the weights are of a model that also finds %s; its boxes alone are used", _BOXES_AND_MORE[kind])
    family = Family(
        "ultralytics", _IOU_THRES, _MAX_DET, _image_size(train_args), whole_padding=True, nms=not one_to_one
    )
    names = class_names(root.value("names"), classes)
    return Ultralytics(writer.graph, Head(strides, bins, one_to_one=one_to_one), names, stride, family)


def _is_there(detect: PickledModule, key: str, levels: int) -> bool:
    """Whether the head has these layers; files for deployment leave those of training out."""
    return detect.has(key) and len(list(detect.child(key).children())) == levels


def _level(detect: PickledModule, boxes: Value, classes: Value, wide: int, count: int) -> Value:
    if len(boxes.shape) != 4 or boxes.shape[1] != wide or classes.shape != (1, count, *boxes.shape[2:]):
        raise detect.wrong(f"has convolutions that do not give {wide} and {count} channels")
    return level(boxes, classes)


def _image_size(train_args: object) -> tuple[int, int]:
    """Height and width that the model was trained with."""
    found = train_args.get("imgsz") if isinstance(train_args, Mapping) else None
    height, width = found if isinstance(found, (list, tuple)) and len(found) == 2 else (found, found)
    if type(height) is type(width) is int and min(height, width) >= 1 and max(height, width) <= _MOST_PIXELS:
        return height, width
    return _IMGSZ, _IMGSZ
