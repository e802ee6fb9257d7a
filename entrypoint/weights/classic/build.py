"""From the nodes of a classic YOLOv5 checkpoint to a network that can run, checking every value on the way."""

from torch import Tensor, nn

from entrypoint.errors import NotADetectorError
from entrypoint.models.yolov5.head import Detect
from entrypoint.models.yolov5.network import Network, Step
from entrypoint.weights.classic.layerbuilders import build_layer
from entrypoint.weights.classic.part import Allowance, Part, shown
from entrypoint.weights.classic.tryout import try_out

# detect.py pads to multiples of at least this: a head may end before the coarsest of the layers it draws on.
_LEAST_STRIDE = 32
_MAX_SOURCES = 32
_OTHER_TASKS = {
    "models.yolo.SegmentationModel": "segmentation",
    "models.yolo.Segment": "segmentation",
    "models.yolo.ClassificationModel": "classification",
    "models.common.Classify": "classification",
}


def build_network(model: object, file_bytes: int) -> tuple[Network, object]:
    """The network of a pickled `models.yolo.Model` or `DetectionModel`, and its `names` as they stand there.

    The network is float32, on the CPU, in eval mode, without gradients; batch norms are folded into convolutions.
    `file_bytes`, the size of the checkpoint, bounds the network's.
    Raises NotADetectorError for a model of another task, WeightsError for values no real checkpoint has.
    """
    root = Part(model, "model", Allowance(file_bytes))
    parts = list(root.child("model").children())
    _refuse_other_tasks([root, *parts[-1:]])
    if not parts or parts[-1].name != "models.yolo.Detect":
        raise root.wrong("does not end in a detection head (models.yolo.Detect)")
    strides = _strides(parts[-1] if parts[-1].optional_tensor("stride") is not None else root)
    network = Network(
        [build_layer(part) for part in parts[:-1]],
        _detect(parts[-1], strides),
        [_step(part, position) for position, part in enumerate(parts)],
        max(_LEAST_STRIDE, int(strides.max())),
    )
    network.eval().requires_grad_(False)
    try_out(network)
    return network, root.value("names")


def _refuse_other_tasks(parts: list[Part]) -> None:
    for part in parts:
        if part.name in _OTHER_TASKS:
            raise NotADetectorError(
                f"a YOLOv5 {_OTHER_TASKS[part.name]} checkpoint ({part.name}); expected a detection checkpoint, "
                "such as yolov5s.pt."
            )


def _step(part: Part, position: int) -> Step:
    source = part.value("f")
    many = isinstance(source, (list, tuple))
    if many and len(source) > _MAX_SOURCES:
        raise part.wrong(f"reads from {len(source)} layers, expected at most {_MAX_SOURCES}")
    indices = tuple(source) if many else (source,)
    for index in indices:
        if not isinstance(index, int) or not (index == -1 or -position <= index < position):
            raise part.wrong(f"reads from layer {shown(index)}, which is not before it")
    return Step(indices, many)


def _strides(part: Part) -> Tensor:
    strides = part.tensor("stride", 1)
    whole = strides.round()
    if not 1 <= len(strides) <= 8 or not bool(((strides == whole) & (whole >= 1) & (whole <= 1024)).all()):
        raise part.wrong(f"has strides {str(strides.tolist())[:80]}, expected whole pixels from 1 to 1024")
    if any(int(strides.max()) % int(stride) for stride in strides):
        raise part.wrong(f"has strides {strides.tolist()}, of which the largest is no multiple of the others")
    return strides


def _detect(part: Part, strides: Tensor) -> Detect:
    anchors, classes = part.tensor("anchors", 3), part.number("nc")
    convs = nn.ModuleList(build_layer(conv) for conv in part.child("m").children())
    outputs = anchors.shape[1] * (5 + classes)
    if not len(convs) == len(anchors) == len(strides) or anchors.shape[2] != 2 or classes < 1:
        raise part.wrong("has levels, anchors and strides that do not match")
    if any(not isinstance(conv, nn.Conv2d) or conv.out_channels != outputs for conv in convs):
        raise part.wrong(f"has convolutions that do not give {outputs} channels for {classes} classes")
    return Detect(convs, anchors, strides, classes)
