"""Internal tuning: a trained network learns from the very image that it is to denoise.

Its own result counts as clean, gets fresh noise, and the network learns to take that away; what
repeats in the image is then known better. The tuned network is kept only where Stein's unbiased
risk estimate of pieces that it did not learn from falls, by more than the estimate's own standard
error (S. Ramani, T. Blu and M. Unser, IEEE TIP 17(9), 2008). Idea: G. Vaksman, M. Elad and P.
Milanfar, "LIDIA: lightweight learned image denoising with instance adaptation", CVPRW 2020.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from core.learn.train import half
from core.ops.unet import UNet
from core.probe import SHAKE

RATE, BATCH, EDGE = 2e-4, 8, 64
HELD = 4  # every so many pieces are for the estimate alone


@dataclass(frozen=True)
class Verdict:
    """What came of it: the change of the mean squared error over the noise's variance."""

    change: float
    error: float  # standard error of it

    @property
    def better(self) -> bool:
        """Is the tuned network to be kept?"""
        return self.change < -self.error


Tuned = tuple[UNet, Verdict]


def tuned(
    net: UNet,
    pieces: Sequence[torch.Tensor],
    sigma: float,
    steps: int,
    check: Callable[[], None],
    seed: int = 0,
) -> Generator[float, None, Tuned]:
    """The network to use from now on and why; yields progress. Equal input gives equal weights.

    `pieces`: parts of the noisy image, (C, h, w) of at least EDGE pixels a side, noise of 1;
    `sigma`: what the network is told.
    """
    held = list(pieces[::HELD])
    seen = [piece for at, piece in enumerate(pieces) if at % HELD] or held
    with torch.no_grad():
        clean = [net.denoise(piece[None], sigma, check)[0] for piece in seen]
    student = copy.deepcopy(net).requires_grad_(True)
    optimiser: Any = torch.optim.Adam(student.parameters(), RATE, betas=(0.9, 0.99))
    random = torch.Generator().manual_seed(seed)
    device = pieces[0].device
    kind = half(device.type)
    for step in range(steps):
        check()
        yield 0.9 * step / steps
        batch = torch.stack([_crop(clean, random) for _ in range(BATCH)])
        noise = torch.randn(batch.shape, generator=random).to(device)
        guide = torch.full((1, 1, 1, 1), sigma, device=device)
        with torch.autocast(device.type, kind, kind is not None):
            found = student(batch + sigma * noise, guide)
        loss = (found - batch).square().mean()
        for group in optimiser.param_groups:
            group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    student.requires_grad_(False)
    verdict = _judged(net, student, held, sigma, check)
    yield 1.0
    return (student if verdict.better else net), verdict


def _crop(clean: Sequence[torch.Tensor], random: torch.Generator) -> torch.Tensor:
    """A piece of a piece, turned and mirrored."""

    def draw(count: int) -> int:
        return int(torch.randint(count, (), generator=random))

    piece = clean[draw(len(clean))]
    y, x = (draw(int(size) - EDGE + 1) for size in piece.shape[1:])
    found = torch.rot90(piece[:, y : y + EDGE, x : x + EDGE], draw(4), (1, 2))
    return found.flip(2) if draw(2) else found


def _judged(
    net: UNet, other: UNet, held: Sequence[torch.Tensor], sigma: float, check: Callable[[], None]
) -> Verdict:
    """Stein's risk of the other network less that of the first, with noise of 1."""
    random = torch.Generator().manual_seed(1)
    changes: list[float] = []
    with torch.no_grad():
        for piece in held:
            draw = torch.randn(piece.shape, generator=random).to(piece.device)
            risks: list[torch.Tensor] = []
            for each in (net, other):
                found, shaken = (
                    each.denoise(given[None], sigma, check)[0]
                    for given in (piece, piece + SHAKE * draw)
                )
                follows = draw * (shaken - found) / SHAKE
                risks.append((found - piece).square() + 2 * follows)
            rest = risks[1] - risks[0]
            cells = torch.nn.functional.avg_pool2d(rest[None], 16, 16, ceil_mode=True)
            changes += [float(cell) for cell in cells.flatten()]
    mean = sum(changes) / len(changes)
    spread = sum((one - mean) ** 2 for one in changes) / max(len(changes) - 1, 1)
    return Verdict(mean, math.sqrt(spread / len(changes)))
