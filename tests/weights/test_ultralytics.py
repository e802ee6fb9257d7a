"""Every detection model that the ultralytics package describes loads, and computes what the package computes."""

from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from entrypoint.engines.onnx import OnnxEngine
from entrypoint.errors import NotADetectorError, UnsafeWeightsError
from entrypoint.log import LOG
from entrypoint.models.network import Network
from entrypoint.models.ultralytics.network import Ultralytics
from entrypoint.sources.samples import DEMO_SCENES
from entrypoint.weights.checkpoint import load_checkpoint
from tests.classic import Attack
from tests.conftest import Ended
from tests.ultralytics import model_of, save, shaken, smallest, task_model_of

OTHER_TASKS = ("seg", "pose", "obb", "cls", "world", "rtdetr", "yoloe", "depth", "sem")
YAMLS = [
    *("yolov3", "yolov3-spp", "yolov3-tiny", "yolov5", "yolov5-p6", "yolov6"),
    *("yolov8", "yolov8-p2", "yolov8-p6", "yolov8-ghost", "yolov8-ghost-p2", "yolov8-ghost-p6"),
    *("yolov9t", "yolov9s", "yolov9m", "yolov9c", "yolov9e"),
    *("yolov10n", "yolov10s", "yolov10m", "yolov10b", "yolov10l", "yolov10x"),
    *("yolo11", "yolo12", "yolo26", "yolo26-p2", "yolo26-p6"),
]
SHAPES = ((64, 96), (128, 64))
SHAPES_OF_P6 = ((64, 128), (128, 64))


@torch.no_grad()
def expected(model: Any, x: Tensor, one_to_one: bool = False) -> list[Tensor]:
    """The best class, the distances and the classes that the package's own head gives, a level each."""
    head = model.model[-1]
    read: list[Tensor] = []
    handle = head.register_forward_pre_hook(lambda module, given: read.extend(one.clone() for one in given[0]))
    model(x)
    handle.remove()
    boxes, classes = (head.one2one_cv2, head.one2one_cv3) if one_to_one else (head.cv2, head.cv3)
    maps = []
    for feature, box, score in zip(read, boxes, classes, strict=True):
        logits = score(feature.clone())
        maps.append(torch.cat((logits.amax(1, keepdim=True), box(feature.clone()), logits), 1))
    return maps


def assert_equal(network: Network, model: Any, x: Tensor, one_to_one: bool = False) -> None:
    """To 1e-4 of what the values of an output vary by."""
    for ours, theirs in zip(OnnxEngine(network.graph, 1).run(x.numpy()), expected(model, x, one_to_one), strict=True):
        varies = float((theirs - theirs.mean((0, 2, 3), keepdim=True)).abs().max())
        assert varies > 1e-3
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-4 * varies)


def test_no_yaml_of_the_package_is_missing_here(oracle: Any) -> None:
    folder = Path(oracle.__file__).parents[2] / "cfg" / "models"
    shipped = {path.stem for path in folder.rglob("*.yaml") if not any(task in path.stem for task in OTHER_TASKS)}
    assert shipped == set(YAMLS)


@pytest.mark.parametrize("name", YAMLS)
def test_a_model_of_each_yaml_equals_the_package(oracle: Any, tmp_path: Path, name: str) -> None:
    model = model_of(smallest(f"{name}.yaml"))
    network = load_checkpoint(save(model, tmp_path / "weights"))
    assert len(network.names) == 80
    assert network.stride == max(32, int(model.stride.max()))
    shapes = SHAPES_OF_P6 if network.stride == 64 else SHAPES
    for seed, (height, width) in enumerate(shapes):
        assert_equal(network, model, torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed)))


def everything(network: Network, x: Tensor) -> NDArray[np.float32]:
    """All candidates of the images, image by image: confidence is above nothing. (images, cells, 6)."""
    image, rows = network.candidates(OnnxEngine(network.graph, 1).run(x.numpy()), -1)
    return np.stack([rows[image == number] for number in range(len(x))])


