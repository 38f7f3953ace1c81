# pyright: basic
# (numba's decorators are untyped)
"""Undecimated 2-D wavelet transforms of one plane on the CPU, single-threaded, without the GIL.

Every coefficient is that of the orthonormal transform at some shift, so that white noise of 1 has
deviation 1 in all bands. Beyond the border the last pixel is repeated.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]

ZERO = np.float32(0)

fast = njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")


@fast
def _across(given, taps, gap, sign, factor, out):
    """out += factor * given filtered along x, sample k of `taps` at sign * k * gap."""
    height, width = given.shape
    reach = gap * (len(taps) - 1)
    line = np.empty(width + 2 * reach, np.float32)
    for y in range(height):
        row, to = given[y], out[y]
        inner = line[reach:]
        for x in range(reach):
            line[x] = row[0]
            line[reach + width + x] = row[width - 1]
        for x in range(width):
            inner[x] = row[x]
        for k in range(len(taps)):
            of, weight = line[reach + sign * k * gap :], factor * taps[k]
            for x in range(width):
                to[x] += weight * of[x]


@fast
def _down(given, taps, gap, sign, factor, out):
    """The same along y."""
    height, width = given.shape
    for y in range(height):
        to = out[y]
        for k in range(len(taps)):
            row = given[min(max(y + sign * k * gap, 0), height - 1)]
            weight = factor * taps[k]
            for x in range(width):
                to[x] += weight * row[x]


@fast
def split(plane: Floats, low: Floats, high: Floats, gap: int, parts: Floats) -> None:
    """(H, W) to its four bands at this gap: parts (4, H, W), coarse, along y, along x, both."""
    one = np.float32(1)
    for wide in range(2):
        half = np.zeros_like(plane)
        _across(plane, high if wide else low, gap, 1, one, half)
        for tall in range(2):
            to = parts[2 * wide + tall]
            to[:] = ZERO
            _down(half, high if tall else low, gap, 1, one, to)


@fast
def join(parts: Floats, low: Floats, high: Floats, gap: int, plane: Floats) -> None:
    """The inverse of `split`: the mean over all shifts."""
    half, quarter = np.float32(1), np.float32(0.25)
    plane[:] = ZERO
    for wide in range(2):
        both = np.zeros_like(plane)
        for tall in range(2):
            _down(parts[2 * wide + tall], high if tall else low, gap, -1, half, both)
        _across(both, high if wide else low, gap, -1, quarter, plane)


@fast
def soften(band: Floats, threshold: float) -> None:
    """Soft thresholding, in place."""
    limit = np.float32(threshold)
    for y in range(band.shape[0]):
        row = band[y]
        for x in range(band.shape[1]):
            value = row[x]
            row[x] = max(value - limit, ZERO) + min(value + limit, ZERO)


@fast
def count(
    band: Floats, width: float, counts: NDArray[np.float64], powers: NDArray[np.float64]
) -> None:
    """Add magnitudes to a histogram of bins of a `width`: how many, their squares; last: more."""
    rate, last = np.float32(1 / width), np.float32(len(counts) - 1)
    for y in range(band.shape[0]):
        row = band[y]
        for x in range(band.shape[1]):
            size = abs(row[x])
            at = int(min(size * rate, last))
            counts[at] += 1
            powers[at] += size * size
