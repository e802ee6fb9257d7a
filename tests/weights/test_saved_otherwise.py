"""Classic checkpoints that were saved otherwise than YOLOv5's newest train.py saves them compute what they always did.

Each file is made here: by an old layout, by a pruning, in a wrapper, on another system, or in the midst of training.
"""

import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from entrypoint.models.yolov5.network import YoloV5
from entrypoint.weights.checkpoint import load_checkpoint
from scripts.training.network import C3, STRIDES, Bottleneck, Conv
from tests.classic import save_classic, tiny_model, tiny_names
from tests.graphs import graph_of, outputs
from tests.weights.test_layers import CrossConv, built, everything, predictions, shake

NAMES = ("circle", "square")
PIXELS = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(3))


def assert_same(path: Path, model: nn.Module, names: tuple[str, ...] = NAMES) -> None:
    """The file gives the boxes that the model means."""
    network = load_checkpoint(path)
    assert network.names == names
    with torch.no_grad():
        torch.testing.assert_close(everything(network, PIXELS), predictions(model, PIXELS), rtol=1e-4, atol=1e-3)


def with_other_names(path: Path, *changes: tuple[bytes, bytes]) -> Path:
    """The archive written again, its pickle with other bytes in some places; there must be at least one of each."""
    target = path.with_name("changed")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            data = old.read(member)
            for before, after in changes if member.endswith("data.pkl") else ():
                assert before in data
                data = data.replace(before, after)
            new.writestr(member, data)
    return target


def with_convolutions_before_the_head(model: Any) -> Any:
    """As v1.0 has it: the head's convolutions are layers of the model, and its levels come coarsest first."""
    detect = model.model[-1]
    layers = [*model.model[:-1], *detect.m, detect]
    for place, (convolution, source) in enumerate(zip(detect.m, detect.f, strict=True), len(model.model) - 1):
        convolution.i, convolution.f = place, source
    detect.i, detect.f = len(layers) - 1, [len(layers) - 2 - level for level in range(len(STRIDES))]
    detect.anchors, detect.stride = detect.anchors.flip(0), model.stride.flip(0)
    model.stride = detect.stride
    model.model = nn.Sequential(*layers)
    del detect.m
    return model


