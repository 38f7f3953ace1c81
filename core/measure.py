"""What a denoiser did to a region: noise, signal-to-noise, mean, histograms, and the residual.

Computed from assembled pixels (these figures do not add up over tiles). No torch, no Qt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.image import Cfa, Image, Levels
from core.noise.blocks import deviations, names
from core.noise.measured import Pattern
from core.noise.model import Noise
from core.structure import LAGS, verdict
from core.tiles import Region

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]
Sites = list[tuple[slice, slice]]

BINS = 256
PATCH = 384  # side of the part it is computed from; a multiple of all common CFA periods
ENOUGH = 250_000  # samples for a histogram or a robust sigma


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts in equal bins: `edges` has one value more than `before` and `after`."""

    edges: F64
    before: F64
    after: F64


@dataclass(frozen=True, eq=False)
class Residual:
    """(before - after) / sigma of the model: counts in bins, and what pure noise would give."""

    edges: F64  # in sigmas
    counts: F64
    expected: F64


@dataclass(frozen=True, eq=False)
class ChannelStatistics:
    """One channel. All values in stored units unless they say otherwise; NaN = cannot be told."""

    name: str
    sigma_before: float  # robust, from high frequencies
    sigma_after: float
    snr_before: float  # dB, mean above black over sigma
    snr_after: float
    mean_before: float
    mean_after: float
    shift: float  # mean after + lift - mean before
    shift_percent: float  # of the range
    shift_alarm: bool  # too large for chance, and large enough to matter
    residual_std: float
    expected_std: float  # what the noise model says is to be removed
    histogram: Histogram
    residual: Residual
    lift: float = 0.0  # what noise adds to the mean (Rician), which was taken off; not in `shift`


@dataclass(frozen=True, eq=False)
class Statistics:
    """A region before and after."""

    channels: tuple[ChannelStatistics, ...]
    autocorrelation: F64 | None  # of the residual, (15, 15), 1 in the middle; NaN: no such pairs
    lag: int  # pixels from one lag to the next (2 for Bayer: nearest sites of one colour)
    structure: float  # 0: the residual is pure noise; towards 1: it holds the picture
    verdict: str
    why: str


def statistics(
    before: Floats,
    after: Floats,
    image: Image,
    region: Region,
    noise: Noise | None,
    pattern: Pattern | None = None,
) -> Statistics:
    """Compare a region of `image` before and after denoising, both as stored (black included).

    Shapes (h, w) for mosaics and greys, (c, h, w) for colours. Without a noise model the robust
    sigma of `before` stands in; `pattern`: how the noise is correlated. Raises ValueError for
    shapes that do not fit.
    """
    if before.shape != after.shape or before.shape[-2:] != (region.height, region.width):
        raise ValueError(f"shapes {before.shape}, {after.shape} do not fit the region {region}")
    cfa = image.cfa.shifted(region.y0, region.x0) if image.cfa else None
    black = image.levels.black_map(region.y0, region.x0, region.height, region.width)
    planes = [np.asarray(v, np.float32).reshape(-1, *v.shape[-2:]) for v in (before, after)]
    scaled = np.zeros_like(planes[0])  # the residual in sigmas
    level = np.zeros_like(planes[0])  # what was measured, too
    found: list[ChannelStatistics] = []
    for index, name in enumerate(names(image)[: None if cfa else len(scaled)]):
        pair = [p[0 if cfa else index] for p in planes]
        above = [plane - black for plane in pair]
        robust = _robust(above[0], cfa, index), _robust(above[1], cfa, index)
        sites = _sites(pair[0], cfa, index)
        b, a = _gather(pair[0], sites), _gather(pair[1], sites)
        k = black if black.size == 1 else _gather(np.broadcast_to(black, pair[0].shape), sites)
        lifted = _lifted(noise, above[1], black, (b, a), sites, index)
        fine = np.isfinite(a) & np.isfinite(b)
        constant = np.full_like(a, np.nan_to_num(robust[0]))
        sigma = _gather(noise.sigma(above[1], index), sites) if noise else constant
        z = np.where(fine & (sigma > 0), (b - lifted) / np.maximum(sigma, 1e-30), 0)
        z = z.astype(np.float32, copy=False)
        _scatter(scaled[0 if cfa else index], sites, z)
        signal = ((b - np.ravel(k)) / np.maximum(sigma, 1e-30)).astype(np.float32, copy=False)
        _scatter(level[0 if cfa else index], sites, signal)
        if not fine.all():
            b, a, lifted, sigma, z = b[fine], a[fine], lifted[fine], sigma[fine], z[fine]
        samples = _Samples(b, a, lifted, sigma, float(np.mean(k)))
        found.append(_channel(name, samples, robust, z, image.levels))
    correlation, lag, pairs = _autocorrelation([_middle(p, cfa, PATCH) for p in scaled], cfa)
    parts = [np.stack([_middle(p, cfa, 2 * PATCH) for p in v]) for v in (scaled, level, planes[1])]
    score, said, why = verdict(correlation, pairs, parts[0], parts[1], parts[2], cfa, pattern)
    return Statistics(tuple(found), correlation, lag, score, said, why)


