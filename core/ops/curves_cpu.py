# pyright: basic
# (numba's decorators are untyped)
"""Variance-stabilising curves that are tables, in place over flat float32 arrays."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]

ZERO = np.float32(0)

fast = njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")


@fast
def look_up(line: Floats, rate: float, table: Floats, slope: float) -> None:
    """table at line * rate, linear between its values; beyond it a line of `slope` per entry."""
    step, rise, last = np.float32(rate), np.float32(slope), np.float32(len(table) - 1)
    within = last - np.float32(0.001)
    for j in range(len(line)):
        place = line[j] * step
        near = place if place > ZERO else ZERO  # also where it is no number
        near = near if near < within else within
        at = np.uint32(near)
        over = place - near if place > last else (place if place < ZERO else ZERO)
        low = table[at]
        line[j] = low + (near - np.float32(at)) * (table[at + 1] - low) + over * rise


@fast
def root_of(
    line: Floats, start: float, rate: float, table: Floats, slope: float, scale: float
) -> None:
    """scale * sqrt(table at (line - start) * rate); beyond it a line of `slope` per entry."""
    first, step, size = np.float32(start), np.float32(rate), np.float32(scale)
    last, rise = np.float32(len(table) - 1), np.float32(slope)
    within = last - np.float32(0.001)
    for j in range(len(line)):
        place = (line[j] - first) * step
        near = place if place > ZERO else ZERO
        near = near if near < within else within
        at = np.uint32(near)
        over = place - near if place > last else ZERO
        low = table[at]
        square = low + (near - np.float32(at)) * (table[at + 1] - low)
        line[j] = size * (np.sqrt(max(square, ZERO)) + over * rise)


@fast
def exp_of(
    line: Floats, start: float, rate: float, table: Floats, spread: float, floor: float
) -> None:
    """exp(spread * line + table at (line - start) * rate) - floor."""
    first, step, least = np.float32(start), np.float32(rate), np.float32(floor)
    width, last = np.float32(spread), np.float32(len(table) - 1.001)
    for j in range(len(line)):
        place = (line[j] - first) * step
        place = place if place > ZERO else ZERO
        place = place if place < last else last
        at = np.uint32(place)
        low = table[at]
        bias = low + (place - np.float32(at)) * (table[at + 1] - low)
        line[j] = np.exp(width * line[j] + bias) - least
