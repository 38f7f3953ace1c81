"""Overlapped DCT of cubes, denoising volumes with unit white noise on the CPU.

Yu and Sapiro, "DCT image denoising", IPOL 2011, in three dimensions; empirical Wiener second pass
and cube weights after Maggioni et al. (BM4D), IEEE TIP 2013.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from core.image import Array

EDGE = 4  # of a cube
THRESHOLD = 3.0  # of the first pass, in noise standard deviations


def reach(step: int, passes: int = 2) -> int:
    """How far, in voxels, a result depends on its surroundings; a multiple of `step`."""
    return -(-(EDGE - 1) * passes // step) * step


def denoise(
    volume: Array,
    sigma: float,
    step: int,
    check: Callable[[], None],
    spectrum: Sequence[float] | None = None,
) -> Array:
    """Denoise a volume (D, H, W) of noise `sigma`: hard thresholding, then Wiener shrinkage.

    Cubes begin every `step` voxels along z and y from the corner on, and at every x. `spectrum`
    (64) are the standard deviations of the coefficients of unit noise that is correlated. Volumes
    that are too small for a cube come back as they are.
    """
    if min(volume.shape) < EDGE or sigma <= 0:
        return volume.copy()
    levels = np.full(EDGE**3, sigma, np.float32)
    if spectrum is not None:
        levels *= np.asarray(spectrum, np.float32)
    noisy = np.ascontiguousarray(volume, np.float32)
    none = np.zeros((0, 1, 1), np.float32)
    basic = _pass(noisy, none, levels * np.float32(THRESHOLD), step, check)
    return _pass(noisy, basic, levels, step, check)


def _pass(noisy: Array, guide: Array, levels: Array, step: int, check: Callable[[], None]) -> Array:
    from core.ops import dct3d_cpu

    sums, mass, out = np.zeros_like(noisy), np.zeros_like(noisy), noisy.copy()
    for z in range(0, len(noisy) - EDGE + 1, step):
        check()
        dct3d_cpu.shrink(noisy, guide, levels, step, z, sums, mass)
    for z in range(len(noisy)):
        check()
        dct3d_cpu.merge(sums, mass, z, out)
    return out
