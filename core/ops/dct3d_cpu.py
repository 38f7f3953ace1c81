# pyright: basic
# (numba's decorators are untyped)
"""Overlapping 4x4x4 DCT shrinkage of a volume on the CPU, single-threaded, without the GIL.

Cubes of a row lie side by side, one per SIMD lane. Transforms along z and y are shared by the cubes
that overlap along x: forward once per column, inverse once per column after cubes were added up.
Loops run over slices that begin at 0, with strides that LLVM knows, else it does not vectorise.
"""

from __future__ import annotations

from math import cos, pi

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]

B = 4  # edge of a cube
VECTOR = 16  # lanes are done in whole SIMD registers
LANES = 128  # cubes done side by side
WIDE = LANES + VECTOR  # columns that they touch, and a little more

HALF = np.float32(0.5)
C1, C3 = (np.float32(0.5**0.5 * cos(k * pi / 8)) for k in (1, 3))
ONE, ZERO, LEAST = np.float32(1), np.float32(0), np.float32(1e-12)

fast = njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")


@fast
def forward(a, stride, count):
    """4-point orthonormal DCT in place: sample i of lane b lies at i * stride + b."""
    for b in range(count):
        x0, x1, x2, x3 = a[b], a[b + stride], a[b + 2 * stride], a[b + 3 * stride]
        s0, s1, d0, d1 = x0 + x3, x1 + x2, x0 - x3, x1 - x2
        a[b] = HALF * (s0 + s1)
        a[b + 2 * stride] = HALF * (s0 - s1)
        a[b + stride] = C1 * d0 + C3 * d1
        a[b + 3 * stride] = C3 * d0 - C1 * d1


@fast
def inverse(a, stride, count):
    """The inverse of `forward`, in place."""
    for b in range(count):
        x0, x2 = HALF * a[b], HALF * a[b + 2 * stride]
        x1, x3 = a[b + stride], a[b + 3 * stride]
        e0, e1 = x0 + x2, x0 - x2
        o0, o1 = C1 * x1 + C3 * x3, C3 * x1 - C1 * x3
        a[b], a[b + 3 * stride] = e0 + o0, e0 - o0
        a[b + stride], a[b + 2 * stride] = e1 + o1, e1 - o1


@fast
def _spectra(source, z, y, x, lanes, columns, coefs):
    """Coefficients of the cubes at (z, y), x on: coefs[(16 kz + 4 ky + kx) * LANES + b]."""
    used = min(lanes + B, source.shape[2] - x)
    for i in range(B):
        for j in range(B):
            row, to = source[z + i, y + j, x:], columns[(i * B + j) * WIDE :]
            for b in range(used):
                to[b] = row[b]
    forward(columns, B * WIDE, B * WIDE)
    for i in range(B):
        forward(columns[i * B * WIDE :], WIDE, WIDE)
    for n in range(B * B):
        of, to = columns[n * WIDE :], coefs[n * B * LANES :]
        for b in range(lanes):
            x0, x1, x2, x3 = of[b], of[b + 1], of[b + 2], of[b + 3]
            s0, s1, d0, d1 = x0 + x3, x1 + x2, x0 - x3, x1 - x2
            to[b] = HALF * (s0 + s1)
            to[b + 2 * LANES] = HALF * (s0 - s1)
            to[b + LANES] = C1 * d0 + C3 * d1
            to[b + 3 * LANES] = C3 * d0 - C1 * d1


@fast
def _hard(coefs, levels, lanes, weight):
    """Drop coefficients below their level but the mean; weight = 1 / number kept."""
    for b in range(lanes):
        weight[b] = ONE
    for n in range(1, B * B * B):
        c, level = coefs[n * LANES :], levels[n]
        for b in range(lanes):
            keep = abs(c[b]) > level
            c[b] = c[b] if keep else ZERO
            weight[b] += ONE if keep else ZERO
    for b in range(lanes):
        weight[b] = ONE / weight[b]


