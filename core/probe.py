"""Probes: small changes of a picture whose effect on the result tells how wrong that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np

from core.byproducts import sigma_of
from core.image import Array, Image, Pixels
from core.noise import spectrum
from core.noise.correlated import Correlated
from core.noise.model import LogSpeckle, Mapped, Noise, Rician, Sliced
from core.tiles import Region

SHAKE = 0.03  # of the noise's standard deviation: with more, thresholds are passed too often
REACH = 12  # pixels over which noise may be correlated
HOLES = 3  # one in so many pixels along y and x is replaced


class Change(Protocol):
    """Something to add to the pixels of a region: shape of the region, stored units, float32."""

    @property
    def region(self) -> Region: ...
    @property
    def delta(self) -> Array: ...


@dataclass(frozen=True, eq=False)
class Shaken:
    """The pixels of an image, float32, changed in some regions."""

    base: Pixels
    axes: str
    changes: tuple[tuple[tuple[slice, ...], Array], ...] = field(repr=False)
    stamp: str = ""

    @staticmethod
    def of(image: Image, changes: Sequence[Change], name: str) -> Shaken:
        """Of an image; the name tells it from others of the same image."""
        shape = image.pixels.shape
        placed: list[tuple[tuple[slice, ...], Array]] = []
        for change in changes:
            index = change.region.index(image.axes)
            spans = [slice(*s.indices(n)[:2]) for s, n in zip(index, shape, strict=True)]
            placed.append((tuple(spans), change.delta))
        return Shaken(image.pixels, image.axes, tuple(placed), f"{name} {image.id}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return tuple(self.base.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32, or complex where the pixels are."""
        return np.result_type(np.float32, self.base.dtype) if self.base.dtype.kind == "c" \
            else np.dtype(np.float32)  # fmt: skip

    def __repr__(self) -> str:
        return f"Shaken({self.stamp})"

    def __getitem__(self, key: Any, /) -> Array:
        """Integers, slices without step and one Ellipsis, as of an array."""
        found = np.array(self.base[key], self.dtype)
        keys: tuple[Any, ...] = cast("tuple[Any, ...]", key) if isinstance(key, tuple) else (key,)
        if Ellipsis in keys:
            at, lacking = keys.index(Ellipsis), len(self.shape) - len(keys) + 1
            keys = (*keys[:at], *(slice(None),) * lacking, *keys[at + 1 :])
        keys = (*keys, *(slice(None),) * (len(self.shape) - len(keys)))
        spans = [range(*k.indices(n)) if isinstance(k, slice) else range(k % n, k % n + 1)
                 for k, n in zip(keys, self.shape, strict=True)]  # fmt: skip
        full = found.reshape([len(span) for span in spans])
        for place, delta in self.changes:
            ends = [(max(a.start, b.start), min(a.stop, b.stop))
                    for a, b in zip(place, spans, strict=True)]  # fmt: skip
            if all(start < stop for start, stop in ends):
                _add(full, delta, place, spans, ends)
        return full.reshape(found.shape)


