"""A network as an ONNX graph: its own forward code, followed symbolically, each step in ONNX's words."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from google.protobuf.message import EncodeError
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, fx, nn

from entrypoint.models.yolov5 import layers
from entrypoint.models.yolov5.network import Network

INPUT = "pixels"
_OPSET, _IR_VERSION = 17, 8
_LAST = np.iinfo(np.int64).max


class NotExpressibleError(Exception):
    """A layer that is not translated; the message is its name."""


def onnx_model(network: Network) -> bytes:
    """The network as a serialised ONNX model: `pixels` (B, 3, H, W) in, the maps of its head out, by level.

    Raises NotExpressibleError for transformers, Contract, Expand, and what else hardly any checkpoint has.
    """
    graph = _Graph(network)
    for node in _Tracer().trace(network).nodes:
        graph.add(node)
    return graph.serialised()


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (*_LAYERS, *_UNTRANSLATED)) or super().is_leaf_module(m, module_qualified_name)


class _Graph:
    """ONNX nodes in the making; values go by the names that fx gives them."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._outputs: list[str] = []

    def add(self, node: fx.Node) -> None:
        """Translate one step."""
        if node.op == "call_module":
            layer = self._network.get_submodule(str(node.target))
            translate = next((_LAYERS[kind] for kind in _LAYERS if isinstance(layer, kind)), None)
            if translate is None:
                raise NotExpressibleError(type(layer).__name__)
            translate(self, layer, _name(node.args[0]), node.name)
        elif node.op == "call_function":
            function = _FUNCTIONS.get(node.target)  # type: ignore[arg-type]
            if function is None:
                raise NotExpressibleError(str(getattr(node.target, "__name__", node.target)))
            function(self, node)
        elif node.op == "get_attr":
            home, _, name = str(node.target).rpartition(".")
            self.constant(node.name, getattr(self._network.get_submodule(home), name))
        elif node.op == "output":
            self._outputs = _names(node.args[0])
        elif node.op != "placeholder":
            raise NotExpressibleError(str(node.target))

    def step(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Append a node; gives its output."""
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, values: Tensor) -> str:
        """Values that the graph brings along; gives their name."""
        self._constants.append(numpy_helper.from_array(values.detach().contiguous().numpy(), name))
        return name

    def serialised(self) -> bytes:
        """The model, as a file holds it."""
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self._nodes,
            "yolov5",
            [value(INPUT, TensorProto.FLOAT, ["batch", 3, "height", "width"])],
            [value(name, TensorProto.FLOAT, None) for name in self._outputs],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        try:
            return bytes(model.SerializeToString())
        except EncodeError as error:  # of a whole model; so it is this
            raise MemoryError("no memory left to serialise the network") from error


def _name(value: object) -> str:
    if not isinstance(value, fx.Node):
        raise NotExpressibleError(type(value).__name__)
    return value.name


def _names(values: Any) -> list[str]:
    return [_name(value) for value in values]


def _both_ends(padding: Any) -> list[int]:
    """PyTorch's (vertical, horizontal) as ONNX's top, left, bottom, right."""
    return [*padding, *padding]


def _convolution(kind: str, *more: str) -> Callable[[_Graph, Any, str, str], None]:
    """Conv2d or ConvTranspose2d; `more` are attributes of the same name on both sides."""

    def translate(graph: _Graph, layer: Any, source: str, output: str) -> None:
        inputs = [source, graph.constant(f"{output}_weight", layer.weight)]
        if layer.bias is not None:
            inputs.append(graph.constant(f"{output}_bias", layer.bias))
        graph.step(
            kind,
            inputs,
            output,
            kernel_shape=layer.kernel_size,
            strides=layer.stride,
            pads=_both_ends(layer.padding),
            dilations=layer.dilation,
            group=layer.groups,
            **{name: getattr(layer, name) for name in more},
        )

    return translate


def _silu(graph: _Graph, layer: Any, source: str, output: str) -> None:
    graph.step("Mul", [source, graph.step("Sigmoid", [source], f"{output}_sigmoid")], output)


def _mish(graph: _Graph, layer: Any, source: str, output: str) -> None:
    softplus = graph.step("Softplus", [source], f"{output}_softplus")
    graph.step("Mul", [source, graph.step("Tanh", [softplus], f"{output}_tanh")], output)


def _relu6(graph: _Graph, layer: Any, source: str, output: str) -> None:
    ends = [graph.constant(f"{output}_{end}", torch.tensor(float(end))) for end in (0, 6)]
    graph.step("Clip", [source, *ends], output)


def _max_pool(graph: _Graph, layer: Any, source: str, output: str) -> None:
    if layer.ceil_mode:  # ONNX Runtime keeps windows that begin in the padding, PyTorch does not
        raise NotExpressibleError("MaxPool2d with ceil_mode")
    graph.step(
        "MaxPool",
        [source],
        output,
        kernel_shape=layer.kernel_size,
        strides=layer.stride,
        pads=_both_ends(layer.padding),
        dilations=layer.dilation,
    )


def _upsample(graph: _Graph, layer: Any, source: str, output: str) -> None:
    scales = graph.constant(f"{output}_scales", torch.tensor([1, 1, layer.scale_factor, layer.scale_factor]))
    if layer.mode == "nearest" and layer.scale_factor % 1:  # ONNX Runtime and PyTorch round differently
        raise NotExpressibleError(f"Upsample by {layer.scale_factor:g}")
    how = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
    if layer.mode == "bilinear":
        corners = "align_corners" if layer.align_corners else "half_pixel"
        how = {"mode": "linear", "coordinate_transformation_mode": corners}
    graph.step("Resize", [source, "", scales], output, **how)


def _zero_pad(graph: _Graph, layer: Any, source: str, output: str) -> None:
    left, right, top, bottom = layer.padding
    sides = graph.constant(f"{output}_sides", torch.tensor([0, 0, top, left, 0, 0, bottom, right]))
    graph.step("Pad", [source, sides], output)


def _cat(graph: _Graph, node: fx.Node) -> None:
    values, dim = (*node.args, 0)[:2]
    if not isinstance(dim, int):
        raise NotExpressibleError("cat")
    graph.step("Concat", _names(values), node.name, axis=dim)


def _slice(graph: _Graph, node: fx.Node) -> None:
    """`x[..., a:b:c, d:e:f]`, as Focus takes every other row and column."""
    source, index = node.args
    if not isinstance(index, tuple) or index[0] is not Ellipsis or not all(isinstance(i, slice) for i in index[1:]):
        raise NotExpressibleError("an index that is no slice")
    slices: tuple[Any, ...] = index[1:]
    ends = {
        "starts": [one.start or 0 for one in slices],
        "ends": [_LAST if one.stop is None else one.stop for one in slices],
        "axes": list(range(-len(slices), 0)),
        "steps": [one.step or 1 for one in slices],
    }
    names = [graph.constant(f"{node.name}_{key}", torch.tensor(values)) for key, values in ends.items()]
    graph.step("Slice", [_name(source), *names], node.name)


def _plainly(kind: str, *attributes: str) -> Callable[[_Graph, Any, str, str], None]:
    def translate(graph: _Graph, layer: Any, source: str, output: str) -> None:
        graph.step(kind, [source], output, **{_ONNX_NAMES[name]: getattr(layer, name) for name in attributes})

    return translate


def _of_two(kind: str) -> Callable[[_Graph, fx.Node], None]:
    def translate(graph: _Graph, node: fx.Node) -> None:
        graph.step(kind, _names(node.args), node.name)

    return translate


_ONNX_NAMES = {"negative_slope": "alpha"}
_LAYERS: dict[type[nn.Module], Callable[[_Graph, Any, str, str], None]] = {
    nn.Conv2d: _convolution("Conv"),
    nn.ConvTranspose2d: _convolution("ConvTranspose", "output_padding"),
    nn.SiLU: _silu,
    nn.Mish: _mish,
    nn.ReLU: _plainly("Relu"),
    nn.ReLU6: _relu6,
    nn.LeakyReLU: _plainly("LeakyRelu", "negative_slope"),
    nn.Hardswish: _plainly("HardSwish"),
    nn.Sigmoid: _plainly("Sigmoid"),
    nn.Identity: _plainly("Identity"),
    nn.MaxPool2d: _max_pool,
    nn.Upsample: _upsample,
    nn.ZeroPad2d: _zero_pad,
}
_UNTRANSLATED = (layers.Contract, layers.Expand, layers.TransformerBlock)
_FUNCTIONS: dict[Callable[..., Any], Callable[[_Graph, fx.Node], None]] = {
    operator.add: _of_two("Add"),
    operator.mul: _of_two("Mul"),
    operator.getitem: _slice,
    torch.cat: _cat,
}
