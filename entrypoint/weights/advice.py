"""What to bring instead of a network in a format that is known, and not run."""

from entrypoint.sources import modelformats
from entrypoint.sources.filetype import SAFETENSORS, FileType

_INSTEAD = "bring the .pt file that it was exported from, or an ONNX export of that"
_CONVERT = (
    "Darknet's own format, which needs its .cfg to be a network. Bring one that was trained with YOLOv5 or the "
    "ultralytics package, or an ONNX export with outputs as theirs"
)
_ADVICE = {
    SAFETENSORS: "tensors without a network; bring the .pt file that they were taken from, or an ONNX export of that",
    modelformats.DARKNET: _CONVERT,
    modelformats.TENSORRT: f"built for one kind of GPU and one version of TensorRT; {_INSTEAD}",
}


def refusal(kind: FileType) -> str:
    """A message on a file of that type, which is not run: what it is, and what to bring instead."""
    return f"{article(kind.name)}: {_ADVICE.get(kind, f'which is not run here; {_INSTEAD}')}"


def article(name: str) -> str:
    """A noun phrase with its article."""
    return f"{'an' if name[0] in 'AEIOaeio' else 'a'} {name}"
