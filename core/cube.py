"""The Works of a cube's spectra: under the pointer, of an area, before and after; ways to look."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from core import library
from core.desk import Desk
from core.develop import BandMap, Look, stretched
from core.develop.falsecolor import usable
from core.files import open_image
from core.image import Array, Image
from core.job import Progress, Stop
from core.library import Spectrum
from core.noise.model import Noise
from core.ops.median import median
from core.recipe import Recipe
from core.show import centre
from core.spectra import (
    Filter,
    Fractions,
    Guarded,
    Moments,
    angle,
    band_noise,
    guard,
    matched_filter,
    moments,
    noise_fractions,
)
from core.tiles import Region

F64 = NDArray[np.float64]
MOST = 8_000_000  # samples of a region, all bands together, that are judged at most
EIGEN = 20  # eigen-images that can be looked at
CLIPPED = 2.0  # percent of an eigen-image's pixels shown black, and as many white


@dataclass(frozen=True)
class Target:
    """A spectrum to be kept, in stored units on the image's bands, and where it was taken from."""

    spectrum: Spectrum
    source: Region | None = None  # in all bands; None: from a file


@dataclass(frozen=True, eq=False)
class Spectra:
    """Means over a region before and after (bands,), stored units; `after` None: not known yet."""

    region: Region
    before: F64
    after: F64 | None


@dataclass(frozen=True)
class ReadSpectra:
    """The spectrum of a small region; yields Spectra: before at once, with after when it is."""

    image: Image
    noise: Noise | None
    recipe: Recipe
    region: Region
    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Spectra | Progress]:
        region = all_bands(self.image, self.region)
        before = _mean(_stored(self.image, region))
        yield Spectra(region, before, None)
        if self.noise is not None and self.recipe.steps:
            after = yield from denoised_region(
                self.image, self.noise, self.recipe, region, desk, cancelled
            )
            yield Spectra(region, before, _mean(after))


@dataclass(frozen=True, eq=False)
class CubeStatistics:
    """Each band of a region before and after, (bands,) each, stored units; NaN: cannot be told."""

    region: Region
    pixels: int
    mean_before: F64
    mean_after: F64
    noise_before: F64  # standard deviation, see spectra.band_noise
    noise_after: F64  # at most: the finest texture counts as noise
    removed: F64  # root mean square of before - after
    angles: tuple[float, float]  # degrees between a pixel before and after: median, 95 of 100
    guarded: Guarded | None

    @property
    def snr(self) -> tuple[F64, F64]:
        """Mean over noise, before and after."""
        pairs = (self.mean_before, self.noise_before), (self.mean_after, self.noise_after)
        with np.errstate(invalid="ignore", divide="ignore"):
            one, other = (np.where(sigma > 0, mean / sigma, np.nan) for mean, sigma in pairs)
        return one, other


@dataclass(frozen=True)
class JudgeCube:
    """Statistics of every band of a region, its centre where it is large; yields CubeStatistics."""

    image: Image
    noise: Noise | None
    recipe: Recipe
    region: Region
    target: Target | None = None
    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[CubeStatistics | Progress]:
        image = self.image
        region = all_bands(image, centre(self.region, MOST // max(_count(image), 1)))
        before = after = _stored(image, region)
        if self.noise is not None and self.recipe.steps:
            after = yield from denoised_region(
                image, self.noise, self.recipe, region, desk, cancelled
            )
        yield _judged(image, region, before, after, self.target)


def _judged(
    image: Image, region: Region, before: Array, after: Array, target: Target | None
) -> CubeStatistics:
    found = _moments(image, before)
    same = after is before
    found_after = found if same else _moments(image, after)
    sigma, sigma_after = (_noise(image, each) for each in (found, found_after))
    if not same:
        sigma_after = np.fmin(np.fmax(sigma_after, _grain(after)), sigma)
    removed = np.sqrt(_mean(np.square(before - after, dtype=np.float64)))
    with np.errstate(invalid="ignore", divide="ignore"):
        change = BandMap("change", "", ()).planes(after[usable(image)], before[usable(image)])[0]
    change = change[np.isfinite(change)]
    angles = np.percentile(change, (50, 95)) if change.size else np.full(2, np.nan)
    guarded = None
    used = _filter(found, sigma, target) if target else None
    if target is not None and used is not None:
        own = target.source.meet(region) if target.source else None
        place = own.within(region) if own is not None and own.area else None
        guarded = guard(before, after, used, place)
    return CubeStatistics(
        region, before[0].size, found.mean, found_after.mean, sigma,
        sigma_after, removed,
        (float(angles[0]), float(angles[1])), guarded,
    )  # fmt: skip


@dataclass(frozen=True)
class LookAtBands:
    """The look at three bands, or one in grey, each stretched by itself or not; yields a Look."""

    image: Image
    look: Look
    bands: tuple[int, ...]
    stretch: bool
    worker: ClassVar[str] = "light"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Look]:
        plain = replace(without_map(self.look), bands=self.bands)
        yield stretched(self.image, plain) if self.stretch else plain


@dataclass(frozen=True)
class LookAtEigen:
    """The look at eigen-images (0 the best), one in grey or three as colours; yields a Look."""

    image: Image
    look: Look
    wanted: tuple[int, ...]
    worker: ClassVar[str] = "light"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Look]:
        key = ("eigen", self.image.id)
        found = desk.cache.get(key)
        if found is None:
            found = _fractions(self.image)
            desk.cache.put(key, found)
        fractions, sample = found
        count = len(fractions.weights)
        rows = [min(at, count - 1) for at in self.wanted]
        weights, offsets = _stretched(fractions, sample, rows)
        numbers = ", ".join(str(at + 1) for at in rows)
        name = f"Eigen-image{'s' if len(rows) > 1 else ''} {numbers}"
        bands = tuple(usable(self.image))
        weights = tuple(tuple(row[band] for band in bands) for row in weights)
        mixed = BandMap("mix", name, bands, weights, offsets, "", back_of(self.look))
        yield replace(self.look, map=mixed, window=(0.0, 1.0), extent=(-2.0, 3.0))


