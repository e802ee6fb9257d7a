"""A checkpoint that wants to do anything is refused before it does; a canary file shows whether it did."""

import builtins
import os
import re
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from entrypoint.errors import NotADetectorError, UnsafeWeightsError, WeightsError
from entrypoint.models.graph import Writer
from entrypoint.sources.samples import DEMO_SCENES, DEMO_WEIGHTS
from entrypoint.weights.checkpoint import load_checkpoint
from entrypoint.weights.classic.pickled import imports
from scripts.training.network import Bottleneck, Concat, Conv
from tests.classic import Attack, save_classic, tiny_model, tiny_names
from tests.conftest import ROOT, Ended


class Allowed(nn.Module):
    """Pickled under an allowed name; `calls` are the arguments, and maybe the state, that come with the name."""

    calls: tuple[object, ...] = ((),)

    def __reduce_ex__(self, protocol: object) -> Any:
        return (type(self), *self.calls)


def direct(canary: Path) -> object:
    return {"model": Attack(os.system, f"touch {canary}")}


def evaluated(canary: Path) -> object:
    return {"model": Attack(eval, f"open({str(canary)!r}, 'w')")}


def spawned(canary: Path) -> object:
    return {"model": Attack(subprocess.Popen, ["touch", str(canary)])}


def torch_loads_it_again(canary: Path) -> object:
    torch.save(Attack(os.system, f"touch {canary}"), canary.with_suffix(".inner"))
    return {"model": Attack(torch.load, str(canary.with_suffix(".inner")), None, None)}


def in_the_state_of_an_allowed_name(canary: Path) -> object:
    model = tiny_model()
    model.extra = Attack(os.system, f"touch {canary}")  # type: ignore[assignment]
    return {"model": model}


def as_a_forward_hook(canary: Path) -> object:
    model = tiny_model()
    model._forward_hooks[0] = Attack(builtins.exec, f"open({str(canary)!r}, 'w')")  # type: ignore[assignment]
    return {"model": model}


def as_arguments_of_an_allowed_name(canary: Path) -> object:
    layer = Allowed()
    layer.calls = ((Attack(os.system, f"touch {canary}"),),)
    return {"model": layer}


def as_what_setstate_of_an_allowed_name_gets(canary: Path) -> object:
    layer = Allowed()
    layer.calls = ((), Attack(os.system, f"touch {canary}"))
    return {"model": layer}


ATTACKS = [
    direct,
    evaluated,
    spawned,
    torch_loads_it_again,
    in_the_state_of_an_allowed_name,
    as_a_forward_hook,
    as_arguments_of_an_allowed_name,
    as_what_setstate_of_an_allowed_name_gets,
]


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def save_attack(content: object, path: Path, **options: object) -> None:
    save_classic(content, path, tiny_names() | {Allowed: "models.common.C3TR"}, **options)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_refused_and_nothing_runs(
    attack: Callable[[Path], object], legacy: bool, canary: Path, tmp_path: Path, yolo_bac: Callable[..., Ended]
) -> None:
    weights = tmp_path / "in" / "weights"
    weights.parent.mkdir()
    save_attack(attack(canary), weights, _use_new_zipfile_serialization=not legacy)
    assert not canary.exists()
    ended = yolo_bac("--weights", weights, "--source", DEMO_SCENES, "--project", tmp_path / "out")
    assert not canary.exists()
    assert not (tmp_path / "out").exists()
    assert (ended.code, ended.stdout) == (3, "")
    assert ended.stderr.startswith("yolo-bac: error: weights: refused")


