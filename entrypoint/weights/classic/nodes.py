"""What a checkpoint's names stand for: inert nodes, a few functions, kinds of storage; nothing else can be named."""

import _compat_pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from entrypoint.weights.ultralytics import names as ultralytics

_COMMON = (
    "Conv DWConv DWConvTranspose2d TransformerLayer TransformerBlock Bottleneck BottleneckCSP CrossConv C3 C3x C3TR "
    "C3SPP C3Ghost SPP SPPF Focus GhostConv GhostBottleneck Contract Expand Concat Proto Classify"
)
_YOLO = "Detect Model DetectionModel Segment SegmentationModel ClassificationModel BaseModel ModelPruned"
# Of a widely used tool that prunes channels: the classes of YOLOv5 whose layers have widths of their own.
_PRUNED = "BottleneckPruned C3Pruned SPPPruned SPPFPruned"
_ACTIVATIONS = "SiLU Hardswish Mish"
_TORCH_NN = {
    "activation": "SiLU Hardswish Mish ReLU ReLU6 LeakyReLU Sigmoid Tanh MultiheadAttention",
    "batchnorm": "BatchNorm2d SyncBatchNorm",
    "container": "Sequential ModuleList",
    "conv": "Conv2d ConvTranspose2d",
    "dropout": "Dropout",
    "linear": "Linear Identity NonDynamicallyQuantizableLinear _LinearWithBias",
    "padding": "ZeroPad2d",
    "pooling": "MaxPool2d AdaptiveAvgPool2d",
    "upsampling": "Upsample",
}
_PARALLEL = ("data_parallel.DataParallel", "distributed.DistributedDataParallel")
_PATHS = "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath"
# What torch leaves in a layer whose weights are pruned by a mask. The mask itself is a tensor beside the weights.
_MASKING = "L1Unstructured LnStructured RandomUnstructured RandomStructured CustomFromMask Identity PruningContainer"
# Training notes that travel in a checkpoint (a NumPy fitness, a path in the options), and what torch itself takes for
# safe; nothing here reads them.
_IGNORED = (
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *("numpy.ndarray", "numpy.dtype", "datetime.datetime", "argparse.Namespace"),
    # Python 3.13 alone has its paths in a module below.
    *(f"pathlib.{name}" for name in _PATHS.split()),
    *(f"pathlib._local.{name}" for name in _PATHS.split()),
    *(f"torch.nn.utils.prune.{name}" for name in _MASKING.split()),
    *("_codecs.encode", "builtins.bytearray", "builtins.complex", "collections.Counter"),
    *("torch.device", "torch.Tensor", "torch.nn.parameter.Parameter", "torch.serialization._get_layout"),
    *(f"torch._utils._rebuild_{kind}" for kind in ("qtensor", "sparse_tensor", "nested_tensor", "tensor_v3")),
    *(f"torch._utils._rebuild_device_tensor_from_{kind}" for kind in ("cpu_tensor", "numpy")),
    "torch._utils._rebuild_meta_tensor_no_storage",
    *(f"torch.per_{kind}" for kind in ("tensor_affine", "tensor_symmetric", "channel_affine", "channel_symmetric")),
    *(f"torch.float{bits}" for bits in ("16", "32", "64", "8_e4m3fn", "8_e5m2")),
    *(f"torch.{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *("torch.bfloat16", "torch.bool", "torch.complex64", "torch.complex128"),
)
# The kinds of storage by their NumPy dtype. NumPy has no bfloat16: its bytes are taken for uint16, then widened.
_STORAGES = {
    "Half": "<f2",
    "Float": "<f4",
    "Double": "<f8",
    "Byte": "u1",
    "Char": "i1",
    "Short": "<i2",
    "Int": "<i4",
    "Long": "<i8",
    "Bool": "?",
    "BFloat16": "<u2",
    "ComplexFloat": "<c8",
    "ComplexDouble": "<c16",
}


FUSED_METHODS = ("forward_fuse", "fuseforward")
"""The methods that a layer whose batch norm was folded has in place of `forward`; they are pickled by `getattr`."""


@dataclass(frozen=True, slots=True)
class NodeKind:
    """A class of the checkpoint, by the name it was pickled under; `ignored`: its objects keep nothing."""

    pickled_name: str
    ignored: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """A function that a checkpoint may call, by its dotted name."""

    name: str


@dataclass(frozen=True, slots=True)
class StorageKind:
    """How the values of a storage lie in the file: a NumPy dtype, little-endian; `widened`: bfloat16 behind uint16."""

    dtype: str
    widened: bool = False


Named = NodeKind | Function | StorageKind


class Node:
    """An object of the checkpoint: the class name it was pickled under and the state it was given, inert."""

    __slots__ = ("pickled_name", "state")

    def __init__(self, pickled_name: str) -> None:
        self.pickled_name = pickled_name
        self.state: dict[str, Any] = {}


class Ignored(Node):
    """A value of the checkpoint that is not needed: it was given anything, and kept nothing."""

    __slots__ = ()


def _allowed() -> dict[str, Named]:
    names = [f"{prefix}models.common.{name}" for prefix in ("", "yolov5.") for name in _COMMON.split()]
    names += [f"{prefix}models.yolo.{name}" for prefix in ("", "yolov5.") for name in _YOLO.split()]
    names += [f"models.pruned_common.{name}" for name in _PRUNED.split()]
    names += [f"models.experimental.{name}" for name in ("CrossConv", "GhostConv", "GhostBottleneck", "C3")]
    names += [f"utils.activations.{name}" for name in _ACTIVATIONS.split()]
    names += [f"torch.nn.modules.{module}.{name}" for module, n in _TORCH_NN.items() for name in n.split()]
    names += [f"torch.nn.parallel.{name}" for name in _PARALLEL]
    return {
        **{name: NodeKind(name.removeprefix("yolov5.")) for name in names},
        **{name: NodeKind(called) for name, called in ultralytics.layers().items()},
        **{name: NodeKind(name, ignored=True) for name in (*_IGNORED, *ultralytics.ignored())},
        **{name: Function(name) for name in ("collections.OrderedDict", "builtins.set", "torch.Size")},
        **{name: Function(name) for name in ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")},
        "builtins.getattr": Function("builtins.getattr"),
        "torch._utils._rebuild_parameter": Function("torch._utils._rebuild_parameter"),
        "torch._utils._rebuild_parameter_with_state": Function("torch._utils._rebuild_parameter"),
        "torch._tensor._rebuild_from_type_v2": Function("torch._tensor._rebuild_from_type_v2"),
        **{
            f"torch.{place}{kind}Storage": StorageKind(dtype, kind == "BFloat16")
            for place in ("", "cuda.")
            for kind, dtype in _STORAGES.items()
        },
        **{f"torch.storage.{kind}Storage": StorageKind("u1") for kind in ("Untyped", "Typed")},
    }


ALLOWED: Mapping[str, Named] = _allowed()
"""Every dotted name that a checkpoint may hold, with what stands for it here."""


def modern_name(module: str, name: str) -> str:
    """The dotted name of today: protocol 2 writes those of Python 2's modules, `__builtin__` for builtins."""
    return f"{_compat_pickle.IMPORT_MAPPING.get(module, module)}.{name}"


def shown_name(dotted: str) -> str:
    """A name from a pickle, short and printable, for a message."""
    return dotted[:100].encode("unicode_escape").decode("ascii")
