"""Measure an image's noise from the image itself, blind, or from a flat area the user points at.

Blocks are chosen by their low frequencies and measured by their high ones: under white noise the
two are independent, so the choice adds no bias. Block mean and high-frequency energy give the
mean-variance line. Sorting blocks by low-frequency DCT energy: N. Ponomarenko et al., "An automatic
approach to lossy compression of AVIRIS images", IGARSS 2007.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from core.areas import largest
from core.image import Image
from core.noise.blocks import F32, F64, Bools, Energies, Sample, names, planes, sample
from core.noise.measured import CANNOT_TELL, DOUBTFUL, GOOD, ChannelFit, Measured
from core.noise.model import PoissonGaussian
from core.tiles import Region

LEVELS = np.array([0.05, 0.18, 0.70])  # of the range: where the predicted sigma must be right
FLAT = 1.15  # low-frequency energy over noise that still counts as flat
FEW = 24  # blocks

_EMPTY = "The image is too small or too empty to measure its noise."
_STEPS = "There is no noise above the steps of the stored values."


@dataclass(frozen=True)
class _Line:
    """var = gain * mean + offset, neither negative, and how sure that is."""

    gain: float
    offset: float
    cov: F64  # of (gain, offset) without the bounds, shape (2, 2)
    misfit: float  # median relative distance of the points

    def at(self, mean: F64) -> F64:
        """Predicted variance."""
        return self.gain * np.maximum(mean, 0) + self.offset

    def doubt(self, mean: F64) -> F64:
        """Standard error of the predicted sigma, relative."""
        var = self.cov[0, 0] * mean**2 + 2 * self.cov[0, 1] * mean + self.cov[1, 1]
        return np.sqrt(np.maximum(var, 0)) / np.maximum(2 * self.at(mean), 1e-30)


@dataclass(frozen=True)
class _Points:
    """Bins of blocks of like brightness: mean, variance, degrees of freedom."""

    mean: F64
    var: F64
    dof: F64


def measure(image: Image, region: Region | None = None) -> Measured:
    """The noise of an image (or of a region of it), in the model that fits its kind, with verdicts.

    Cubes: a sigma per band. Scans: Rician for MR, a map of sigmas for CT. Clips: speckle. All
    others: Poisson-Gaussian per channel; developed photographs, where that does not fit: the
    correlated noise that is left of it. Blind: needs no flat area, only some without texture.
    Large images are looked at in part. NaN and infinite samples are left out. Never raises for odd
    pixels: what cannot be measured says so and carries a usable fallback (Gaussian noise).
    """
    whole = Region.whole(image.height, image.width)
    area = (region or largest(image) or whole).meet(whole)
    found = _of_kind(image, area) if area.area else None
    if found is None:
        found = measure_sensor(image, area)
        if image.kind == "display" and found.verdict != GOOD:
            from core.noise.developed import measure_developed

            found = measure_developed(image, area) or found
    return found


def _of_kind(image: Image, area: Region) -> Measured | None:
    """What the estimator of the image's kind finds; None where it has nothing to go by."""
    if np.issubdtype(image.pixels.dtype, np.complexfloating) or "c" in image.axes:
        return None
    if image.kind == "cube" and "b" in image.axes:
        from core.noise.bands import measure_bands

        return measure_bands(image, area)
    if image.kind in ("clip", "scan"):
        from core.noise.echoes import is_bmode, measure_echoes

        if is_bmode(image):
            return measure_echoes(image, area)
    if image.kind == "scan":
        from core.noise.scans import is_ct, is_mr, measure_ct, measure_mr

        if is_ct(image):
            return measure_ct(image, area)
        found = sample(image, area) if is_mr(image) else None
        return measure_mr(image, area, found.channels[0]) if found else None
    return None


def measure_sensor(image: Image, area: Region) -> Measured:
    """The Poisson-Gaussian noise of an area, per channel."""
    found = sample(image, area)
    if found is None:
        return _fallback(image, area, _EMPTY)
    if len(found.channels[0].mean) < FEW:
        return _fallback(image, area, _STEPS if found.step else _EMPTY)
    lines, flat = _lines(found)
    white = all(_whiteness(c.kept(flat), found.overlap) for c in found.channels)
    if not white:  # coarse grain has little energy at the highest frequencies: look lower
        found = replace(found, channels=tuple(replace(c, high=c.mid) for c in found.channels))
        lines, flat = _lines(found)
    return _judged(found, lines, flat, white)


