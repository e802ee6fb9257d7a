"""Train the demo network, save its checkpoint and draw the sample scenes that go with it."""

import json
import time
from pathlib import Path

import click
import cv2
import numpy as np
import torch
from torch import Tensor

from entrypoint.sources.samples import DEMO_IMGSZ, DEMO_SCENES, DEMO_WEIGHTS
from scripts.training.loss import loss
from scripts.training.network import Model, save_classic
from scripts.training.scenes import NAMES, Scene, draw_scene

SAMPLE_SIZES = ((320, 320), (320, 240), (240, 320), (320, 180), (480, 360), (200, 320))
SAMPLES_SEED = 2024
_BATCH, _PEAK_RATE = 16, 0.01


@click.command()
@click.option("--steps", default=900, show_default=True, help="Batches of 16 scenes to train on.")
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=DEMO_WEIGHTS, show_default=True)
def main(steps: int, seed: int, out: Path) -> None:
    """Train on scenes drawn on the way; a few minutes on two cores."""
    torch.manual_seed(seed)
    random, model = np.random.default_rng(seed), Model(NAMES)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_PEAK_RATE, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _PEAK_RATE, total_steps=steps, pct_start=0.1)
    started = time.monotonic()
    for step in range(1, steps + 1):
        scenes = [draw_scene(random, DEMO_IMGSZ, DEMO_IMGSZ) for _ in range(_BATCH)]
        images, targets = as_tensors(scenes)
        value = loss(model(images), targets)
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            click.echo(f"step {step} of {steps}, loss {value.item():.3f}, {time.monotonic() - started:.0f} s")
    save_classic(model, out)
    click.echo(f"{out}: {out.stat().st_size} bytes")
    draw_samples()


def as_tensors(scenes: list[Scene]) -> tuple[Tensor, Tensor]:
    """Images (B, 3, H, W) RGB in [0, 1], and targets (n, 6): image, class, x, y centre, width, height in pixels."""
    images = torch.from_numpy(np.stack([scene.image[..., ::-1] for scene in scenes])).permute(0, 3, 1, 2).float() / 255
    rows = []
    for number, scene in enumerate(scenes):
        centre, size = (scene.boxes[:, :2] + scene.boxes[:, 2:]) / 2, scene.boxes[:, 2:] - scene.boxes[:, :2]
        index = np.full((len(centre), 1), number, np.float32)
        rows.append(np.concatenate((index, scene.classes[:, None].astype(np.float32), centre, size), 1))
    return images, torch.from_numpy(np.concatenate(rows)).float()


def draw_samples() -> None:
    """The scenes that `--demo` looks at, and truth.json beside the folder."""
    random, truth = np.random.default_rng(SAMPLES_SEED), {}
    DEMO_SCENES.mkdir(exist_ok=True)
    for number, (width, height) in enumerate(SAMPLE_SIZES, 1):
        scene = draw_scene(random, width, height)
        name = f"scene-{number}.png"
        cv2.imwrite(str(DEMO_SCENES / name), scene.image)
        truth[name] = [
            {"name": NAMES[class_id], "box": [round(float(side), 1) for side in box]}
            for box, class_id in zip(scene.boxes, scene.classes, strict=True)
        ]
    (DEMO_SCENES.parent / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    main()