def in_units(found: Statistics, slope: float, intercept: float) -> Statistics:
    """The figures of stored numbers as those of what they mean: slope * stored + intercept.

    Ratios (SNR, percent) and the residual in sigmas are what they were.
    """

    def axis(values: F64) -> F64:
        return slope * values + intercept

    return replace(
        found,
        channels=tuple(
            replace(
                one,
                sigma_before=abs(slope) * one.sigma_before,
                sigma_after=abs(slope) * one.sigma_after,
                mean_before=slope * one.mean_before + intercept,
                mean_after=slope * one.mean_after + intercept,
                shift=slope * one.shift,
                residual_std=abs(slope) * one.residual_std,
                expected_std=abs(slope) * one.expected_std,
                lift=slope * one.lift,
                histogram=replace(one.histogram, edges=axis(one.histogram.edges)),
            )
            for one in found.channels
        ),
    )


def psnr(a: Floats, b: Floats, peak: float) -> float:
    """Peak signal-to-noise ratio in dB; infinite for equal arrays."""
    error = rmse(a, b)
    return math.inf if error == 0 else 20 * math.log10(peak / error)


def rmse(a: Floats, b: Floats) -> float:
    """Root of the mean squared difference, in float64."""
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape} differ")
    return float(np.sqrt(np.mean((a.astype(np.float64) - b) ** 2)))


def _sites(plane: Floats, cfa: Cfa | None, channel: int) -> Sites:
    """Strided slices that together hold a channel's samples."""
    if cfa is None:
        return [(slice(None), slice(None))]
    height, width = cfa.period
    return [
        (slice(y, None, height), slice(x, None, width))
        for y in range(min(height, plane.shape[0]))
        for x in range(min(width, plane.shape[1]))
        if cfa.pattern[y][x] == channel
    ]


@dataclass(frozen=True, eq=False)
class _Samples:
    """One channel's finite samples, flat."""

    before: F32
    after: F32
    lifted: F32  # what the noise makes of `after` on average
    sigma: F32  # of the noise model at `after`
    black: float  # mean


def _channel(
    name: str, samples: _Samples, robust: tuple[float, float], z: F32, levels: Levels
) -> ChannelStatistics:
    """Figures of one channel, from its samples and its residual in sigmas."""
    count = samples.before.size
    mean_before, mean_after = _mean(samples.before), _mean(samples.after)
    histogram = _histogram(samples.before, samples.after)
    lift = _mean(samples.lifted) - mean_after
    residual = samples.before - samples.lifted
    std = float(residual.std(dtype=np.float64)) if count else math.nan
    bright = float(histogram.edges[-1] - histogram.edges[0])
    span = levels.span if np.isfinite(levels.white) else bright
    shift = mean_after + lift - mean_before
    alarm = abs(shift) > 4 * std / math.sqrt(max(count, 1)) and abs(shift) > 1e-3 * span
    return ChannelStatistics(
        name=name,
        sigma_before=robust[0],
        sigma_after=robust[1],
        snr_before=_snr(mean_before - samples.black, robust[0]),
        snr_after=_snr(mean_after - samples.black, robust[1]),
        mean_before=mean_before,
        mean_after=mean_after,
        shift=shift,
        shift_percent=100 * shift / span,
        shift_alarm=alarm,
        residual_std=std,
        expected_std=math.sqrt(_mean(samples.sigma**2)) if count else math.nan,
        histogram=histogram,
        residual=_in_sigmas(z),
        lift=lift,
    )


def _lifted(
    noise: Noise | None,
    above: F32,
    black: Floats,
    sides: tuple[F32, F32],
    sites: Sites,
    channel: int,
) -> F32:
    """What would be measured on average of the denoised values (of the second side), flat.

    A method that leaves the noise's lift where it is has it in its result already: what fits better
    is taken. `above` is the denoised plane above black.
    """
    before, after = sides
    if noise is None:
        return after
    lifted = _gather((noise.mean(above, channel) + black).astype(np.float32), sites)
    shifts = [abs(float(np.nanmean(before - each))) if each.size else 0.0
              for each in (lifted, after)]  # fmt: skip
    return lifted if shifts[0] < shifts[1] else after


