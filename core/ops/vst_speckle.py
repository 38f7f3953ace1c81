"""Speckle, a random factor, to white noise by the logarithm, and the unbiased inverse.

Gamma distributed intensities and their roots; E[log] is known in closed form for a signal far above
the floor and summed numerically near it. H. Arsenault and G. April, J. Opt. Soc. Am. 66, 1976.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from core.method import Planes, is_array

F64 = NDArray[np.float64]
STEP = 1 / 16  # of the table, in noise standard deviations
FAR = 1e4  # a signal so many times the floor does not feel it


@dataclass(frozen=True, eq=False)
class Curve:
    """x to log(x + floor) / spread; back by exp(spread * y + bias) - floor.

    `bias` is a table over y from `start` in steps of STEP, constant outside.
    """

    spread: float
    floor: float
    start: float
    bias: NDArray[np.float32]

    def forward(self, x: Planes) -> Planes:
        """Echoes to white noise of sigma 1; what is below 0 counts as 0. Float32, same shape."""
        if is_array(x):
            out = np.maximum(x, np.float32(0), dtype=np.float32)
            out += np.float32(self.floor)
            np.log(out, out)
            out /= np.float32(self.spread)
            return out
        return x.clamp_min(0).add_(self.floor).log_().div_(self.spread)

    def inverse(self, y: Planes) -> Planes:
        """Expected stabilised values to the expected echo: the exact unbiased inverse."""
        if is_array(y):
            from core.ops import curves_cpu

            out = np.array(y, np.float32, order="C")
            given = self.start, 1 / STEP, self.bias, self.spread, self.floor
            curves_cpu.exp_of(out.reshape(-1), *given)
            return out
        table = y.new_tensor(self.bias)
        place = ((y - self.start) / STEP).clamp_(0, len(table) - 1.001)
        at = place.int()
        low = table[at]
        bias = low + (table[at + 1] - low) * (place - at)
        return (y * self.spread + bias).exp_().sub_(self.floor)


@lru_cache(maxsize=256)
def contrast(looks: float, envelope: bool) -> float:
    """Standard deviation of the factor, whose mean is 1."""
    factor, weight = _factors(looks, envelope)
    return sqrt(float(weight @ (factor - 1) ** 2))


@lru_cache(maxsize=64)
def log_spread(looks: float, envelope: bool) -> float:
    """Standard deviation of the factor's logarithm."""
    factor, weight = _factors(looks, envelope)
    logs = np.log(factor)
    return sqrt(float(weight @ (logs - weight @ logs) ** 2))


@lru_cache(maxsize=64)
def speckle(looks: float, envelope: bool, floor: float) -> Curve:
    """The curve of this speckle."""
    spread, bias = _tables(looks, envelope)
    return Curve(spread, floor, log(floor) / spread, bias)


@lru_cache(maxsize=64)
def _tables(looks: float, envelope: bool) -> tuple[float, NDArray[np.float32]]:
    """Spread of the logarithm, and log(signal + floor) - log(stored + floor) over the latter."""
    factor, weight = _factors(looks, envelope)
    spread = log_spread(looks, envelope)
    signal = np.concatenate([[0.0], np.geomspace(1e-3, FAR, 400)])  # in floors
    expected = np.log(signal[:, None] * factor + 1) @ weight
    grid = np.arange(0, expected[-1], STEP * spread)
    bias = np.interp(grid, expected, np.log(signal + 1) - expected)
    return spread, bias.astype(np.float32)


@lru_cache(maxsize=64)
def _factors(looks: float, envelope: bool) -> tuple[F64, F64]:
    """Values of the factor and their chances: the gamma density over its logarithm."""
    width = 1 / sqrt(looks)
    logs = np.linspace(-12 * width - 12 / looks, 7 * width, 3000)
    chance = looks * (logs - np.exp(logs))
    weight = np.exp(chance - chance.max())
    weight /= weight.sum()
    factor = np.exp(logs / 2 if envelope else logs)
    return factor / float(weight @ factor), weight
