# pyright: basic
# (numba's decorators are untyped)
"""Local statistics of planes with unit noise on the CPU: one pass over square windows.

A row of window sums is kept per column and moved down row by row, in float64, so that it does not
matter where a tile begins.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LEE, KUAN, FROST, ENHANCED = 0, 1, 2, 3
CONTRAST = np.float32(0.273)  # variance over squared mean of a Rayleigh envelope
EDGE = np.float32(3)  # noise variances from which the enhanced filter leaves a pixel as it is
SLOPE = 0.2
ONE, ZERO = np.float32(1), np.float32(0)

fast = njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")


@fast
def _across(columns, radius, scale, to):
    """Means over windows from sums over columns: to[x] of columns x .. x + 2 radius."""
    count = columns.size - 2 * radius
    to[:] = ZERO
    for k in range(2 * radius + 1):
        part = columns[k:]
        for x in range(count):
            to[x] += part[x]
    for x in range(count):
        to[x] *= scale


@fast
def _down(plane, y, radius, square, columns):
    """Move the sums over the rows y - radius .. y + radius of one column from y - 1 to y."""
    width = plane.shape[1]
    new = plane[y + radius]
    if y - radius - 1 < 0:
        if square:
            for x in range(width):
                columns[x] += np.float64(new[x]) * new[x]
        else:
            for x in range(width):
                columns[x] += new[x]
        return
    old = plane[y - radius - 1]
    if square:
        for x in range(width):
            columns[x] += np.float64(new[x]) * new[x] - np.float64(old[x]) * old[x]
    else:
        for x in range(width):
            columns[x] += np.float64(new[x]) - old[x]


@fast
def _rows(plane, radius, top, bottom, square, columns):
    """Sums of the first window, less its last row, which `_down` adds."""
    columns[:] = 0
    for y in range(top, bottom):
        row = plane[y]
        for x in range(row.size):
            columns[x] += np.float64(row[x]) * row[x] if square else np.float64(row[x])


@fast
def _shrunk(kind, mean, square, row, noise, damping, to):
    """A row of Lee, Kuan or enhanced Lee."""
    for x in range(mean.size):
        m = np.float32(mean[x])
        v = max(np.float32(square[x] - mean[x] * mean[x]), np.float32(1e-12))
        k = max(v - noise, ZERO) / v
        if kind == KUAN:
            k /= ONE + CONTRAST
        if kind == ENHANCED:
            r = v / noise
            if r <= ONE:
                k = ZERO
            elif r >= EDGE:
                k = ONE
            else:
                k = ONE - np.exp(-damping * (r - ONE) / (EDGE - r))
        to[x] = m + k * (row[x] - m)


@fast
def shrink(plane: Floats, kind: int, radius: int, noise: float, damping: float, out: Floats):
    """Lee, Kuan or enhanced Lee of a plane (H, W) with noise of variance `noise`.

    Windows of 2 radius + 1; `out` is left as it is within `radius` of the border.
    """
    height, width = plane.shape
    count = width - 2 * radius
    first, second = np.zeros(width, np.float64), np.zeros(width, np.float64)
    mean, square = np.zeros(count, np.float64), np.zeros(count, np.float64)
    scale = 1 / (2 * radius + 1) ** 2
    _rows(plane, radius, 0, 2 * radius, False, first)
    _rows(plane, radius, 0, 2 * radius, True, second)
    for y in range(radius, height - radius):
        _down(plane, y, radius, False, first)
        _down(plane, y, radius, True, second)
        _across(first, radius, scale, mean)
        _across(second, radius, scale, square)
        to = out[y, radius:]
        _shrunk(
            kind, mean, square, plane[y, radius:], np.float32(noise), np.float32(damping),
            to[:count],
        )  # fmt: skip


@fast
def frost(plane: Floats, radius: int, noise: float, damping: float, out: Floats):
    """Frost's filter of a plane (H, W): weights exp(-damping * excess * d) on square rings d.

    `excess` is the local variance beyond the noise's, in multiples of it, and a little (SLOPE), so
    that even areas are averaged over the whole window without its outline.
    """
    height, width = plane.shape
    count = width - 2 * radius
    columns, second = np.zeros((radius + 1, width), np.float64), np.zeros(width, np.float64)
    boxes, square = np.zeros((radius + 1, count), np.float64), np.zeros(count, np.float64)
    fall, power = np.zeros(count, np.float64), np.zeros(count, np.float64)
    sums, mass = np.zeros(count, np.float64), np.zeros(count, np.float64)
    scale = 1 / (2 * radius + 1) ** 2
    for d in range(radius + 1):
        _rows(plane, radius, max(radius - d, 0), radius + d, False, columns[d])
    _rows(plane, radius, 0, 2 * radius, True, second)
    for y in range(radius, height - radius):
        for d in range(radius + 1):
            if y == radius:
                row = plane[y + d]
                for x in range(width):
                    columns[d, x] += row[x]
            else:
                _down(plane, y, d, False, columns[d])
            inner = columns[d, radius - d :]
            _across(inner[: count + 2 * d], d, 1.0, boxes[d])
        _down(plane, y, radius, True, second)
        _across(second, radius, scale, square)
        of, last = plane[y, radius:], boxes[radius]
        for x in range(count):
            mean = last[x] * scale
            excess = max((square[x] - mean * mean) / noise - 1, 0.0)
            fall[x] = np.exp(-damping * (excess + SLOPE))
            power[x], sums[x], mass[x] = 1.0, of[x], 1.0
        for d in range(1, radius + 1):
            outer, inner = boxes[d], boxes[d - 1]
            ring = 8.0 * d
            for x in range(count):
                power[x] *= fall[x]
                sums[x] += power[x] * (outer[x] - inner[x])
                mass[x] += power[x] * ring
        to = out[y, radius:]
        for x in range(count):
            to[x] = sums[x] / mass[x]
