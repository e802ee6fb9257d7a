"""The training loss of YOLOv5: which anchors answer for which boxes, and how wrong they are."""

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import distance_box_iou_loss

from scripts.training.network import ANCHORS, STRIDES

_MAX_RATIO = 4.0  # between an anchor's and a box's sides
_BOX, _OBJECT, _CLASS = 0.05, 1.0, 0.5
_LEVEL_BALANCE = (4.0, 1.0, 0.4)


def loss(outputs: list[Tensor], targets: Tensor) -> Tensor:
    """The loss of a batch.

    `outputs` as Detect gives; `targets` (n, 6): image, class, x, y centre, width, height in pixels.
    """
    total = outputs[0].new_zeros(())
    for level, raw in enumerate(outputs):
        objectness = torch.zeros_like(raw[..., 4])
        images, anchors, rows, columns, matched = _match(targets, level, raw.shape[2:4])
        if len(matched):
            chosen = raw[images, anchors, rows, columns]
            cells = torch.stack((columns, rows), 1)
            xy = chosen[:, :2].sigmoid() * 2 - 0.5 + cells
            sizes = torch.tensor(ANCHORS[level], dtype=raw.dtype)[anchors] / STRIDES[level]
            wh = (chosen[:, 2:4].sigmoid() * 2) ** 2 * sizes
            wanted = matched[:, 2:] / STRIDES[level]
            box_loss = distance_box_iou_loss(_corners(torch.cat((xy, wh), 1)), _corners(wanted))
            total = total + _BOX * box_loss.mean()
            labels = functional.one_hot(matched[:, 1].long(), chosen.shape[1] - 5).to(raw.dtype)
            total = total + _CLASS * functional.binary_cross_entropy_with_logits(chosen[:, 5:], labels)
            objectness[images, anchors, rows, columns] = (1 - box_loss.detach()).clamp(0)
        error = functional.binary_cross_entropy_with_logits(raw[..., 4], objectness)
        total = total + _OBJECT * _LEVEL_BALANCE[level] * error
    return total * outputs[0].shape[0]


def _match(targets: Tensor, level: int, grid: torch.Size) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Image, anchor, row and column of each cell that answers for a box, and the box's target row.

    A box is answered for by the anchors of similar size, in its own cell and in the two nearest neighbours.
    """
    height, width = grid
    anchors = torch.tensor(ANCHORS[level], dtype=targets.dtype)
    ratio = targets[None, :, 4:6] / anchors[:, None]
    anchor, box = torch.nonzero(torch.max(ratio, 1 / ratio).amax(2) < _MAX_RATIO, as_tuple=True)
    centre = targets[box, 2:4] / STRIDES[level]
    part = centre % 1
    aside = torch.where(part < 0.5, -1.0, 1.0)
    steps = torch.zeros(3, len(box), 2)
    steps[1, :, 0], steps[2, :, 1] = aside[:, 0], aside[:, 1]
    cells = (centre.floor()[None] + steps).long().reshape(-1, 2)
    inside = (cells[:, 0] >= 0) & (cells[:, 0] < width) & (cells[:, 1] >= 0) & (cells[:, 1] < height)
    anchor, box, cells = anchor.repeat(3)[inside], box.repeat(3)[inside], cells[inside]
    return targets[box, 0].long(), anchor, cells[:, 1], cells[:, 0], targets[box]


def _corners(xywh: Tensor) -> Tensor:
    half = xywh[:, 2:] / 2
    return torch.cat((xywh[:, :2] - half, xywh[:, :2] + half), 1)
