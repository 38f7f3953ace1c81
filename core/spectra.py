"""Spectra of a cube: means, noise of each band, spectral angle, noise fractions, a guarded target.

Pure functions on pixels (bands, n) in stored units. No torch, no Qt, no file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.image import Array

F64 = NDArray[np.float64]
SURE = 0.01  # chance of a false alarm, over all pixels together
SERIOUS = 0.05  # share of a target's energy whose loss matters
HOLDS = 0.5  # share of the target from which on a pixel holds it
CLEAR = 4.0  # sigmas from which on something is told from noise
RIDGE = 1e-9  # of the mean variance, added so that what is nearly singular can be inverted


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean (bands,) and covariance (bands, bands) of `count` pixels that have all bands."""

    mean: F64
    covariance: F64
    count: int


def moments(pixels: Array) -> Moments:
    """Of pixels (bands, n); those where any band has no value do not count."""
    values = np.asarray(pixels, np.float64).reshape(len(pixels), -1)
    values = values[:, np.isfinite(values).all(0)]
    count = values.shape[1]
    if count < 2:
        nothing = np.full(len(values), np.nan)
        return Moments(nothing, np.full((len(values),) * 2, np.nan), count)
    mean = values.mean(1)
    values -= mean[:, None]
    return Moments(mean, values @ values.T / (count - 1), count)


