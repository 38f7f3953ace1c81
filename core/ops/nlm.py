"""Non-local means of planes with unit white noise, on any device.

Buades, Coll and Morel, "A non-local algorithm for image denoising", CVPR 2005; distances on a
first estimate as in Dabov et al. (BM3D), IEEE TIP 2007.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from core.image import Array
from core.method import Planes, is_array


def offsets(search: int) -> list[tuple[int, int]]:
    """Half of the search window: every pair of pixels is met once."""
    span = range(-search, search + 1)
    return [(dy, dx) for dy in range(search + 1) for dx in span if dy or dx > 0]


def denoise(
    noisy: Planes,
    guide: Planes,
    group: Sequence[int],
    rates: Sequence[float],
    floor: float,
    search: int,
    radius: int,
    check: Callable[[], None],
) -> Planes:
    """Average (N, P, H, W) planes over pixels with like patches in `guide`.

    Planes with the same `group` share weights exp(-rates[group] * excess), where excess is the
    patch distance (mean of squared differences / 2) above `floor`, what noise alone makes of it.
    A rate that is infinite leaves its planes alone. Right inside `search + radius` pixels of the
    border.
    """
    finite = [rate if np.isfinite(rate) else 0.0 for rate in rates]
    if is_array(noisy):
        clean = _denoise_cpu(noisy, guide, group, finite, floor, search, radius, check)
    else:
        from core.ops import nlm_torch

        clean: Planes = nlm_torch.denoise(noisy, guide, group, finite, floor, search, radius, check)
    for plane, member in enumerate(group):
        if not np.isfinite(rates[member]):
            clean[:, plane] = noisy[:, plane]
    return clean


def _denoise_cpu(
    noisy: Array,
    guide: Array,
    group: Sequence[int],
    rates: Sequence[float],
    floor: float,
    search: int,
    radius: int,
    check: Callable[[], None],
) -> Array:
    from core.ops import nlm_cpu

    result = np.empty_like(noisy)
    members, falls = np.asarray(group, np.int64), np.asarray(rates, np.float32)
    for item in range(noisy.shape[0]):
        source = np.ascontiguousarray(noisy[item])
        pilot = np.ascontiguousarray(guide[item])
        sums = source.copy()
        weights = np.ones((len(rates), *source.shape[1:]), np.float32)
        for dy, dx in offsets(search):
            check()
            nlm_cpu.offset(pilot, source, members, falls, floor, dy, dx, radius, sums, weights)
        result[item] = sums / weights[members]
    return result
