# pyright: basic
# (numba's decorators are untyped)
"""Spectra to coordinates in a subspace and back, pixel by pixel, on the CPU, without the GIL.

Pixels of a row lie side by side in SIMD lanes; sums over bands have a fixed order, so that a pixel
gets the same bits in whatever tile it lies.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SPAN = 256  # pixels done side by side
ZERO = np.float32(0)

fast = njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")


@fast
def _white(tile, y, x, count, mean, inverse, across, down, white):
    """Pixels x.. of row y, whitened, stripes taken off: white[band] (NaN: to be left out)."""
    for band in range(tile.shape[0]):
        row, to = tile[band, y, x:], white[band]
        middle, scale, level = mean[band], inverse[band], down[band, y]
        if across.shape[1]:
            off = across[band, x:]
            for j in range(count):
                to[j] = (row[j] - middle) * scale - (off[j] + level)
        else:
            for j in range(count):
                to[j] = (row[j] - middle) * scale


@fast
def _step(white, basis, limit, count, now, then, fitted):
    """One round: samples farther than `limit` from what is fitted count as what is fitted."""
    then[:] = ZERO
    for band in range(basis.shape[0]):
        fitted[:] = ZERO
        for k in range(basis.shape[1]):
            of, factor = now[k], basis[band, k]
            for j in range(count):
                fitted[j] += factor * of[j]
        given = white[band]
        for j in range(count):
            value = given[j]
            near = abs(value - fitted[j]) <= limit  # never true of NaN
            fitted[j] = value if near else fitted[j]
        for k in range(basis.shape[1]):
            to, factor = then[k], basis[band, k]
            for j in range(count):
                to[j] += factor * fitted[j]


@fast
def project(
    tile: Floats,
    y: int,
    mean: Floats,
    inverse: Floats,
    basis: Floats,
    limits: Floats,
    across: Floats,
    down: Floats,
    out: Floats,
) -> None:
    """Row y of (B, H, W) to coordinates in the orthonormal basis (B, K): out (K, H, W).

    Spectra are whitened: minus `mean` (B), times `inverse` (B), minus the stripes `across` (B, W)
    and `down` (B, H), which may have no columns. Then one round for every one of `limits`, see
    `_step`: at the end samples farther than the last limit, and NaN, were left out.
    """
    bands, kept = basis.shape
    width = tile.shape[2]
    white = np.zeros((bands, SPAN), np.float32)
    now, then = np.zeros((kept, SPAN), np.float32), np.zeros((kept, SPAN), np.float32)
    fitted = np.zeros(SPAN, np.float32)
    for x in range(0, width, SPAN):
        count = min(SPAN, width - x)
        _white(tile, y, x, count, mean, inverse, across, down, white)
        now[:] = ZERO
        for n in range(limits.shape[0]):
            _step(white, basis, limits[n], count, now, then, fitted)
            now, then = then, now
        for k in range(kept):
            to, of = out[k, y, x:], now[k]
            for j in range(count):
                to[j] = of[j]


@fast
def expand(planes: Floats, y: int, mean: Floats, sigma: Floats, basis: Floats, out: Floats) -> None:
    """The inverse of `project` for row y, of the bands that the basis knows: out (B, H, W)."""
    bands, kept = basis.shape
    width = planes.shape[2]
    for band in range(bands):
        known = ZERO
        for k in range(kept):
            known += abs(basis[band, k])
        if known == ZERO:
            continue
        to, middle = out[band, y], mean[band]
        for j in range(width):
            to[j] = middle
        for k in range(kept):
            of, factor = planes[k, y], sigma[band] * basis[band, k]
            for j in range(width):
                to[j] += factor * of[j]


@fast
def _solve(matrix, right):
    """The solution of a positive definite system in place of its right side."""
    count = len(right)
    for k in range(count):
        for i in range(k + 1, count):
            factor = matrix[i, k] / matrix[k, k]
            for j in range(k, count):
                matrix[i, j] -= factor * matrix[k, j]
            right[i] -= factor * right[k]
    for k in range(count - 1, -1, -1):
        for j in range(k + 1, count):
            right[k] -= matrix[k, j] * right[j]
        right[k] /= matrix[k, k]


@fast
def complete(
    white: Floats, basis: Floats, near: Floats, priors: Floats, limits: Floats, out: Floats
) -> None:
    """Pixels of a row with gaps, to coordinates: whitened spectra (B, W), NaN in some bands.

    Least squares over the bands that there are, with an even prior of precisions `priors[0]` (K)
    about `near` (K, W), where that is known, else `priors[1]` about 0; then without samples farther
    than each of `limits` from the fit. Others are left as they are in `out` (K, W); NaN: no band
    was measured and nothing is known nearby.
    """
    bands, kept = basis.shape
    matrix, right = np.zeros((kept, kept)), np.zeros(kept)
    for x in range(white.shape[1]):
        seen, gone = 0, 0
        for band in range(bands):
            used = ZERO
            for k in range(kept):
                used += abs(basis[band, k])
            if used > ZERO:
                if np.isnan(white[band, x]):
                    gone += 1
                else:
                    seen += 1
        if not gone:
            continue
        known = not np.isnan(near[0, x])
        for n in range(limits.shape[0] + 1):
            matrix[:] = 0
            for k in range(kept):
                matrix[k, k] = priors[0 if known else 1, k]
                right[k] = matrix[k, k] * near[k, x] if known else 0.0
            for band in range(bands):
                value = white[band, x]
                if np.isnan(value):
                    continue
                if n:
                    fitted = ZERO
                    for k in range(kept):
                        fitted += basis[band, k] * out[k, x]
                    if abs(value - fitted) > limits[n - 1]:
                        continue
                for k in range(kept):
                    factor = basis[band, k]
                    right[k] += factor * value
                    for i in range(kept):
                        matrix[k, i] += factor * basis[band, i]
            _solve(matrix, right)
            for k in range(kept):
                out[k, x] = right[k] if seen or known else np.nan
