"""Non-local means in plain torch, for devices that are not the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

from core.ops.nlm import offsets


def denoise(
    noisy: torch.Tensor,
    guide: torch.Tensor,
    group: Sequence[int],
    rates: Sequence[float],
    floor: float,
    search: int,
    radius: int,
    check: Callable[[], None],
) -> torch.Tensor:
    """See core.ops.nlm."""
    members = torch.tensor(group, device=noisy.device)
    falls = torch.tensor(rates, device=noisy.device).view(1, -1, 1, 1)
    height, width = noisy.shape[-2:]
    sums = noisy.clone()
    weights = noisy.new_ones((noisy.shape[0], len(rates), height, width))
    for dy, dx in offsets(search):
        check()
        down, right, left = height - dy, max(dx, 0), max(-dx, 0)
        if down <= 2 * radius or width - right - left <= 2 * radius:
            continue
        here = slice(0, down), slice(left, width - right)
        there = slice(dy, height), slice(right, width - left)
        apart = (guide[(..., *here)] - guide[(..., *there)]).square().mean(1, keepdim=True) / 2
        distance = F.avg_pool2d(apart, 2 * radius + 1, 1)
        weight = (1 - (distance - floor).clamp_min(0) * falls / 8).clamp_min(0) ** 8
        weight = F.pad(weight, (radius, radius, radius, radius))
        weights[(..., *here)] += weight
        weights[(..., *there)] += weight
        sums[(..., *here)] += weight[:, members] * noisy[(..., *there)]
        sums[(..., *there)] += weight[:, members] * noisy[(..., *here)]
    return sums / weights[:, members]
