"""Noise power spectra: how strong noise is in each 8x8 DCT coefficient of a block, and coarser.

A spectrum is a tuple of 64 standard deviations (ky, kx) for noise whose pixels have one of 1; white
noise has 1 everywhere. It stands for an autocorrelation over as many lags, alike in all quadrants.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Spectrum = tuple[float, ...]

EDGE = 8  # of a block
WHITE: Spectrum = (1.0,) * EDGE**2
LEAST = 0.02  # variance of a coefficient, where what was measured says less or none


def of_correlation(correlation: Sequence[Sequence[float]]) -> Spectrum:
    """From the autocorrelation at [dy][dx], lags from 0 on."""
    known = np.zeros((EDGE, EDGE))
    given = np.asarray(correlation, np.float64)[:EDGE, :EDGE]
    known[: given.shape[0], : given.shape[1]] = given
    return _deviations(known)


def correlation_of(spectrum: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    """The autocorrelation (8, 8) of a spectrum, 1 at lag 0: the inverse of `of_correlation`."""
    known = _correlation(spectrum)
    known = known / max(float(known[0, 0]), 1e-30)
    return tuple(tuple(float(v) for v in row) for row in known)


@lru_cache(maxsize=64)
def of_pulse(size: float) -> Spectrum:
    """White noise smoothed by a Gaussian whose standard deviation is `size` pixels."""
    if size < 0.2:
        return WHITE
    reach = np.arange(-4 * EDGE, 4 * EDGE + 1)
    pulse = np.exp(-(reach**2) / (2 * size**2))
    line = np.correlate(pulse, pulse, "full")[len(pulse) - 1 :][:EDGE] / float(pulse @ pulse)
    return of_correlation((line[:, None] * line).tolist())


@lru_cache(maxsize=256)
def halved(spectrum: Spectrum) -> Spectrum:
    """That of sums of 2x2 pixels over 2, which is what core.ops.scales makes: white stays white.

    It is not scaled to 1: noise that near pixels share is stronger after it.
    """
    return WHITE if spectrum == WHITE else _deviations(4 * _averaged(spectrum, 2))


def binned(spectrum: Spectrum, factor: int) -> tuple[float, Spectrum]:
    """Of means over `factor` x `factor` pixels: their deviation, and their spectrum scaled to 1."""
    if factor <= 1 or spectrum == WHITE:
        return 1 / max(factor, 1), spectrum
    covariance = _averaged(spectrum, factor)
    variance = float(max(covariance[0, 0], 1e-30))
    return math.sqrt(variance), _deviations(covariance / variance)


def coarse(spectrum: Spectrum) -> float:
    """White noise of how many times the pixels' deviation is as strong where pictures are: coarse.

    The root mean square over coefficients of one and two half waves a block.
    """
    near = [v * EDGE + u for v in range(3) for u in range(3) if u + v]
    return math.sqrt(sum(spectrum[at] ** 2 for at in near) / len(near))


def in_basis(spectrum: Spectrum, basis: NDArray[np.floating[Any]]) -> Spectrum:
    """Deviations in another separable basis of blocks, rows of `basis` (8, 8)."""
    return _deviations(_correlation(spectrum), _variances(np.asarray(basis, np.float64)))


@lru_cache(maxsize=4)
def cosines(edge: int = EDGE) -> F64:
    """The orthonormal DCT-II of lines of so many samples, (edge, edge): rows are frequencies."""
    at = np.arange(edge)
    basis = np.cos((2 * at + 1) * at[:, None] * math.pi / (2 * edge)) * (2 / edge) ** 0.5
    basis[0] /= 2**0.5
    return basis


@lru_cache(maxsize=1)
def _transform() -> F64:
    """Variance of each DCT coefficient of a line from its autocorrelation by lag, (8, 8)."""
    return _variances(cosines())


def _variances(basis: F64) -> F64:
    """The same for the rows of any basis."""
    at = np.arange(EDGE)
    lag = np.abs(at[:, None] - at)
    return np.stack([np.einsum("ay,yu,au->a", basis, lag == n, basis) for n in at], 1)


def _deviations(correlation: F64, transform: F64 | None = None) -> Spectrum:
    transform = _transform() if transform is None else transform
    variance = transform @ correlation @ transform.T
    return tuple(np.sqrt(np.maximum(variance, LEAST)).ravel().tolist())


def _averaged(spectrum: Spectrum, factor: int) -> F64:
    """Autocovariance (8, 8) of means over factor x factor pixels; that of pixels ends at 7 lags."""
    share = np.zeros((EDGE, EDGE))  # of each fine lag in each coarse one
    for coarse_lag in range(EDGE):
        for apart in range(1 - factor, factor):
            lag = abs(coarse_lag * factor + apart)
            if lag < EDGE:
                share[coarse_lag, lag] += (factor - abs(apart)) / factor**2
    return share @ _correlation(spectrum) @ share.T


def _correlation(spectrum: Sequence[float]) -> F64:
    power = np.square(np.asarray(spectrum, np.float64)).reshape(EDGE, EDGE)
    back = np.linalg.inv(_transform())
    return back @ power @ back.T