def _add(full: Array, delta: Array, place: Any, spans: Any, ends: Any) -> None:
    """What a change adds to a cut, whose rows may be every nth of the image's."""
    into: list[slice] = []
    out: list[slice] = []
    for (start, stop), one, span in zip(ends, place, spans, strict=True):
        first = -(-(start - span.start) // span.step)
        last = -(-(stop - span.start) // span.step)
        into.append(slice(first, last))
        begin = span.start + first * span.step - one.start
        out.append(slice(begin, stop - one.start, span.step))
    full[tuple(into)] += delta[tuple(out)]


@dataclass(frozen=True, eq=False)
class Probe:
    """Noise on top of a region, grown by the reach of its correlation; see core.tune.

    `given`, `sigma` and `draw` have the region's own shape: the noisy pixels, the noise's standard
    deviation there, unit noise. `fine` says where the noise is neither cut off nor lacking.
    """

    region: Region  # of delta
    delta: Array
    given: Array
    sigma: Array
    draw: Array
    fine: Array
    expected: Rician | None = None  # of magnitudes, which lie above the true signal

    def risk(self, found: Array, shaken: Array) -> tuple[float, int]:
        """Sum of the estimated squared errors over the noise's variance, and the samples in it."""
        if self.expected is not None:
            found, shaken = (self.expected.mean(each, 0) for each in (found, shaken))
        rest = (found - self.given) / self.sigma
        follows = self.draw * (shaken - found) / (SHAKE * self.sigma)
        each = np.square(rest, dtype=np.float64) - 1 + 2 * follows
        return float(each[self.fine].sum()), int(np.count_nonzero(self.fine))


def probes(
    image: Image, noise: Noise, regions: Sequence[Region], pilots: Sequence[Array]
) -> list[Probe]:
    """A probe for each region; `pilots` are denoised pixels, which say how strong the noise is."""
    rng = np.random.default_rng(0)
    alike = correlation_of(image, noise)
    reach = REACH if alike is not None else 0
    whole = Region.whole(image.height, image.width)
    found: list[Probe] = []
    for region, pilot in zip(regions, pilots, strict=True):
        sigma = sigma_of(image, noise, region, pilot)
        grown = region.grow(reach).meet(whole)
        shape = grown.shape(image.axes, image.pixels.shape)
        draw = rng.standard_normal(shape).astype(np.float32)
        if alike is not None:
            draw = correlate(draw, alike)
        inner = region.inside(grown, image.axes)
        sides = [(region.y0 - grown.y0, grown.y1 - region.y1),
                 (region.x0 - grown.x0, grown.x1 - region.x1)]  # fmt: skip
        wide = np.pad(sigma, [(0, 0)] * (sigma.ndim - 2) + sides, "edge")
        around = np.asarray(image.samples[grown.index(image.axes)])
        delta = np.where(np.isfinite(around), SHAKE * wide * draw, 0).astype(np.float32)
        given = _numbers(image, region)
        model = noise.model if isinstance(noise, Mapped) else noise
        magnitudes = model if isinstance(model, Rician) else None
        fine = usable(image, given) & (sigma > 0)
        sigma = np.where(sigma > 0, sigma, 1)
        found.append(Probe(grown, delta, given, sigma, draw[inner], fine, magnitudes))
    return found


def usable(image: Image, given: Array) -> Array:
    """Where the noise is not cut off at an end of the range of stored values."""
    fine = np.isfinite(given) & (given < image.levels.white)
    if np.dtype(image.pixels.dtype).kind == "u":
        fine &= given > 0
    return fine


def correlation_of(image: Image, noise: Noise) -> Array | None:
    """How alike the noise of near pixels is, (R + 1, 2 R + 1) as core.noise.correlation has it.

    None where it is white, or nobody can tell it from the picture.
    """
    model = noise.model if isinstance(noise, Mapped) else noise
    model = model.models[0] if isinstance(model, Sliced) else model
    if isinstance(model, LogSpeckle):
        from core.noise.correlation import correlation

        return correlation(image, REACH)
    if isinstance(model, Correlated) and len(set(model.spectra[0])) > 1:
        return _both(spectrum.correlation_of(model.spectra[0]))
    if image.kind == "scan" and not isinstance(model, Rician):
        from core.noise.estimate import measure

        pattern = measure(image).pattern
        if pattern is None or pattern.white:
            return None
        return _both(pattern.correlation)
    return None


def _both(correlation: Sequence[Sequence[float]]) -> Array:
    """Lags to the right only, to those on both sides."""
    quarter = np.asarray(correlation, np.float32)
    return np.concatenate([quarter[:, :0:-1], quarter], 1)


def correlate(white: Array, alike: Array) -> Array:
    """Unit white noise (..., H, W) to unit noise with this correlation, periodic at the border."""
    height, width = white.shape[-2:]
    reach = alike.shape[1] // 2
    known = np.zeros((height, width))
    for dy in range(min(len(alike), height // 2)):
        for dx in range(-min(reach, width // 2), min(reach, width // 2) + 1):
            known[dy, dx] = alike[dy, dx + reach]
            known[-dy, -dx] = alike[dy, dx + reach]
    power = np.maximum(np.fft.fft2(known).real, 0)
    shaped = np.fft.ifft2(np.fft.fft2(white) * np.sqrt(power / power.mean())).real
    return shaped.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Veil:
    """Pixels of a region replaced by the mean of their neighbours; see core.tune."""

    region: Region
    delta: Array
    given: Array
    sigma: Array
    hidden: Array

    def risk(self, found: Array) -> tuple[float, int]:
        """Sum of squared differences to what was hidden, over the variance, and their number."""
        each = np.square((found - self.given) / self.sigma, dtype=np.float64)
        return float(each[self.hidden].sum()), int(np.count_nonzero(self.hidden))


def veil(image: Image, noise: Noise, regions: Sequence[Region]) -> list[Veil]:
    """A veil for each region; a mosaic's sites are replaced by those of the same colour."""
    rng = np.random.default_rng(0)
    step_y, step_x = image.cfa.period if image.cfa else (1, 1)
    found: list[Veil] = []
    for region in regions:
        given = _numbers(image, region)
        near = np.zeros_like(given)
        for dy, dx in ((-step_y, 0), (step_y, 0), (0, -step_x), (0, step_x)):
            near += np.roll(given, (dy, dx), (-2, -1)) / 4
        rows = np.arange(region.height, dtype=np.intp)[:, None] // step_y
        cols = np.arange(region.width, dtype=np.intp) // step_x
        first, second = rng.integers(0, HOLES, (2, *given.shape[:-2], 1, 1))
        hidden: Array = (rows % HOLES == first) & (cols % HOLES == second)
        inside = np.zeros((region.height, region.width), bool)
        inside[step_y:-step_y, step_x:-step_x] = True  # at the edge, neighbours are the far end's
        hidden = hidden & inside & usable(image, given) & np.isfinite(near)
        sigma = sigma_of(image, noise, region, np.where(np.isfinite(near), near, 0))
        hidden &= sigma > 0
        delta = np.where(hidden, near - given, 0).astype(np.float32)
        sigma = np.where(sigma > 0, sigma, 1)
        found.append(Veil(region, delta, given, sigma, hidden))
    return found


def _numbers(image: Image, region: Region) -> Array:
    return np.asarray(image.samples[region.index(image.axes)], np.float32)


__all__ = ["Probe", "Shaken", "Veil", "correlate", "probes", "veil"]