@pytest.mark.parametrize("name", ["yolov8n", "yolo26n", "yolov8n-p2", "yolov3-tiny"])
@torch.no_grad()
def test_what_the_maps_mean_is_what_the_package_makes_of_them(oracle: Any, tmp_path: Path, name: str) -> None:
    model, x = model_of(f"{name}.yaml"), torch.rand(2, 3, 64, 96)
    for maps in (model.model[-1].cv2, model.model[-1].cv3):  # confidences that are not all alike
        for level in maps:
            level[-1].bias.data *= 0.1
    model.half().float()
    theirs = model(x)[0].permute(0, 2, 1).numpy()  # x, y centre, width, height, and a confidence for each class
    ours = everything(load_checkpoint(save(model, tmp_path / "weights")), x)
    half = theirs[..., 2:4] / 2
    corners = np.concatenate((theirs[..., :2] - half, theirs[..., :2] + half), 2)
    assert np.ptp(theirs[..., 4:].max(2)) > 0.05
    np.testing.assert_allclose(ours[..., :4], corners, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(ours[..., 4], theirs[..., 4:].max(2), atol=1e-4)
    np.testing.assert_array_equal(ours[..., 5], theirs[..., 4:].argmax(2))


@pytest.mark.parametrize("name", ["yolov8n", "yolov9t", "yolov10n", "yolo26n"])
@torch.no_grad()
def test_a_fused_checkpoint_loads(oracle: Any, tmp_path: Path, name: str) -> None:
    whole, x = model_of(f"{name}.yaml"), torch.rand(1, 3, 64, 64)
    fused = model_of(f"{name}.yaml").fuse(verbose=False)
    network = load_checkpoint(save(fused, tmp_path / "weights"))
    one_to_one = fused.model[-1].cv2 is None
    assert network.family.nms is not one_to_one
    for ours, theirs in zip(OnnxEngine(network.graph, 1).run(x.numpy()), expected(whole, x, one_to_one), strict=True):
        varies = float((theirs - theirs.mean((0, 2, 3), keepdim=True)).abs().max())
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0.02, atol=0.02 * varies)  # folded, then rounded to FP16


class AAttn(nn.Module):
    """As the authors of YOLOv12 have it in their own code, computed by its definition, area by area, head by head."""

    def __init__(self, oracle: Any, channels: int, heads: int, area: int) -> None:
        super().__init__()
        self.area, self.num_heads, self.head_dim = area, heads, channels // heads
        self.qk = oracle.Conv(channels, 2 * channels, 1, act=False)
        self.v = oracle.Conv(channels, channels, 1, act=False)
        self.proj = oracle.Conv(channels, channels, 1, act=False)
        self.pe = oracle.Conv(channels, channels, 5, 1, 2, g=channels, act=False)

    def forward(self, x: Tensor) -> Tensor:
        both, values = self.qk(x).flatten(2), self.v(x)
        channels = values.shape[1]
        flat, found = values.flatten(2), torch.empty_like(values.flatten(2))
        pixels = flat.shape[2] // self.area
        for strip in range(self.area):
            here = slice(strip * pixels, (strip + 1) * pixels)
            for head in range(self.num_heads):
                its = slice(head * self.head_dim, (head + 1) * self.head_dim)
                query, key = both[:, :channels][:, its, here], both[:, channels:][:, its, here]
                shares = (query.transpose(1, 2) @ key / self.head_dim**0.5).softmax(-1)
                found[:, its, here] = flat[:, its, here] @ shares.transpose(1, 2)
        made: Tensor = self.proj(found.view_as(values) + self.pe(values))
        return made


AAttn.__module__ = "ultralytics.nn.modules.block"


