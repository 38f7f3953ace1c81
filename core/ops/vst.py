"""Variance stabilisation: Poisson-Gaussian signal to unit-variance planes and back, unbiased.

Mäkitalo and Foi, "Optimal inversion of the generalized Anscombe transformation for
Poisson-Gaussian noise", IEEE TIP 2013; Anscombe, Biometrika 1948.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import lgamma, sqrt
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from core.method import Planes

if TYPE_CHECKING:
    import torch

STEP = 1 / 32  # of the table, in noise standard deviations
SMALL = 1e-6  # stands in for the standard deviation of a noise-free signal


class Curve(Protocol):
    """A transform after which noise is white with sigma 1. Arrays and tensors, any shape."""

    def forward(self, x: Planes) -> Planes:
        """Signal above black to stabilised values, float32, same shape; the input stays."""
        ...

    def inverse(self, y: Planes) -> Planes:
        """Expected stabilised values to the expected (true) signal, same shape."""
        ...


@dataclass(frozen=True)
class Vst:
    """The transform for var = gain * x + read^2, x the expected signal above black.

    Forward: f(x) = 2 (sqrt(gain max(x, 0) + c) - sqrt(c)) / gain with c = 3/8 gain^2 + read^2,
    shifted so that f(0) = 0 and continued straight below black, so that no sample is lost there.
    """

    gain: float
    read: float

    @cached_property
    def root(self) -> float:
        """sqrt(c): the noise at black, and 1 / slope of the transform there."""
        return max(sqrt(0.375 * self.gain**2 + self.read**2), SMALL)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Signal above black to stabilised values, float32, same shape."""
        if self.gain <= 0:
            return x / self.root
        root = x.clamp_min(0).mul_(self.gain).add_(self.root**2).sqrt_().add_(self.root)
        return x.mul(2).div_(root)

    def inverse(self, y: torch.Tensor) -> torch.Tensor:
        """Expected stabilised values to expected signal: the exact unbiased inverse of forward."""
        if self.gain <= 0:
            return y * self.root
        start, table = self.bias
        values = y.new_tensor(table)
        place = y.sub(start).div_(STEP).clamp_(0, len(table) - 1.001)
        index = place.int()
        low = values[index]
        bias = place.sub_(index).mul_(values[index + 1] - low).add_(low)
        return bias.add_(y.clamp_min(0).square_().mul_(self.gain / 4)).add_(y, alpha=self.root)

    @cached_property
    def bias(self) -> tuple[float, NDArray[np.float32]]:
        """Unbiased minus algebraic inverse: first y, then values every STEP; constant outside.

        The expectation E[f(z) | x] is summed over Poisson counts and integrated over read noise.
        """
        return _bias(self.gain, self.read)


Curves = tuple[tuple[Curve, ...], ...]  # of every plane; a row per slice, or one for all


def forward(x: torch.Tensor, curves: Curves) -> torch.Tensor:
    """Stabilise (D, P, H, W) planes, each by its own curve."""
    import torch

    if len(curves) == 1:
        return torch.stack([c.forward(x[:, p]) for p, c in enumerate(curves[0])], 1)
    if (factors := _factors(x, curves)) is not None:
        return x / factors
    rows = [
        torch.stack([c.forward(x[d, p]) for p, c in enumerate(r)]) for d, r in enumerate(curves)
    ]
    return torch.stack(rows)


def inverse(y: torch.Tensor, curves: Curves) -> torch.Tensor:
    """Undo `forward` on (D, P, H, W) denoised planes."""
    import torch

    if len(curves) == 1:
        return torch.stack([c.inverse(y[:, p]) for p, c in enumerate(curves[0])], 1)
    if (factors := _factors(y, curves)) is not None:
        return y * factors
    rows = [
        torch.stack([c.inverse(y[d, p]) for p, c in enumerate(r)]) for d, r in enumerate(curves)
    ]
    return torch.stack(rows)


