"""Region: which pixels. Tiles: a fixed grid over a region, centre first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.image import Array, Pixels


@dataclass(frozen=True, order=True)
class Region:
    """A rectangle of pixels: rows y0..y1, columns x0..x1 (ends excluded)."""

    y0: int
    x0: int
    y1: int
    x1: int

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
        """Pixels."""
        return max(self.height, 0) * max(self.width, 0)

    @property
    def slices(self) -> tuple[slice, slice]:
        """To cut the region out of an array whose last axes are y, x."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def grow(self, halo: int) -> Region:
        """Larger by `halo` on all sides; may reach outside the image."""
        return Region(self.y0 - halo, self.x0 - halo, self.y1 + halo, self.x1 + halo)

    def meet(self, other: Region) -> Region:
        """What both cover (area 0 when nothing)."""
        y0, x0 = max(self.y0, other.y0), max(self.x0, other.x0)
        return Region(y0, x0, max(min(self.y1, other.y1), y0), max(min(self.x1, other.x1), x0))

    def aligned(self, step: int) -> Region:
        """The smallest region on a grid of `step` that covers this one."""
        up = -(-self.y1 // step) * step, -(-self.x1 // step) * step
        return Region(self.y0 // step * step, self.x0 // step * step, *up)

    def within(self, outer: Region) -> tuple[slice, slice]:
        """Slices of this region inside an array that holds `outer`."""
        y, x = self.y0 - outer.y0, self.x0 - outer.x0
        return slice(y, y + self.height), slice(x, x + self.width)

    @staticmethod
    def whole(height: int, width: int) -> Region:
        """All pixels of an image."""
        return Region(0, 0, height, width)


def tiles(region: Region, size: int, height: int, width: int) -> list[Region]:
    """Tiles of the image's fixed grid that touch `region`, the centre of the region first.

    The grid starts at (0, 0) and does not depend on the region, so that every path (screen, export,
    command line) computes the very same tiles.
    """
    area = region.meet(Region.whole(height, width))
    if not area.area:
        return []
    found = [
        Region(y, x, min(y + size, height), min(x + size, width))
        for y in range(area.y0 // size * size, area.y1, size)
        for x in range(area.x0 // size * size, area.x1, size)
    ]
    cy, cx = (area.y0 + area.y1) / 2, (area.x0 + area.x1) / 2

    def distance(tile: Region) -> float:
        return max(abs((tile.y0 + tile.y1) / 2 - cy), abs((tile.x0 + tile.x1) / 2 - cx))

    return sorted(found, key=lambda tile: (distance(tile), tile))


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


def cut(pixels: Pixels, region: Region, period: int = 1) -> Array:
    """The region's pixels, shape (..., height, width), mirrored in whole periods at the borders."""
    height, width = pixels.shape[-2:]
    inner = region.meet(Region.whole(height, width))
    if inner == region:
        return pixels[(..., *region.slices)]
    rows = mirror(region.y0, region.y1, height, period)
    cols = mirror(region.x0, region.x1, width, period)
    y0, x0 = int(rows.min()), int(cols.min())
    near = pixels[..., y0 : int(rows.max()) + 1, x0 : int(cols.max()) + 1]
    return near[..., (rows - y0)[:, None], (cols - x0)[None, :]]
