# pyright: basic
# (numba's decorators are untyped)
"""The table look-up of core.ops.vst in one pass over memory: a tenth of the tensor form's time."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, error_model="numpy")
def inverse(y, half, root, start, scale, table, x):
    """x = (half max(y, 0))^2 + root y + table, linear in (y - start) * scale. Flat float32."""
    half, root = np.float32(half), np.float32(root)
    start, scale = np.float32(start), np.float32(scale)
    last = np.float32(table.size - 1.001)
    for i in range(y.size):
        value = y[i]
        place = min(max((value - start) * scale, np.float32(0)), last)
        at = np.int32(place)
        bias = table[at] + (place - np.float32(at)) * (table[at + 1] - table[at])
        above = half * max(value, np.float32(0))
        x[i] = above * above + root * value + bias