@dataclass(frozen=True)
class LookAtTarget:
    """The look at a target: its "share", or the spectral "angle" to it; yields a Look."""

    image: Image
    look: Look
    target: Target
    kind: str
    worker: ClassVar[str] = "light"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Look]:
        image, y = self.image, np.asarray(self.target.spectrum.y)
        if self.kind == "angle":
            bands = tuple(band for band in usable(image) if np.isfinite(y[band]))
            rows = (tuple(float(y[band]) for band in bands),)
            shown = BandMap("angle", f"Angle to {self.target.spectrum.name}", bands, rows, (), "°")
            high = float(np.nanpercentile(shown.planes(_sample(image)[list(bands)], y)[0], 98))
            window, extent = (0.0, max(high, 0.1)), (-1.0, 181.0)
        else:
            sample = _sample(image)
            found = _moments(image, sample)
            used = _filter(found, _noise(image, found), self.target)
            weights = used.weights if used else np.zeros(len(y))
            bands = tuple(np.flatnonzero(weights).tolist()) or (0,)
            row = weights[list(bands)]
            offset = (-float(row @ found.mean[list(bands)]),)
            rows = (tuple(row.tolist()),)
            shown = BandMap("mix", f"Share of {self.target.spectrum.name}", bands, rows, offset)
            window, extent = (0.0, 1.0), (-4.0, 5.0)
        shown = replace(shown, back=back_of(self.look))
        yield replace(self.look, map=shown, window=window, extent=extent)


def look_at_change(image: Image, look: Look, high: float) -> Look:
    """The look at the spectral angle between before and after, `high` degrees shown white."""
    bands = tuple(usable(image))
    shown = BandMap("change", "Spectral angle between before and after", bands, (), (), "°",
                    back_of(look))  # fmt: skip
    return replace(look, map=shown, window=(0.0, max(high, 0.01)), extent=(-1.0, 181.0))


def without_map(look: Look) -> Look:
    """The look at bands again, with the window it had."""
    if look.map is None:
        return look
    window, extent = look.map.back
    return replace(look, map=None, window=window, extent=extent)


def back_of(look: Look) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """Window and extent to come back to."""
    return look.map.back if look.map else (look.window, look.extent)


@dataclass(frozen=True)
class LoadLibrary:
    """Read a file of spectra, CSV or an ENVI spectral library; yields a tuple of Spectrum."""

    path: str
    worker: ClassVar[str] = "files"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[tuple[Spectrum, ...]]:
        path = Path(self.path)
        if path.suffix.lower() in library.TEXT:
            yield library.read(path)
        else:
            image = open_image(desk.registry, path, cancelled, desk.decoder)
            yield library.of_image(image, path.name)


def title(region: Region) -> str:
    """What a spectrum of a region is called."""
    if region.area == 1:
        return f"x {region.x0} y {region.y0}"
    return f"x {region.x0}–{region.x1 - 1} y {region.y0}–{region.y1 - 1}"


def all_bands(image: Image, region: Region) -> Region:
    """The region in all bands of a cube."""
    return replace(region, front=((0, _count(image)),))