@pytest.mark.parametrize("attack", [direct, in_the_state_of_an_allowed_name], ids=lambda attack: attack.__name__)
def test_the_attacks_are_live(attack: Callable[[Path], object], canary: Path, tmp_path: Path) -> None:
    save_attack(attack(canary), tmp_path / "weights")
    code = (
        "import sys, torch; from types import ModuleType; from scripts.training import network\n"
        "for home in ('models', 'models.common', 'models.yolo'): sys.modules[home] = network\n"
        f"torch.load({str(tmp_path / 'weights')!r}, weights_only=False)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False, capture_output=True)
    assert canary.exists()


def test_the_refusal_lists_what_it_wanted(tmp_path: Path, canary: Path) -> None:
    model = tiny_model()
    model.a = Attack(os.system, f"touch {canary}")  # type: ignore[assignment]
    model.b = Attack(subprocess.Popen, ["touch", str(canary)])  # type: ignore[assignment]
    save_attack({"model": model}, tmp_path / "weights")
    with pytest.raises(UnsafeWeightsError, match=r"wants to import posix\.system, subprocess\.Popen\.") as caught:
        load_checkpoint(tmp_path / "weights")
    assert caught.value.exit_code == 3


def test_what_is_wrong_is_said_when_no_name_is(tmp_path: Path) -> None:
    layer = Allowed()
    layer.calls = ((1,),)
    save_attack({"model": layer}, tmp_path / "weights")
    with pytest.raises(
        UnsafeWeightsError, match=r"nothing in it was run: models\.common\.C3TR is called with arguments"
    ):
        load_checkpoint(tmp_path / "weights")


def test_protocol_4_names_are_listed_too(tmp_path: Path, canary: Path) -> None:
    torch.save(Attack(os.system, f"touch {canary}"), tmp_path / "weights", pickle_protocol=4)
    assert "posix.system" in imports(tmp_path / "weights")
    with pytest.raises(UnsafeWeightsError):
        load_checkpoint(tmp_path / "weights")
    assert not canary.exists()


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("models.yolo.SegmentationModel", "segmentation"),
        ("models.yolo.ClassificationModel", "classification"),
    ],
)
def test_other_tasks_are_refused_by_name(tmp_path: Path, name: str, task: str) -> None:
    model = tiny_model()
    save_classic({"model": model}, tmp_path / "weights", tiny_names() | {type(model): name})
    with pytest.raises(NotADetectorError, match=f"a YOLOv5 {task} checkpoint"):
        load_checkpoint(tmp_path / "weights")


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("tasks.OBBModel", "oriented boxes"),
        ("tasks.ClassificationModel", "image classification"),
        ("tasks.RTDETRDetectionModel", "RT-DETR"),
        ("tasks.WorldModel", "YOLO-World"),
        ("modules.head.YOLOEDetect", "YOLOE"),
        ("modules.head.Depth", "depth"),
        ("modules.head.SemanticSegment", "semantic segmentation"),
    ],
)
def test_other_tasks_of_the_ultralytics_package_are_refused_by_name(tmp_path: Path, name: str, task: str) -> None:
    model = tiny_model()
    save_classic({"model": model}, tmp_path / "weights", tiny_names() | {type(model): f"ultralytics.nn.{name}"})
    with pytest.raises(NotADetectorError, match=f"for {task} .*{name}.*expected weights that were trained"):
        load_checkpoint(tmp_path / "weights")


def test_another_task_is_no_excuse_for_what_else_is_wanted(tmp_path: Path, canary: Path) -> None:
    model = tiny_model()
    model.extra = Attack(os.system, f"touch {canary}")  # type: ignore[assignment]
    save_attack_as = tiny_names() | {type(model): "ultralytics.nn.tasks.OBBModel"}
    save_classic({"model": model}, tmp_path / "weights", save_attack_as)
    with pytest.raises(UnsafeWeightsError, match=r"wants to import posix\.system"):
        load_checkpoint(tmp_path / "weights")
    assert not canary.exists()


def test_a_state_dict_is_told_apart(tmp_path: Path) -> None:
    torch.save(tiny_model().state_dict(), tmp_path / "weights")
    with pytest.raises(NotADetectorError, match="not a state_dict"):
        load_checkpoint(tmp_path / "weights")


def test_an_archive_that_declares_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "weights", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000))
    with pytest.raises(WeightsError, match="declares 50000000 bytes"):
        load_checkpoint(tmp_path / "weights")


def test_a_tensor_that_claims_more_values_than_it_has_is_refused(tmp_path: Path) -> None:
    model = tiny_model()
    conv: Any = model.model[0].conv
    conv.weight = nn.Parameter(torch.zeros(1).expand(1 << 15, 1 << 15, 1, 1))
    save_classic({"model": model}, tmp_path / "weights", tiny_names())
    with pytest.raises(WeightsError, match="does not hold the values it claims"):
        load_checkpoint(tmp_path / "weights")


def test_layers_that_contain_themselves_are_refused(tmp_path: Path) -> None:
    model = tiny_model()
    block = model.model[2]
    block._modules["m"] = block
    save_classic({"model": model}, tmp_path / "weights", tiny_names())
    with pytest.raises(WeightsError, match="contain themselves"):
        load_checkpoint(tmp_path / "weights")


@pytest.mark.parametrize("keep", [0.2, 0.6, 0.95])
def test_a_cut_download_is_refused(tmp_path: Path, keep: float) -> None:
    save_classic({"model": tiny_model()}, tmp_path / "whole", tiny_names())
    data = (tmp_path / "whole").read_bytes()
    (tmp_path / "cut").write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(WeightsError):
        load_checkpoint(tmp_path / "cut")


