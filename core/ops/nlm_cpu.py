# pyright: basic
# (numba's decorators are untyped)
"""Non-local means of planes on the CPU, single-threaded, without the GIL: one offset at a time."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]

fast = njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")


@fast
def _weight(excess):
    """exp(-excess) for excess >= 0, within 2 % and without a call: (1 - x / 8)^8, 0 from 8 on."""
    base = max(np.float32(1) - np.float32(0.125) * excess, np.float32(0))
    base *= base
    base *= base
    return base * base


@fast
def offset(
    guide: Floats,
    noisy: Floats,
    group: NDArray[np.int64],
    rates: Floats,
    floor: float,
    dy: int,
    dx: int,
    radius: int,
    sums: Floats,
    weights: Floats,
) -> None:
    """Add what pixels at (dy, dx) and (-dy, -dx) give to each other.

    `guide` and `noisy` are (P, H, W); the weights of group g fall with `rates[g]` and hold for the
    planes p with `group[p] == g`; `sums` (P, H, W) and `weights` (G, H, W) are added to. The
    distance is half the mean squared difference over planes and a patch of (2 radius + 1)^2, less
    `floor`.
    """
    planes, height, width = guide.shape
    size = 2 * radius + 1
    x0, x1 = max(0, -dx), min(width, width - dx)
    ring = np.zeros((size, width), np.float32)
    column, total = np.zeros(width, np.float32), np.zeros(width, np.float32)
    weight = np.zeros(width, np.float32)
    scale, least = np.float32(1 / (2 * planes * size * size)), np.float32(floor)
    for y in range(height - dy):
        row = ring[y % size]
        row[:] = 0
        for p in range(planes):
            here, there, to = guide[p, y, x0:], guide[p, y + dy, x0 + dx :], row[x0:]
            for x in range(x1 - x0):
                d = here[x] - there[x]
                to[x] += d * d
        middle = y - radius
        if middle < radius:
            continue
        column[:] = 0
        for k in range(size):
            part, to = ring[(y - k) % size, x0:], column[x0:]
            for x in range(x1 - x0):
                to[x] += part[x]
        count = x1 - x0 - 2 * radius
        total[:] = 0
        for k in range(size):
            part = column[x0 + k :]
            for x in range(count):
                total[x] += part[x]
        to = weight[x0 + radius :]
        for g in range(rates.size):
            rate = rates[g]
            for x in range(count):
                excess = max(total[x] * scale - least, np.float32(0))
                to[x] = _weight(excess * rate)
            ends = x0 + radius, x1 - radius
            _exchange(noisy, group, g, weight, middle, dy, dx, ends, sums, weights)


@fast
def _exchange(noisy, group, g, weight, y, dy, dx, ends, sums, weights):
    x0, x1 = ends
    count = x1 - x0
    w, here, there = weight[x0:], weights[g, y, x0:], weights[g, y + dy, x0 + dx :]
    for x in range(count):
        here[x] += w[x]
    for x in range(count):
        there[x] += w[x]
    for p in range(noisy.shape[0]):
        if group[p] != g:
            continue
        a, b = noisy[p, y, x0:], noisy[p, y + dy, x0 + dx :]
        to_a, to_b = sums[p, y, x0:], sums[p, y + dy, x0 + dx :]
        for x in range(count):
            to_a[x] += w[x] * b[x]
        for x in range(count):
            to_b[x] += w[x] * a[x]