def denoised_region(
    image: Image, noise: Noise, recipe: Recipe, region: Region, desk: Desk, cancelled: Stop
) -> Generator[Progress, None, Array]:
    """The denoised pixels of a region, float32, from the tiles that the picture is made of.

    Yields after every tile, so that what is seen comes first.
    """
    yield Progress(0.0, None, "prepare")
    from core.render import Renderer, Tile

    renderer = Renderer(image, noise, recipe, desk, cancelled)
    out = np.empty(region.shape(image.axes, image.pixels.shape), np.float32)
    done = 0
    for tile in renderer.tiles(region):
        if not isinstance(tile, Tile):
            yield Progress(done / out.size, None, "prepare")
            continue
        part = tile.region.meet(region)
        here = tile.blended(recipe.steps[-1])[part.inside(tile.region, image.axes)]
        out[part.inside(region, image.axes)] = here
        done += here.size
        yield Progress(done / out.size, None)
    return out


def _count(image: Image) -> int:
    return image.pixels.shape[image.axes.index("b")]


def _stored(image: Image, region: Region) -> Array:
    return np.asarray(image.samples[region.index(image.axes)], np.float32)


def _mean(pixels: Array) -> F64:
    with np.errstate(invalid="ignore"):
        flat = np.asarray(pixels, np.float64).reshape(len(pixels), -1)
        there = np.isfinite(flat)
        count = there.sum(1)
        return np.where(count > 0, np.where(there, flat, 0).sum(1) / np.maximum(count, 1), np.nan)


def _moments(image: Image, pixels: Array) -> Moments:
    """Of all bands; those the file calls bad are left out of the covariance."""
    able = np.zeros(len(pixels), bool)
    able[usable(image)] = True
    part = moments(pixels[able])
    full = np.zeros((len(pixels), len(pixels)))
    full[np.ix_(able, able)] = part.covariance
    mean = _mean(pixels)
    if part.count > 1:
        mean[able] = part.mean
    return Moments(mean, full, part.count)


def _filter(found: Moments, sigma: F64, target: Target) -> Filter | None:
    y = np.asarray(target.spectrum.y)
    return matched_filter(found, sigma, y, target.source.area if target.source else 0)


def _noise(image: Image, found: Moments) -> F64:
    """Of each band; NaN of those the file calls bad."""
    able = usable(image)
    sigma = np.full(len(found.mean), np.nan)
    part = Moments(found.mean[able], found.covariance[np.ix_(able, able)], found.count)
    sigma[able] = band_noise(part)
    return sigma


def _grain(pixels: Array) -> F64:
    """What differs from pixel to pixel in each band (bands, h, w): noise and the finest texture.

    Bands that were cleaned together say all of each other: their regression would find no noise.
    """
    fine = pixels[:, 1:, 1:] - pixels[:, 1:, :-1] - pixels[:, :-1, 1:] + pixels[:, :-1, :-1]
    flat = np.abs(fine.reshape(len(fine), -1)) / 2
    flat = flat[:, np.isfinite(flat).all(0)]
    if not flat.size:
        return np.full(len(fine), np.nan)
    return 1.4826 * median(flat).astype(np.float64)


def _sample(image: Image) -> Array:
    """Pixels (bands, rows, columns) from all over the image, some `MOST` samples."""
    count = _count(image) * image.height * image.width
    step = max(int(np.ceil((count / MOST) ** 0.5)), 1)
    every = slice(None, None, step)
    return np.asarray(image.samples[:, every, every], np.float32)


def _fractions(image: Image) -> tuple[Fractions, Array]:
    sample = _sample(image)
    found = _moments(image, sample)
    fractions = noise_fractions(found, _noise(image, found), EIGEN)
    flat = sample.reshape(len(sample), -1)[:, :: max(sample[0].size // 20_000, 1)]
    flat = flat[:, np.isfinite(flat[usable(image)]).all(0)]
    return fractions, fractions.weights.astype(np.float32) @ np.nan_to_num(flat)


def _stretched(
    fractions: Fractions, sample: Array, rows: list[int]
) -> tuple[tuple[tuple[float, ...], ...], tuple[float, ...]]:
    """Weights and offsets that bring most of each eigen-image between 0 and 1."""
    weights: list[tuple[float, ...]] = []
    offsets: list[float] = []
    for row in rows:
        values = sample[row] if sample.shape[1] else np.zeros(1)
        low, high = np.percentile(values, (CLIPPED, 100 - CLIPPED))
        span = float(high - low) or 1.0
        weights.append(tuple((fractions.weights[row] / span).tolist()))
        offsets.append(-float(low) / span)
    return tuple(weights), tuple(offsets)


def spectral_angle(spectra: Spectra) -> float:
    """Degrees between before and after; NaN where after is not known."""
    return angle(spectra.before, spectra.after) if spectra.after is not None else float("nan")
