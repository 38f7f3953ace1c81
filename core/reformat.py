"""Reformat: a plane of a volume across y or x, put together from the tiles that it cuts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from core.develop import Look, develop
from core.image import Array, Image
from core.noise.model import F32, Floats, Noise
from core.planes import reformatted, reordered, seen, stored, turned
from core.tiles import Region, Span

if TYPE_CHECKING:
    from core.ops.vst import Curve

BEAT = 0.05  # seconds from one piece of picture to the next: tiles may be single rows of it


class Sheet:
    """Collects denoised pixels and develops what is new, in pieces as large as may be."""

    def __init__(self, image: Image, across: str, region: Region, level: int, look: Look) -> None:
        self.image, self.across, self.level, self.look = image, across, level, look
        self.plane = reformatted(image, across)
        whole = Region.whole(self.plane.height, self.plane.width)
        self.seen = region.aligned(level).meet(whole)
        self.stored = stored(self.seen, image.stack, across)
        self._held = np.empty((self.seen.height, self.seen.width), np.float32)
        if level > 1:  # a pixel of the screen covers rows that come later: they are as before
            before = np.asarray(self.plane.pixels[self.seen.index(self.plane.axes)], np.float32)
            self._held[:] = before.reshape(self._held.shape)
        self._new: dict[Span, list[Span]] = {}  # by columns: rows that came
        self._last = time.monotonic()

    @property
    def ripe(self) -> bool:
        """Is it time to show something?"""
        return time.monotonic() - self._last > BEAT

    def put(self, region: Region, pixels: Array) -> None:
        """Pixels of a stored region, with the image's axes."""
        part = seen(region, self.image.stack, self.across)
        rows, cols = (part.y0, part.y1), (part.x0, part.x1)
        flat = turned(pixels, self.image.axes, self.across)
        self._held[part.within(self.seen)] = flat.reshape(part.height, part.width)
        self._new.setdefault(cols, []).append(rows)

    def developed(self) -> Iterator[tuple[Region, Array]]:
        """What came since the last time: regions of the plane and their stores."""
        fresh, self._new = self._new, {}
        for cols, spans in fresh.items():
            for start, stop in _runs(spans):
                part = Region(start, cols[0], stop, cols[1], self.seen.front)
                area = part.aligned(self.level).meet(self.seen)
                pixels = self._held[area.within(self.seen)]
                shape = (1,) * (len(self.plane.axes) - 2) + pixels.shape
                store = develop(pixels.reshape(shape), self.plane, area, self.level, self.look)
                yield area, store
        self._last = time.monotonic()


def noise_of(noise: Noise, image: Image, region: Region, across: str) -> Noise:
    """The noise model of a region of a plane: a signal has the plane's rows and columns."""
    area = stored(region, image.stack, across)
    found = noise.over(area, image.axes, image.pixels.shape)
    if across == "z":
        return found
    shape = area.shape(image.axes, image.pixels.shape)
    return _Across(found, image.axes, across, shape)


@dataclass(frozen=True)
class _Across:
    """A stored region's noise model for signals laid out as a plane of it."""

    noise: Noise
    axes: str
    across: str
    shape: tuple[int, ...]
    kind: ClassVar[str] = "reformatted"

    def sigma(self, signal: Floats, channel: int) -> F32:
        """See Noise.sigma."""
        return self._laid(signal, lambda values: self.noise.sigma(values, channel))

    def mean(self, signal: Floats, channel: int) -> Floats:
        """See Noise.mean."""
        return self._laid(signal, lambda values: self.noise.mean(values, channel))

    def _laid(self, signal: Floats, of: Callable[[Floats], Floats]) -> F32:
        """Laid out as it is stored, and the result as the plane."""
        order = [self.axes.index(letter) for letter in reordered(self.axes, self.across)]
        sizes = [self.shape[axis] for axis in order]
        laid = signal.reshape(sizes).transpose(np.argsort(order))
        found = of(laid).astype(np.float32, copy=False)
        return turned(found, self.axes, self.across).reshape(signal.shape)

    def curve(self, channel: int) -> Curve:
        """See Noise.curve."""
        return self.noise.curve(channel)

    def over(self, region: Region, axes: str, sizes: tuple[int, ...]) -> Noise:
        """See Noise.over: it is narrowed already."""
        return self

    def averaged(self, counts: tuple[float, ...]) -> Noise:
        """See Noise.averaged."""
        return replace(self, noise=self.noise.averaged(counts))


def _runs(spans: list[Span]) -> list[Span]:
    """Spans that touch, joined."""
    found: list[Span] = []
    for start, stop in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return found
