"""How well ultrasound shows: speckle, contrast of two areas, edges that stay.

All take plain arrays of samples. What is computed from log-compressed values differs from the same
of envelopes: `linear` undoes the compression where the range is known.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

BINS = 100  # of the histograms whose overlap is measured
LEAST = 16  # samples of an area that say something


def linear(values: Floats, decibels: float) -> F64:
    """Envelope of log-compressed values that have so many dB to one step; 0 becomes 1."""
    return 10 ** (np.asarray(values, np.float64) * (decibels / 20))


def speckle_snr(area: Floats) -> float:
    """Mean over standard deviation: 1.91 for envelopes of fully developed speckle.

    NaN for fewer than 16 samples. C. B. Burckhardt, IEEE Trans. Sonics Ultrason. 25(1), 1978.
    """
    values = _samples(area)
    if values.size < LEAST:
        return math.nan
    spread = float(values.std())
    return math.inf if spread == 0 else float(values.mean()) / spread


def cnr(area: Floats, other: Floats) -> float:
    """Contrast to noise: distance of the means over the root of the summed variances.

    M. S. Patterson and F. S. Foster, Ultrason. Imaging 5(3), 1983.
    """
    a, b = _samples(area), _samples(other)
    if min(a.size, b.size) < LEAST:
        return math.nan
    distance = abs(float(a.mean() - b.mean()))
    spread = math.sqrt(float(a.var() + b.var()))
    return distance / spread if spread > 0 else math.inf if distance > 0 else 0.0


def gcnr(area: Floats, other: Floats) -> float:
    """Generalised contrast to noise, 0 to 1: how rarely the best threshold mistakes one for other.

    One less the overlap of the histograms, whatever monotonic curve the values went through.
    A. Rodriguez-Molares et al., IEEE Trans. UFFC 67(4), 2020.
    """
    a, b = _samples(area), _samples(other)
    if min(a.size, b.size) < LEAST:
        return math.nan
    both = np.concatenate([a, b])
    # bins of equal filling: the same figure before and after compression
    edges = np.unique(np.quantile(both, np.linspace(0, 1, min(BINS, both.size // 8) + 1)))
    if edges.size < 2:
        return 0.0
    edges[-1] = math.inf
    shares = [np.histogram(values, edges)[0] / values.size for values in (a, b)]
    return 1 - float(np.minimum(*shares).sum())


def edge_preservation(before: Floats, after: Floats) -> float:
    """Correlation of both images' Laplacians (h, w): 1 where every edge stays.

    `before` is the truth where there is one. F. Sattar et al., IEEE TIP 6(6), 1997.
    """
    if before.shape != after.shape or min(before.shape) < 3:
        raise ValueError(f"shapes {before.shape}, {after.shape} differ or are too small")
    a, b = (_laplacian(np.asarray(image, np.float64)) for image in (before, after))
    fine = np.isfinite(a) & np.isfinite(b)
    a, b = a[fine], b[fine]
    if a.size < LEAST or a.std() == 0 or b.std() == 0:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def _laplacian(image: F64) -> F64:
    middle = 4 * image[1:-1, 1:-1]
    return middle - image[:-2, 1:-1] - image[2:, 1:-1] - image[1:-1, :-2] - image[1:-1, 2:]


def _samples(area: Floats) -> F64:
    values = np.asarray(area, np.float64).ravel()
    return values[np.isfinite(values)]