def test_a_legacy_file_cannot_ask_for_memory(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "real", _use_new_zipfile_serialization=False)
    start = (tmp_path / "real").read_bytes()
    header = start[: start.rindex(b"\x80\x02}")]  # magic number, protocol, system; then the object
    hungry = b"\x80\x02}r" + (4_000_000_000).to_bytes(4, "little") + b"."
    (tmp_path / "weights").write_bytes(header + hungry)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(WeightsError):
        load_checkpoint(tmp_path / "weights")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


def nested(module: nn.Module, depth: int) -> nn.Module:
    for _ in range(depth):
        module = nn.Sequential(module, module)
    return module


def with_layer(layer: nn.Module) -> Any:
    """A model whose third layer is another one; it still reads from where that did."""
    model: Any = tiny_model()
    layer.i, layer.f = 2, -1  # type: ignore[assignment]
    model.model[2] = layer
    return model


def tall_norm() -> nn.Module:
    """Scales that are a column, and the variances a row: their product is a plane."""
    norm = nn.BatchNorm2d(16)
    norm.weight = nn.Parameter(torch.ones(4096, 1))
    return norm


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nested(nn.SiLU(), 40), "more than 20000 layers"),
        (nn.Conv2d(16, 16, 1, padding=20_000), "expected a whole number from 0 to 64"),
        (nn.Upsample(scale_factor=1000), "expected 1 to 4"),
        (tall_norm(), "a batch norm whose sizes do not match"),
        (nn.Conv2d(17, 16, 1), "do not fit together"),
        (nn.Sequential(nn.Conv2d(16, 16, 1), nn.Conv2d(15, 16, 1)), "do not fit together"),
    ],
    ids=["a layer shared without end", "padding", "scale", "norm", "channels", "channels inside"],
)
def test_layers_that_would_blow_up_are_refused(tmp_path: Path, layer: nn.Module, words: str) -> None:
    save_classic({"model": with_layer(layer)}, tmp_path / "weights", tiny_names())
    with pytest.raises(WeightsError, match=words):
        load_checkpoint(tmp_path / "weights")


class SPP(nn.Module):
    """As YOLOv5 pickles it."""

    def __init__(self, channels: int, pools: int) -> None:
        super().__init__()
        self.cv1, self.cv2 = Conv(channels, channels), Conv(4 * channels, channels)
        self.m = nn.ModuleList([nn.MaxPool2d(5, 1, 2)] * pools)


class TransformerLayer(nn.Module):
    """As YOLOv5 pickles it."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.q, self.k, self.v, self.fc1, self.fc2 = (nn.Linear(channels, channels, bias=False) for _ in range(5))
        self.ma = nn.MultiheadAttention(channels, heads)


class TransformerBlock(nn.Module):
    """As YOLOv5 pickles it."""

    def __init__(self, conv: nn.Module, channels: int, heads: int) -> None:
        super().__init__()
        self.conv, self.linear = conv, nn.Linear(channels, channels)
        self.tr = nn.Sequential(TransformerLayer(channels, heads))


def names() -> dict[type, str]:
    return tiny_names() | {kind: f"models.common.{kind.__name__}" for kind in (SPP, TransformerLayer, TransformerBlock)}


def repeated(count: int, layer: nn.Module) -> nn.Module:
    return nn.Sequential(*[layer] * count)


def joined(count: int, times: int) -> Any:
    """A model in which a Concat reads one layer many times, and the next one that Concat."""
    model: Any = tiny_model()
    for index in range(2, 2 + times):
        model.model[index] = Concat()
        model.model[index].i, model.model[index].f = index, [-1] * count
    return model


def row_and_column() -> nn.Module:
    """The sum of a column and a row, both grown from one pixel: a plane."""
    add: Any = Bottleneck(1, True)
    add.cv1 = repeated(3, nn.MaxPool2d((64, 1)))
    add.cv2 = repeated(2, nn.ConvTranspose2d(1, 1, (1, 64), (1, 64)))
    column = repeated(3, nn.ConvTranspose2d(1, 1, (64, 1), (64, 1)))
    return nn.Sequential(nn.Conv2d(16, 1, 16), column, add)


# What layer 2 gets is 16 × 16 pixels of 16 channels.
GROWING: dict[str, Callable[[], Any]] = {
    "upsample": lambda: with_layer(repeated(8, nn.Upsample(scale_factor=4))),
    "convolution that pads": lambda: with_layer(repeated(20, nn.Conv2d(16, 16, 1, padding=64))),
    "convolution of long kernels": lambda: with_layer(
        nn.Sequential(nn.Conv2d(16, 1, 1), *[nn.Upsample(scale_factor=4)] * 3, nn.Conv2d(1, 1, (1, 900)))
    ),
    "convolution of one channel": lambda: with_layer(
        nn.Sequential(nn.Conv2d(16, 1, 1), *[nn.Upsample(scale_factor=4)] * 4, nn.Conv2d(1, 1, 1))
    ),
    "transposed convolution": lambda: with_layer(repeated(3, nn.ConvTranspose2d(16, 16, 2, 64))),
    "zero padding": lambda: with_layer(repeated(20, nn.ZeroPad2d(64))),
    "linear": lambda: with_layer(nn.Linear(16, 70_000)),
    "batch norm of many channels": lambda: with_layer(
        nn.Sequential(nn.Conv2d(16, 1, 1), nn.Upsample(scale_factor=4), nn.BatchNorm2d(8192))
    ),
    "concatenation": lambda: joined(32, 4),
    "pyramid of many pools": lambda: with_layer(SPP(16, 5000)),
    "attention over many tokens": lambda: with_layer(TransformerBlock(nn.Upsample(scale_factor=4), 16, 16)),
    "sum of row and column": lambda: with_layer(row_and_column()),
    "many layers": lambda: with_layer(
        nn.Sequential(*[nn.Upsample(scale_factor=4)] * 2, *[nn.Sigmoid()] * 1000),
    ),
}
REFUSED = """
import sys
from pathlib import Path
from entrypoint.host import memory
from entrypoint.errors import WeightsError
from entrypoint.sources.samples import DEMO_WEIGHTS
from entrypoint.weights.checkpoint import load_checkpoint
load_checkpoint(DEMO_WEIGHTS)
before = memory._status("VmHWM")
for path in map(Path, sys.argv[1:]):
    try:
        load_checkpoint(path)
    except WeightsError as error:
        print(error)
    else:
        print(path.name, "is loaded")
