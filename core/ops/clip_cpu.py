# pyright: basic
# (numba's decorators are untyped)
"""Motion of blocks between two frames, and non-local means from one frame into another, on the CPU.

Single-threaded, without the GIL. Blocks begin at multiples of STEP pixels.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from core.ops.nlm_cpu import _weight

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

STEP, BLOCK = 8, 16  # pixels from block to block; a block's edge
ZERO = np.float32(0)

fast = njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")


@fast
def _difference(one, other, y, x, dy, dx):
    """Sum of squared differences of a block and one moved by (dy, dx), inside both."""
    height, width = one.shape
    y0, y1 = max(y, 0, -dy), min(y + BLOCK, height, height - dy)
    x0, x1 = max(x, 0, -dx), min(x + BLOCK, width, width - dx)
    if y1 - y0 < BLOCK // 2 or x1 - x0 < BLOCK // 2:
        return np.float32(1e30)
    total = ZERO
    count = x1 - x0
    for row in range(y0, y1):
        a, b = one[row, x0:], other[row + dy, x0 + dx :]
        for k in range(count):
            d = a[k] - b[k]
            total += d * d
    return total / np.float32((y1 - y0) * count)


@fast
def motion(one: Floats, other: Floats, first: Ints, scale: int, radius: int, still: float,
           found: Ints):  # fmt: skip
    """Where each block of `one` lies in `other`: (rows, columns, 2) offsets dy, dx.

    Looked for within `radius` around `scale` times `first`; `still` is what a shorter way is worth,
    in mean squared difference a pixel.
    """
    rows, columns = found.shape[0], found.shape[1]
    for i in range(rows):
        for j in range(columns):
            near_y, near_x = scale * first[i, j, 0], scale * first[i, j, 1]
            y, x = i * STEP - BLOCK // 4, j * STEP - BLOCK // 4
            best = np.float32(1e38)
            for dy in range(near_y - radius, near_y + radius + 1):
                for dx in range(near_x - radius, near_x + radius + 1):
                    cost = _difference(one, other, y, x, dy, dx)
                    cost += np.float32(still) * np.float32(abs(dy - near_y) + abs(dx - near_x))
                    if cost < best:
                        best = cost
                        found[i, j, 0], found[i, j, 1] = dy, dx


@fast
def moved(other: Floats, found: Ints, out: Floats):
    """`other` (P, H, W) brought over the frame whose blocks moved by `found`; borders repeated."""
    planes, height, width = other.shape
    for p in range(planes):
        for y in range(height):
            i = min(y // STEP, found.shape[0] - 1)
            for j in range(found.shape[1]):
                dy, dx = found[i, j, 0], found[i, j, 1]
                row = other[p, min(max(y + dy, 0), height - 1)]
                last = width if j == found.shape[1] - 1 else min(j * STEP + STEP, width)
                for x in range(j * STEP, last):
                    out[p, y, x] = row[min(max(x + dx, 0), width - 1)]


@fast
def offset(guide: Floats, other: Floats, values: Floats, rate: float, floor: float, dy: int,
           dx: int, radius: int, sums: Floats, weights: Floats):  # fmt: skip
    """Add to each pixel what the one at (dy, dx) of another frame gives.

    Patches of `guide` and `other` are compared, `values` are added to `sums`, all (P, H, W);
    `weights` is (1, H, W). See core.ops.nlm_cpu.offset.
    """
    planes, height, width = guide.shape
    size = 2 * radius + 1
    y0, y1 = max(0, -dy), min(height, height - dy)
    x0, x1 = max(0, -dx), min(width, width - dx)
    count, inner = x1 - x0, x1 - x0 - 2 * radius
    if inner <= 0:
        return
    ring = np.zeros((size, width), np.float32)
    column, total = np.zeros(width, np.float32), np.zeros(width, np.float32)
    scale, least = np.float32(1 / (2 * planes * size * size)), np.float32(floor)
    fall = np.float32(rate)
    for y in range(y0, y1):
        row = ring[y % size]
        row[:] = ZERO
        for p in range(planes):
            here, there = guide[p, y, x0:], other[p, y + dy, x0 + dx :]
            for x in range(count):
                d = here[x] - there[x]
                row[x] += d * d
        middle = y - radius
        if middle < y0 + radius:
            continue
        column[:] = ZERO
        for k in range(size):
            part = ring[(y - k) % size]
            for x in range(count):
                column[x] += part[x]
        total[:] = ZERO
        for k in range(size):
            part = column[k:]
            for x in range(inner):
                total[x] += part[x]
        to = weights[0, middle, x0 + radius :]
        for x in range(inner):
            total[x] = _weight(max(total[x] * scale - least, ZERO) * fall)
        for x in range(inner):
            to[x] += total[x]
        for p in range(planes):
            part, into = values[p, middle + dy, x0 + dx + radius :], sums[p, middle, x0 + radius :]
            for x in range(inner):
                into[x] += total[x] * part[x]
