# pyright: basic
# (numba's decorators are untyped)
"""Total variation of one plane on the CPU, single-threaded, without the GIL."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]

ONE, ZERO = np.float32(1), np.float32(0)

fast = njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")


@fast
def _found(plane, weight, right, below, out):
    """The plane less weight times the divergence's adjoint of the dual field."""
    height, width = plane.shape
    for y in range(height):
        to, given, r, b, above = out[y], plane[y], right[y], below[y], below[max(y - 1, 0)]
        share = ONE if y else ZERO
        for x in range(width):
            to[x] = given[x] + weight * (r[x] + b[x] - share * above[x])
        after = to[1:]
        for x in range(width - 1):
            after[x] -= weight * r[x]


@fast
def denoise(plane: Floats, weight: float, rounds: int, out: Floats) -> None:
    """min 1/2 |out - plane|^2 + weight * TV(out), isotropic, by `rounds` accelerated dual steps.

    A. Beck and M. Teboulle, "Fast gradient-based algorithms for constrained total variation image
    denoising", IEEE TIP 18(11), 2009. A round looks one pixel farther.
    """
    height, width = plane.shape
    right, below = np.zeros_like(plane), np.zeros_like(plane)
    lead_r, lead_b = np.zeros_like(plane), np.zeros_like(plane)
    w = np.float32(weight)
    step, pace = np.float32(1 / (8 * weight)), 1.0
    for _ in range(rounds):
        _found(plane, w, lead_r, lead_b, out)
        faster = (1 + np.sqrt(1 + 4 * pace * pace)) / 2
        push, pace = np.float32((pace - 1) / faster), faster
        for y in range(height):
            row, nxt = out[y], out[min(y + 1, height - 1)]
            r, b, lr, lb = right[y], below[y], lead_r[y], lead_b[y]
            near = row[1:]
            for x in range(width - 1):
                lr[x] += step * (near[x] - row[x])
            for x in range(width):
                lb[x] += step * (nxt[x] - row[x])
            for x in range(width):
                size = max(np.sqrt(lr[x] * lr[x] + lb[x] * lb[x]), ONE)
                new_r, new_b = lr[x] / size, lb[x] / size
                lr[x] = new_r + push * (new_r - r[x])
                lb[x] = new_b + push * (new_b - b[x])
                r[x], b[x] = new_r, new_b
    _found(plane, w, right, below, out)
