"""The noise of each band of a cube, blind: what the other bands do not foretell of it.

Regression of each band on the others (HySime, J. Bioucas-Dias and J. Nascimento, IEEE TGRS 46(8),
2008), whose residual also holds a little of the regressors' own noise; a factor analysis of the
covariance (K. Joreskog, Psychometrika 32, 1967) takes that out. Looks at some rows only, so that
memory stays bounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.image import Image
from core.noise.blocks import F32, F64, Bools, step_of
from core.noise.measured import CANNOT_TELL, DOUBTFUL, GOOD, ChannelFit, Chart, Measured, figure
from core.noise.model import PoissonGaussian, Sliced
from core.ops.domain import filled
from core.ops.median import median
from core.spectra import RIDGE, band_noise, moments
from core.tiles import Region

SYMBOLS = {"nanometers": "nm", "nanometer": "nm", "micrometers": "µm", "um": "µm"}
SAMPLES = 12_000_000  # looked at
ENOUGH = 20_000  # pixels for a covariance, or 100 a band
ROWS = 8  # together, so that neighbours can be compared
WHOLE = 0.1  # of the pixels without gaps are enough to go by them alone
FEW = 6  # bands below which there is nothing to foretell one from
FIRM = 6.0  # standard errors from which an offset of a line is a stripe
SEEN = 0.35  # ... and of the noise's own sigma, so that it matters
ALIKE = 0.15  # correlation of neighbours from which a residual is more than white noise


@dataclass(frozen=True)
class _Found:
    """Per band: sigma, correlation of neighbours, counts of stripes, share of outliers."""

    sigma: F64
    alike: F64
    columns: NDArray[np.intp]
    rows: NDArray[np.intp]
    outliers: F64


def measure_bands(image: Image, area: Region) -> Measured | None:
    """The noise of every band with verdicts, stripes and dead lines; None: too few bands."""
    cube = _sampled(image, area)
    if cube is None:
        return None
    finite = np.isfinite(cube)
    spread = np.array(
        [float(np.ptp(b[f])) if f.any() else 0.0 for b, f in zip(cube, finite, strict=True)]
    )
    alive = (spread > 0) & (finite.mean((1, 2, 3)) > 0.5)
    if np.count_nonzero(alive) < FEW:
        return None
    dead = _dead_columns(cube)
    found = _regressed(cube[alive])
    if found is None:
        return None
    return _told(image, cube, alive, spread, dead, found)


def _sampled(image: Image, area: Region) -> F32 | None:
    """(bands, groups, ROWS, width): rows in groups, evenly spread over the area."""
    bands = image.pixels.shape[image.axes.index("b")]
    height, width = area.height, area.width
    if bands < FEW or height < ROWS or width < ROWS:
        return None
    most = max(SAMPLES // (bands * width * ROWS), 1)
    count = min(height // ROWS, most)
    starts = np.unique(np.linspace(area.y0, area.y1 - ROWS, count).astype(int))
    front = [slice(None) if letter == "b" else 0 for letter in image.axes[:-2]]
    cols = slice(area.x0, area.x1)
    groups = [image.samples[(*front, slice(y, y + ROWS), cols)] for y in starts.tolist()]
    return np.stack([np.asarray(np.real(g), np.float32) for g in groups], 1)


def _dead_columns(cube: F32) -> NDArray[np.intp]:
    """Per band, columns that hold one value only, or none, where others do not."""
    with np.errstate(invalid="ignore"):
        flat = ~(np.fmax.reduce(cube, (1, 2)) > np.fmin.reduce(cube, (1, 2)))
    flat[flat.all(1)] = False
    return np.count_nonzero(flat, 1)


def _regressed(cube: F32) -> _Found | None:
    bands, _, _, width = cube.shape
    seen = np.isfinite(cube)
    whole = seen.all(0)
    if whole.mean() < WHOLE:  # then every pixel tells something
        cube = filled(cube, 1, ROWS)
        whole = np.isfinite(cube).all(0)
    every = max(np.count_nonzero(whole) // max(ENOUGH, 100 * bands), 1)
    known = moments(cube[:, whole][:, ::every])
    rough = band_noise(known)
    if known.count < 8 * FEW or not np.isfinite(rough).all():
        return None
    sigma = _factors(known.covariance, rough, known.count) if known.count > 4 * bands else rough
    values = np.where(whole, cube, known.mean[:, None, None, None].astype(np.float32))
    left = np.empty(cube.shape, np.float32)
    scale = np.sqrt(np.diag(known.covariance))
    inverse = np.linalg.inv(known.covariance / np.outer(scale, scale) + RIDGE * np.eye(bands))
    inverse /= np.diag(inverse)[:, None]
    for group in range(cube.shape[1]):
        part = values[:, group].reshape(bands, -1) - known.mean[:, None]
        left[:, group] = (inverse @ (part / scale[:, None]) * scale[:, None]).reshape(
            bands, ROWS, width
        )
    left[:, ~whole] = np.nan
    left[~seen] = np.nan
    return _judged(left, sigma, sigma / np.maximum(rough, 1e-300))


def _factors(covariance: F64, rough: F64, count: int) -> F64:
    """Sigmas from the covariance less its low-rank signal; begins at the regression's."""
    bands, variance = len(rough), np.maximum(rough, 1e-300) ** 2
    edge = (1 + np.sqrt(bands / count)) ** 2 * 1.05
    for _ in range(8):
        white = covariance / np.sqrt(np.outer(variance, variance))
        if not np.isfinite(white).all():
            return rough
        values, vectors = np.linalg.eigh(white)
        strong = values > edge
        strong[: -max(bands // 3, 1)] = False
        signal = (vectors[:, strong] ** 2) @ (values[strong] - 1)
        variance *= np.clip(np.diag(white) - signal, 0.5, 1.2)
        variance = np.clip(variance, 0.4 * rough**2, 1.05 * rough**2)
    return np.sqrt(variance)


def _judged(left: F32, sigma: F64, ratio: F64) -> _Found:
    """What is seen in the residuals: neighbours alike, lines that stand out, outliers."""
    bands, groups, rows, width = left.shape
    counts = np.zeros((2, bands), np.intp)
    alike, outliers, robust = np.zeros((3, bands))
    for band in range(bands):
        part = left[band].reshape(groups * rows, width)
        for axis in (0, 1):
            offsets, count = _offsets(part, axis)
            firm = FIRM * sigma[band] / np.sqrt(np.maximum(count, 1))
            odd = np.abs(offsets) > np.maximum(firm, SEEN * sigma[band])
            counts[axis, band] = np.count_nonzero(odd)
            shift = np.where(odd, offsets, 0).astype(np.float32)
            part = part - (shift if axis == 0 else shift[:, None])
        fine = part[np.isfinite(part)]
        robust[band] = 1.4826 * float(median(np.abs(fine - median(fine))))
        outliers[band] = np.mean(np.abs(fine) > 5 * max(robust[band], 1e-30))
        alike[band] = _neighbours_alike(part.reshape(groups, rows, width), robust[band])
    # where lines or outliers stand out, the middle of the residual tells the noise
    odd = (counts.sum(0) > 0) | (outliers > 1e-3)
    sigma = np.where(odd, np.minimum(robust * ratio, sigma), sigma)
    return _Found(sigma, alike, counts[0], counts[1], outliers)


def _offsets(part: F32, axis: int) -> tuple[F64, NDArray[np.intp]]:
    """Medians along an axis less those of their neighbours, and of how many samples."""
    fine = np.isfinite(part)
    count = np.count_nonzero(fine, axis)
    middle = np.where(count > 4, np.sum(np.where(fine, part, 0), axis) / np.maximum(count, 1), 0)
    padded = np.pad(middle.astype(np.float64), 4, mode="symmetric")
    near = np.median(np.lib.stride_tricks.sliding_window_view(padded, 9), -1)
    return middle - near, count


def _neighbours_alike(part: F32, sigma: float) -> float:
    """The greater of the correlations along x and y, outliers held."""
    held = np.clip(part, -4 * sigma, 4 * sigma)
    pairs = (held[..., 1:] * held[..., :-1], held[:, 1:] * held[:, :-1])
    power = float(np.nanmean(held**2))
    return max(float(np.nanmean(p)) for p in pairs) / max(power, 1e-300)


def _told(
    image: Image, cube: F32, alive: Bools, spread: F64, dead: NDArray[np.intp], found: _Found
) -> Measured:
    """Model, verdicts and sentences."""
    names, bands = _names(image, len(cube)), len(cube)
    typical = float(np.median(found.sigma[found.sigma > 0])) if (found.sigma > 0).any() else 1.0
    sigma = np.full(bands, typical)
    sigma[alive] = np.maximum(found.sigma, 1e-7 * np.maximum(spread[alive], 1e-30))
    at = np.cumsum(alive) - 1
    step = step_of(cube[alive][:, ::2])
    fits: list[ChannelFit] = []
    for band in range(bands):
        if not alive[band]:
            why = "The band holds one value only, or none: its sigma is taken from the others."
            fits.append(ChannelFit(names[band], 0.0, sigma[band], None, CANNOT_TELL, why))
            continue
        index = at[band]
        verdict, why = _verdict(
            sigma[band] / spread[band], sigma[band], step, float(found.alike[index])
        )
        reach = (sigma[band] * 0.9, sigma[band] * 1.1) if verdict == GOOD else None
        fits.append(ChannelFit(names[band], 0.0, sigma[band], reach, verdict, why))
    model = Sliced(tuple(PoissonGaussian((0.0,), (float(s),)) for s in sigma), "b")
    share = np.mean([fit.verdict == GOOD for fit in fits])
    lost = np.mean([fit.verdict == CANNOT_TELL for fit in fits])
    judged = GOOD if share >= 0.7 else CANNOT_TELL if lost >= 0.5 else DOUBTFUL
    return Measured(
        model, tuple(fits), _summary(fits, cube, sigma), _notes(names, alive, dead, found),
        chart=_chart(image, sigma), judged=judged,
    )  # fmt: skip


def _verdict(share: float, sigma: float, step: float, alike: float) -> tuple[str, str]:
    if sigma < 0.4 * step:
        return CANNOT_TELL, "There is no noise above the steps of the stored values."
    if share < 1e-5:
        return CANNOT_TELL, "There is no noise that could be told from rounding."
    if alike > ALIKE:
        return DOUBTFUL, "Neighbouring pixels are alike in what the other bands do not foretell."
    return GOOD, "The other bands foretell this one, and what is left is white."


def _unit(image: Image) -> str:
    """Of the wavelengths, by its symbol."""
    told = str(dict(image.coords.get("units", {})).get("b", ""))
    return SYMBOLS.get(told.lower(), told)


def _names(image: Image, bands: int) -> list[str]:
    """Wavelengths with their unit, where they are known, else numbers."""
    waves = image.coords.get("b")
    if waves is None or len(waves) != bands:
        return [f"band {band + 1}" for band in range(bands)]
    unit = _unit(image)
    return [f"{float(wave):g} {unit}".strip() for wave in waves]


def _summary(fits: list[ChannelFit], cube: F32, sigma: F64) -> str:
    count = np.maximum(np.isfinite(cube).sum((1, 2, 3)), 1)
    means = np.nansum(cube, (1, 2, 3), dtype=np.float64) / count
    good = [at for at, fit in enumerate(fits) if fit.verdict != CANNOT_TELL]
    if not good:
        return "The noise of no band could be measured."
    snr = np.median(means[good] / sigma[good])
    low, high = sigma[good].min(), sigma[good].max()
    return (
        f"Noise of {len(good)} of {len(fits)} bands: sigma {figure(low)} to {figure(high)}, "
        f"mean signal over noise {figure(snr)} (median)."
    )


def _notes(
    names: list[str], alive: Bools, dead: NDArray[np.intp], found: _Found
) -> tuple[str, ...]:
    """Stripes, dead lines, outliers: in how many bands, and where most."""
    notes: list[str] = []
    living = [name for name, ok in zip(names, alive, strict=True) if ok]
    if gone := len(names) - len(living):
        notes.append(f"{gone} of {len(names)} bands are empty.")
    for what, counts, of in (
        ("Dead columns", dead, names),
        ("Stripes down the columns", found.columns, living),
        ("Stripes along the rows", found.rows, living),
    ):
        if (hit := np.count_nonzero(counts)) > 0:
            most = int(np.argmax(counts))
            lines = f"{counts[most]} line{'s' if counts[most] > 1 else ''}"
            notes.append(f"{what} in {_many(int(hit))}; most in {of[most]}: {lines}.")
    if (hit := np.count_nonzero(found.outliers > 1e-3)) > 0:
        most = int(np.argmax(found.outliers))
        share = f"{100 * found.outliers[most]:.2g} %"
        notes.append(
            f"Outliers in {_many(int(hit))}; most in {living[most]}: {share} of its pixels."
        )
    return tuple(notes)


def _many(count: int) -> str:
    return "1 band" if count == 1 else f"{count} bands"


def _chart(image: Image, sigma: F64) -> Chart:
    waves = image.coords.get("b")
    if waves is None or len(waves) != len(sigma):
        x, across = ("Band", ""), np.arange(1.0, len(sigma) + 1)
    else:
        x = ("Wavelength", _unit(image))
        across = np.asarray(waves, np.float64)
    points = tuple(zip(across.tolist(), sigma.tolist(), strict=True))
    return Chart("Noise of each band", x, ("Sigma", ""), points, points)
