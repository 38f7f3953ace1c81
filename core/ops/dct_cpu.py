# pyright: basic
# (numba's decorators are untyped)
"""Overlapping 8x8 DCT shrinkage of one plane on the CPU, single-threaded, without the GIL.

All blocks of a row are done side by side, one block per SIMD lane. Vertical transforms are shared
by the blocks that overlap in x: forward once per column, inverse once per column after the blocks
were added up. Loops run over slices that begin at 0, with constant strides: an index that could be
negative, or a stride that LLVM does not know, keeps it from vectorising (five times slower).
"""

from __future__ import annotations

from math import cos, pi

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]

B = 8  # edge of a block
STEPS = 4  # the largest distance between blocks
VECTOR = 16  # lanes are done in whole SIMD registers
LANES = 256  # blocks done side by side
WIDE = LANES + B  # columns of each phase that they touch, and a little more
SPAN = STEPS * WIDE

R8 = np.float32(0.125**0.5)
C1, C2, C3, C5, C6, C7 = (np.float32(0.5 * cos(k * pi / 16)) for k in (1, 2, 3, 5, 6, 7))
ONE, ZERO = np.float32(1), np.float32(0)

fast = njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")


@fast
def _forward(a, stride, count):
    """8-point orthonormal DCT in place: sample i of lane b lies at i * stride + b."""
    for b in range(count):
        x0, x7 = a[b], a[b + 7 * stride]
        x1, x6 = a[b + stride], a[b + 6 * stride]
        x2, x5 = a[b + 2 * stride], a[b + 5 * stride]
        x3, x4 = a[b + 3 * stride], a[b + 4 * stride]
        s0, s1, s2, s3 = x0 + x7, x1 + x6, x2 + x5, x3 + x4
        d0, d1, d2, d3 = x0 - x7, x1 - x6, x2 - x5, x3 - x4
        t0, t1, t2, t3 = s0 + s3, s1 + s2, s0 - s3, s1 - s2
        a[b] = R8 * (t0 + t1)
        a[b + 4 * stride] = R8 * (t0 - t1)
        a[b + 2 * stride] = C2 * t2 + C6 * t3
        a[b + 6 * stride] = C6 * t2 - C2 * t3
        a[b + stride] = C1 * d0 + C3 * d1 + C5 * d2 + C7 * d3
        a[b + 3 * stride] = C3 * d0 - C7 * d1 - C1 * d2 - C5 * d3
        a[b + 5 * stride] = C5 * d0 - C1 * d1 + C7 * d2 + C3 * d3
        a[b + 7 * stride] = C7 * d0 - C5 * d1 + C3 * d2 - C1 * d3


@fast
def _inverse(a, stride, count):
    """The inverse of `_forward`, in place."""
    for b in range(count):
        x0, x4 = R8 * a[b], R8 * a[b + 4 * stride]
        x2, x6 = a[b + 2 * stride], a[b + 6 * stride]
        x1, x3 = a[b + stride], a[b + 3 * stride]
        x5, x7 = a[b + 5 * stride], a[b + 7 * stride]
        p, q, r, s = x0 + x4, x0 - x4, C2 * x2 + C6 * x6, C6 * x2 - C2 * x6
        e0, e1, e2, e3 = p + r, q + s, q - s, p - r
        o0 = C1 * x1 + C3 * x3 + C5 * x5 + C7 * x7
        o1 = C3 * x1 - C7 * x3 - C1 * x5 - C5 * x7
        o2 = C5 * x1 - C1 * x3 + C7 * x5 + C3 * x7
        o3 = C7 * x1 - C5 * x3 + C3 * x5 - C1 * x7
        a[b], a[b + 7 * stride] = e0 + o0, e0 - o0
        a[b + stride], a[b + 6 * stride] = e1 + o1, e1 - o1
        a[b + 2 * stride], a[b + 5 * stride] = e2 + o2, e2 - o2
        a[b + 3 * stride], a[b + 4 * stride] = e3 + o3, e3 - o3