def _lines(found: Sample) -> tuple[list[_Line], Bools]:
    """Lines and flat blocks, each from the other, until they settle."""
    lines = [_fit(_start(c)) for c in found.channels]
    flat, points = _flat(found, lines), list[_Points]()
    for _ in range(6):
        flat = _flat(found, lines)
        points = [_points(c, flat, found.overlap) for c in found.channels]
        lines = [_fit(p) for p in points]
    joint = _fit(_together(points))
    return [_better(p, line, joint) for p, line in zip(points, lines, strict=True)], flat


def _usable(found: Sample, lines: list[_Line]) -> Bools:
    """Blocks whose noise does not reach the values where the signal is cut off."""
    usable = np.ones(len(found.channels[0].mean), bool)
    for c, line in zip(found.channels, lines, strict=True):
        reach = 3.5 * np.sqrt(line.at(c.mean))
        usable &= (c.mean + reach < found.top) & (c.mean - reach > found.bottom)
    return usable


def _flat(found: Sample, lines: list[_Line]) -> Bools:
    """Usable blocks with no more low-frequency energy than noise has, over all channels."""
    energy = np.zeros(len(found.channels[0].mean))
    dof = 0
    for c, line in zip(found.channels, lines, strict=True):
        energy += c.dof[0] * c.low / np.maximum(line.at(c.mean), 1e-30)
        dof += c.dof[0]
    usable = _usable(found, lines)
    if np.count_nonzero(usable) < FEW:
        usable[:] = True
    ratio = energy / dof
    return usable & (ratio <= max(FLAT, float(np.quantile(ratio[usable], 0.03))))