print(memory._status("VmHWM") - before)
"""


def test_layers_that_make_much_of_little_are_refused_before_they_do(tmp_path: Path) -> None:
    for name, model in GROWING.items():
        save_classic({"model": model()}, tmp_path / name, names())
    arguments = [sys.executable, "-c", REFUSED, *(str(tmp_path / name) for name in GROWING)]
    ended = subprocess.run(arguments, check=True, capture_output=True, text=True, cwd=ROOT, timeout=120)
    *messages, grown = ended.stdout.splitlines()
    for name, message in zip(GROWING, messages, strict=True):
        assert re.fullmatch(f"{name}: the checkpoint's .* make.* [0-9]+ values of a tiny image", message)
    assert int(grown) < 300_000_000


@pytest.mark.parametrize(
    "layer",
    [
        nn.Sequential(nn.ConvTranspose2d(16, 16, 2, 2), nn.MaxPool2d(2)),
        nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.MaxPool2d(2)),
        nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(2, 1)),
        nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.BatchNorm2d(16), nn.Linear(16, 16)),
        SPP(16, 3),
        TransformerBlock(Conv(16, 16), 16, 4),
    ],
    ids=["transposed", "bilinear", "zero padding", "depthwise", "pyramid", "attention"],
)
def test_the_same_layers_in_ordinary_sizes_are_taken(tmp_path: Path, layer: nn.Module) -> None:
    save_classic({"model": with_layer(layer)}, tmp_path / "weights", names())
    assert load_checkpoint(tmp_path / "weights").names == ("a", "b")


def test_a_layer_that_reads_from_too_many_is_refused(tmp_path: Path) -> None:
    save_classic({"model": joined(33, 1)}, tmp_path / "weights", tiny_names())
    with pytest.raises(WeightsError, match=r"reads from 33 layers, expected at most 32"):
        load_checkpoint(tmp_path / "weights")


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_memory_that_is_out_is_no_fault_of_the_checkpoint(
    tmp_path: Path, yolo_bac: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Writer, "add", full)
    with pytest.raises(type(error)):
        load_checkpoint(DEMO_WEIGHTS)
    ended = yolo_bac("--demo", "--project", tmp_path / "out")
    assert ended.code == 7
    assert "not enough memory for the network in" in ended.stderr.splitlines()[0]


def test_one_tensor_under_many_names_is_refused(tmp_path: Path) -> None:
    shared = nn.Parameter(torch.zeros(16, 16, 64, 64))
    layers = [nn.Conv2d(16, 16, 64) for _ in range(30)]
    for layer in layers:
        layer.weight = shared
    save_classic({"model": with_layer(nn.Sequential(*layers))}, tmp_path / "weights", tiny_names())
    with pytest.raises(WeightsError, match="times the file's size in memory"):
        load_checkpoint(tmp_path / "weights")


def spoil_groups(model: Any) -> None:
    model.model[0].conv.groups = 7


def spoil_names(model: Any) -> None:
    shared: list[Any] = ["x"]
    for _ in range(60):
        shared = [shared, shared]
    model.names = [10**30, shared]


def spoil_stride(model: Any) -> None:
    model.model[0].conv.stride = (10**30, 1)


def spoil_values(model: Any) -> None:
    model.model[-1].m[0].bias.data[0] = float("nan")


def spoil_source(model: Any) -> None:
    model.model[3].f = 9


@pytest.mark.parametrize("spoil", [spoil_groups, spoil_stride, spoil_values, spoil_source], ids=lambda s: s.__name__)
def test_odd_values_are_refused_with_exit_code_3(
    tmp_path: Path, yolo_bac: Callable[..., Ended], spoil: Callable[[Any], None]
) -> None:
    model = tiny_model()
    spoil(model)
    save_classic({"model": model}, tmp_path / "weights", tiny_names())
    ended = yolo_bac("--weights", tmp_path / "weights", "--source", DEMO_SCENES, "--project", tmp_path / "out")
    assert ended.code == 3
    assert ended.stderr.startswith("yolo-bac: error: weights: ")
    assert len(ended.stderr) < 600


def test_names_that_are_no_text_are_called_by_their_type(tmp_path: Path) -> None:
    model = tiny_model("a", "b")
    spoil_names(model)
    save_classic({"model": model}, tmp_path / "weights", tiny_names())
    assert load_checkpoint(tmp_path / "weights").names == ("a int", "a list")


def conv_of(model: Any) -> Any:
    return model.model[0].conv


def set_weight(value: float) -> Callable[[Any], None]:
    def spoil(model: Any) -> None:
        conv_of(model).weight.data[0, 0, 0, 0] = value

    return spoil


def set_norm(name: str, value: float) -> Callable[[Any], None]:
    def spoil(model: Any) -> None:
        norm = model.model[0].bn
        getattr(norm, name)[0] = value

    return spoil


def set_eps(value: float) -> Callable[[Any], None]:
    def spoil(model: Any) -> None:
        model.model[0].bn.eps = value

    return spoil


def set_anchor(value: float) -> Callable[[Any], None]:
    def spoil(model: Any) -> None:
        model.model[-1].anchors[0, 0, 0] = value

    return spoil


INF, NAN = float("inf"), float("nan")
NO_NUMBERS = {
    "weight NaN": (set_weight(NAN), r"model\.model\.0\.conv \(.*\) has a weight with values that"),
    "weight infinite": (set_weight(-INF), r"model\.model\.0\.conv \(.*\) has a weight with values that"),
    "weight that overflows": (set_weight(3e38), r"model\.model\.0\.conv \(.*\) has a weight with values that"),
    "mean infinite": (set_norm("running_mean", INF), r"model\.model\.0\.bn \(.*\) has a running_mean with values"),
    "variance negative": (set_norm("running_var", -1), r"model\.model\.0\.bn \(.*\) has a batch norm of a variance"),
    "variance infinite": (set_norm("running_var", INF), r"model\.model\.0\.bn \(.*\) has a running_var with values"),
    "eps negative": (set_eps(-1e-3), r"model\.model\.0\.bn \(.*\) has a batch norm of a variance or eps"),
    "eps NaN": (set_eps(NAN), r"model\.model\.0\.bn \(.*\) has eps = nan, expected a finite number"),
    "anchor infinite": (set_anchor(INF), r"model\.model\.24 \(models\.yolo\.Detect\) has a anchors with values"),
    "anchor zero": (set_anchor(0), r"model\.model\.24 \(models\.yolo\.Detect\) has anchors that are no sizes"),
    "anchor negative": (set_anchor(-3), r"model\.model\.24 \(models\.yolo\.Detect\) has anchors that are no sizes"),
}


@pytest.mark.parametrize("case", NO_NUMBERS)
@torch.no_grad()
def test_values_that_cannot_be_computed_with_are_refused_by_the_name_of_the_layer(tmp_path: Path, case: str) -> None:
    spoil, words = NO_NUMBERS[case]
    model = tiny_model()
    spoil(model)
    save_classic({"model": model}, tmp_path / "weights", tiny_names())
    with pytest.raises(WeightsError, match=words):
        load_checkpoint(tmp_path / "weights")