@fast
def _spectra(source, y, j, lanes, columns, coefs):
    """Coefficients of blocks at row y, phase column j on: coefs[(8 ky + kx) * LANES + b]."""
    step, width = source.shape[1], source.shape[2]
    used = min(lanes + B, width - j)
    for i in range(B):
        for phase in range(step):
            row, to = source[y + i, phase, j:], columns[i * SPAN + phase * WIDE :]
            for b in range(used):
                to[b] = row[b]
    _forward(columns, SPAN, step * WIDE)
    for ky in range(B):
        for i in range(B):
            of = columns[ky * SPAN + (i % step) * WIDE + i // step :]
            to = coefs[(ky * B + i) * LANES :]
            for b in range(lanes):
                to[b] = of[b]
        _forward(coefs[ky * B * LANES :], LANES, lanes)


@fast
def _hard(coefs, levels, shares, lanes, weight):
    """Drop small coefficients but the mean; weight = 1 / noise power kept (as BM3D)."""
    for b in range(lanes):
        weight[b] = shares[0]
    for n in range(1, B * B):
        c, threshold, share = coefs[n * LANES :], levels[n], shares[n]
        for b in range(lanes):
            keep = abs(c[b]) > threshold
            c[b] = c[b] if keep else ZERO
            weight[b] += share if keep else ZERO
    for b in range(lanes):
        weight[b] = ONE / weight[b]


@fast
def _wiener(coefs, guide, levels, shares, lanes, weight):
    """Empirical Wiener factors from the guide's coefficients; weight = 1 / noise power left."""
    for b in range(lanes):
        weight[b] = shares[0]
    for n in range(1, B * B):
        c, g, variance, share = coefs[n * LANES :], guide[n * LANES :], levels[n], shares[n]
        for b in range(lanes):
            power = g[b] * g[b]
            factor = power / (power + variance)
            c[b] *= factor
            weight[b] += factor * factor * share
    for b in range(lanes):
        weight[b] = ONE / weight[b]


@fast
def _add(coefs, weight, blocks, lanes, columns, total, y, j, sums, weights):
    """Inverse transform of the weighted blocks, added to sums; their weights to weights."""
    step, width = sums.shape[1], sums.shape[2]
    used = min(lanes + B, width - j)
    columns[:] = ZERO
    total[:] = ZERO
    for b in range(blocks, lanes):
        weight[b] = ZERO
    for ky in range(B):
        _inverse(coefs[ky * B * LANES :], LANES, lanes)
        for i in range(B):
            to = columns[ky * SPAN + (i % step) * WIDE + i // step :]
            of = coefs[(ky * B + i) * LANES :]
            for b in range(lanes):
                to[b] += weight[b] * of[b]
    for i in range(B):
        to = total[(i % step) * WIDE + i // step :]
        for b in range(lanes):
            to[b] += weight[b]
    _inverse(columns, SPAN, step * WIDE)
    for i in range(B):
        for phase in range(step):
            row, mass = sums[y + i, phase, j:], weights[y + i, phase, j:]
            of, share = columns[i * SPAN + phase * WIDE :], total[phase * WIDE :]
            for b in range(used):
                row[b] += of[b]
            for b in range(used):
                mass[b] += share[b]


@fast
def shrink(
    noisy: Floats,
    guide: Floats,
    levels: Floats,
    shares: Floats,
    sums: Floats,
    weights: Floats,
    first: int,
    last: int,
) -> None:
    """Add the shrunk blocks that start in rows first..last of the step grid to sums and weights.

    `noisy`, `sums` and `weights` are (H, step, W / step) float32: pixel x at [y, x % step,
    x // step]. With a `guide` (same shape; else any array with no rows) empirical Wiener shrinkage
    with noise variances `levels` (64: one for each coefficient), without it
    hard thresholding at `levels`. `shares` (64) are the noise's powers, for the blocks' weights.
    """
    height, step, width = noisy.shape
    columns, coefs = np.zeros(B * SPAN, np.float32), np.zeros(B * B * LANES, np.float32)
    pilot, total = np.zeros(B * B * LANES, np.float32), np.zeros(SPAN, np.float32)
    weight = np.zeros(LANES, np.float32)
    across = width - (B - 1) // step if step < B else width
    for y in range(first, min(last, height - B + 1), step):
        for j in range(0, across, LANES):
            blocks = min(LANES, across - j)
            lanes = (blocks + VECTOR - 1) // VECTOR * VECTOR
            _spectra(noisy, y, j, lanes, columns, coefs)
            if guide.shape[0]:
                _spectra(guide, y, j, lanes, columns, pilot)
                _wiener(coefs, pilot, levels, shares, lanes, weight)
            else:
                _hard(coefs, levels, shares, lanes, weight)
            _add(coefs, weight, blocks, lanes, columns, total, y, j, sums, weights)


@fast
def phases(plane: Floats, step: int) -> Floats:
    """(H, W) to (H, step, W // step): pixel x at [y, x % step, x // step]."""
    height, across = plane.shape[0], plane.shape[1] // step
    out = np.empty((height, step, across), np.float32)
    for y in range(height):
        for phase in range(step):
            given, to = plane[y, phase:], out[y, phase]
            if step == 1:
                for j in range(across):
                    to[j] = given[j]
            elif step == 2:
                for j in range(across):
                    to[j] = given[2 * j]
            elif step == 3:
                for j in range(across):
                    to[j] = given[3 * j]
            else:
                for j in range(across):
                    to[j] = given[step * j]
    return out


@fast
def merge(sums: Floats, weights: Floats, out: Floats) -> None:
    """sums / weights in phases to (H, W), where a block has been; elsewhere `out` stays."""
    height, step, across = sums.shape
    for y in range(height):
        for phase in range(step):
            given, mass, to = sums[y, phase], weights[y, phase], out[y, phase:]
            for j in range(across):
                if mass[j] > ZERO:
                    to[step * j] = given[j] / mass[j]