def _points(c: Energies, chosen: Bools, overlap: float) -> _Points:
    """Mean variance of the chosen blocks in bins of equal count."""
    order = np.flatnonzero(chosen)
    order = order[np.argsort(c.mean[order])]
    bins = np.array_split(order, int(np.clip(len(order) // 25, 1, 20)))
    mean = np.array([c.mean[b].mean() for b in bins])
    var = np.array([c.high[b].mean() for b in bins])
    dof = np.array([len(b) * c.dof[2] / overlap for b in bins])
    return _Points(mean, var, dof)


def _start(c: Energies) -> _Points:
    """A low quantile of the variance in bins of equal count: where the search begins."""
    bins = np.array_split(np.argsort(c.mean), int(np.clip(len(c.mean) // 25, 1, 20)))
    mean = np.array([c.mean[b].mean() for b in bins])
    var = np.array([np.quantile(c.high[b], 0.2) for b in bins])
    return _Points(mean, var, np.full(len(bins), 100.0))


def _together(all_points: list[_Points]) -> _Points:
    """All channels' points in one set."""
    mean, var, dof = (
        np.concatenate([getattr(p, name) for p in all_points]) for name in ("mean", "var", "dof")
    )
    return _Points(mean, var, dof)


def _fit(points: _Points) -> _Line:
    """Robust line with neither part negative: weights from the model, outliers fade away."""
    x, y = points.mean, points.var
    weight = 1 / np.maximum(y, y.max() * 1e-6) ** 2
    gain, offset = _bounded(x, y, weight)
    scatter = np.ones_like(x)
    for _ in range(12):
        model = np.maximum(gain * np.maximum(x, 0) + offset, 1e-30)
        far = (y - model) / model
        spread = 1.4826 * float(np.median(np.abs(far)))
        scatter = np.sqrt(2 / points.dof + min(spread, 1.0) ** 2)
        weight = 1 / (model * scatter) ** 2 / (1 + (far / (2 * scatter)) ** 2)
        gain, offset = _bounded(x, y, weight)
    x0 = np.maximum(x, 0)
    normal = np.array([[np.sum(weight * x0 * x0), np.sum(weight * x0)]] * 2)
    normal[1] = normal[0, 1], np.sum(weight)
    scale = max(float(np.trace(normal)), 1e-30)
    cov = np.full((2, 2), np.inf)
    if len(x) > 1:
        cov = np.asarray(np.linalg.pinv(normal / scale) / scale, np.float64)
    misfit = float(np.median(np.abs(y / np.maximum(gain * x0 + offset, 1e-30) - 1)))
    return _Line(gain, offset, cov, misfit)


def _bounded(x: F64, y: F64, weight: F64) -> tuple[float, float]:
    """Weighted least squares of y = gain * max(x, 0) + offset with both >= 0."""
    x = np.maximum(x, 0)
    total = float(weight.sum())
    xm, ym = float((weight * x).sum()) / total, float((weight * y).sum()) / total
    spread = float((weight * (x - xm) ** 2).sum())
    gain = float((weight * (x - xm) * (y - ym)).sum()) / spread if spread > 0 else 0.0
    if gain < 0:
        return 0.0, ym
    if ym - gain * xm < 0:
        return float((weight * x * y).sum()) / float((weight * x * x).sum()), 0.0
    return gain, ym - gain * xm


def _better(points: _Points, own: _Line, joint: _Line) -> _Line:
    """The line of all channels together where it fits this channel: one sensor, one gain."""
    off = points.var / np.maximum(joint.at(points.mean), 1e-30) - 1
    limit = max(0.1, 1.5 * own.misfit)
    return joint if abs(float(np.median(off))) < limit and joint.gain > 0 else own


def _whiteness(c: Energies, overlap: float) -> bool:
    """Do flat blocks have the same energy at middle and high frequencies, as white noise has?"""
    chance = np.sqrt(2 * overlap / len(c.mean) * (1 / c.dof[1] + 1 / c.dof[2]))
    ratio = float(c.mid.mean()) / max(float(c.high.mean()), 1e-30)
    return abs(ratio - 1) < 0.12 + 3 * float(chance)


def _judged(found: Sample, lines: list[_Line], flat: Bools, white: bool) -> Measured:
    """Verdicts and the model."""
    usable = max(int(np.count_nonzero(_usable(found, lines))), 1)
    share = np.count_nonzero(flat) / usable
    fits: list[ChannelFit] = []
    for c, line in zip(found.channels, lines, strict=True):
        verdict, why = _verdict(found, line, share, white)
        points = _points(c, flat, found.overlap)
        shown = tuple(zip(points.mean.tolist(), points.var.tolist(), strict=True))
        read = float(np.sqrt(line.offset))
        interval = _read_range(line)
        fits.append(ChannelFit(c.name, line.gain, read, interval, verdict, why, shown))
    model = PoissonGaussian(tuple(f.gain for f in fits), tuple(f.read for f in fits))
    told = any(fit.verdict != CANNOT_TELL for fit in fits)
    return Measured(model, tuple(fits), correlated=told and not white)


def _read_range(line: _Line) -> tuple[float, float] | None:
    """Interval of the read noise, or None where dark areas are missing to tell it."""
    reach = 2.5 * float(np.sqrt(max(line.cov[1, 1], 0)))
    low, high = 0.85 * line.offset - reach, 1.05 * line.offset + reach
    if low <= 0 or not np.isfinite(high) or high > 6 * low:
        return None
    return float(np.sqrt(low)), float(np.sqrt(high))


def _verdict(found: Sample, line: _Line, share: float, white: bool) -> tuple[str, str]:
    """How far the fit of one channel can be trusted, and why, in one sentence."""
    levels = LEVELS * found.span
    sigma = float(np.sqrt(line.at(levels[1:2]))[0])
    doubt = line.doubt(levels)
    if sigma < 0.5 * found.step:
        return CANNOT_TELL, _STEPS
    if not white:
        return DOUBTFUL, "The noise is correlated: the image was compressed, resized or denoised."
    if float(doubt.max()) > 0.06:
        return DOUBTFUL, "The image covers too little of the brightness range to tell the whole."
    if sigma < 0.009 * found.span:
        return DOUBTFUL, "There is so little noise that fine texture could pass for it."
    if share * sigma < 0.0015 * found.span:  # the less noise, the more flat area it takes
        return DOUBTFUL, "Fine texture covers nearly everything, so this is an upper bound."
    if line.misfit > 0.15:
        return DOUBTFUL, "The noise does not grow with brightness as a sensor's does."
    return GOOD, "Enough flat areas of different brightness agree on one line."


def measure_flat(image: Image, region: Region) -> Measured:
    """Noise of an area the user says is flat: one Gaussian sigma per channel (gain 0).

    A slow gradient is taken out. The verdict is doubtful where neighbouring samples are more alike
    than distant ones: texture, an edge, or correlated noise.
    """
    area = region.meet(Region.whole(image.height, image.width))
    fits: list[ChannelFit] = []
    correlated = False
    for name, plane in _channel_planes(image, area):
        y, x = np.nonzero(np.isfinite(plane))
        values = plane[y, x].astype(np.float64)
        near = _neighbours(plane, image)
        if len(values) < 32 or near <= 0:
            why = "The area is too small, or has no noise above the steps of the stored values."
            fits.append(ChannelFit(name, 0.0, near, None, CANNOT_TELL, why))
            continue
        slope = np.stack([np.ones(len(y)), y - y.mean(), x - x.mean()], axis=1)
        sigma = float(np.std(values - slope @ np.linalg.lstsq(slope, values, rcond=None)[0]))
        chance = 2 / np.sqrt(len(values))
        verdict, why = GOOD, "Neighbouring and distant samples differ alike: the area is flat."
        if np.mean(values > 0.95 * _top(image)) > 0.01:
            verdict, why = DOUBTFUL, "The area is overexposed in part."
        elif abs(sigma / near - 1) > 0.1 + chance:
            verdict, why = DOUBTFUL, "The area is not flat, or its noise is correlated."
            correlated = True
        point = (float(values.mean()), sigma**2)
        interval = (sigma * (1 - chance), sigma * (1 + chance)) if verdict == GOOD else None
        fits.append(ChannelFit(name, 0.0, sigma, interval, verdict, why, (point,)))
    model = PoissonGaussian(tuple(f.gain for f in fits), tuple(f.read for f in fits))
    return Measured(model, tuple(fits), correlated=correlated)


def _fallback(image: Image, area: Region, why: str) -> Measured:
    """Gaussian noise from neighbour differences, where nothing better can be had."""
    middle_y, middle_x = (area.y0 + area.y1) // 2, (area.x0 + area.x1) // 2
    part = area.meet(Region(middle_y - 256, middle_x - 256, middle_y + 256, middle_x + 256))
    fits = tuple(
        ChannelFit(name, 0.0, _neighbours(plane, image), None, CANNOT_TELL, why)
        for name, plane in _channel_planes(image, part)
    )
    return Measured(PoissonGaussian((0.0,) * len(fits), tuple(f.read for f in fits)), fits)


def _top(image: Image) -> float:
    """White above black; infinite where nothing saturates."""
    return image.levels.span if np.isfinite(image.levels.white) else float("inf")


def _channel_planes(image: Image, area: Region) -> list[tuple[str, F32]]:
    """Name and samples above black of every channel in the area, NaN where it has no sample."""
    black = image.levels.black_map(area.y0, area.x0, area.height, area.width)
    found: list[tuple[str, F32]] = []
    for name, slices in zip(names(image), planes(image), strict=False):
        raw = np.asarray(image.samples[(*slices[0], *area.slices)])
        found.append((name, np.real(raw).astype(np.float32) - black))
    if image.cfa is None:
        return found
    colors = image.cfa.shifted(area.y0, area.x0).colors(area.height, area.width)
    whole = found[0][1]
    return [(n, np.where(colors == i, whole, np.nan)) for i, n in enumerate(names(image))]


def _neighbours(plane: F32, image: Image) -> float:
    """Robust sigma from differences of the nearest samples at the same place of the pattern."""
    dy, dx = image.cfa.period if image.cfa else (1, 1)
    with np.errstate(invalid="ignore"):
        steps = (plane[dy:] - plane[:-dy], plane[:, dx:] - plane[:, :-dx])
    found = [np.abs(s[np.isfinite(s)]) for s in steps]
    if not any(f.size for f in found):
        return 0.0
    return float(np.median(np.concatenate(found))) * 1.4826 / float(np.sqrt(2))
