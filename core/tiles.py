"""Region: which pixels. Tiles: a fixed grid over a region, centre first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from core.image import Array, Pixels

Span = tuple[int, int]


@dataclass(frozen=True, order=True)
class Region:
    """A rectangle of pixels, rows y0..y1, columns x0..x1 (ends excluded), of some or all slices.

    `front` has a span for each axis of the stack (those besides c, y, x, see `Image.stack`);
    empty, it means all of each.
    """

    y0: int
    x0: int
    y1: int
    x1: int
    front: tuple[Span, ...] = ()

    @property
    def height(self) -> int:
        """Rows."""
        return self.y1 - self.y0

    @property
    def width(self) -> int:
        """Columns."""
        return self.x1 - self.x0

    @property
    def area(self) -> int:
        """Pixels of one slice."""
        return max(self.height, 0) * max(self.width, 0)

    @property
    def slices(self) -> tuple[slice, slice]:
        """To cut the rectangle out of an array whose last axes are y, x."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def index(self, axes: str) -> tuple[slice, ...]:
        """To cut the region out of an array with these axes, which end in y x."""
        return (*_front(self.front, axes), *self.slices)

    def shape(self, axes: str, sizes: Sequence[int]) -> tuple[int, ...]:
        """Of the region's pixels in an array with these axes and sizes."""
        front = _front(self.front, axes)
        spans = [len(range(*s.indices(n))) for s, n in zip(front, sizes[:-2], strict=True)]
        return (*spans, self.height, self.width)

    def grow(self, halo: int, deep: Sequence[int] = ()) -> Region:
        """Larger by `halo` on all sides, by `deep[i]` at both ends of front axis i.

        It may reach outside the image.
        """
        front = self.front
        if front and deep:
            front = tuple((a - d, b + d) for (a, b), d in zip(front, deep, strict=True))
        return Region(self.y0 - halo, self.x0 - halo, self.y1 + halo, self.x1 + halo, front)

    def meet(self, other: Region) -> Region:
        """What both cover (area 0 when nothing)."""
        y0, x0 = max(self.y0, other.y0), max(self.x0, other.x0)
        y1, x1 = max(min(self.y1, other.y1), y0), max(min(self.x1, other.x1), x0)
        if not self.front or not other.front:
            return Region(y0, x0, y1, x1, self.front or other.front)
        pairs = zip(self.front, other.front, strict=True)
        front = tuple((max(a, c), max(min(b, d), max(a, c))) for (a, b), (c, d) in pairs)
        return Region(y0, x0, y1, x1, front)

    def aligned(self, step: int) -> Region:
        """The smallest region on a grid of `step` that covers this one."""
        y0, x0 = self.y0 // step * step, self.x0 // step * step
        return replace(self, y0=y0, x0=x0, y1=-(-self.y1 // step) * step,
                       x1=-(-self.x1 // step) * step)  # fmt: skip

    def within(self, outer: Region) -> tuple[slice, slice]:
        """Slices of this rectangle inside an array that holds `outer`."""
        y, x = self.y0 - outer.y0, self.x0 - outer.x0
        return slice(y, y + self.height), slice(x, x + self.width)

    def inside(self, outer: Region, axes: str) -> tuple[slice, ...]:
        """Slices of this region inside an array with these axes that holds `outer`."""
        starts = [a for a, _ in outer.front] or [0] * len(self.front)
        moved = tuple((a - s, b - s) for (a, b), s in zip(self.front, starts, strict=False))
        return (*_front(moved, axes), *self.within(outer))

    @staticmethod
    def whole(height: int, width: int) -> Region:
        """All pixels of an image."""
        return Region(0, 0, height, width)


def _front(spans: Sequence[Span], axes: str) -> list[slice]:
    """A slice for each axis before y x; c is always whole."""
    left = iter(spans)
    return [slice(None) if a == "c" or not spans else slice(*next(left)) for a in axes[:-2]]


def tiles(
    region: Region, size: int, height: int, width: int, stack: Sequence[tuple[int, int]] = ()
) -> list[Region]:
    """Tiles of the image's fixed grid that touch `region`, the centre of the region first.

    `stack` gives length and tile edge of each front axis; with none, tiles keep the region's front.
    The grid starts at 0 in every axis and does not depend on the region, so that every path
    (screen, export, command line) computes the very same tiles.
    """
    spans = tuple((0, length) for length, _ in stack)
    area = region.meet(Region(0, 0, height, width, spans))
    if not area.area:
        return []
    edges = [(size, height), (size, width), *((edge, length) for length, edge in stack)]
    ends = [(area.y0, area.y1), (area.x0, area.x1), *(area.front if stack else ())]
    cells = [
        [(at, min(at + edge, length)) for at in range(start // edge * edge, stop, edge)]
        for (edge, length), (start, stop) in zip(edges, ends, strict=True)
    ]
    middle = [(start + stop) / 2 for start, stop in ends]

    def distance(cell: tuple[Span, ...]) -> float:
        apart = [abs((a + b) / 2 - m) for (a, b), m in zip(cell, middle, strict=True)]
        return max(apart)

    found = sorted(product(*cells), key=lambda cell: (distance(cell), cell))
    front = area.front
    return [Region(y[0], x[0], y[1], x[1], tuple(z) if stack else front) for y, x, *z in found]


def mirror(start: int, stop: int, size: int, period: int) -> np.ndarray:
    """Indices start..stop into an axis of `size`, mirrored at both ends in whole CFA periods.

    An index outside is folded back so that it keeps its phase modulo `period`: whole periods are
    reflected, so that a red site is extended by red sites. Any distance, any size >= 1.
    """
    index = np.arange(start, stop)
    if start >= 0 and stop <= size:
        return index
    blocks = size // period
    if blocks == 0:  # smaller than one period: the phase cannot be kept, repeat what is there
        return np.clip(index, 0, size - 1)
    block, phase = index // period, index % period
    fold = block % (2 * blocks)
    folded = np.where(fold < blocks, fold, 2 * blocks - 1 - fold) * period + phase
    return np.where((index >= 0) & (index < size), index, np.minimum(folded, size - 1))


def cut(pixels: Pixels, region: Region, period: int = 1, axes: str = "") -> Array:
    """The region's pixels, shape (..., height, width), mirrored in whole periods at the borders.

    `axes` are those of `pixels`, needed where the region has a front; slices before the first and
    behind the last are mirrored, too. Inside the image it is a view.
    """
    front, sizes = _front(region.front, axes) if region.front else [], pixels.shape
    deep: list[tuple[int, np.ndarray]] = []
    for axis, span in enumerate(front):
        if span.start is not None and (span.start < 0 or span.stop > sizes[axis]):
            index = mirror(span.start, span.stop, sizes[axis], 1)
            front[axis] = slice(int(index.min()), int(index.max()) + 1)
            deep.append((axis, index - index.min()))
    head = tuple(front) if front else (...,)
    inner = region.meet(Region.whole(*sizes[-2:]))
    if (inner.y0, inner.x0, inner.height, inner.width) == (
        region.y0, region.x0, region.height, region.width
    ):  # fmt: skip
        found = pixels[(*head, *region.slices)]
    else:
        rows = mirror(region.y0, region.y1, sizes[-2], period)
        cols = mirror(region.x0, region.x1, sizes[-1], period)
        y0, x0 = int(rows.min()), int(cols.min())
        near = pixels[(*head, slice(y0, int(rows.max()) + 1), slice(x0, int(cols.max()) + 1))]
        tall = np.take(near, rows - y0, -2)
        found = np.empty((*tall.shape[:-1], region.width), tall.dtype)
        left, right = inner.x0 - region.x0, inner.x1 - region.x0  # between them nothing is mirrored
        if inner.width <= 0:
            left = right = 0
        for part in (slice(0, left), slice(right, region.width)):
            found[..., part] = np.take(tall, cols[part] - x0, -1)
        found[..., left:right] = tall[..., inner.x0 - x0 : inner.x0 - x0 + right - left]
    for axis, index in deep:
        found = np.take(found, index, axis)
    return found