def test_the_authors_own_attention_of_12_is_read(oracle: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("yolo12n.yaml")
    for part in model.modules():
        if type(part).__name__ == "ABlock":
            old = part.attn
            part.attn = AAttn(oracle, old.num_heads * old.head_dim, old.num_heads, old.area)
    shaken(model)
    with monkeypatch.context() as patch:
        patch.setattr("ultralytics.nn.modules.block.AAttn", AAttn)
        save(model, tmp_path / "weights", version="8.3.63")
    assert_equal(load_checkpoint(tmp_path / "weights"), model, torch.rand(2, 3, 64, 96))


def test_names_of_8_0_0_stand_in_one_file(oracle: Any, tmp_path: Path) -> None:
    model = model_of("yolov8n.yaml")
    path = save(model, tmp_path / "weights", _pickle_as=None)
    data = path.read_bytes()
    for file in ("conv", "block", "head"):
        assert f"ultralytics.nn.modules.{file}\n".encode() in data
    flat = flat_names(path, tmp_path / "flat")
    assert_equal(load_checkpoint(flat), model, torch.rand(1, 3, 64, 64))


def flat_names(path: Path, target: Path) -> Path:
    """The same checkpoint with the modules of 8.0.0: the archive written again, with another pickle."""
    import zipfile

    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            data = old.read(member)
            if member.endswith("data.pkl"):
                for file in (b"conv", b"block", b"head"):
                    data = data.replace(b"cultralytics.nn.modules." + file + b"\n", b"cultralytics.nn.modules\n")
            new.writestr(member, data)
    return target


def test_old_checkpoints_without_newer_attributes_load(oracle: Any, tmp_path: Path) -> None:
    model, x = model_of("yolov8n.yaml"), torch.rand(1, 3, 64, 64)
    network = load_checkpoint(save(model, tmp_path / "new"))
    for part in model.modules():
        for newer in ("n", "add") if type(part).__name__ == "SPPF" else ():
            delattr(part, newer)
    old = load_checkpoint(save(model, tmp_path / "old"))
    for mine, theirs in zip(*(OnnxEngine(one.graph, 1).run(x.numpy()) for one in (network, old)), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("train_args", "imgsz"),
    [({}, (160, 160)), ({"imgsz": 320}, (320, 320)), ({"imgsz": [384, 640]}, (384, 640)), ({"imgsz": "x"}, (640, 640))],
)
def test_the_size_is_the_one_of_the_training(
    oracle: Any, tmp_path: Path, train_args: dict[str, Any], imgsz: tuple[int, int]
) -> None:
    network = load_checkpoint(save(model_of("yolov8n.yaml"), tmp_path / "weights", train_args))
    assert isinstance(network, Ultralytics)
    assert (network.family.imgsz, network.family.iou_thres, network.family.max_det) == (imgsz, 0.7, 300)


@pytest.mark.parametrize(
    ("name", "also"),
    [("yolov8n-seg", "masks"), ("yolo11n-pose", "keypoints"), ("yolo26n-seg", "masks"), ("yolo26n-pose", "keypoints")],
)
def test_of_a_model_that_finds_more_the_boxes_are_used(
    oracle: Any, tmp_path: Path, name: str, also: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = task_model_of(f"{name}.yaml")
    with caplog.at_level("INFO", logger=LOG.name):
        network = load_checkpoint(save(model, tmp_path / "weights", {"task": "segment"}))
    assert f"also finds {also}" in caplog.text
    assert_equal(network, model, torch.rand(1, 3, 64, 96))


@pytest.mark.parametrize(
    "name", ["yolov8n-obb", "yolo26n-obb", "yolov8n-cls", "yolov8n-rtdetr", "yolov8s-world", "yoloe-11s", "yolo26n-sem"]
)
def test_models_of_other_tasks_are_refused_by_name(oracle: Any, tmp_path: Path, name: str) -> None:
    path = save(task_model_of(f"{name}.yaml"), tmp_path / "weights")
    with pytest.raises(NotADetectorError, match="expected weights that were trained for detection"):
        load_checkpoint(path)


def test_what_data_parallel_training_wraps_around_a_model_is_taken_off(oracle: Any, tmp_path: Path) -> None:
    model = model_of("yolov8n.yaml")
    assert_equal(load_checkpoint(save(nn.DataParallel(model), tmp_path / "weights")), model, torch.rand(1, 3, 64, 64))


def test_a_loss_that_a_model_carries_is_left_alone(oracle: Any, tmp_path: Path) -> None:
    from ultralytics.cfg import get_cfg

    model: Any = model_of("yolov8n.yaml")
    model.args = get_cfg()
    model.criterion = model.init_criterion()
    assert_equal(load_checkpoint(save(model, tmp_path / "weights")), model, torch.rand(1, 3, 64, 64))


def test_a_path_of_windows_and_an_optimizer_do_no_harm(oracle: Any, tmp_path: Path) -> None:
    model = model_of("yolov8n.yaml")
    optimizer = torch.optim.AdamW(model.parameters())
    notes = {"model": "C:\\yolo.yaml", "project": PureWindowsPath("C:/runs")}
    path = save(model, tmp_path / "weights", notes, optimizer=optimizer.state_dict())
    assert_equal(load_checkpoint(path), model, torch.rand(1, 3, 64, 64))


def test_names_that_are_missing_are_made(oracle: Any, tmp_path: Path) -> None:
    model = model_of("yolov8n.yaml", nc=2)
    del model.names
    assert load_checkpoint(save(model, tmp_path / "weights")).names == ("class0", "class1")


@torch.no_grad()
def test_augmented_inference_is_the_package_s(oracle: Any, tmp_path: Path) -> None:
    model, x = model_of("yolov8n.yaml", nc=3), torch.rand(2, 3, 96, 128)
    for level in model.model[-1].cv3:
        level[-1].bias.data *= 0.1
    model.half().float()
    network = load_checkpoint(save(model, tmp_path / "weights"))
    engine = OnnxEngine(network.graph, 1)
    image, rows = network.augmented(x.numpy(), engine.run, -1)
    theirs = model(x, augment=True)[0].permute(0, 2, 1).numpy()
    for number in range(len(x)):
        ours, its = rows[image == number], theirs[number]
        half = its[:, 2:4] / 2
        np.testing.assert_allclose(ours[:, :4], np.hstack((its[:, :2] - half, its[:, :2] + half)), rtol=1e-3, atol=0.02)
        np.testing.assert_allclose(ours[:, 4], its[:, 4:].max(1), atol=1e-3)


def test_a_constructor_that_evaluates_text_is_not_called(
    oracle: Any, tmp_path: Path, yolo_bac: Callable[..., Ended]
) -> None:
    canary = tmp_path / "canary"
    plan = smallest("yolov8.yaml") | {"activation": f"open({str(canary)!r}, 'w')"}
    path = tmp_path / "weights"
    torch.save({"model": Attack(type(model_of("yolov8n.yaml")), plan)}, path)
    ended = yolo_bac("--weights", path, "--source", DEMO_SCENES, "--project", tmp_path / "out")
    assert (ended.code, ended.stdout) == (3, "")
    assert "DetectionModel is called with arguments" in ended.stderr
    assert not canary.exists()


def test_a_layer_that_would_download_is_not_made(oracle: Any, tmp_path: Path, yolo_bac: Callable[..., Ended]) -> None:
    path = tmp_path / "weights"
    torch.save({"model": Attack(oracle.TorchVision, "resnet18", "DEFAULT")}, path)
    ended = yolo_bac("--weights", path, "--source", DEMO_SCENES, "--project", tmp_path / "out")
    assert (ended.code, ended.stdout) == (3, "")
    assert "TorchVision" in ended.stderr


def test_only_the_method_of_a_fused_layer_is_taken_by_name(oracle: Any, tmp_path: Path) -> None:
    for name in ("__class__", "forward", "load_state_dict"):
        torch.save({"model": Attack(getattr, oracle.Conv(3, 8), name)}, tmp_path / "weights")
        with pytest.raises(UnsafeWeightsError, match=r"builtins\.getattr is called with arguments it does not take"):
            load_checkpoint(tmp_path / "weights")
