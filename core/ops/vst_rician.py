"""Variance stabilisation of MR magnitudes, Rician or noncentral chi, and its unbiased inverse.

The transform is found numerically: its slope begins as one over the noise at each mean, and is
divided by the standard deviation that is left, until little is. Idea of both directions: A. Foi,
"Noise estimation and removal in MR imaging: the variance-stabilization approach", ISBI 2011.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from core.method import Planes, is_array

F64 = NDArray[np.float64]
STEP = 1 / 16  # of the tables, in noise standard deviations
ROUNDS = 4  # of making the slope better
SMALL = 1e-6  # stands in for the standard deviation of a noise-free image


@dataclass(frozen=True, eq=False)
class Curve:
    """Magnitude x to f(x / scale), linear between the values of a table and beyond them.

    `bent` are f at multiples of STEP. `squares` are the squares of the true signal over the scale
    whose magnitudes have the mean f of `start`, `start` + STEP, ...; below there is no signal.
    """

    scale: float
    bent: NDArray[np.float32]
    start: float
    squares: NDArray[np.float32]
    slope: float  # of f beyond the table

    def forward(self, x: Planes) -> Planes:
        """Magnitudes to white noise of sigma 1; float32, same shape."""
        if is_array(x):
            from core.ops import curves_cpu

            out = np.array(x, np.float32, order="C")
            rate = 1 / (self.scale * STEP)
            curves_cpu.look_up(out.reshape(-1), rate, self.bent, self.slope * STEP)
            return out
        table = x.new_tensor(self.bent)
        place = x / (self.scale * STEP)
        near = place.clamp(0, len(table) - 1.001)
        at = near.int()
        over = (place - near).where(place > len(table) - 1, place.clamp_max(0))
        return table[at] + (table[at + 1] - table[at]) * (near - at) + over * (self.slope * STEP)

    def inverse(self, y: Planes) -> Planes:
        """Expected stabilised values to the true signal: the exact unbiased inverse."""
        if is_array(y):
            from core.ops import curves_cpu

            out = np.array(y, np.float32, order="C")
            given = self.start, 1 / STEP, self.squares, STEP / self.slope, self.scale
            curves_cpu.root_of(out.reshape(-1), *given)
            return out
        table = y.new_tensor(self.squares)
        place = (y - self.start) / STEP
        near = place.clamp(0, len(table) - 1.001)
        at = near.int()
        over = (place - near) * (place > len(table) - 1)
        square = table[at] + (table[at + 1] - table[at]) * (near - at)
        return (square.clamp_min(0).sqrt() + over * (STEP / self.slope)) * self.scale


@lru_cache(maxsize=16)
def moments(coils: int) -> tuple[F64, F64, F64]:
    """True signal, mean and standard deviation of the magnitude, all over the scale."""
    nu, magnitude, weight = _magnitudes(coils)
    mean = magnitude @ weight
    return nu, mean, np.sqrt(np.maximum((magnitude * magnitude) @ weight - mean * mean, 0))


@lru_cache(maxsize=256)
def rician(scale: float, coils: int, averages: float) -> Curve:
    """The curve of Rician noise (one coil) or noncentral chi."""
    bent, start, squares, slope = _tables(coils, averages)
    return Curve(max(scale, SMALL), bent, start, squares, slope)


@lru_cache(maxsize=16)
def _tables(
    coils: int, averages: float
) -> tuple[NDArray[np.float32], float, NDArray[np.float32], float]:
    nu, mean, spread = moments(coils)
    if averages == 1:
        _, magnitude, weight = _magnitudes(coils)
    else:  # a mean of several is close to normal
        nodes, weight = _normal()
        magnitude = mean[:, None] + spread[:, None] / sqrt(averages) * nodes
    grid = np.arange(0, nu[-1] + 6, STEP)
    slope, bent = sqrt(averages) / np.interp(grid, mean, spread), grid
    expected, left = mean, spread
    for turn in range(ROUNDS):
        if turn:
            slope = slope / np.interp(grid, mean, left)
        bent = np.concatenate([[0.0], np.cumsum((slope[1:] + slope[:-1]) / 2) * STEP])
        values = np.interp(magnitude, grid, bent)
        expected = values @ weight
        left = np.sqrt(np.maximum((values * values) @ weight - expected**2, 1e-12))
    ends = np.arange(expected[0], expected[-1], STEP)
    squares = np.interp(ends, np.maximum.accumulate(expected), nu * nu)
    rise = float(slope[-1])
    return bent.astype(np.float32), float(ends[0]), squares.astype(np.float32), rise


def _normal() -> tuple[F64, F64]:
    nodes = np.linspace(-6, 6, 73)
    weight = np.exp(-nodes * nodes / 2)
    return nodes, weight / weight.sum()


@lru_cache(maxsize=4)
def _magnitudes(coils: int) -> tuple[F64, F64, F64]:
    """True signals (K,), magnitudes (K, M) that noise of scale 1 makes of each, weights (M,).

    A part along the signal is normal; the others are together a chi of 2 * coils - 1 parts.
    """
    nodes, along = _normal()
    free = 2 * coils - 1
    across: F64 = np.linspace(max(sqrt(free) - 6, 0), sqrt(free) + 6, 73)
    chance: F64 = (
        across ** (free - 1) * np.exp(-across * across / 2 + free / 2) / sqrt(free) ** free
    )
    if across[0] == 0:
        chance[0] /= 2  # the end of an interval
    near = 12 + 2 * sqrt(coils)
    nu: F64 = np.concatenate([np.arange(0, near, 1 / 12), np.geomspace(near, 6 * near, 40)])
    magnitude: F64 = np.hypot((nu[:, None] + nodes)[..., None], across)
    weight: F64 = (along[:, None] * (chance / chance.sum())).ravel()
    return nu, magnitude.reshape(len(nu), -1), weight
