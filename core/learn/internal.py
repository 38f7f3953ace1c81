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
from dataclasses import replace
from typing import Any

import torch

from core.learn.lesson import Learned, Lesson, Verdict
from core.learn.pieces import neighbours
from core.learn.train import half
from core.ops.unet import UNet
from core.probe import SHAKE

RATE, BATCH, EDGE = 2e-4, 8, 64
EVERY = 50  # steps from one look at the risk to the next, while the user watches

Tuned = tuple[UNet, Learned]
Pieces = Sequence[torch.Tensor]


def tuned(
    net: UNet,
    pieces: tuple[Pieces, Pieces],
    sigma: float,
    lesson: Lesson,
    check: Callable[[], None],
    enough: Callable[[], bool] | None = None,
) -> Generator[float, None, Tuned]:
    """The network to use from now on and why; yields progress. Equal input gives equal weights.

    `pieces`: parts of the noisy image to learn from and others to judge by, (C, h, w) of at least
    EDGE pixels a side, noise of 1; `sigma`: what the network is told. Without `enough` exactly
    the steps of the lesson are taken. With it all that are planned, until it says so, and the best
    network met is taken: `Learned.lesson` has the steps that lead to it.
    """
    seen, held = pieces
    with torch.no_grad():
        clean = [net.denoise(piece[None], sigma, check)[0] for piece in seen]
    exam = _Exam(net, held, sigma, check)
    beside = neighbours([*seen, *held], check)
    student = copy.deepcopy(net).requires_grad_(True)
    work = _steps(student, clean, sigma, lesson)
    last = lesson.steps if enough is None else lesson.planned
    best: Tuned | None = None
    for step in range(1, last + 1):
        check()
        yield 0.95 * (step - 1) / last
        next(work)
        done = step == last or (enough is not None and enough())
        if not done and (enough is None or step % EVERY):
            continue
        made = copy.deepcopy(student).requires_grad_(False)
        found = Learned(replace(lesson, steps=step), exam.verdict(made), beside)
        if best is None or found.verdict.change < best[1].verdict.change:
            best = made, found
        if done:
            break
    assert best is not None
    yield 1.0
    return best if best[1].verdict.better else (net, best[1])


def _steps(student: UNet, clean: Pieces, sigma: float, lesson: Lesson) -> Generator[None]:
    """Let the student learn, step by step, to take fresh noise from what counts as clean."""
    optimiser: Any = torch.optim.Adam(student.parameters(), RATE, betas=(0.9, 0.99))
    random = torch.Generator().manual_seed(lesson.seed)
    device = clean[0].device
    kind = half(device.type)
    guide = torch.full((1, 1, 1, 1), sigma, device=device)
    for step in range(lesson.planned):
        batch = torch.stack([_crop(clean, random) for _ in range(BATCH)])
        noise = torch.randn(batch.shape, generator=random).to(device)
        with torch.backends.cudnn.flags(deterministic=True, benchmark=False):
            with torch.autocast(device.type, kind, kind is not None):
                found = student(batch + sigma * noise, guide)
            loss = (found - batch).square().mean()
            optimiser.zero_grad()
            loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / lesson.planned))
        optimiser.step()
        yield


def _crop(clean: Sequence[torch.Tensor], random: torch.Generator) -> torch.Tensor:
    """A piece of a piece, turned and mirrored."""

    def draw(count: int) -> int:
        return int(torch.randint(count, (), generator=random))

    piece = clean[draw(len(clean))]
    y, x = (draw(int(size) - EDGE + 1) for size in piece.shape[1:])
    found = torch.rot90(piece[:, y : y + EDGE, x : x + EDGE], draw(4), (1, 2))
    return found.flip(2) if draw(2) else found


class _Exam:
    """Stein's risk of a student less that of the first network, on pieces that neither knows."""

    def __init__(self, first: UNet, held: Pieces, sigma: float, check: Callable[[], None]) -> None:
        self._held, self._sigma, self._check = held, sigma, check
        self._first = self._risks(first)

    def verdict(self, student: UNet) -> Verdict:
        """How the student does."""
        changes = _cells([b - a for a, b in zip(self._first, self._risks(student), strict=True)])
        spread = float(changes.std()) if len(changes) > 1 else 0.0
        before = float(_cells(self._first).mean()) - 1.0  # less the noise's own variance
        return Verdict(float(changes.mean()), spread / math.sqrt(len(changes)), before)

    def _risks(self, net: UNet) -> list[torch.Tensor]:
        """The estimate at each pixel, noise of 1 in it."""
        random = torch.Generator().manual_seed(1)
        found: list[torch.Tensor] = []
        with torch.no_grad():
            for piece in self._held:
                draw = torch.randn(piece.shape, generator=random).to(piece.device)
                plain, shaken = (
                    net.denoise(given[None], self._sigma, self._check)[0]
                    for given in (piece, piece + SHAKE * draw)
                )
                found.append((plain - piece).square() + 2 * draw * (shaken - plain) / SHAKE)
        return found


def _cells(maps: Sequence[torch.Tensor]) -> torch.Tensor:
    """Means over squares, which are nearly independent of each other: (N,), float64."""
    pool = torch.nn.functional.avg_pool2d
    return torch.cat([pool(one[None], 16, 16, ceil_mode=True).flatten() for one in maps]).double()
