"""An ONNX file of an export tool, ready to run: what it gives, which classes it names, which images it takes."""

from pathlib import Path

from entrypoint.errors import NotADetectorError
from entrypoint.models.exported import Exported, by_class, final
from entrypoint.models.graph import Graph
from entrypoint.weights.classnames import class_names
from entrypoint.weights.naming import naming
from entrypoint.weights.notes import (
    LEAST_STRIDE,
    MOST_BATCH,
    MOST_STRIDE,
    USUAL_SIZE,
    batch_of,
    family_of,
    names_of,
    size_of,
    stride_of,
    task_of,
)
from entrypoint.weights.onnxfile.extent import Extent
from entrypoint.weights.onnxfile.model import OnnxModel, read_model
from entrypoint.weights.onnxfile.outputs import EXPORT_AGAIN, find_layout

_MOST_SIDE = 1 << 14
_ADVICE = "an ONNX model; export it again, or bring the .pt file that it was made from"
_UNNAMED = 1000  # classes of final boxes, where nothing tells how many there are


def load_onnx(path: Path) -> Exported:
    """The network in an ONNX file, of YOLOv5's export.py or the ultralytics package's, or with outputs as theirs.

    Nothing is computed but shapes. Raises WeightsError, or one of its kinds, with the path in the message; and what
    says that memory is out.
    """
    with naming(path, "export of a detector", f" ({_ADVICE})"):
        return network_of(read_model(path))


def network_of(model: OnnxModel) -> Exported:
    """The network that a model is. Raises NotADetectorError, UnsafeWeightsError."""
    said = model.metadata
    task = task_of(said)
    size, batch = _input(model.graph)
    batch = batch or batch_of(said)
    stride = stride_of(said)
    trial = size or (2 * (stride or MOST_STRIDE), 3 * (stride or MOST_STRIDE))
    extent = Extent(model.graph)
    shapes = extent.output_shapes((batch or 1, 3, *trial))
    names = names_of(said.get("names", ""))
    found = find_layout(shapes, trial, task, len(names) if names else None)
    model.graph.outputs = [model.graph.outputs[found.place]]
    classes = len(names) if found.layout is final and names else found.classes or _UNNAMED
    ultralytics = task is not None or found.layout is by_class
    imgsz = size or size_of(said.get("imgsz", "")) or USUAL_SIZE
    family = family_of(ultralytics, imgsz, found.layout is not final)
    network = Exported(
        model.graph,
        found.layout,
        class_names(names, classes),
        stride or max(LEAST_STRIDE, found.coarsest or 0),
        family,
        size=size,
        batch=batch,
        square=not ultralytics and not said.get("producer", "").startswith("yolo-bac "),
        check=extent.output_shapes if not size else None,
    )
    network.require((batch or 1, 3, *(side * network.stride for side in network.trial)))
    return network


def _input(graph: Graph) -> tuple[tuple[int, int] | None, int | None]:
    """The height and width that a graph takes, and how many images; None where it takes any."""
    if len(graph.inputs) != 1:
        raise NotADetectorError(f"takes {len(graph.inputs)} inputs, expected one: a batch of images")
    ((name, sides),) = graph.inputs.items()
    if graph.dtypes[name] not in ("<f4", "<f2"):
        raise NotADetectorError("takes numbers other than FP32 or FP16; expected images with values of 0 to 1")
    if len(sides) != 4 or sides[1] != 3:
        shown = " × ".join(str(side) if isinstance(side, int) else "?" for side in sides)
        raise NotADetectorError(f"takes an input of {shown}; expected images of 3 channels, B × 3 × H × W")
    batch, _, height, width = sides
    if isinstance(height, int) != isinstance(width, int):
        raise NotADetectorError(f"takes images with one side fixed and one that may vary; {EXPORT_AGAIN}")
    size = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    if (size and max(size) > _MOST_SIDE) or (isinstance(batch, int) and batch > MOST_BATCH):
        raise NotADetectorError(f"takes images of {' × '.join(map(str, sides))}")
    return size, batch if isinstance(batch, int) else None
