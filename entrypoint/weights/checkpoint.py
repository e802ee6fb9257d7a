"""A PyTorch checkpoint, ready to run: of classic YOLOv5, or of the ultralytics package."""

from pathlib import Path

from entrypoint.errors import NotADetectorError
from entrypoint.models.network import Network
from entrypoint.weights.classic import checkpoint as classic
from entrypoint.weights.classic.pickled import Node, read_checkpoint
from entrypoint.weights.classnames import printable
from entrypoint.weights.convert.plain import is_plain, revived
from entrypoint.weights.naming import naming
from entrypoint.weights.ultralytics.names import PREFIX

_WRAPPERS = ("DataParallel", "DistributedDataParallel")
_EXPECTED = "expected a whole checkpoint as its training saves it"


def load_checkpoint(path: Path) -> Network:
    """The network of a checkpoint, of its EMA weights where it has them. Nothing in it is run.

    Raises WeightsError, or one of its kinds, with the path in the message; and what says that memory is out.
    """
    with naming(path, "YOLO checkpoint"):
        content = read_checkpoint(path)
        model, file_bytes = model_of(content), path.stat().st_size
        if not model.pickled_name.startswith(PREFIX):
            return classic.network(model, file_bytes)
        from entrypoint.weights.ultralytics.build import build_network

        train_args = content.get("train_args") if isinstance(content, dict) else None
        return build_network(model, train_args, file_bytes)


def model_of(content: object) -> Node:
    """The model among what a checkpoint pickled, without what data-parallel training wraps around it.

    Raises NotADetectorError where there is none.
    """
    if isinstance(content, dict):
        if is_plain(content):
            return revived(content)
        for key in ("ema", "model"):
            if isinstance(content.get(key), Node):
                return _unwrapped(content[key])
        keys = ", ".join(printable(key)[:40] for key in list(content)[:5])
        raise NotADetectorError(
            f"holds no model, only {len(content)} entries ({keys}, …); {_EXPECTED}, not a state_dict."
        )
    if isinstance(content, Node):
        return _unwrapped(content)
    raise NotADetectorError(f"holds a {type(content).__name__}, not a model; {_EXPECTED}")


def _unwrapped(model: Node) -> Node:
    modules = model.state.get("_modules")
    if model.pickled_name.endswith(_WRAPPERS) and isinstance(modules, dict) and isinstance(modules.get("module"), Node):
        return modules["module"]  # type: ignore[no-any-return]
    return model