def _factors(x: torch.Tensor, curves: Curves) -> torch.Tensor | None:
    """The sigma of each plane (D, P, 1, 1), where that is all: Gaussian noise."""
    rows = [[c.root for c in r if isinstance(c, Vst) and c.gain <= 0] for r in curves]
    if any(len(row) < len(r) for row, r in zip(rows, curves, strict=True)):
        return None
    return x.new_tensor(rows)[..., None, None]


@lru_cache(maxsize=1024)
def tables(curves: tuple[Curve, ...]) -> NDArray[np.float32]:
    """What the kernels of core.ops.planes_cpu know of each plane's curve, one row each.

    gain, root, where the bias table starts, 1 / its step, its length, the table. Of another curve
    than a `Vst` they know nothing: to them it is the signal itself.
    """
    found = [c if isinstance(c, Vst) else SIGNAL for c in curves]
    bias = [v.bias if v.gain > 0 else (0.0, np.zeros(2, np.float32)) for v in found]
    rows = np.zeros((len(found), 5 + max(len(table) for _, table in bias)), np.float32)
    for row, v, (start, table) in zip(rows, found, bias, strict=True):
        row[:5] = max(v.gain, 0.0), v.root, start, 1 / STEP, len(table)
        row[5 : 5 + len(table)] = table
    return rows


@lru_cache(maxsize=1024)
def vst(gain: float, read: float) -> Vst:
    """The transform of a noise model; its table is computed once."""
    return Vst(float(gain), float(read))


SIGNAL = vst(0.0, 1.0)  # leaves it as it is


@lru_cache(maxsize=1024)
def _bias(gain: float, read: float) -> tuple[float, NDArray[np.float32]]:
    # in electrons: counts k of mean m, read noise s; past `top` the asymptotic bias gain/4 holds
    s = read / gain
    c = 0.375 + s * s
    top = 60 + 25 + 7 * s
    last = 2 * (sqrt(top + c) - sqrt(c))
    first = -8 * max(s, 0.125) / sqrt(c)
    y = np.arange(first, last, STEP / 2)
    mean = np.where(y < 0, y * sqrt(c), y * y / 4 + y * sqrt(c))
    expected = _poisson(mean, s) if s < 8 else _normal(mean, s)
    grid = np.arange(first, last, STEP)
    exact = np.interp(grid, expected, mean)
    algebraic = np.maximum(grid, 0) ** 2 / 4 + grid * sqrt(c)
    bias = (exact - algebraic) * gain
    inside = grid <= expected[-1]
    return float(first), np.append(bias[inside], gain / 4).astype(np.float32)


def _stabilised(z: NDArray[np.float64], s: float) -> NDArray[np.float64]:
    c = 0.375 + s * s
    return 2 * z / (np.sqrt(np.maximum(z, 0) + c) + sqrt(c))


def _gauss() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes = np.linspace(-7, 7, 141)  # even steps: exact for smooth, good at the kink at black
    weights = np.exp(-nodes * nodes / 2)
    return nodes, weights / weights.sum()


def _poisson(mean: NDArray[np.float64], s: float) -> NDArray[np.float64]:
    """E[f(k + s n)], k Poisson of this mean; below black the signal is the read noise shifted."""
    nodes, weights = _gauss()
    count = np.arange(int(mean.max() + 10 * sqrt(mean.max()) + 20))
    given = _stabilised(count[:, None] + s * nodes, s) @ weights
    rate = np.maximum(mean, 1e-12)[:, None]
    chance = np.exp(count * np.log(rate) - rate - np.array([lgamma(k + 1) for k in count]))
    below = _stabilised(mean[:, None] + s * nodes, s) @ weights
    return np.where(mean > 0, chance @ given, below)


def _normal(mean: NDArray[np.float64], s: float) -> NDArray[np.float64]:
    """The same where read noise dominates at black: the sum of both is close to normal."""
    nodes, weights = _gauss()
    spread = np.sqrt(np.maximum(mean, 0) + s * s)
    return _stabilised(mean[:, None] + spread[:, None] * nodes, s) @ weights
