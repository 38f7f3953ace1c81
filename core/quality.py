"""Image quality as medical physicists measure it: areas and their contrast, noise texture, edges.

All of it before and after, so that a smoother picture is not taken for a better one: noise that
falls while its spectrum moves to low frequencies looks like wax, and an edge that gets wider is
detail lost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

PATCH = 64  # samples on a side of the patches of a noise power spectrum, at most
LEAST = 16  # and at least
BAND = 4  # samples on both sides of a line that its profile is the mean of
ANGLES = np.tan(np.radians(np.arange(-30, 31)))  # an edge may cross its line this obliquely


@dataclass(frozen=True)
class Area:
    """Mean and standard deviation of an area, in the unit of the image."""

    mean: float
    std: float
    count: int


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Radial noise power spectra: squares of the unit times the squared length, by frequency."""

    frequency: F64  # cycles per length
    before: F64
    after: F64
    mean_before: float  # frequency, weighted by the power
    mean_after: float


@dataclass(frozen=True, eq=False)
class Edge:
    """Profiles across an edge, and how far it is from 10 to 90 % of its step (NaN: not told)."""

    distance: F64  # along the edge's normal, lengths, 0 in the middle of the line
    before: F64
    after: F64
    rise_before: float
    rise_after: float


@dataclass(frozen=True, eq=False)
class Quality:
    """What was drawn, measured before and after. `unit` of values, `length` mm or px."""

    unit: str
    length: str
    areas: tuple[tuple[Area, Area], ...]  # first and second area: (before, after)
    spectrum: Spectrum | None  # of the first area
    edge: Edge | None
    cnr: tuple[float, float] | None = None  # of the first area over the second, before and after
    gcnr: tuple[float, float] | None = None
    speckle: tuple[tuple[float, float], ...] = ()  # SNR of each area of ultrasound: before, after


def area(values: Floats) -> Area:
    """Mean and standard deviation (n - 1) of the finite values."""
    fine = values[np.isfinite(values)].astype(np.float64)
    if not fine.size:
        return Area(math.nan, math.nan, 0)
    std = float(fine.std(ddof=1)) if fine.size > 1 else math.nan
    return Area(float(fine.mean()), std, int(fine.size))


def cnr(first: Area, second: Area) -> float:
    """|difference of the means| over the standard deviation of the second, the background.

    As it is usual in CT and MR; for ultrasound see core.contrast.
    """
    step = abs(first.mean - second.mean)
    return step / second.std if second.std > 0 else math.nan


