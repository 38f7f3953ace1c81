"""Any deviation by signal to white noise of sigma 1, and the unbiased inverse, by tables.

The integral of 1 / sigma, after M. Bartlett, Biometrics 3, 1947; the inverse undoes what the curve
does to the mean of Gaussian noise, as M. Makitalo and A. Foi, IEEE TIP 20(1), 2011, do for Poisson.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from core.method import Planes, is_array

F64 = NDArray[np.float64]
POINTS = 1024  # of a table
BEYOND = 8.0  # standard deviations outside of the signals over which it is told; then straight


@dataclass(frozen=True, eq=False)
class Curve:
    """Tables of stabilised values by signal, and of signals by expected stabilised value."""

    signal: F64
    stabilised: F64
    expected: F64

    def forward(self, x: Planes) -> Planes:
        """Signal to noise of sigma 1, float32, same shape."""
        return _looked_up(x, self.signal, self.stabilised)

    def inverse(self, y: Planes) -> Planes:
        """Expected stabilised values to the expected signal."""
        return _looked_up(y, self.expected, self.signal)


@lru_cache(maxsize=64)
def table(signal: tuple[float, ...], deviation: tuple[float, ...]) -> Curve:
    """The curve of deviations above 0, linear between rising signals and constant outside."""
    low, high = signal[0] - BEYOND * deviation[0], signal[-1] + BEYOND * deviation[-1]
    at = np.linspace(low, high, POINTS)
    slope = 1 / np.interp(at, signal, deviation)
    steps = (slope[1:] + slope[:-1]) / 2 * np.diff(at)
    stabilised = np.concatenate([[0.0], np.cumsum(steps)])
    stabilised -= np.interp(max(low, 0.0), at, stabilised)
    nodes = np.linspace(-4, 4, 65)
    weights = np.exp(-nodes * nodes / 2)
    weights /= weights.sum()
    spread = at[:, None] + np.interp(at, signal, deviation)[:, None] * nodes
    expected = _straight(spread, at, stabilised) @ weights
    return Curve(at, stabilised, np.maximum.accumulate(expected))


def _straight(x: F64, at: F64, values: F64) -> F64:
    """Linear in between, and straight on outside."""
    held: F64 = np.clip(x, at[0], at[-1])
    first = (values[1] - values[0]) / (at[1] - at[0])
    last = (values[-1] - values[-2]) / (at[-1] - at[-2])
    inner: F64 = np.interp(held, at, values)
    return inner + first * np.minimum(x - held, 0) + last * np.maximum(x - held, 0)


def _looked_up(x: Planes, at: F64, values: F64) -> Planes:
    if is_array(x):
        return _straight(np.asarray(x, np.float64), at, values).astype(np.float32)
    import torch

    known, made = x.new_tensor(at), x.new_tensor(values)
    held = x.clamp(float(at[0]), float(at[-1]))
    place = torch.searchsorted(known, held.contiguous()).clamp_(1, len(at) - 1)
    low = place - 1
    share = (held - known[low]) / (known[place] - known[low])
    found = made[low] + (made[place] - made[low]) * share
    first = float((values[1] - values[0]) / (at[1] - at[0]))
    last = float((values[-1] - values[-2]) / (at[-1] - at[-2]))
    return found + (x - held) * torch.where(x < held, first, last)
