"""Total variation of planes with unit white noise, as strong as an estimate of the error says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from core.image import Array

ROUNDS = 24  # also how far a result looks, in pixels
WEIGHTS = (0.2, 0.3, 0.45, 0.65, 0.9, 1.3)  # that are tried, in sigmas
USUAL = 0.6
SHAKE = 0.1  # of a sigma


def denoise(planes: Array, weights: Sequence[float], check: Callable[[], None]) -> Array:
    """Planes (K, H, W), each with its weight of the total variation, in sigmas."""
    from core.ops import tv_cpu

    found = np.empty(planes.shape, np.float32)
    for plane, weight, out in zip(planes, weights, found, strict=True):
        check()
        tv_cpu.denoise(np.ascontiguousarray(plane, np.float32), weight, ROUNDS, out)
    return found


def weights(tiles: Sequence[Array], check: Callable[[], None]) -> NDArray[np.float64]:
    """The weights (K,) of least estimated error for images given as tiles (K, H, W).

    Stein's estimate, the divergence from one probe (S. Ramani et al., IEEE TIP 17(9), 2008).
    """
    rng, count = np.random.default_rng(0), len(tiles[0])
    risks = np.zeros((len(WEIGHTS), count))
    for tile in tiles:
        probe = rng.standard_normal(tile.shape, np.float32)
        for risk, weight in zip(risks, WEIGHTS, strict=True):
            given = (weight,) * count
            plain = denoise(tile, given, check)
            follows = probe * (denoise(tile + SHAKE * probe, given, check) - plain) / SHAKE
            risk += (np.square(plain - tile) + 2 * follows).sum((1, 2), dtype=np.float64)
    return np.array(WEIGHTS)[risks.argmin(0)]
