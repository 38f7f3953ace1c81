"""The noise of scans, blind: Rician where magnitudes have a background, a map of sigmas for CT.

MR: magnitudes of nothing but noise have a Rayleigh distribution, whose mode is the noise; S.
Aja-Fernandez, C. Alberola-Lopez and C.-F. Westin, IEEE TIP 17(8), 2008. Where there is no
background, flat tissue tells, corrected for what the magnitude did to the variance: C. Koay and P.
Basser, J. Magn. Reson. 179, 2006. CT: neighbouring slices differ by noise and little else.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma, log, sqrt

import numpy as np

from core.image import Image
from core.noise.blocks import F32, F64, Bools, Energies, step_of
from core.noise.measured import (
    CANNOT_TELL,
    DOUBTFUL,
    GOOD,
    ChannelFit,
    Chart,
    Measured,
    Pattern,
    figure,
)
from core.noise.model import Mapped, Noise, PoissonGaussian, Rician
from core.noise.windows import level, mode, pattern, slices, windows
from core.ops.vst_rician import moments
from core.tiles import Region

SLICES = 9
SIDE = 8  # of windows in the background
FEW = 24  # windows
CELLS = 8  # of a noise map along either side
VARIES = 1.35  # from which ratio of high to low sigmas on a map is worth it


def is_ct(image: Image) -> bool:
    """Is it a scan in Hounsfield units? By what the file says, else by values far below 0."""
    unit = str((image.meta.get("scale") or ("", "", ""))[2])
    modality = str(dict(image.meta.get("dicom") or {}).get("Modality", ""))
    if modality or unit:
        return modality == "CT" or unit.upper() == "HU"
    if image.pixels.dtype.kind not in "if":
        return False
    middle = tuple(n // 2 for n in image.pixels.shape[:-2])
    plane = np.asarray(image.samples[(*middle, slice(None), slice(None))], np.float32)
    return bool(np.nanquantile(plane, 0.02) < -200) if np.isfinite(plane).any() else False


def is_mr(image: Image) -> bool:
    """May it hold magnitudes of MR? By what the file says; a scan that says nothing may."""
    modality = str(dict(image.meta.get("dicom") or {}).get("Modality", ""))
    return modality in ("MR", "OT", "")


@dataclass(frozen=True, eq=False)
class _Background:
    """Magnitudes of nothing but noise: its scale, how many coils, the distance from the law.

    `masked`: much of the image was set to 0, so that dark tissue could be taken for background.
    """

    scale: float
    coils: int
    distance: float
    values: F32
    masked: bool


def measure_mr(image: Image, area: Region, blocks: Energies) -> Measured | None:
    """Rician noise of an area; `blocks` are its frequencies. None: nothing to go by."""
    planes = slices(image, area, SLICES)
    if min(area.height, area.width) < 3 * SIDE:
        return None
    ground = _background(planes)
    tissue, share, white = _tissue(blocks, ground)
    if ground and ground.masked and tissue < 0.8 * ground.scale:  # dark tissue, not background
        ground = None
        tissue, share, white = _tissue(blocks, None)
    coils = ground.coils if ground else 1
    scale = ground.scale if ground else tissue
    if not scale > 0:
        return None
    model = Rician(scale, coils)
    values = np.concatenate([plane.ravel() for plane in planes])
    values = values[np.isfinite(values)]
    span = float(np.quantile(values, 0.99)) or 1.0
    verdict, why = _mr_verdict(scale, step_of(values), span, ground, tissue, share, white)
    found = _quiet(planes, scale, ground)
    law = "Rician" if coils == 1 else f"Noncentral-chi ({coils} coils)"
    ratio = figure(span / scale)
    summary = f"{law} noise: sigma {figure(scale)}, signal over noise {ratio} where bright."
    reach = (0.95 * scale, 1.05 * scale) if verdict == GOOD else None
    fit = ChannelFit("Y", 0.0, scale, reach, verdict, why)
    notes = (found.words,) if found and not found.white else ()
    chart = _magnitudes(ground) if ground else None
    return Measured(
        model, (fit,), summary, notes, found, chart, correlated=ground is None and not white
    )


def _background(planes: list[F32]) -> _Background | None:
    """Windows of pure noise: their mean square is densest at twice the noise, coils times over."""
    parts = np.concatenate([windows(plane, SIDE) for plane in planes])
    if not len(parts):
        return None
    masked = int(np.count_nonzero(~parts.any((1, 2)))) > 0.03 * len(parts)
    parts = parts[(parts > 0).mean((1, 2)) > 0.9]
    if len(parts) < FEW:
        return None
    step = step_of(parts)
    _, mean, variance = level(parts)
    ratio = np.sqrt(variance) / np.maximum(mean, 1e-30)
    square = np.mean(np.square(parts, dtype=np.float64), (1, 2))
    likely = (ratio < 0.68) & (ratio > 0.08)
    best: _Background | None = None
    for coils in (1,) if masked else (1, 2, 4, 8, 16, 32):
        expected = _ratio(coils)
        near = likely & (np.abs(ratio / expected - 1) < 0.22)
        if np.count_nonzero(near) < FEW:
            continue
        power = mode(square[near])
        chosen = near & (np.abs(np.log(square / power)) < 0.45 * expected / _ratio(1))
        if np.count_nonzero(chosen) < max(FEW, 0.01 * len(parts)):
            continue
        if np.mean(square < 0.6 * power) > 0.01:  # there is something darker
            continue
        values = parts[chosen].ravel()
        scale = sqrt(float(np.mean(np.square(values, dtype=np.float64))) / (2 * coils))
        apart = _distance(values / scale, coils, step / scale)
        found = _Background(scale, coils, apart, values, masked)
        if found.distance < 0.04 and (best is None or found.distance < 0.7 * best.distance):
            best = found
    return best


def _ratio(coils: int) -> float:
    """Standard deviation over mean of a chi distribution of 2 * coils parts."""
    mean = sqrt(2) * np.exp(lgamma(coils + 0.5) - lgamma(coils))
    return sqrt(2 * coils - mean**2) / mean


def _density(coils: int) -> tuple[F64, F64]:
    """The distribution of pure noise of scale 1: values, density."""
    at = np.linspace(0.01, 6 + 1.5 * sqrt(2 * coils), 600)
    logs = (2 * coils - 1) * np.log(at) - at * at / 2 - (coils - 1) * log(2) - lgamma(coils)
    return at, np.exp(logs)


def _distance(values: F32, coils: int, step: float) -> float:
    """Greatest distance between the distributions, measured (rounded to steps) and of the law."""
    at, density = _density(coils)
    law: F64 = np.cumsum(density) * (at[1] - at[0])
    edges: F64 = at if step < 0.02 else np.arange(0.5, at[-1] / step) * step
    found = np.searchsorted(np.sort(values), edges) / len(values)
    return float(np.max(np.abs(found - np.interp(edges, at, law))))


def _tissue(c: Energies, ground: _Background | None) -> tuple[float, float, bool]:
    """Scale of the noise in flat blocks, their share, and whether it is white."""
    start, coils = (ground.scale, ground.coils) if ground else (0.0, 1)
    _, mean, spread = moments(coils)
    usable = c.high > 0
    if np.count_nonzero(usable) < FEW:
        return 0.0, 0.0, False
    c = c.kept(usable)
    square = start**2 or float(np.quantile(c.high, 0.2))
    flat, factor = usable, np.ones(len(c.mean))
    for _ in range(8):
        factor = np.interp(c.mean / sqrt(square), mean, spread) ** 2
        ratio = c.low / (square * factor)
        flat = ratio <= max(1.15, float(np.quantile(ratio, 0.03)))
        flat &= np.abs(np.log(c.high / (square * factor))) < 1.2
        if not flat.any():
            return 0.0, 0.0, False
        square = float(np.mean(c.high[flat] / factor[flat]))
    share = float(np.mean(flat))
    mid, high = float(np.mean(c.mid[flat])), float(np.mean(c.high[flat]))
    chance = sqrt(2 / np.count_nonzero(flat) * (1 / c.dof[1] + 1 / c.dof[2]))
    return sqrt(square), share, abs(mid / high - 1) < 0.15 + 3 * chance


def _mr_verdict(
    scale: float, step: float, span: float, ground: _Background | None,
    tissue: float, share: float, white: bool,
) -> tuple[str, str]:  # fmt: skip
    """How far the scale can be trusted, and why, in one sentence."""
    if scale < 0.4 * step:
        return CANNOT_TELL, "There is no noise above the steps of the stored values."
    if scale < 0.004 * span:
        return DOUBTFUL, "There is so little noise that fine texture could pass for it."
    if ground is not None:
        if tissue > 1.35 * scale:
            return DOUBTFUL, "Tissue is noisier than the background, or finely textured."
        if tissue < 0.7 * scale and white:
            return DOUBTFUL, "Tissue is smoother than the background: the image was filtered."
        return GOOD, "The background has the distribution of pure noise."
    if not white:
        return DOUBTFUL, "There is no background, and the noise of the tissue is correlated."
    if share < 0.02 or share * scale < 0.0015 * span:
        return DOUBTFUL, "There is no background, and hardly any flat tissue: an upper bound."
    return GOOD, "There is no background; enough flat tissue agrees."


def _quiet(planes: list[F32], scale: float, ground: _Background | None) -> Pattern | None:
    """The pattern of the noise in windows that hold little else; None where there are few."""
    parts = np.concatenate([windows(plane, 2 * SIDE) for plane in planes])
    parts = parts[(parts > 0).mean((1, 2)) > 0.9]
    rest, _, variance = level(parts)
    calm = variance < 1.4 * scale**2
    if ground is not None:
        power = np.mean(np.square(parts, dtype=np.float64), (1, 2)) / (2 * ground.coils * scale**2)
        calm = np.abs(power - 1) < 0.2
    if np.count_nonzero(calm) < 8:
        return None
    return pattern(rest[calm], variance[calm])


def _magnitudes(ground: _Background) -> Chart:
    """Histogram of the background with the law."""
    at, density = _density(ground.coils)
    end = float(at[np.cumsum(density) * (at[1] - at[0]) < 0.9995][-1]) * ground.scale
    counts, edges = np.histogram(ground.values, 60, (0, end), density=True)
    middle = (edges[1:] + edges[:-1]) / 2
    bars = tuple(zip(middle.tolist(), counts.tolist(), strict=True))
    line = tuple(zip((at * ground.scale).tolist(), (density / ground.scale).tolist(), strict=True))
    name = "Rayleigh" if ground.coils == 1 else "chi"
    title = f"Background and the {name} law"
    line = tuple(point for point in line if point[0] <= end)
    return Chart(title, ("Magnitude", ""), ("Density", ""), bars, line, True)


def measure_ct(image: Image, area: Region) -> Measured | None:
    """Sigma of a CT, and a map of it where it varies over the body. None: too little to go by."""
    deep = image.stack and image.pixels.shape[-3] > 1
    planes = slices(image, area, SLICES, bool(deep))
    side = 12
    if min(area.height, area.width) < 3 * side:
        return None
    found = _differences(planes, side) if deep else None
    alone = _windows_of(planes[:: 2 if deep else 1], side)
    if alone is None:
        return None
    note: tuple[str, ...] = ()
    if found is not None:
        calm = alone.variance <= np.quantile(alone.variance, 0.1)
        shared = float(np.median(found.variance[calm] / alone.variance[calm]))
        if shared < 0.7:
            note, found = ("Neighbouring slices share noise.",), None
    chosen = found or alone
    square = mode(chosen.variance[chosen.body])
    if not square > 0:
        return None
    near, told = np.abs(np.log(chosen.variance / square)) < 0.7, None
    for _ in range(4):  # windows as far from their mean as chance takes them, no farther
        if np.count_nonzero(near) < 8:
            break
        told = pattern(chosen.rest[near], chosen.variance[near])
        reach = 2 * sqrt(2 * told.clump / side**2)
        near = chosen.body & (np.abs(np.log(chosen.variance / square)) < min(reach, 0.7))
        square = float(np.mean(chosen.variance[near])) if near.any() else square
    if told is not None:  # the planes took as many clumps of noise as they have parameters
        spot = min(told.size[0] * told.size[1], side**2 / 9)
        square *= (side**2 - 3) / (side**2 - 3 * spot)
    sigma = sqrt(square)
    model, low, high = _map(chosen, sigma, sqrt(2 * (told.clump if told else 4.0)) / side)
    slope, _, unit = image.meta.get("scale") or (1.0, 0.0, "")
    words = f"sigma {figure(sigma * slope)} {unit}".strip()
    if isinstance(model, Mapped):
        words += f", from {figure(low * slope)} to {figure(high * slope)} over the body"
    if told and not told.white:
        note = (told.words, *note)
    alike = np.abs(np.log(chosen.variance[chosen.body] / square)) < 0.7
    share = float(np.mean(alike))
    verdict, why = _ct_verdict(sigma, step_of(planes[0]), chosen, share, found is not None)
    reach = (0.93 * sigma, 1.07 * sigma) if verdict == GOOD else None
    fit = ChannelFit("Y", 0.0, sigma, reach, verdict, why)
    return Measured(
        model, (fit,), f"Noise of the body: {words}.", note, told, _spreads(chosen, sigma)
    )


@dataclass(frozen=True, eq=False)
class _Windows:
    """Windows of slices: without their planes, mean, variance, place in rows and columns, body?"""

    rest: F32
    mean: F64
    variance: F64
    place: F64  # (n, 2), 0..1
    body: Bools


def _windows_of(planes: list[F32], side: int) -> _Windows | None:
    return _made([(plane, plane) for plane in planes], side)


def _differences(planes: list[F32], side: int) -> _Windows | None:
    pairs = zip(planes[::2], planes[1::2], strict=True)
    return _made([((one - two) / np.float32(sqrt(2)), one) for one, two in pairs], side)


def _made(pairs: list[tuple[F32, F32]], side: int) -> _Windows | None:
    """Windows of the first of each pair, with the mean level of the second; only where it lives."""
    height, width = (int(n) // side for n in pairs[0][0].shape)
    size = height * side, width * side
    cells = np.indices((int(height), int(width)))
    place: F64 = (cells.reshape(2, -1).T + 0.5) / (height, width)
    rest: list[F32] = []
    mean, variance, where = list[F64](), list[F64](), list[F64]()
    for plane, stored in pairs:
        grid = (height, side, width, side)
        parts = plane[: size[0], : size[1]].reshape(grid).swapaxes(1, 2).reshape(-1, side, side)
        likes = stored[: size[0], : size[1]].reshape(grid).swapaxes(1, 2).reshape(-1, side, side)
        left, _, spread = level(np.nan_to_num(parts))
        fine = np.isfinite(parts).all((1, 2)) & (np.ptp(likes, axis=(1, 2)) > 0)
        floor = float(np.nanmin(stored))
        fine &= (likes == floor).mean((1, 2)) < 0.02  # not where values are cut off
        rest.append(left[fine])
        mean.append(likes[fine].mean((1, 2), dtype=np.float64))
        variance.append(spread[fine])
        where.append(place[fine])
    levels = np.concatenate(mean)
    if len(levels) < FEW:
        return None
    # bodies are denser than air and lung: the upper of two groups of levels
    low, high = np.quantile(levels, (0.02, 0.98))
    body = levels > low + 0.5 * (high - low) if high > low else np.ones(len(levels), bool)
    if body.sum() < FEW:
        body = np.ones(len(levels), bool)
    return _Windows(
        np.concatenate(rest), levels, np.concatenate(variance), np.concatenate(where), body
    )


def _map(found: _Windows, sigma: float, chance: float) -> tuple[Noise, float, float]:
    """One sigma, or a map of it: cells of the area, each as its quietest quarter of windows says.

    `chance` is the relative spread of variances of windows of one noise. Also low and high sigma.
    """
    plain = PoissonGaussian((0.0,), (sigma,))
    at = np.minimum((found.place * CELLS).astype(int), CELLS - 1)
    cell = at[:, 0] * CELLS + at[:, 1]
    logs, known = np.zeros(CELLS**2), np.zeros(CELLS**2, bool)
    calm = found.body & (np.abs(np.log(found.variance / sigma**2)) < 1.1)
    for index in range(CELLS**2):
        own = found.variance[calm & (cell == index)]
        if len(own) >= 12:
            quarter = log(float(np.quantile(own, 0.25)) / sigma**2) + 0.674 * chance
            logs[index], known[index] = quarter / 2, True
    if np.count_nonzero(known) < 12:
        return plain, sigma, sigma
    low, high = np.exp(np.quantile(logs[known], (0.1, 0.9))) * sigma
    if high < VARIES * low:
        return plain, sigma, sigma
    grid, there = logs.reshape(CELLS, CELLS), known.reshape(CELLS, CELLS).astype(float)
    weight = np.exp(-(np.subtract.outer(np.arange(CELLS), np.arange(CELLS)) ** 2) / 1.5)
    smooth = (weight @ (grid * there) @ weight) / np.maximum(weight @ there @ weight, 1e-9)
    values = (np.exp(smooth) * sigma).astype(np.float32)
    return Mapped(PoissonGaussian((0.0,), (1.0,)), values), float(low), float(high)


def _ct_verdict(
    sigma: float, step: float, found: _Windows, share: float, apart: bool
) -> tuple[str, str]:
    span = float(np.subtract(*np.quantile(found.mean, (0.99, 0.01)))) or 1.0
    if sigma < 0.4 * step:
        return CANNOT_TELL, "There is no noise above the steps of the stored values."
    if sigma < 0.001 * span:
        return DOUBTFUL, "There is so little noise that fine texture could pass for it."
    if share < 0.25:
        return DOUBTFUL, "Anatomy covers nearly everything, so this is an upper bound."
    if not apart:
        return DOUBTFUL, "Only single slices can be told from: fine texture may pass for noise."
    return GOOD, "Neighbouring slices differ by the same in most of the body."


def _spreads(found: _Windows, sigma: float) -> Chart:
    """Sigma of the windows against their level, edges left out, and the sigma of the body."""
    spread = np.sqrt(found.variance)
    shown = spread < 4 * sigma
    step = max(np.count_nonzero(shown) // 1500, 1)
    level, spread = found.mean[shown][::step], spread[shown][::step]
    pairs = zip(level.tolist(), spread.tolist(), strict=True)
    ends = (float(level.min()), sigma), (float(level.max()), sigma)
    return Chart("Noise and level of windows", ("Level", ""), ("Sigma", ""), tuple(pairs), ends)