@fast
def _wiener(coefs, pilot, levels, lanes, weight):
    """Empirical Wiener factors from the pilot's coefficients; weight = 1 / their energy."""
    for b in range(lanes):
        weight[b] = ONE
    for n in range(1, B * B * B):
        c, g, variance = coefs[n * LANES :], pilot[n * LANES :], levels[n] * levels[n] + LEAST
        for b in range(lanes):
            power = g[b] * g[b]
            factor = power / (power + variance)
            c[b] *= factor
            weight[b] += factor * factor
    for b in range(lanes):
        weight[b] = ONE / weight[b]


@fast
def _add(coefs, weight, count, lanes, columns, sums, mass, z, y, x):
    """Inverse transform of the weighted cubes, added to sums; their weights to mass."""
    used = min(lanes + B, sums.shape[2] - x)
    columns[:] = ZERO
    for b in range(count, lanes):
        weight[b] = ZERO
    for n in range(B * B):
        of, to = coefs[n * B * LANES :], columns[n * WIDE :]
        inverse(of, LANES, lanes)
        for k in range(B):
            part, target = of[k * LANES :], to[k:]
            for b in range(lanes):
                target[b] += weight[b] * part[b]
    for i in range(B):
        inverse(columns[i * B * WIDE :], WIDE, WIDE)
    inverse(columns, B * WIDE, B * WIDE)
    for i in range(B):
        for j in range(B):
            row, of = sums[z + i, y + j, x:], columns[(i * B + j) * WIDE :]
            for b in range(used):
                row[b] += of[b]
    corner = mass[z, y, x:]
    for b in range(min(count, len(corner))):
        corner[b] += weight[b]


@fast
def shrink(
    noisy: Floats,
    guide: Floats,
    levels: Floats,
    step: int,
    z: int,
    sums: Floats,
    mass: Floats,
) -> None:
    """Add the shrunk cubes of slice z to `sums`, and the weight of each to `mass` at its corner.

    All (D, H, W) float32. Cubes begin every `step` pixels along y and at every x. `levels` (64)
    belong to the coefficients (16 kz + 4 ky + kx): with a `guide` (D, H, W; else no slices) the
    noise's standard deviations for empirical Wiener shrinkage, without it thresholds.
    """
    _, height, width = noisy.shape
    columns, coefs = np.zeros(B * B * WIDE, np.float32), np.zeros(B**3 * LANES, np.float32)
    pilot, weight = np.zeros(B**3 * LANES, np.float32), np.zeros(LANES, np.float32)
    across = width - B + 1
    for y in range(0, height - B + 1, step):
        for x in range(0, across, LANES):
            count = min(LANES, across - x)
            lanes = (count + VECTOR - 1) // VECTOR * VECTOR
            _spectra(noisy, z, y, x, lanes, columns, coefs)
            if guide.shape[0]:
                _spectra(guide, z, y, x, lanes, columns, pilot)
                _wiener(coefs, pilot, levels, lanes, weight)
            else:
                _hard(coefs, levels, lanes, weight)
            _add(coefs, weight, count, lanes, columns, sums, mass, z, y, x)


@fast
def merge(sums: Floats, mass: Floats, z: int, out: Floats) -> None:
    """Slice z of sums / (mass spread over the cubes) where a cube has been; else `out` stays."""
    height, width = sums.shape[1], sums.shape[2]
    deep = np.zeros((height, width), np.float32)
    wide, tall = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    for i in range(min(B, z + 1)):
        for y in range(height):
            of, to = mass[z - i, y], deep[y]
            for x in range(width):
                to[x] += of[x]
    for k in range(B):
        for y in range(height):
            of, to = deep[y], wide[y, k:]
            for x in range(width - k):
                to[x] += of[x]
    for j in range(B):
        for y in range(height - j):
            of, to = wide[y], tall[y + j]
            for x in range(width):
                to[x] += of[x]
    for y in range(height):
        total, given, to = tall[y], sums[z, y], out[z, y]
        for x in range(width):
            if total[x] > ZERO:
                to[x] = given[x] / total[x]
