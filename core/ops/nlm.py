"""Non-local means of planes with unit white noise, on any device.

Buades, Coll and Morel, "A non-local algorithm for image denoising", CVPR 2005; distances on a
first estimate as in Dabov et al. (BM3D), IEEE TIP 2007.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F


def offsets(search: int) -> list[tuple[int, int]]:
    """Half of the search window: every pair of pixels is met once."""
    span = range(-search, search + 1)
    return [(dy, dx) for dy in range(search + 1) for dx in span if dy or dx > 0]


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
    """Average (N, P, H, W) planes over pixels with like patches in `guide`.

    Planes with the same `group` share weights exp(-rates[group] * excess), where excess is the
    patch distance (mean of squared differences / 2) above `floor`, what noise alone makes of it.
    A rate that is infinite leaves its planes alone. Right inside `search + radius` pixels of the
    border.
    """
    form = _denoise_cpu if noisy.device.type == "cpu" else denoise_torch
    finite = [rate if np.isfinite(rate) else 0.0 for rate in rates]
    clean = form(noisy, guide, group, finite, floor, search, radius, check)
    for plane, member in enumerate(group):
        if not np.isfinite(rates[member]):
            clean[:, plane] = noisy[:, plane]
    return clean


def _denoise_cpu(
    noisy: torch.Tensor,
    guide: torch.Tensor,
    group: Sequence[int],
    rates: Sequence[float],
    floor: float,
    search: int,
    radius: int,
    check: Callable[[], None],
) -> torch.Tensor:
    from core.ops import nlm_cpu

    result = torch.empty_like(noisy)
    members, falls = np.asarray(group, np.int64), np.asarray(rates, np.float32)
    for item in range(noisy.shape[0]):
        source = np.ascontiguousarray(noisy[item].numpy())
        pilot = np.ascontiguousarray(guide[item].numpy())
        sums = source.copy()
        weights = np.ones((len(rates), *source.shape[1:]), np.float32)
        for dy, dx in offsets(search):
            check()
            nlm_cpu.offset(pilot, source, members, falls, floor, dy, dx, radius, sums, weights)
        result[item] = torch.as_tensor(sums / weights[members])
    return result


def denoise_torch(
    noisy: torch.Tensor,
    guide: torch.Tensor,
    group: Sequence[int],
    rates: Sequence[float],
    floor: float,
    search: int,
    radius: int,
    check: Callable[[], None],
) -> torch.Tensor:
    """The same in plain torch, for devices that are not the CPU."""
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