@torch.no_grad()
def test_a_head_of_v1_reads_its_convolutions_from_the_layers_before_it(tmp_path: Path) -> None:
    modern = predictions(tiny_model(*NAMES), PIXELS)
    save_classic({"model": with_convolutions_before_the_head(tiny_model(*NAMES))}, tmp_path / "weights", tiny_names())
    network = load_checkpoint(tmp_path / "weights")
    assert isinstance(network, YoloV5)
    cells = [3 * PIXELS.shape[2] * PIXELS.shape[3] // stride**2 for stride in STRIDES]
    coarsest_first = torch.cat(torch.split(modern, cells, 1)[::-1], 1)
    torch.testing.assert_close(everything(network, PIXELS), coarsest_first, rtol=1e-4, atol=1e-3)


@torch.no_grad()
def test_the_first_c3_was_a_csp_of_cross_convolutions(oracle: Any, tmp_path: Path) -> None:
    class First(oracle.BottleneckCSP):  # type: ignore[misc]
        """Up to v3.1, in models.experimental; today's C3 has other layers under the same name."""

    torch.manual_seed(0)
    block, x = First(16, 24), torch.randn(1, 16, 12, 20)
    block.m = nn.Sequential(CrossConv(oracle, 12), CrossConv(oracle, 12))
    expected = shake(block)(x)
    names: dict[type, str] = {First: "models.experimental.C3", CrossConv: "models.experimental.CrossConv"}
    layer = built(block, oracle, tmp_path / "layer", more_names=names)
    for found in outputs(graph_of(layer, 16, 32, 20), x).values():
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("removed", [False, True], ids=["with its masks", "with its masks multiplied in"])
def test_weights_that_were_pruned_one_by_one(tmp_path: Path, removed: bool) -> None:
    model = tiny_model(*NAMES)
    convolutions: list[Any] = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    for convolution in convolutions:
        prune.l1_unstructured(convolution, "weight", 0.3)  # type: ignore[no-untyped-call]
        if removed:
            prune.remove(convolution, "weight")  # type: ignore[no-untyped-call]
        else:
            convolution.weight_orig.data *= 1.1  # a step of training: `weight` itself is old until the next image
    save_classic({"model": model}, tmp_path / "weights", tiny_names())
    assert_same(tmp_path / "weights", model)


def narrow(block: Any, wide: int) -> None:
    """Keep so many channels of each layer inside: a different number in each, as pruning by the batch norms does."""
    channels = block.cv1.conv.in_channels
    inner: Any = Bottleneck(5, True)
    inner.cv1, inner.cv2 = Conv(5, 3), Conv(3, 5, 3)
    block.cv1, block.cv2, block.m = Conv(channels, 5), Conv(channels, wide), nn.Sequential(inner)
    block.cv3 = Conv(5 + wide, block.cv3.conv.out_channels)


def test_channels_that_were_pruned(tmp_path: Path) -> None:
    model = tiny_model(*NAMES)
    blocks = [module for module in model.modules() if isinstance(module, C3)]
    for number, block in enumerate(blocks):
        narrow(block, 7 + number)
    shake(model)
    names = tiny_names()
    save_classic({"model": model}, tmp_path / "weights", names)
    assert_same(tmp_path / "weights", model)
    pruned = {C3: "models.pruned_common.C3Pruned", Bottleneck: "models.pruned_common.BottleneckPruned"}
    save_classic({"model": model}, tmp_path / "tool", names | pruned | {type(model): "models.yolo.ModelPruned"})
    assert_same(tmp_path / "tool", model)


def test_a_model_that_several_devices_trained(tmp_path: Path) -> None:
    model = tiny_model(*NAMES)
    save_classic({"model": nn.DataParallel(model)}, tmp_path / "weights", tiny_names())
    assert_same(tmp_path / "weights", model)
    kind = b"ctorch.nn.parallel.%s\n"
    changes = kind % b"data_parallel\nDataParallel", kind % b"distributed\nDistributedDataParallel"
    assert_same(with_other_names(tmp_path / "weights", changes), model)


def test_batch_norms_that_several_devices_shared(tmp_path: Path) -> None:
    model = tiny_model(*NAMES)
    shared = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    save_classic({"model": shared}, tmp_path / "weights", tiny_names())
    assert_same(tmp_path / "weights", tiny_model(*NAMES))


def test_names_that_are_not_there(tmp_path: Path) -> None:
    model: Any = tiny_model(*NAMES)
    del model.names
    save_classic({"model": model}, tmp_path / "weights", tiny_names())
    assert_same(tmp_path / "weights", model, ("class0", "class1"))


@pytest.mark.parametrize(
    "kind",
    [b"pathlib\nWindowsPath", b"pathlib\nPosixPath", b"pathlib._local\nWindowsPath", b"pathlib._local\nPosixPath"],
    ids=["Windows", "elsewhere", "Windows with Python 3.13", "elsewhere with Python 3.13"],
)
def test_paths_of_the_system_it_was_saved_on(tmp_path: Path, kind: bytes) -> None:
    model = tiny_model(*NAMES)
    options = {"weights": PurePosixPath("C:\\yolov5\\yolov5s.pt"), "save_dir": PurePosixPath("runs/train/exp")}
    save_classic({"model": model, "opt": options}, tmp_path / "weights", tiny_names())
    path = with_other_names(tmp_path / "weights", (b"cpathlib\nPurePosixPath\n", b"c" + kind + b"\n"))
    assert_same(path, model)


def text(value: bytes) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value


@pytest.mark.parametrize("storages", [b"ctorch\n", b"ctorch.cuda\n"], ids=["PyTorch 2", "PyTorch 1"])
def test_tensors_that_lay_on_a_gpu(tmp_path: Path, storages: bytes) -> None:
    model = tiny_model(*NAMES)
    save_classic({"model": model}, tmp_path / "weights", tiny_names())
    kind = b"%sFloatStorage\n"
    changes = (kind % b"ctorch\n", kind % storages), (text(b"cpu"), text(b"cuda:0"))
    assert_same(with_other_names(tmp_path / "weights", *changes), model)


def of_early_versions(optimizer: dict[str, Any]) -> dict[str, Any]:
    return {"epoch": 7, "best_fitness": np.array([0.5]), "training_results": "0/299 …\n", "optimizer": optimizer}


def of_late_versions(optimizer: dict[str, Any]) -> dict[str, Any]:
    options = {"epochs": 300, "batch_size": 16, "evolve": None, "freeze": [0], "weights": PurePosixPath("yolov5s.pt")}
    notes = {"epoch": 7, "best_fitness": np.float64(0.5), "updates": 100, "wandb_id": None, "opt": options}
    return notes | {"optimizer": optimizer, "git": {"remote": None, "commit": "915bbf2"}, "date": "2022-11-22"}


def of_ones_own(optimizer: dict[str, Any]) -> dict[str, Any]:
    scaler = {"scale": 65536.0, "growth_factor": 2.0, "_growth_tracker": 3}
    return {
        "epoch": 7,
        "optimizer": optimizer,
        "scaler": scaler,
        "random": torch.get_rng_state(),
        "loss": torch.ones(3),
    }


@pytest.mark.parametrize("notes", [of_early_versions, of_late_versions, of_ones_own], ids=lambda case: case.__name__)
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW], ids=lambda kind: kind.__name__)
def test_a_training_that_was_broken_off(
    tmp_path: Path, notes: Callable[[dict[str, Any]], dict[str, Any]], optimizer: Callable[..., torch.optim.Optimizer]
) -> None:
    model: Any = tiny_model(*NAMES)
    steps = optimizer(model.parameters(), lr=1e-3, weight_decay=5e-4)
    sum(map(Tensor.sum, model(PIXELS))).backward()  # type: ignore[union-attr]
    steps.step()
    model.hyp, model.gr, model.class_weights = {"lr0": 0.01}, 1.0, torch.ones(2)
    save_classic({"model": model, **notes(steps.state_dict())}, tmp_path / "weights", tiny_names())
    assert_same(tmp_path / "weights", model)
