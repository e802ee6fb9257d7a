"""A classic YOLOv5 checkpoint, ready to run."""

from pathlib import Path

from entrypoint.errors import NotADetectorError, WeightsError
from entrypoint.host import memory
from entrypoint.models.yolov5.network import YoloV5
from entrypoint.weights.classic.build import build_network
from entrypoint.weights.classic.part import shown
from entrypoint.weights.classic.pickled import Node, read_checkpoint

_MAX_NAME = 100


def load_checkpoint(path: Path) -> YoloV5:
    """The network of a checkpoint of YOLOv5 v3.0 to v7.0, of its EMA weights where it has them. Nothing in it is run.

    Raises WeightsError, or one of its kinds, with the path in the message; and what says that memory is out.
    """
    try:
        model = _model_of(read_checkpoint(path))
        graph, head, stride, classes, names = build_network(model, path.stat().st_size)
        return YoloV5(graph, head, _class_names(names, classes), stride)
    except WeightsError as error:
        message = str(error)
        raise type(error)(message if message.startswith(path.name) else f"{path.name}: {message}") from error
    except RecursionError as error:
        raise WeightsError(f"{path.name}: its layers contain themselves") from error
    except Exception as error:
        if memory.is_said(error):
            raise
        what = f"{type(error).__name__}: {str(error)[:200]}"
        raise WeightsError(f"{path.name}: holds values that no YOLOv5 checkpoint has ({what})") from error


def _model_of(content: object) -> Node:
    if isinstance(content, dict):
        for key in ("ema", "model"):
            if isinstance(content.get(key), Node):
                return content[key]  # type: ignore[no-any-return]
        keys = ", ".join(_printable(key)[:40] for key in list(content)[:5])
        raise NotADetectorError(
            f"holds no model, only {len(content)} entries ({keys}, …); expected a whole YOLOv5 checkpoint as train.py "
            "saves it, not a state_dict."
        )
    if isinstance(content, Node):
        return content
    raise NotADetectorError(f"holds a {type(content).__name__}, not a YOLOv5 checkpoint")


def _class_names(names: object, classes: int) -> tuple[str, ...]:
    """Names as a list or a dict by id, made printable; a class without one is called by its id."""
    if isinstance(names, (list, tuple)):
        names = dict(enumerate(names))
    known = names if isinstance(names, dict) else {}
    return tuple(_printable(known.get(index, f"class{index}")) for index in range(classes))


def _printable(name: object) -> str:
    short = name if isinstance(name, str) else shown(name)
    text = "".join(character if character.isprintable() else "�" for character in short[:_MAX_NAME])
    return text.encode("utf-8", "replace").decode()
