"""The one unpickler: plain containers, nodes and arrays from the steps of a pickle, and nothing run on the way.

It is not `pickle.Unpickler` with names taken away but a machine of its own, which has no means to import or call. The
steps come from `opcodes.walk`, within a budget; what a step costs beyond its own bytes is taken from that budget here.
"""

import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from entrypoint.weights.classic import opcodes
from entrypoint.weights.classic.budget import Budget
from entrypoint.weights.classic.nodes import (
    FUSED_METHODS,
    Function,
    Ignored,
    Named,
    Node,
    NodeKind,
    modern_name,
    shown_name,
)
from entrypoint.weights.classic.opcodes import Buffer, walk
from entrypoint.weights.classic.tensors import tensor_view

_MAX_OPEN = 1000  # marks: containers that are being filled, one within the other


class Unpickler:
    """Loads one pickle after another.

    `allowed`: the dotted names that may occur, each with what stands for it. `persistent`: what a persistent id stands
    for; it raises pickle.UnpicklingError for one that stands for nothing.
    """

    def __init__(self, allowed: Mapping[str, Named], persistent: Callable[[object], object], budget: Budget) -> None:
        self._allowed, self._persistent, self._budget = allowed, persistent, budget
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []

    def load(self, data: Buffer, position: int) -> tuple[object, int]:
        """The object of the pickle that starts at `position` of `data`, and the position behind it.

        Raises pickle.UnpicklingError for anything that no checkpoint holds, EOFError where the data ends first.
        """
        self._stack, self._marks = [], []
        memo: list[Any] = []
        argument: Any
        for kind, argument in walk(data, position, self._budget):
            if kind == opcodes.PUSH:
                self._stack.append(argument)
            elif kind == opcodes.GET:
                self._stack.append(memo[argument])
            elif kind == opcodes.PUT:
                memo[argument : argument + 1] = [self._top()]
            elif kind == opcodes.STOP:
                position = argument
            elif step := _STEPS.get(kind):
                step(self)
            elif kind == opcodes.GLOBAL:
                self._stack.append(self._named(*argument))
            else:
                raise pickle.UnpicklingError(f"it holds the opcode 0x{kind:02x}, which torch never writes")
        return self._pop(), position

    def _top(self) -> Any:
        if not self._stack:
            raise pickle.UnpicklingError("it takes more values than it has")
        return self._stack[-1]

    def _pop(self) -> Any:
        if not self._stack:
            raise pickle.UnpicklingError("it takes more values than it has")
        return self._stack.pop()

    def _mark(self) -> None:
        if len(self._marks) >= _MAX_OPEN:
            raise pickle.UnpicklingError(f"it has more than {_MAX_OPEN} values within each other")
        self._marks.append(self._stack)
        self._stack = []

    def _pop_mark(self) -> list[Any]:
        """What was pushed since the last mark."""
        if not self._marks:
            raise pickle.UnpicklingError("it takes more values than it has")
        items, self._stack = self._stack, self._marks.pop()
        return items

    def _discard(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._pop_mark()

    def _push(self, value: object) -> None:
        self._stack.append(value)

    def _named(self, module: object, name: object) -> Named:
        if not isinstance(module, str) or not isinstance(name, str):
            raise pickle.UnpicklingError("it calls a class by something that is no text")
        dotted = modern_name(module, name)
        found = self._allowed.get(dotted)
        if found is None:
            raise pickle.UnpicklingError(f"{shown_name(dotted)} is not allowed")
        return found

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        self._stack.append(self._named(module, name))

    def _persistent_id(self) -> None:
        self._stack.append(self._persistent(self._pop()))

    def _tuple(self, count: int) -> None:
        if len(self._stack) < count:
            raise pickle.UnpicklingError("it takes more values than it has")
        self._stack[-count:] = [tuple(self._stack[-count:])]

    def _append(self, items: list[Any]) -> None:
        target = self._top()
        if type(target) is not list:
            raise pickle.UnpicklingError(f"it appends to a {type(target).__name__}")
        target.extend(items)

    def _add(self, items: list[Any]) -> None:
        target = self._top()
        if type(target) is not set:
            raise pickle.UnpicklingError(f"it adds to a {type(target).__name__}")
        for item in items:
            self._budget.take_key(item)
            target.add(item)

    def _set_items(self, items: list[Any]) -> None:
        target = self._top()
        if not isinstance(target, dict):
            raise pickle.UnpicklingError(f"it sets items of a {type(target).__name__}")
        if len(items) % 2:
            raise pickle.UnpicklingError("it sets an item without a value")
        for index in range(0, len(items), 2):
            self._budget.take_key(items[index])
            target[items[index]] = items[index + 1]

    def _set_item(self) -> None:
        value = self._pop()
        self._set_items([self._pop(), value])

    def _dict(self) -> None:
        items = self._pop_mark()
        self._stack.append({})
        self._set_items(items)

    def _new(self) -> None:
        arguments, kind = self._pop(), self._pop()
        if not isinstance(kind, NodeKind):
            raise pickle.UnpicklingError(f"it makes an object of a {type(kind).__name__}")
        self._stack.append(_node(kind, arguments))

    def _reduce(self) -> None:
        arguments, called = self._pop(), self._pop()
        self._stack.append(self._called(called, arguments))

    def _called(self, called: object, arguments: object) -> object:
        if isinstance(called, NodeKind):
            return _node(called, arguments)
        if not isinstance(called, Function) or not isinstance(arguments, tuple):
            raise pickle.UnpicklingError(f"it calls a {type(called).__name__}")
        if called.name == "torch._tensor._rebuild_from_type_v2":
            # How torch pickles a tensor with attributes: another function, a class, its arguments, the attributes.
            if len(arguments) < 3 or not isinstance(arguments[0], Function) or arguments[0] == called:
                raise pickle.UnpicklingError(f"{called.name} is called with arguments it does not take")
            return self._called(arguments[0], arguments[2])
        if called.name.startswith("torch._utils._rebuild_tensor"):
            return tensor_view(self._budget, arguments)
        if called.name == "collections.OrderedDict" and not arguments:
            return OrderedDict()
        if called.name == "torch._utils._rebuild_parameter" and arguments:
            return arguments[0]
        if called.name == "torch.Size" and len(arguments) == 1 and type(arguments[0]) is tuple:
            return arguments[0]
        if called.name == "builtins.getattr" and _is_fused_method(arguments):
            return Ignored(called.name)
        if called.name == "builtins.set" and len(arguments) == 1 and type(arguments[0]) is list:
            return self._set_of(arguments[0])
        raise pickle.UnpicklingError(f"{called.name} is called with arguments it does not take")

    def _set_of(self, items: list[Any]) -> set[Any]:
        self._budget.take_copies(len(items))
        for item in items:
            self._budget.take_key(item)
        return set(items)

    def _build(self) -> None:
        """Give an object its state: a node keeps it, an ignored one and what torch notes of a state_dict does not."""
        state, target = self._pop(), self._top()
        if isinstance(target, (Ignored, OrderedDict)):
            return
        if not isinstance(target, Node):
            raise pickle.UnpicklingError(f"it gives a state to a {type(target).__name__}")
        if not isinstance(state, dict):
            raise pickle.UnpicklingError(f"the state of {target.pickled_name} is not a dict of attributes")
        self._budget.take_copies(len(state))
        if not all(isinstance(key, str) for key in state):
            raise pickle.UnpicklingError(f"the state of {target.pickled_name} is not a dict of attributes")
        target.state = state


def _is_fused_method(arguments: tuple[Any, ...]) -> bool:
    return (
        len(arguments) == 2
        and isinstance(arguments[0], Node)
        and type(arguments[1]) is str
        and (arguments[1] in FUSED_METHODS)
    )


def _node(kind: NodeKind, arguments: object) -> Node:
    if kind.ignored:
        return Ignored(kind.pickled_name)
    if type(arguments) is not tuple or arguments:
        raise pickle.UnpicklingError(f"{kind.pickled_name} is called with arguments")
    return Node(kind.pickled_name)


_STEPS: dict[int, Callable[[Unpickler], object]] = {
    pickle.MARK[0]: Unpickler._mark,
    pickle.POP[0]: Unpickler._discard,
    pickle.POP_MARK[0]: Unpickler._pop_mark,
    pickle.DUP[0]: lambda machine: machine._stack.append(machine._top()),
    pickle.EMPTY_LIST[0]: lambda machine: machine._stack.append([]),
    pickle.LIST[0]: lambda machine: machine._push(machine._pop_mark()),
    pickle.APPEND[0]: lambda machine: machine._append([machine._pop()]),
    pickle.APPENDS[0]: lambda machine: machine._append(machine._pop_mark()),
    pickle.EMPTY_DICT[0]: lambda machine: machine._stack.append({}),
    pickle.DICT[0]: Unpickler._dict,
    pickle.SETITEM[0]: Unpickler._set_item,
    pickle.SETITEMS[0]: lambda machine: machine._set_items(machine._pop_mark()),
    pickle.EMPTY_SET[0]: lambda machine: machine._stack.append(set()),
    pickle.ADDITEMS[0]: lambda machine: machine._add(machine._pop_mark()),
    pickle.TUPLE[0]: lambda machine: machine._push(tuple(machine._pop_mark())),
    pickle.TUPLE1[0]: lambda machine: machine._tuple(1),
    pickle.TUPLE2[0]: lambda machine: machine._tuple(2),
    pickle.TUPLE3[0]: lambda machine: machine._tuple(3),
    pickle.STACK_GLOBAL[0]: Unpickler._stack_global,
    pickle.REDUCE[0]: Unpickler._reduce,
    pickle.NEWOBJ[0]: Unpickler._new,
    pickle.BUILD[0]: Unpickler._build,
    pickle.BINPERSID[0]: Unpickler._persistent_id,
}
