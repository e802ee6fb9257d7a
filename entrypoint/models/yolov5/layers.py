"""The layers of YOLOv5 v3.0 to v7.0, forward only, assembled from parts that are already made.

Written from the published architecture (the YOLOv5 model files and its papers: CSPNet, GhostNet, SPP). A
convolution comes with its batch norm folded in, so a layer holds only what inference needs. Tensors are NCHW float.
"""

import torch
from torch import Tensor, nn


class Conv(nn.Module):
    """Convolution (batch norm folded in) and activation; also DWConv, whose groups its convolution carries."""

    def __init__(self, conv: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.conv, self.act = conv, act

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.conv(x))
        return y


class Bottleneck(nn.Module):
    """Two convolutions with a shortcut around them where `add`; also CrossConv, whose kernels are 1×k and k×1."""

    def __init__(self, cv1: nn.Module, cv2: nn.Module, add: bool) -> None:
        super().__init__()
        self.cv1, self.cv2, self.add = cv1, cv2, add

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.cv2(self.cv1(x))
        return x + y if self.add else y


class BottleneckCSP(nn.Module):
    """Cross-stage partial block with one norm and activation over both branches (YOLOv5 v3)."""

    def __init__(
        self,
        cv1: nn.Module,
        cv2: nn.Module,
        cv3: nn.Module,
        cv4: nn.Module,
        m: nn.Module,
        norm: nn.Module,
        act: nn.Module,
    ) -> None:
        super().__init__()
        self.cv1, self.cv2, self.cv3, self.cv4, self.m, self.norm, self.act = cv1, cv2, cv3, cv4, m, norm, act

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat((self.cv3(self.m(self.cv1(x))), self.cv2(x)), 1)
        y: Tensor = self.cv4(self.act(self.norm(both)))
        return y


class C3(nn.Module):
    """Cross-stage partial block with three convolutions; C3x, C3TR, C3SPP and C3Ghost differ only in `m`."""

    def __init__(self, cv1: nn.Module, cv2: nn.Module, cv3: nn.Module, m: nn.Module) -> None:
        super().__init__()
        self.cv1, self.cv2, self.cv3, self.m = cv1, cv2, cv3, m

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))
        return y


class SPP(nn.Module):
    """Spatial pyramid pooling: the input beside its max-poolings of several sizes."""

    def __init__(self, cv1: nn.Module, cv2: nn.Module, pools: nn.ModuleList) -> None:
        super().__init__()
        self.cv1, self.cv2, self.pools = cv1, cv2, pools

    def forward(self, x: Tensor) -> Tensor:
        x = self.cv1(x)
        y: Tensor = self.cv2(torch.cat([x, *(pool(x) for pool in self.pools)], 1))
        return y


class SPPF(nn.Module):
    """SPP with one small pooling applied one, two and three times, which equals three growing ones."""

    def __init__(self, cv1: nn.Module, cv2: nn.Module, pool: nn.Module) -> None:
        super().__init__()
        self.cv1, self.cv2, self.pool = cv1, cv2, pool

    def forward(self, x: Tensor) -> Tensor:
        steps = [self.cv1(x)]
        for _ in range(3):
            steps.append(self.pool(steps[-1]))
        y: Tensor = self.cv2(torch.cat(steps, 1))
        return y


class Focus(nn.Module):
    """Each 2×2 block of pixels into four channel groups (top left, bottom left, top right, bottom right), convolved."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        top, bottom = x[..., ::2, :], x[..., 1::2, :]
        corners = (top[..., ::2], bottom[..., ::2], top[..., 1::2], bottom[..., 1::2])
        y: Tensor = self.conv(torch.cat(corners, 1))
        return y


class GhostConv(nn.Module):
    """Half of the channels by convolution, the other half by a cheap depthwise one from them (GhostNet)."""

    def __init__(self, cv1: nn.Module, cv2: nn.Module) -> None:
        super().__init__()
        self.cv1, self.cv2 = cv1, cv2

    def forward(self, x: Tensor) -> Tensor:
        primary = self.cv1(x)
        return torch.cat((primary, self.cv2(primary)), 1)


class GhostBottleneck(nn.Module):
    """Ghost convolutions beside a shortcut that is itself a small network when the stride is 2 (GhostNet)."""

    def __init__(self, conv: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.conv, self.shortcut = conv, shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x) + self.shortcut(x)
        return y


class TransformerLayer(nn.Module):
    """Self-attention and a linear perceptron, each with a shortcut and no layer norm. Tokens are (L, B, C)."""

    def __init__(
        self, q: nn.Module, k: nn.Module, v: nn.Module, attention: nn.Module, fc1: nn.Module, fc2: nn.Module
    ) -> None:
        super().__init__()
        self.q, self.k, self.v, self.attention, self.fc1, self.fc2 = q, k, v, attention, fc1, fc2

    def forward(self, x: Tensor) -> Tensor:
        attended: Tensor = self.attention(self.q(x), self.k(x), self.v(x), need_weights=False)[0]
        x = x + attended
        y: Tensor = self.fc2(self.fc1(x)) + x
        return y


class TransformerBlock(nn.Module):
    """Pixels as tokens through transformer layers, with a learnt position term that is linear in the token."""

    def __init__(self, conv: nn.Module, linear: nn.Module, layers: nn.Module) -> None:
        super().__init__()
        self.conv, self.linear, self.layers = conv, linear, layers

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        batch, channels, height, width = x.shape
        tokens = x.flatten(2).permute(2, 0, 1)  # (H·W, B, C)
        attended: Tensor = self.layers(tokens + self.linear(tokens))
        return attended.permute(1, 2, 0).reshape(batch, channels, height, width)


class Contract(nn.Module):
    """Blocks of gain×gain pixels into channels: (B, C, H, W) to (B, C·g², H/g, W/g)."""

    def __init__(self, gain: int) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, x: Tensor) -> Tensor:
        (b, c, h, w), g = x.shape, self.gain
        blocks = x.reshape(b, c, h // g, g, w // g, g).permute(0, 3, 5, 1, 2, 4)
        return blocks.reshape(b, c * g * g, h // g, w // g)


class Expand(nn.Module):
    """Channels into blocks of gain×gain pixels, undoing Contract: (B, C, H, W) to (B, C/g², H·g, W·g)."""

    def __init__(self, gain: int) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, x: Tensor) -> Tensor:
        (b, c, h, w), g = x.shape, self.gain
        blocks = x.reshape(b, g, g, c // (g * g), h, w).permute(0, 3, 4, 1, 5, 2)
        return blocks.reshape(b, c // (g * g), h * g, w * g)


class Concat(nn.Module):
    """Several inputs side by side along dimension `dim`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: list[Tensor]) -> Tensor:
        return torch.cat(x, self.dim)
