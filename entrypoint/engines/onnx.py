"""ONNX Runtime on a CPU: about twice as fast there as PyTorch, operation by operation."""

from collections.abc import Sequence

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor

from entrypoint.engines.base import Engine
from entrypoint.engines.graph import INPUT, onnx_model
from entrypoint.host.device import Device
from entrypoint.models.yolov5.network import Network


class OnnxEngine(Engine):
    """A network as a graph that ONNX Runtime has optimised, with weights of its own.

    Its results do not depend on the number of threads, nor on what else is in a batch.
    """

    name = "onnx"

    def __init__(self, network: Network, threads: int) -> None:
        """`threads` share one image's work. Raises NotExpressibleError for layers that ONNX has no word for."""
        self.device = Device(torch.device("cpu"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        # Threads that wait do not spin: other threads need the cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4  # fatal: errors are raised as well
        self._session = onnxruntime.InferenceSession(onnx_model(network), options, providers=["CPUExecutionProvider"])

    def upload(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        return self.device.upload(images, torch.contiguous_format)

    def maps(self, pixels: Tensor) -> list[Tensor]:
        found = self._session.run(None, {INPUT: pixels.contiguous().numpy()})
        return [torch.from_numpy(values) for values in found]
