"""Noise models: how far a pixel strays from its true value, and what makes that noise white.

Each is a small frozen value: it stands in cache keys, recipes and on the command line
(see core.noise.text). Signals are above black, in the file's own units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from core.tiles import Region, mirror

if TYPE_CHECKING:
    from core.ops.vst import Curve

Floats = NDArray[np.floating[Any]]
F32 = NDArray[np.float32]


class Noise(Protocol):
    """A noise model of an image. Hashable, so that it can stand in a cache key."""

    kind: ClassVar[str]  # short name, as on the command line: `poisson-gaussian`

    def sigma(self, signal: Floats, channel: int) -> F32:
        """Standard deviation at a true signal above black, same shape and units."""
        ...

    def mean(self, signal: Floats, channel: int) -> Floats:
        """What is measured on average at a true signal: more than it where noise lifts it."""
        ...

    def curve(self, channel: int) -> Curve:
        """The transform after which the noise is white, of sigma 1; and its unbiased inverse."""
        ...

    def over(self, region: Region, axes: str, sizes: tuple[int, ...]) -> Noise:
        """The model of a region's pixels in an image with these axes and sizes.

        What differs from slice to slice, or from place to place, is narrowed to the region
        (mirrored where it reaches outside); else it is the model itself.
        """
        ...

    def averaged(self, counts: tuple[float, ...]) -> Noise:
        """The model of means over this many pixels each, one count per channel."""
        ...


class _Everywhere:
    """The same in every slice and place; noise without bias, but for those that say so."""

    def mean(self, signal: Floats, channel: int) -> Floats:
        """See Noise.mean."""
        return signal

    def over(self, region: Region, axes: str, sizes: tuple[int, ...]) -> Any:
        """See Noise.over."""
        return self


@dataclass(frozen=True)
class PoissonGaussian(_Everywhere):
    """var = gain * max(signal, 0) + read**2, signal above black in the file's own units.

    One gain and one read noise per channel of the image (see `Image.channels`). Gaussian noise of
    one sigma is gain 0. Model: A. Foi et al., IEEE TIP 17(10), 2008.
    """

    gain: tuple[float, ...]
    read: tuple[float, ...]
    kind: ClassVar[str] = "poisson-gaussian"

    def __post_init__(self) -> None:
        values = (*self.gain, *self.read)
        if len(self.gain) != len(self.read) or not all(np.isfinite(v) and v >= 0 for v in values):
            raise ValueError("gain and read noise must be finite, not negative, and as many")

    def sigma(self, signal: Floats, channel: int) -> F32:
        """See Noise.sigma."""
        gain, read = self.of(channel)
        return np.sqrt(gain * np.maximum(signal, 0) + read**2).astype(np.float32)

    def of(self, channel: int) -> tuple[float, float]:
        """Gain and read noise of a channel (the last one serves all further channels)."""
        at = min(channel, len(self.gain) - 1)
        return self.gain[at], self.read[at]

    def curve(self, channel: int) -> Curve:
        """See Noise.curve: the generalised Anscombe transform."""
        from core.ops.vst import vst

        return vst(*self.of(channel))

    def averaged(self, counts: tuple[float, ...]) -> PoissonGaussian:
        """See Noise.averaged: the variance is divided."""
        pairs = [(self.of(channel), n) for channel, n in enumerate(counts)]
        return PoissonGaussian(
            gain=tuple(gain / n for (gain, _), n in pairs),
            read=tuple(read / n**0.5 for (_, read), n in pairs),
        )


@dataclass(frozen=True)
class Rician(_Everywhere):
    """Magnitude of complex numbers whose parts have Gaussian noise `scale`: MR images.

    The root of the sum of squares over `coils` receivers (1: Rician, more: noncentral chi), then
    the mean of `averages` such images. The noise lifts the dark parts: a measured value is more
    than the true signal, and denoising on white planes takes that off as well.
    """

    scale: float
    coils: int = 1
    averages: float = 1.0
    kind: ClassVar[str] = "rician"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale >= 0 and 1 <= self.coils <= 64):
            raise ValueError("sigma must be finite and not negative, coils from 1 to 64")
        if not self.averages >= 1:
            raise ValueError("averages are at least 1")

    def sigma(self, signal: Floats, channel: int) -> F32:
        """See Noise.sigma: that of the measured magnitude."""
        from core.ops.vst_rician import moments

        scale = max(self.scale, 1e-30)
        nu, _, spread = moments(self.coils)
        found = np.interp(np.maximum(signal, 0) / scale, nu, spread)
        return (found * (self.scale / sqrt(self.averages))).astype(np.float32)

    def mean(self, signal: Floats, channel: int) -> Floats:
        """See Noise.mean: dark parts are lifted."""
        from core.ops.vst_rician import moments

        scale = max(self.scale, 1e-30)
        nu, mean, _ = moments(self.coils)
        true = np.maximum(signal, 0)
        return (true + scale * np.interp(true / scale, nu, mean - nu)).astype(np.float32)

    def curve(self, channel: int) -> Curve:
        """See Noise.curve."""
        from core.ops.vst_rician import rician

        return rician(self.scale, self.coils, self.averages)

    def averaged(self, counts: tuple[float, ...]) -> Rician:
        """See Noise.averaged."""
        return replace(self, averages=self.averages * counts[0])


@dataclass(frozen=True)
class Speckle(_Everywhere):
    """signal times a random factor of mean 1: echoes of ultrasound and radar, before any log.

    Intensity has a gamma distribution with `looks` (1: fully developed speckle); its square root,
    the `envelope`, a Nakagami one (1: Rayleigh). `floor` is the least value that differs from none,
    in stored units: half a step of whole numbers.
    """

    looks: float = 1.0
    envelope: bool = False
    floor: float = 0.5
    kind: ClassVar[str] = "speckle"

    def __post_init__(self) -> None:
        if not (0.05 <= self.looks < 1e6 and np.isfinite(self.floor) and self.floor > 0):
            raise ValueError("looks lie between 0.05 and 1000000, the floor is more than 0")

    @property
    def contrast(self) -> float:
        """Standard deviation over mean: 1 for intensity and 0.52 for envelopes of one look."""
        from core.ops.vst_speckle import contrast

        return contrast(self.looks, self.envelope)

    def sigma(self, signal: Floats, channel: int) -> F32:
        """See Noise.sigma."""
        return (np.maximum(signal, 0) * self.contrast).astype(np.float32)

    def curve(self, channel: int) -> Curve:
        """See Noise.curve: the logarithm."""
        from core.ops.vst_speckle import speckle

        return speckle(self.looks, self.envelope, self.floor)

    def averaged(self, counts: tuple[float, ...]) -> Speckle:
        """See Noise.averaged: that many times the looks (of envelopes nearly so)."""
        return replace(self, looks=min(self.looks * counts[0], 9e5))


@dataclass(frozen=True)
class LogSpeckle(_Everywhere):
    """Speckle of a log-compressed image (B-mode): a sum, as strong in bright as in dark tissue.

    `scale` is its standard deviation in stored units, correlated over `size` pixels along y and x.
    Fully developed speckle has 5.57 dB, so scale = 5.57 / dynamic range in dB * span.
    """

    scale: float
    size: tuple[float, float] = (1.0, 1.0)
    kind: ClassVar[str] = "log-speckle"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale >= 0 and min(self.size) > 0):
            raise ValueError("sigma must be finite and not negative, sizes more than 0")

    def sigma(self, signal: Floats, channel: int) -> F32:
        """See Noise.sigma."""
        return np.full(np.shape(signal), self.scale, np.float32)

    def curve(self, channel: int) -> Curve:
        """See Noise.curve: a factor; the mean of the stored (log) values is kept."""
        from core.ops.vst import vst

        return vst(0.0, self.scale)

    def averaged(self, counts: tuple[float, ...]) -> LogSpeckle:
        """See Noise.averaged: pixels within one speckle are no means of independent ones."""
        edge = sqrt(counts[0])
        free = counts[0] / (min(self.size[0], edge) * min(self.size[1], edge))
        size = max(self.size[0] / edge, 1.0), max(self.size[1] / edge, 1.0)
        return LogSpeckle(self.scale / sqrt(max(free, 1.0)), size)


@dataclass(frozen=True)
class Sliced:
    """A model of its own for each slice along one axis: the bands of a cube, the slices of a scan.

    `axis` is the letter of that axis ("": the first of the stack). Narrowed to a region, `place`
    says which axis of a signal the slices lie along, counted from the end.
    """

    models: tuple[Noise, ...]
    axis: str = ""
    place: int = -3
    kind: ClassVar[str] = "per-slice"

    def __post_init__(self) -> None:
        if not self.models or any(isinstance(m, Sliced | Mapped) for m in self.models):
            raise ValueError("a model per slice needs at least one, each a plain one")

    def sigma(self, signal: Floats, channel: int) -> F32:
        """See Noise.sigma; slices lie along axis `place` of the signal."""
        return self._each(signal, lambda model, part: model.sigma(part, channel))

    def mean(self, signal: Floats, channel: int) -> Floats:
        """See Noise.mean."""
        return self._each(signal, lambda model, part: model.mean(part, channel))

    def _each(self, signal: Floats, of: Callable[[Noise, Floats], Floats]) -> F32:
        if len(self.models) == 1 or signal.ndim < -self.place:
            return of(self.models[0], signal).astype(np.float32, copy=False)
        found, parts = np.empty(signal.shape, np.float32), np.moveaxis(signal, self.place, 0)
        into = np.moveaxis(found, self.place, 0)
        for index, part in enumerate(parts):
            into[index] = of(self.of(index), part)
        return found

    def of(self, index: int) -> Noise:
        """The model of a slice (the last one serves all further slices)."""
        return self.models[min(index, len(self.models) - 1)]

    def curve(self, channel: int) -> Curve:
        """See Noise.curve: that of the first slice; see core.ops.domain for the others."""
        return self.models[0].curve(channel)

    def over(self, region: Region, axes: str, sizes: tuple[int, ...]) -> Noise:
        """See Noise.over."""
        stack = axes[:-2].replace("c", "")
        if not stack or (self.axis and self.axis not in stack):
            return self.models[0]
        axis = self.axis or stack[0]
        length = sizes[axes.index(axis)]
        start, stop = region.front[stack.index(axis)] if region.front else (0, length)
        slices = mirror(start, stop, length, 1).tolist()
        if len(slices) == 1:
            return self.of(slices[0])
        place = axes.index(axis) - len(axes)
        return Sliced(tuple(self.of(index) for index in slices), axis, place)

    def averaged(self, counts: tuple[float, ...]) -> Sliced:
        """See Noise.averaged."""
        return replace(self, models=tuple(m.averaged(counts) for m in self.models))


@dataclass(frozen=True, eq=False)
class Mapped:
    """A model whose signal is scaled from place to place: noise(x) = map * model(x / map).

    For Gaussian noise of sigma 1 the map is that of the sigmas. `map` spans the whole image,
    whatever its own size: shape (rows, columns), or (slices, rows, columns) along the axis `axis`,
    linear in between. Values are finite and more than 0.
    """

    model: Noise
    map: F32 = field(repr=False)
    axis: str = ""
    kind: ClassVar[str] = "mapped"
    digest: str = field(init=False, repr=False, default="")

    def __post_init__(self) -> None:
        from hashlib import blake2b

        values = np.ascontiguousarray(self.map, np.float32)
        if values.ndim != 2 + bool(self.axis) or not (np.isfinite(values) & (values > 0)).all():
            raise ValueError("a noise map has rows and columns of finite values above 0")
        if isinstance(self.model, Mapped):
            raise ValueError("a noise map belongs to a plain model, or to one per slice")
        digest = blake2b(repr((self.model, self.axis, values.shape)).encode(), digest_size=16)
        digest.update(values.data)
        object.__setattr__(self, "map", values)
        object.__setattr__(self, "digest", digest.hexdigest())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapped) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def sigma(self, signal: Floats, channel: int) -> F32:
        """See Noise.sigma; the map must span what the signal does (see `over`)."""
        scale = self._scale(signal)
        return (self.model.sigma(signal / scale, channel) * scale).astype(np.float32)

    def mean(self, signal: Floats, channel: int) -> Floats:
        """See Noise.mean."""
        scale = self._scale(signal)
        return (self.model.mean(signal / scale, channel) * scale).astype(np.float32)

    def _scale(self, signal: Floats) -> F32:
        height, width = map(int, signal.shape[-2:])
        scale = _along(self.map, np.arange(height, dtype=np.intp), height, -2)
        return _along(scale, np.arange(width, dtype=np.intp), width, -1)

    def curve(self, channel: int) -> Curve:
        """See Noise.curve: of the signal over the map."""
        return self.model.curve(channel)

    def over(self, region: Region, axes: str, sizes: tuple[int, ...]) -> Mapped:
        """See Noise.over: the map then has the region's own pixels."""
        rows: NDArray[np.intp] = mirror(region.y0, region.y1, sizes[-2], 1)
        cols: NDArray[np.intp] = mirror(region.x0, region.x1, sizes[-1], 1)
        values, axis = self.map, self.axis
        stack = axes[:-2].replace("c", "")
        if axis:
            spans = region.front[stack.index(axis)] if region.front and axis in stack else (0, 1)
            length = sizes[axes.index(axis)] if axis in stack else 1
            wanted: NDArray[np.intp] = mirror(*spans, length, 1)
            values = _along(values, wanted, length, 0)
            if len(wanted) == 1:
                values, axis = values[0], ""
        found = _along(_along(values, rows, sizes[-2], -2), cols, sizes[-1], -1)
        return Mapped(self.model.over(region, axes, sizes), found, axis)

    def averaged(self, counts: tuple[float, ...]) -> Mapped:
        """See Noise.averaged."""
        return Mapped(self.model.averaged(counts), self.map, self.axis)


def _along(values: F32, wanted: NDArray[Any], length: int, axis: int) -> F32:
    """Values of a grid that spans `length` pixels at some of these, linear in between."""
    count = values.shape[axis]
    at = np.clip((wanted + 0.5) * (count / length) - 0.5, 0, count - 1)
    low = np.minimum(at.astype(np.intp), max(count - 2, 0))
    share = (at - low).astype(np.float32)
    shape = [1] * values.ndim
    shape[axis] = len(share)
    lower = np.take(values, low, axis)
    upper = np.take(values, np.minimum(low + 1, count - 1), axis)
    return lower + (upper - lower) * share.reshape(shape)
