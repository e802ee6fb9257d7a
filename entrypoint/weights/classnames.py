"""The names of a checkpoint's classes, whatever it holds for them."""

from entrypoint.weights.classic.pickledmodule import shown

_MAX_NAME = 100


def class_names(names: object, classes: int) -> tuple[str, ...]:
    """Names as a list or a dict by id, made printable; a class without one is called by its id."""
    if isinstance(names, (list, tuple)):
        names = dict(enumerate(names))
    known = names if isinstance(names, dict) else {}
    return tuple(printable(known.get(index, f"class{index}")) for index in range(classes))


def printable(name: object) -> str:
    """A name as text that can be shown; what is no text is called by its type."""
    short = name if isinstance(name, str) else shown(name)
    text = "".join(character if character.isprintable() else "�" for character in short[:_MAX_NAME])
    return text.encode("utf-8", "replace").decode()