def band_noise(found: Moments) -> F64:
    """Standard deviation of each band's noise, (bands,): what the other bands do not foretell.

    The residual of the linear regression of a band on all others, which a cube's few materials
    foretell almost wholly; on its nearest bands where pixels are few. HySime, J. Bioucas-Dias and
    J. Nascimento, IEEE TGRS 46(8), 2008. Noise that bands share is not seen. NaN: cannot be told.
    """
    bands, count = len(found.mean), found.count
    near = min(bands - 1, count // 4 // 2 * 2)
    covariance = found.covariance
    if near < 2 or not np.isfinite(covariance).all():
        return np.full(bands, np.nan)
    variance = np.diag(covariance).copy()
    scale = np.sqrt(np.where(variance > 0, variance, 1.0))
    ridge = np.diag(np.where(variance > 0, RIDGE, 1.0))
    correlation = covariance / np.outer(scale, scale) + ridge
    if near == bands - 1:
        rest = 1 / np.diag(np.linalg.inv(correlation))
    else:
        rest = np.empty(bands)
        for band in range(bands):
            first = min(max(band - near // 2, 0), bands - near - 1)
            part = slice(first, first + near + 1)
            rest[band] = 1 / np.linalg.inv(correlation[part, part])[band - first, band - first]
    freedom = (count - 1) / max(count - 1 - near, 1)
    sigma = np.sqrt(np.maximum(rest, 0) * freedom) * scale
    return np.where(variance > 0, sigma, 0.0)


@dataclass(frozen=True, eq=False)
class Fractions:
    """Eigen-images, best first: weights (count, bands), SNR of each (variance over noise)."""

    weights: F64
    mean: F64
    snr: F64


def noise_fractions(found: Moments, sigma: F64, count: int) -> Fractions:
    """Minimum noise fraction: sums of bands, noise of sigma 1 in each, by falling signal.

    A. Green et al., IEEE TGRS 26(1), 1988; with uncorrelated band noise as in J. Lee et al., IEEE
    TGRS 28(3), 1990. Bands without noise or value take no part.
    """
    able = np.isfinite(sigma) & (sigma > 0) & np.isfinite(found.mean)
    white = np.where(able, 1 / np.where(able, sigma, 1.0), 0.0)
    covariance = np.nan_to_num(found.covariance) * np.outer(white, white)
    values, vectors = np.linalg.eigh(covariance)
    order = np.argsort(values)[::-1][:count]
    weights = (vectors[:, order] * white[:, None]).T
    bright = weights @ np.where(able, np.nan_to_num(found.mean), 0.0)
    weights *= np.where(bright < 0, -1.0, 1.0)[:, None]  # bright stays bright
    return Fractions(weights, found.mean, np.maximum(values[order] - 1, 0))


def angle(one: Array, other: Array) -> float:
    """Spectral angle in degrees between two spectra (bands,), over the bands that both have."""
    both = np.isfinite(one) & np.isfinite(other)
    a, b = np.asarray(one, np.float64)[both], np.asarray(other, np.float64)[both]
    lengths = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if not all(lengths):
        return math.nan
    half = np.linalg.norm(a / lengths[0] - b / lengths[1]) / 2
    return math.degrees(2 * math.asin(min(float(half), 1.0)))


@dataclass(frozen=True, eq=False)
class Filter:
    """A matched filter: weights (bands,) whose sum with a pixel minus `mean` is a target's share.

    `spread` is the standard deviation that noise gives a share. `leak` is by how much the noise of
    a pixel lifts its own share where the target was taken from it.
    """

    weights: F64
    mean: F64
    spread: float
    leak: float


def matched_filter(found: Moments, sigma: F64, target: Array, count: int = 0) -> Filter | None:
    """1 for the target, 0 for the background's mean, and the least background in between.

    J. Boardman et al., JPL Airborne Geoscience Workshop 1995; the noise's variance is added to the
    background's, so that few pixels do. A target that is the mean of `count` pixels of the image
    (0: it comes from a file) is itself noisy: what of it lies beside the image's eigen-images is
    shrunk by what noise alone would leave there (James and Stein, 1961). None where the target
    cannot be told from the mean, given the noise.
    """
    used = np.isfinite(target) & np.isfinite(found.mean) & np.isfinite(sigma) & (sigma > 0)
    if not used.any() or found.count < 2:
        return None
    size, deviation = int(used.sum()), sigma[used]
    covariance = found.covariance[np.ix_(used, used)] / np.outer(deviation, deviation)
    values, vectors = np.linalg.eigh(covariance)
    apart = vectors.T @ ((np.asarray(target, np.float64)[used] - found.mean[used]) / deviation)
    shrink = np.ones(size)
    if count:
        noisy = values < (1 + math.sqrt(size / found.count)) ** 2  # where noise's eigenvalues end
        energy, expected = float(np.sum(apart[noisy] ** 2)), float(noisy.sum()) / count
        shrink[noisy] = max(1 - expected / energy, 0.0) if energy > 0 else 0.0
    inverse = 1 / (np.maximum(values, 0) + 1)
    row = apart * shrink * inverse
    strength = float(np.sum(row * apart * shrink))
    if not strength > 0:
        return None
    weights = np.zeros(len(found.mean))
    weights[used] = vectors @ row / deviation / strength
    spread = float(np.sqrt(np.sum(row**2))) / strength
    if CLEAR * spread > 1:
        return None
    leak = float(np.sum(inverse * shrink)) / count / strength if count else 0.0
    return Filter(weights, found.mean, spread, leak)


@dataclass(frozen=True)
class Guarded:
    """What denoising did to a target in a region.

    Of `holding` pixels that hold the target, `kept` is the share of its energy that is left,
    `error` its standard deviation by noise alone (both NaN where none does). `lost` counts pixels
    whose share fell by more than noise explains; `worst` is the greatest fall, in sigmas, at
    `place` (row, column) of the region; pure noise exceeds `limit` in no pixel, 99 times of 100.
    """

    holding: int
    kept: float
    error: float
    lost: int
    worst: float
    limit: float
    place: tuple[int, int]

    @property
    def faded(self) -> bool:
        """Is less left than noise explains, by a share that matters?"""
        return 1 - self.kept > max(SERIOUS, CLEAR * self.error)

    @property
    def alarm(self) -> bool:
        """Was the target not kept?"""
        return bool(self.lost) or self.faded

    @property
    def why(self) -> str:
        """One sentence for the user."""
        if self.lost:
            pixels = "1 pixel has" if self.lost == 1 else f"{self.lost} pixels have"
            return (
                f"{pixels} lost more of the target than noise explains (up to {self.worst:.1f} σ):"
                " lower the strength or the amount."
            )
        if self.faded:
            return f"Only {self.kept:.0%} of the target is left: lower the strength or the amount."
        where = "" if self.holding else "; no pixel here holds it"
        return f"No more of the target was removed than noise explains{where}."


def guard(
    before: Array, after: Array, used: Filter, own: tuple[slice, slice] | None = None
) -> Guarded | None:
    """Judge what was removed of a target between (bands, h, w) `before` and `after`.

    What a pixel's share of the target lost has the standard deviation `used.spread` if nothing but
    noise was removed; the robust deviation of what was removed stands in where that is more, as the
    noise may be stronger than estimated. `own` are the pixels that the target was taken from:
    their noise is in it. None where nothing can be told.
    """
    removed = _shares(np.asarray(before, np.float64) - after, used, np.zeros_like(used.mean))
    held = _shares(after, used, used.mean)
    if own is not None:
        removed[own] -= used.leak
    had = held + removed
    there = np.isfinite(removed)
    if not there.any():
        return None
    spread = max(used.spread, 1.4826 * float(np.median(np.abs(removed[there]))))
    limit = NormalDist().inv_cdf(1 - SURE / int(there.sum()))
    score = np.where(there, removed / spread, -np.inf)
    at = int(np.argmax(score))
    bar = max(HOLDS, CLEAR * spread)
    holding = there & ((had >= bar) | (held >= bar))
    energy, along = float(np.sum(held[holding] ** 2)), float(np.sum((held * removed)[holding]))
    kept = min(energy / (energy + along), 1.0) if energy + along > 0 else math.nan
    error = spread / math.sqrt(energy) if energy else math.nan
    return Guarded(int(holding.sum()), kept, error, int(np.count_nonzero(score > limit)),
                   float(score.flat[at]), limit, divmod(at, score.shape[1]))  # fmt: skip


def _shares(pixels: Array, used: Filter, mean: F64) -> F64:
    taking = used.weights != 0
    moved = np.asarray(pixels, np.float64)[taking] - mean[taking, None, None]
    return np.tensordot(used.weights[taking], moved, 1)


def resampled(x: Array, y: Array, onto: Array) -> F64:
    """A spectrum at other wavelengths, linear in between; NaN where it does not reach."""
    order = np.argsort(x)
    x, y = np.asarray(x, float)[order], np.asarray(y, float)[order]
    fine = np.isfinite(x) & np.isfinite(y)
    if fine.sum() < 2:
        return np.full(np.shape(onto), np.nan)
    found: Any = np.interp(onto, x[fine], y[fine], left=np.nan, right=np.nan)
    return np.asarray(found, float)