def spectrum(before: Floats, after: Floats, edges: tuple[float, float]) -> Spectrum | None:
    """Noise power spectra of an even area (h, w); `edges`: height and width of a pixel.

    Patches overlap by half; a parabola is taken off each, which is anatomy and not noise. None
    where the area is too small. Integrated over both frequencies it is the variance.
    S. Dolly et al., Med. Phys. 43(5), 2016; ICRU Report 87, 2012.
    """
    side = min(PATCH, *before.shape[-2:])
    if side < LEAST or not np.isfinite(before).all() or not np.isfinite(after).all():
        return None
    tall, wide = edges
    rows, cols = np.fft.fftfreq(side, tall), np.fft.fftfreq(side, wide)
    radius = np.hypot(rows[:, None], cols[None])
    top = min(0.5 / tall, 0.5 / wide)
    bins = max(side // 2, 8)
    index = np.minimum((radius / top * bins).astype(np.intp), bins)
    counts = np.bincount(index.ravel(), minlength=bins + 1)[:bins]
    found: list[F64] = []
    for values in (before, after):
        power = _power(values, side) * tall * wide
        sums = np.bincount(index.ravel(), power.ravel(), minlength=bins + 1)[:bins]
        found.append(sums / np.maximum(counts, 1))
    frequency = (np.arange(bins) + 0.5) * top / bins
    return Spectrum(frequency, found[0], found[1], *(_centre(frequency, one) for one in found))


def edge(
    before: Floats,
    after: Floats,
    line: tuple[float, float, float, float],
    edges: tuple[float, float],
) -> Edge | None:
    """The step across a line (y0, x0, y1, x1; pixel centres at whole numbers) in (h, w) pixels.

    The mean over a band along the edge, which need not be square to the line: of all angles the
    one is taken at which the step after denoising is steepest. None for a line of under 8 pixels.
    E. Samei et al., Med. Phys. 25(1), 1998, for the oblique edge.
    """
    scale = np.asarray(edges, float)
    start, stop = np.asarray(line[:2]) * scale, np.asarray(line[2:]) * scale
    length, step = float(np.hypot(*(stop - start))), float(min(edges)) / 2
    if length < 8 * min(edges):
        return None
    along = (stop - start) / length
    across = np.array([-along[1], along[0]])
    distance: F64 = np.arange(0.0, length, step) - length / 2
    offsets: F64 = np.arange(-BAND, BAND + 1, dtype=np.float64) * min(edges)
    places = (start + stop) / 2 + distance[:, None] * along
    places = places[None] + offsets[:, None, None] * across
    bands = [_sampled(values, places / scale) for values in (before, after)]
    slopes = [_slanted(bands[1], offsets, distance, slope) for slope in ANGLES]
    steepest = [float(np.nansum(np.diff(profile) ** 2)) for profile in slopes]
    slope = float(ANGLES[int(np.argmax(steepest))])
    profiles = [_slanted(band, offsets, distance, slope) for band in bands]
    true = distance * math.cos(math.atan(slope))
    return Edge(true, profiles[0], profiles[1], *(_rise(true, one) for one in profiles))


def _power(values: Floats, side: int) -> F64:
    """Mean of |DFT|^2 over the count of samples, of patches without their trend."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    terms = np.stack([y * 0 + 1, y, x, y * y, x * x, x * y], -1).reshape(-1, 6)
    fit = np.linalg.pinv(terms)
    total, patches = np.zeros((side, side)), 0
    for top in _starts(values.shape[0], side):
        for left in _starts(values.shape[1], side):
            part = values[top : top + side, left : left + side].astype(np.float64).ravel()
            rest = (part - terms @ (fit @ part)).reshape(side, side)
            total += np.abs(np.fft.fft2(rest)) ** 2 / rest.size
            patches += 1
    return total / patches


def _starts(length: int, side: int) -> list[int]:
    return list(range(0, length - side + 1, max(side // 2, 1)))


def _centre(frequency: F64, power: F64) -> float:
    """Mean frequency; rings weigh as much as they are long."""
    weight = power * frequency
    total = float(weight.sum())
    return float((weight * frequency).sum()) / total if total > 0 else math.nan


def _sampled(values: Floats, places: F64) -> F64:
    """Values at (..., 2) places (y, x), linear in between, NaN outside."""
    y, x = places[..., 0], places[..., 1]
    height, width = values.shape
    top, left = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
    outside = (y < 0) | (x < 0) | (y > height - 1) | (x > width - 1)
    rows = [np.clip(top + at, 0, height - 1) for at in (0, 1)]
    cols = [np.clip(left + at, 0, width - 1) for at in (0, 1)]
    down, right = y - top, x - left
    upper = values[rows[0], cols[0]] * (1 - right) + values[rows[0], cols[1]] * right
    lower = values[rows[1], cols[0]] * (1 - right) + values[rows[1], cols[1]] * right
    found: F64 = np.asarray(upper * (1 - down) + lower * down, np.float64)
    found[outside] = np.nan
    return found


def _slanted(band: F64, offsets: F64, distance: F64, slope: float) -> F64:
    """The mean profile of a band, its rows moved as an edge of that slope is."""
    rows: F64 = np.empty(band.shape)
    for index, offset in enumerate(offsets):
        place = distance + slope * offset
        rows[index] = np.interp(place, distance, band[index], math.nan, math.nan)
    there = np.isfinite(rows)
    counts = there.sum(0)
    sums = np.where(there, rows, 0).sum(0)
    return np.where(counts * 2 >= len(rows), sums / np.maximum(counts, 1), np.nan)


def _rise(distance: F64, profile: F64) -> float:
    """From 10 to 90 % of a step, linear between samples; NaN where it is lost in the noise."""
    fine = np.isfinite(profile)
    at, values = distance[fine], profile[fine]
    fifth = max(len(values) // 5, 2)
    if len(values) < 3 * fifth:
        return math.nan
    first, last = values[:fifth], values[-fifth:]
    low, high = float(first.mean()), float(last.mean())
    if abs(high - low) < 4 * max(float(first.std()), float(last.std())) or high == low:
        return math.nan
    share = (values - low) / (high - low)
    centre = int(np.argmin(np.abs(share - 0.5)))
    start = _crossing(at, share, 0.1, centre, -1)
    stop = _crossing(at, share, 0.9, centre, 1)
    return stop - start


def _crossing(at: F64, share: F64, level: float, index: int, direction: int) -> float:
    """Where a profile first crosses a level, going from a sample in a direction."""
    while 0 <= index + direction < len(share):
        a, b = float(share[index]), float(share[index + direction])
        if (a - level) * (b - level) <= 0 and a != b:
            part = (level - a) / (b - a)
            return float(at[index] + part * (at[index + direction] - at[index]))
        index += direction
    return float(at[index])
