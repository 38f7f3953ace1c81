"""Non-local means for noise that is correlated as speckle is, of unit variance, on the CPU.

Buades, Coll and Morel, CVPR 2005, in the log domain. Near pixels hold the same speckle: their
patches look alike for no reason, and their mean is no better than one of them. So the distance that
noise alone makes of two patches is known for every offset from the correlation there, and offsets
lie on a coarse lattice, which the pulse leaves no gaps in.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.image import Array

LATTICE = 2  # pixels between the offsets looked at
FIRST, LAST = 4, 2  # radius of patches in the two passes
RATES = 3.0, 3.5  # how fast weights fall with distance beyond that of noise
OUTLINE = 3.0  # noise standard deviations from which a step is an edge that stays
LEFT = 0.05  # of the noise's variance in the first pass's result


def reach(search: int) -> int:
    """How far, in pixels, a result depends on its surroundings."""
    return 2 * (search + 1) + FIRST + LAST


def denoise(
    noisy: Array, alike: Array, strength: float, search: int, check: Callable[[], None]
) -> Array:
    """Two passes over (N, P, H, W) planes; right inside `reach` pixels of the border.

    `alike` is the noise's correlation as core.noise.correlation gives it, at least `search` far.
    The second pass compares patches of the first one's result.
    """
    result = np.empty_like(noisy)
    for planes, made in zip(noisy, result, strict=True):
        planes = np.ascontiguousarray(planes)
        pilot = average(planes, planes, alike, strength, search, FIRST, RATES[0], 1.0, check)
        made[:] = average(planes, pilot, alike, strength, search, LAST, RATES[1], LEFT, check)
    return result


def average(
    planes: Array,
    guide: Array,
    alike: Array,
    strength: float,
    search: int,
    radius: int,
    rate: float,
    share: float,
    check: Callable[[], None],
) -> Array:
    """One pass over (P, H, W): means of pixels whose patches look alike in `guide`.

    The noise in `guide` has `share` of the variance strength².
    """
    from core.ops import nlm_cpu

    middle, variance = alike.shape[1] // 2, strength * strength
    group, rates = np.zeros(len(planes), np.int64), np.array([rate / variance], np.float32)
    soft, weights = (
        softened(planes, OUTLINE * strength),
        np.ones((1, *planes.shape[1:]), np.float32),
    )
    sums = planes + (soft - planes) * np.float32(min(strength, 1))
    for dy in range(0, search + 1, LATTICE):
        check()
        for dx in range(-(search // LATTICE) * LATTICE, search + 1, LATTICE):
            if dy == 0 and dx <= 0:
                continue
            floor = float(share * variance * (1 - alike[dy, middle + dx]))
            nlm_cpu.offset(guide, soft, group, rates, floor, dy, dx, radius, sums, weights)
    return sums / weights


def softened(planes: Array, limit: float) -> Array:
    """Means over three pixels, 1 2 1, both ways: the lattice of offsets then leaves no pattern.

    Nothing moves by more than `limit`: edges beyond it stay.
    """
    wide = planes.copy()
    wide[..., 1:-1] = (planes[..., :-2] + planes[..., 2:]) * 0.25 + planes[..., 1:-1] * 0.5
    found = wide.copy()
    found[..., 1:-1, :] = (wide[..., :-2, :] + wide[..., 2:, :]) * 0.25 + wide[..., 1:-1, :] * 0.5
    return planes + np.clip(found - planes, -limit, limit)
