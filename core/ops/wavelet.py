"""Wavelet shrinkage of planes with unit white noise: undecimated, soft, thresholds by SURE.

Thresholds minimise Stein's unbiased estimate of the error of a band (D. L. Donoho and I. M.
Johnstone, JASA 90, 1995); taking the mean over all shifts of the orthonormal transform is cycle
spinning (R. R. Coifman and D. L. Donoho, 1995). The filter is Daubechies' of two vanishing moments,
which reaches far less than longer ones and, over all shifts, is as good.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from core.image import Array

F32, F64 = NDArray[np.float32], NDArray[np.float64]

LEVELS = 4
BINS, BIN = 160, 0.05  # of magnitudes, and how wide they are, in sigmas
BANDS = 3  # at each level, besides the coarse rest
LOW: F32 = np.array((0.4829629131, 0.8365163037, 0.2241438680, -0.1294095226), np.float32)
HIGH: F32 = (LOW[::-1] * np.resize((1, -1), len(LOW))).astype(np.float32)
REACH = (len(LOW) - 1) * (2**LEVELS - 1)  # pixels that a result depends on, around it


def shrink(planes: Array, thresholds: Array, check: Callable[[], None]) -> Array:
    """Planes (K, H, W) with soft thresholds (K, LEVELS, BANDS), in sigmas; inf drops a band."""
    from core.ops import wavelet_cpu

    found = np.array(planes, np.float32, order="C")
    for plane, levels in zip(found, thresholds, strict=True):
        parts: list[F32] = []
        for level in range(LEVELS):
            check()
            parts.append(_split(parts[-1][0] if parts else plane, level))
            for band in range(BANDS):
                wavelet_cpu.soften(parts[-1][band + 1], float(levels[level, band]))
        for level in reversed(range(LEVELS)):
            check()
            to = parts[level - 1][0] if level else plane
            wavelet_cpu.join(parts[level], LOW, HIGH, 2**level, to)
    return found


def histogram(planes: Array, check: Callable[[], None]) -> F64:
    """Of the coefficients of (K, H, W): how many and their power, (2, K, LEVELS, BANDS, bins)."""
    from core.ops import wavelet_cpu

    found = np.zeros((2, len(planes), LEVELS, BANDS, BINS + 1))
    for k, plane in enumerate(planes):
        coarse = np.ascontiguousarray(plane, np.float32)
        for level in range(LEVELS):
            check()
            parts = _split(coarse, level)
            for band in range(BANDS):
                wavelet_cpu.count(parts[band + 1], BIN, *found[:, k, level, band])
            coarse = parts[0]
    return found


def thresholds(found: F64) -> F64:
    """Least-risk thresholds of histograms (2, ..., bins); inf where all is noise."""
    counts, powers = found
    edges: F64 = np.linspace(0, BIN * BINS, BINS + 1)  # the lower one of each bin
    below, total = np.cumsum(counts, -1) - counts, counts.sum(-1)
    energy: F64 = np.cumsum(powers, -1) - powers
    risk: F64 = energy + np.square(edges) * (total[..., None] - below) - 2 * below
    dropped: F64 = powers.sum(-1) - 2 * total
    return np.where(dropped <= risk.min(-1), np.inf, edges[np.argmin(risk, -1)])


def _split(plane: F32, level: int) -> F32:
    from core.ops import wavelet_cpu

    parts = np.empty((1 + BANDS, *plane.shape), np.float32)
    wavelet_cpu.split(plane, LOW, HIGH, 2**level, parts)
    return parts
