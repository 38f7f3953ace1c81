"""A residual U-Net without biases, guided by the noise level: the block of the learned methods.

Three properties hold for every input, trained or not. Convolutions and ReLU alone make it
homogeneous, f(a x, a sigma) = a f(x, sigma), as in Mohan et al., ICLR 2020. Kernels that meet the
image first sum to zero over each plane, so that f(x + b, sigma) = f(x, sigma) + b: it knows neither
the unit of an image nor where its zero is. And no pixel is moved by more than LIMIT sigma. Shape of
the U: Ronneberger et al., MICCAI 2015; the noise level as one more plane of a pixel-unshuffled
image: Zhang, Zuo and Zhang, IEEE TIP 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from core.image import Array
from core.learn import weights
from core.learn.card import Card

Check = Callable[[], None]
LIMIT = 5.0  # standard deviations that noise exceeds in one pixel of two million


@dataclass(frozen=True)
class Shape:
    """What a network is made of."""

    channels: int = 1  # planes of the image
    width: int = 32  # features of the first level; each further one has twice as many
    blocks: int = 1  # residual blocks of a level, on the way down and on the way up
    unshuffle: int = 2  # pixels along each edge that become one coarse pixel
    levels: int = 3
    guides: int = 1  # coarse planes that say how much noise there is
    extras: int = 0  # planes that it finds besides the noise: what they mean is its owner's

    @property
    def align(self) -> int:
        """A tile's edges and origin are multiples of this many pixels."""
        return self.unshuffle << (self.levels - 1)

    @property
    def reach(self) -> int:
        """Halo of a tile, whose edges are multiples of `align`, so that nothing of it shows."""
        first = -1  # of the coarse pixels that the first one of a tile depends on
        for _ in range(self.levels - 1):
            first = (first - 2 * self.blocks) // 2
        first -= 2 * self.blocks
        for _ in range(self.levels - 1):
            first = 2 * first - 2 * self.blocks
        return -(-(1 - first) * self.unshuffle // self.align) * self.align


class Block(nn.Module):
    """Two 3x3 convolutions whose result is added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.last = nn.Conv2d(width, width, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, W, h, w) to the same."""
        return x + self.last(F.relu(self.first(x)))


class UNet(nn.Module):
    """The network. `forward(x, sigma)`: (N, C, H, W) and (N, G, 1, 1) or coarse (N, G, h, w)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.cells = shape.channels * shape.unshuffle**2
        wide = [shape.width << level for level in range(shape.levels)]
        self.head = nn.Conv2d(self.cells + shape.guides, wide[0], 3, padding=1, bias=False)
        self.down = nn.ModuleList([_blocks(w, shape.blocks) for w in wide[:-1]])
        self.shrink = nn.ModuleList(
            [nn.Conv2d(w, 2 * w, 2, stride=2, bias=False) for w in wide[:-1]]
        )
        self.middle = _blocks(wide[-1], shape.blocks)
        self.grow = nn.ModuleList([nn.Conv2d(2 * w, 4 * w, 1, bias=False) for w in wide[:-1]])
        self.up = nn.ModuleList([_blocks(w, shape.blocks) for w in wide[:-1]])
        out = self.cells + shape.extras * shape.unshuffle**2
        self.tail = nn.Conv2d(wide[0], out, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """The image without its noise, float32. H and W are multiples of `shape.align`."""
        return x - self.noise(x, sigma)

    def denoise(self, x: torch.Tensor, sigma: float, check: Check) -> torch.Tensor:
        """`forward` for planes of any size, with one sigma for all; `check` may raise."""
        height, width = x.shape[-2:]
        rest = [-size % self.shape.align for size in (width, height)]
        wide = F.pad(x, (0, rest[0], 0, rest[1]), "replicate") if any(rest) else x
        guide = torch.full((1, 1, 1, 1), sigma, device=x.device)
        noise = self.noise(wide, guide, check)[..., :height, :width]
        return x - noise.clamp(-LIMIT * sigma, LIMIT * sigma)

    def noise(
        self, x: torch.Tensor, sigma: torch.Tensor, check: Check = lambda: None
    ) -> torch.Tensor:
        """The noise that the network sees, float32."""
        return self.parts(x, sigma, check)[:, : self.shape.channels]

    def parts(
        self, x: torch.Tensor, sigma: torch.Tensor, check: Check = lambda: None
    ) -> torch.Tensor:
        """The noise and, behind it, the extras, (N, C + extras, H, W) float32."""
        cells = F.pixel_unshuffle(x, self.shape.unshuffle)
        guide = sigma.to(x).expand(len(x), self.shape.guides, *cells.shape[-2:])
        with torch.autocast(x.device.type, enabled=False):  # in bf16 a large offset would drown x
            kernels = balanced(self.head.weight.float(), self.shape.channels, self.shape.guides)
            given = F.pad(torch.cat((cells, guide), 1), (1, 1, 1, 1), "replicate")
            found = F.conv2d(given.contiguous(memory_format=torch.channels_last), kernels)
        kept: list[torch.Tensor] = []
        for blocks, shrink in zip(self.down, self.shrink, strict=True):
            check()
            found = blocks(found)
            kept.append(found)
            found = shrink(found)
        found = self.middle(found)
        for level in reversed(range(len(kept))):
            check()
            found = kept[level] + F.pixel_shuffle(self.grow[level](found), 2)
            found = self.up[level](found)
        check()
        return F.pixel_shuffle(self.tail(found), self.shape.unshuffle).float()


def balanced(kernels: torch.Tensor, channels: int, guides: int = 1) -> torch.Tensor:
    """Kernels of the head, (W, C u u + G, 3, 3), of which each plane of the image sees zero sum."""
    image, guide = kernels[:, :-guides], kernels[:, -guides:]
    planes = image.reshape(len(image), channels, -1)
    flat = planes - planes.mean(2, keepdim=True)
    return torch.cat((flat.view_as(image), guide), 1)


def fresh(shape: Shape, seed: int) -> UNet:
    """A network to be trained: He's initialisation, residual branches small at first."""
    net, generator = UNet(shape), torch.Generator().manual_seed(seed)
    for name, kernels in net.named_parameters():
        gain = 0.05 if name.startswith("tail") else 0.3 if name.endswith("last.weight") else 0.7
        with torch.no_grad():
            nn.init.kaiming_normal_(kernels, nonlinearity="relu", generator=generator)
            kernels.mul_(gain)
    return _placed(net, "cpu")


def grown(shape: Shape, kernels: Mapping[str, Array], seed: int, share: float = 1.0) -> UNet:
    """A larger network that begins as a smaller one's equal: Chen et al., Net2Net, ICLR 2016.

    `kernels`: of a network with no more features and blocks, guided by one plane; of several guides
    each begins with `share` of what that had. What is new reads all but is read by nothing old:
    its outgoing kernels are zero at first.
    """
    net = fresh(shape, seed)
    for name, wide in net.named_parameters():
        with torch.no_grad():
            if name in kernels:
                known = torch.as_tensor(kernels[name].astype(np.float32))
                if name == "head.weight":
                    guide = known[:, -1:] * share
                    known = torch.cat((known[:, :-1], guide.expand(-1, shape.guides, -1, -1)), 1)
                out, into = known.shape[:2]
                wide[:out] = 0
                wide[:out, :into] = known
            elif name.endswith("last.weight"):
                wide.zero_()
    return net


@lru_cache(maxsize=8)
def trained(shape: Shape, file: Path, sha256: str, device: str) -> UNet:
    """A network with the weights of a file, to be used from any thread. Raises ValueError."""
    net, found = UNet(shape), weights.load(file, sha256)
    kernels = {name: torch.as_tensor(each.astype(np.float32)) for name, each in found.items()}
    net.load_state_dict(kernels)
    net.requires_grad_(False).eval()
    return _placed(net, device)


def shipped(card: Card, name: str, device: str) -> UNet:
    """The network of a method's card. Raises ValueError."""
    file, sha256 = card.weights(name)
    return trained(Shape(**card.networks[name].shape), file, sha256, device)


def _placed(net: Any, device: str) -> UNet:
    return net.to(device=device, memory_format=torch.channels_last)


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width) for _ in range(count)))