def _mean(values: F32) -> float:
    """Mean in float64, NaN of nothing."""
    return float(values.mean(dtype=np.float64)) if values.size else math.nan


def _gather(plane: Floats, sites: Sites) -> F32:
    """A channel's samples, flat."""
    parts = [plane[s].ravel() for s in sites]
    return np.concatenate(parts or [plane[:0, 0]]).astype(np.float32, copy=False)


def _scatter(plane: F32, sites: Sites, values: F32) -> None:
    """The other way round."""
    start = 0
    for s in sites:
        part = plane[s]
        part[...] = values[start : start + part.size].reshape(part.shape)
        start += part.size


def _robust(above: F32, cfa: Cfa | None, channel: int) -> float:
    """Noise sigma from the median of high-frequency coefficients: texture hardly reaches it."""
    found = deviations(above, cfa, channel)
    return 1.4826 * float(np.median(np.abs(found))) if found.size else math.nan


def _snr(mean: float, sigma: float) -> float:
    """Mean over sigma in dB."""
    if not mean > 0 or math.isnan(sigma):
        return math.nan
    return math.inf if sigma == 0 else 20 * math.log10(mean / sigma)


def _counts(values: F32, low: float, high: float, bins: int) -> F64:
    """Histogram of a regular part of the values; those outside go to the end bins."""
    part = values[:: max(1, values.size // ENOUGH)]
    at = (part - np.float32(low)) * np.float32(bins / (high - low))
    at = np.clip(at, 0, bins - 1).astype(np.intp)
    return np.bincount(at, minlength=bins).astype(np.float64)


def _histogram(before: F32, after: F32) -> Histogram:
    """Both in the same bins, from the least to the greatest value."""
    low = min((float(v.min()) for v in (before, after) if v.size), default=0.0)
    high = max((float(v.max()) for v in (before, after) if v.size), default=1.0)
    if not high > low:
        high = low + max(abs(low) * 1e-3, 1.0)
    edges = np.linspace(low, high, BINS + 1)
    return Histogram(edges, _counts(before, low, high, BINS), _counts(after, low, high, BINS))


def _in_sigmas(z: F32) -> Residual:
    """Histogram of the residual from -5 to 5 sigmas, with the Gaussian of pure noise."""
    edges = np.linspace(-5, 5, 102)
    counts = _counts(z, -5, 5, 101)
    middle = (edges[1:] + edges[:-1]) / 2
    bell = np.exp(-(middle**2) / 2)
    return Residual(edges, counts, counts.sum() * bell / bell.sum())


def _middle(plane: F32, cfa: Cfa | None, side: int) -> F32:
    """The middle of a plane, whole CFA periods, at most `side` on a side."""
    height, width = cfa.period if cfa else (1, 1)
    rows, cols = (min(side, n) // p * p for n, p in zip(plane.shape, (height, width), strict=True))
    y = (plane.shape[0] - rows) // 2 // height * height
    x = (plane.shape[1] - cols) // 2 // width * width
    return plane[y : y + rows, x : x + cols]


def _autocorrelation(patches: list[F32], cfa: Cfa | None) -> tuple[F64 | None, int, F64]:
    """Correlation of the residual with itself between sites of one colour, lags, pairs per lag.

    Float64 FFT, circular: the patch holds whole periods, so the pairs around the edge fit.
    """
    shape = patches[0].shape
    if min(shape) < 4 * LAGS + 4:
        return None, 1, np.zeros((1, 1))
    colors = cfa.colors(*shape) if cfa else np.zeros(shape, np.uint8)
    power, pairs = np.zeros((2, shape[0], shape[1] // 2 + 1))
    for patch in patches:
        for channel in range(len(cfa.names) if cfa else 1):
            mask = colors == channel
            inside = np.where(mask, patch, 0).astype(np.float64)
            inside[mask] -= inside[mask].mean() if mask.any() else 0
            power += np.abs(np.fft.rfft2(inside)) ** 2
            pairs += np.abs(np.fft.rfft2(mask.astype(np.float64))) ** 2
    sums, counts = np.fft.irfft2(power, shape), np.round(np.fft.irfft2(pairs, shape))
    step = 1 if counts[0, 1] > 0 else 2
    lags = np.arange(-LAGS, LAGS + 1, dtype=np.intp) * step
    sums, counts = sums[lags[:, None], lags], counts[lags[:, None], lags]
    if sums[LAGS, LAGS] <= 0:
        return None, step, counts
    mean = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return mean / mean[LAGS, LAGS], step, counts
