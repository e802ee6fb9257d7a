"""The names that checkpoints of the ultralytics package pickle, and which of them are other tasks' than detection.

A class stood in `ultralytics.nn.modules` in 8.0.0 and stands in one of three files below that since; here it is called
by its name there alone.
"""

PREFIX = "ultralytics."
"""What the names of nodes begin with that stand for this package's layers."""
_MODULES = "ultralytics.nn.modules."

CLASSIC = (
    "Conv DWConv DWConvTranspose2d TransformerLayer TransformerBlock Bottleneck BottleneckCSP C3 C3x C3TR C3Ghost SPP "
    "Focus GhostConv GhostBottleneck Concat"
)
"""Layers that YOLOv5 has under the same names."""
_LAYERS = {
    "conv": "Conv DWConv DWConvTranspose2d RepConv GhostConv Focus Concat",
    "transformer": "TransformerLayer TransformerBlock",
    "block": "A2C2f AAttn ABlock AConv ADown Attention Bottleneck BottleneckCSP C1 C2 C2PSA C2f C2fCIB C2fPSA C3 "
    "C3Ghost C3TR C3k C3k2 C3x CBFuse CBLinear CIB DFL ELAN1 GhostBottleneck PSA PSABlock RepBottleneck RepC3 RepCSP "
    "RepNCSPELAN4 RepVGGDW SCDown SPP SPPELAN SPPF Silence Proto Proto26 RealNVP",
    "head": "Detect v10Detect Segment Segment26 Pose Pose26",
}
_MODELS = "DetectionModel YOLOv10DetectionModel SegmentationModel PoseModel"

OTHER_TASKS = {
    "ClassificationModel": "image classification",
    "Classify": "image classification",
    "OBBModel": "oriented boxes",
    "OBB": "oriented boxes",
    "OBB26": "oriented boxes",
    "RTDETRDetectionModel": "RT-DETR",
    "RTDETRDecoder": "RT-DETR",
    "WorldModel": "YOLO-World",
    "WorldDetect": "YOLO-World",
    "YOLOEModel": "YOLOE",
    "YOLOESegModel": "YOLOE",
    "YOLOEDetect": "YOLOE",
    "YOLOESegment": "YOLOE",
    "YOLOESegment26": "YOLOE",
    "LRPCHead": "YOLOE",
    "DepthModel": "depth",
    "Depth": "depth",
    "SemanticModel": "semantic segmentation",
    "SemanticSegmentationModel": "semantic segmentation",
    "SemanticSegment": "semantic segmentation",
}
"""What a model or a head of another task is for, by the name of its class."""


def layers() -> dict[str, str]:
    """The dotted names of layers and models, each with what it is called here."""
    found = {f"ultralytics.nn.tasks.{name}": f"{PREFIX}{name}" for name in _MODELS.split()}
    for file, names in _LAYERS.items():
        for name in names.split():
            found[f"{_MODULES}{file}.{name}"] = found[f"{_MODULES}{name}"] = f"{PREFIX}{name}"
    return found


def ignored() -> tuple[str, ...]:
    """Notes of the training that travel in a checkpoint: its options, its loss."""
    losses = (
        "v8DetectionLoss v8SegmentationLoss v8PoseLoss PoseLoss26 E2EDetectLoss E2ELoss TVPDetectLoss BboxLoss DFLoss "
        "RotatedBboxLoss KeypointLoss RLELoss VarifocalLoss FocalLoss MultiChannelDiceLoss BCEDiceLoss"
    )
    assigners = "TaskAlignedAssigner RotatedTaskAlignedAssigner"
    packages = ("ultralytics.utils", "ultralytics.yolo.utils")
    return (
        *(f"{package}.loss.{name}" for package in packages for name in losses.split()),
        *(f"{package}.tal.{name}" for package in packages for name in assigners.split()),
        *(f"{package}.IterableSimpleNamespace" for package in packages),
        *(f"ultralytics.yolo.v8.detect.train.{name}" for name in ("Loss", "BboxLoss")),
        *(f"torch.nn.modules.loss.{name}" for name in ("BCEWithLogitsLoss", "BCELoss", "CrossEntropyLoss")),
        "types.SimpleNamespace",
    )


def other_task(dotted: str) -> str | None:
    """What a class of the package is for, if it is a model or a head of another task."""
    return OTHER_TASKS.get(dotted.rpartition(".")[2]) if dotted.startswith("ultralytics.") else None
