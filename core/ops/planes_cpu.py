# pyright: basic
# (numba's decorators are untyped)
"""From stored pixels to stabilised planes and back on the CPU, each in one pass over memory.

The formulas are those of core.ops.planes and core.ops.vst, whose tensor forms serve other devices.
Loops run over slices that begin at 0: an index that could be negative keeps LLVM from vectorising.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Sites = NDArray[np.int64]  # (K, 6): plane, channel, row and column in a packed cell, in a block

ZERO, ONE = np.float32(0), np.float32(1)

fast = njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")


@fast
def stabilise(
    source: NDArray[Any],
    phase: int,
    cells: int,
    sites: Sites,
    black: Floats,
    vst: Floats,
    out: Floats,
) -> None:
    """Stored (C, H, W) of any dtype to stabilised (P, h, w) planes.

    `black[k]` is the level of site k, `vst[p]` = (gain, root) of plane p: see core.ops.vst.Vst.
    """
    height, width = out.shape[1], out.shape[2]
    line = np.empty(width, np.float32)
    for k in range(len(sites)):
        plane, channel, row, column, y, x = sites[k]
        gain, root, level = vst[plane, 0], vst[plane, 1], black[k]
        offset, scale = root * root, ONE / root
        count = (width - column + cells - 1) // cells
        for i in range(row, height, cells):
            given = source[channel, i // cells * phase + y, x:]
            if phase == 1:
                for j in range(count):
                    line[j] = np.float32(given[j]) - level
            elif phase == 2:
                for j in range(count):
                    line[j] = np.float32(given[2 * j]) - level
            else:
                for j in range(count):
                    line[j] = np.float32(given[phase * j]) - level
            if gain > ZERO:
                for j in range(count):
                    value = line[j]
                    bent = np.sqrt(gain * max(value, ZERO) + offset) + root
                    line[j] = (value + value) / bent
            else:
                for j in range(count):
                    line[j] *= scale
            to = out[plane, i, column:]
            if cells == 1:
                for j in range(count):
                    to[j] = line[j]
            else:
                for j in range(count):
                    to[cells * j] = line[j]


@fast
def restore(
    planes: Floats,
    halo: int,
    phase: int,
    cells: int,
    sites: Sites,
    black: Floats,
    white: float,
    vst: Floats,
    source: NDArray[Any],
    out: Floats,
) -> None:
    """Denoised planes (P, h, w), less `halo` cells on all sides, to stored units: (C, H, W).

    `vst[p]` = (gain, root, start of the bias table, 1 / its step, its length, the table). `source`
    is what `out` is made from, same shape: where it is saturated the result is not less, and where
    it is no number the result is none.
    """
    channels, height, width = out.shape
    line, whole = np.empty(planes.shape[2], np.float32), np.empty(width, np.float32)
    for channel in range(channels):
        for top in range(height):
            i, within = top // phase, top % phase
            for k in range(len(sites)):
                plane, _, row, column, y, x = sites[k]
                if y != within or sites[k, 1] != channel:
                    continue
                count = (width - x + phase - 1) // phase
                given = planes[plane, halo + i * cells + row, halo + column :]
                if cells == 1:
                    for j in range(count):
                        line[j] = given[j]
                else:
                    for j in range(count):
                        line[j] = given[cells * j]
                _unstabilise(line, count, vst[plane], black[k])
                to = whole[x:]
                if phase == 1:
                    for j in range(count):
                        to[j] = line[j]
                elif phase == 2:
                    for j in range(count):
                        to[2 * j] = line[j]
                else:
                    for j in range(count):
                        to[phase * j] = line[j]
            stored, to = source[channel, top], out[channel, top]
            for j in range(width):
                was = np.float32(stored[j])
                value = max(whole[j], was) if was >= white else whole[j]
                to[j] = value if np.isfinite(was) else was


@fast
def _unstabilise(line, count, vst, level):
    """The exact unbiased inverse, in place, and the black level added."""
    gain, root, start, rate = vst[0], vst[1], vst[2], vst[3]
    if gain <= ZERO:
        for j in range(count):
            line[j] = line[j] * root + level
        return
    half, last, table = np.sqrt(gain) / np.float32(2), vst[4] - np.float32(1.001), vst[5:]
    for j in range(count):
        value = line[j]
        place = (value - start) * rate
        place = place if place > ZERO else ZERO  # also where a method gave NaN
        place = place if place < last else last
        at = np.uint32(place)
        bias = table[at] + (place - np.float32(at)) * (table[at + 1] - table[at])
        above = half * max(value, ZERO)
        line[j] = above * above + root * value + (bias + level)


@fast
def mix(matrix: Floats, planes: Floats, out: Floats) -> None:
    """out[p] = sum of matrix[p, q] * planes[q]: (P, H, W) both."""
    count, height, width = planes.shape
    for y in range(height):
        for p in range(count):
            to = out[p, y]
            first, given = matrix[p, 0], planes[0, y]
            for x in range(width):
                to[x] = first * given[x]
            for q in range(1, count):
                factor, given = matrix[p, q], planes[q, y]
                if factor != ZERO:
                    for x in range(width):
                        to[x] += factor * given[x]
