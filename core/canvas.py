"""Canvas: tiles as they come, developed where what is looked at of them is final."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from core.develop import Look, develop, false_color, reach, region_pixels
from core.image import Array, Image
from core.tiles import Region


class Canvas:
    """Develops what is looked at of tiles as they come; seams again once the neighbour is there.

    Of bands that are shown as colours it waits until all of a tile are there.
    """

    def __init__(self, image: Image, level: int, look: Look, region: Region) -> None:
        self.image, self.level, self.look = image, level, look
        self.whole = Region.whole(image.height, image.width)
        self.seen = region.aligned(12 * level).meet(self.whole)
        self.bands = false_color(image, region, look)
        self.done: dict[Region, Array] = {}

    def _places(self) -> list[Region]:
        """Where all is there that is shown."""
        if not self.bands:
            return list(self.done)
        held: dict[Region, set[int]] = {}
        for tile in self.done:
            bands = {band for band in self.bands if band in range(*tile.front[0])}
            held.setdefault(replace(tile, front=()), set()).update(bands)
        return [place for place, bands in held.items() if bands == set(self.bands)]

    def put(self, region: Region, pixels: Array) -> Iterator[tuple[Region, Array]]:
        """Developed pieces that this tile makes final."""
        self.done[region] = pixels
        places = self._places()
        region = replace(region, front=()) if self.bands else region
        visible = region.meet(self.seen)
        if not visible.area or region not in places:
            return
        area = reach(self.image, visible, self.level, self.look).meet(self.whole)
        pixels = region_pixels(self, self.image, area, self.level, self.look)
        store = develop(pixels, self.image, area, self.level, self.look)
        step = self.level
        for near in [near for near in places if near.meet(area).meet(self.seen).area]:
            part = near.meet(area).meet(self.seen)
            y, x = (part.y0 - area.y0) // step, (part.x0 - area.x0) // step
            h, w = -(-part.height // step), -(-part.width // step)
            yield part, np.ascontiguousarray(store[y : y + h, x : x + w])
        if self.look.map and self.bands:  # all bands of all tiles would be too much to keep
            for tile in [tile for tile in self.done if replace(tile, front=()) == region]:
                del self.done[tile]

    @property
    def shape(self) -> tuple[int, ...]:
        """As Pixels: the image's."""
        return self.image.pixels.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """As Pixels: float32."""
        return np.dtype(np.float32)

    def __getitem__(self, key: Any) -> Array:
        """As Pixels: tiles that came, else the source."""
        rows, cols = key[-2:]
        front, axes = self.seen.front, self.image.axes
        if self.bands:
            front = ((key[0].start, key[0].stop),)
        area = Region(rows.start, cols.start, rows.stop, cols.stop, front)
        seen = np.array(self.image.pixels[area.index(axes)], np.float32)
        for tile in self.done:
            part = tile.meet(area)
            if part.area and all(start < stop for start, stop in part.front):
                seen[part.inside(area, axes)] = self.done[tile][part.inside(tile, axes)]
        return seen
