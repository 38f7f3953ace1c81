"""The Works of the picture on screen: before, after, and what denoising did to what is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from core.desk import Desk
from core.develop import (
    Look,
    chosen,
    develop,
    false_color,
    proxy,
    proxy_noise,
    reach,
    region_pixels,
    spans,
)
from core.develop.window import scale
from core.image import Array, Image
from core.job import Pace, Progress, Stop, Told, told
from core.noise.model import Noise
from core.planes import reformatted, stored, turned
from core.recipe import Recipe
from core.reformat import Sheet, noise_of
from core.tiles import Region, tiles

BLOCK = 960  # edge of the pieces in which "before" is developed: a multiple of every CFA and level
PLACE = 256  # edge of the places in which all bands of a cube are computed together
JUDGED = 2_000_000  # pixels of a region that statistics look at, at most


@dataclass(frozen=True)
class Shown:
    """Developed pixels of a region for the screen: uint16 (h, w, 3) at binning `level`.

    The region is of the plane across an axis, as all regions of these Works: see core.planes.
    """

    layer: str
    level: int
    region: Region
    store: Array
    proxy: bool = False
    across: str = "z"


@dataclass(frozen=True)
class ShowBefore:
    """The image as it is; needs no torch."""

    image: Image
    region: Region
    level: int
    look: Look
    across: str = "z"
    worker: ClassVar[str] = "light"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Shown]:
        image = reformatted(self.image, self.across)
        whole = Region.whole(image.height, image.width)
        region = _seen(image, self.region, self.look)
        for block in tiles(region, _edge(image, region, self.look), whole.height, whole.width):
            part = block.meet(region.aligned(12 * self.level).meet(whole))
            pixels = region_pixels(image.pixels, image, part, self.level, self.look)
            store = develop(pixels, image, part, self.level, self.look)
            yield Shown("before", self.level, part, store, across=self.across)


@dataclass(frozen=True)
class ShowAfter:
    """The denoised image. With `coarse`, a binned proxy with its own noise model, at once."""

    image: Image
    noise: Noise
    recipe: Recipe
    region: Region
    level: int
    look: Look
    coarse: bool = False
    threads: int = 0  # 0: as many as the desk allows
    across: str = "z"
    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Shown | Progress | Told]:
        image, noise, region, level = self.image, self.noise, self.region, self.level
        if self.across != "z":
            yield from self._plane(desk, cancelled)
        elif self.coarse and level > 1:
            small = desk.cache.get(("proxy", image.id, level))
            if small is None:
                small = proxy(image, level)
                desk.cache.put(("proxy", image.id, level), small)
            inner = Region(
                region.y0 // level,
                region.x0 // level,
                -(-region.y1 // level),
                -(-region.x1 // level),
            )
            noise = proxy_noise(noise, image, level)
            whole = Region.whole(image.height, image.width)
            for shown in self._tiles(desk, cancelled, small, noise, inner, 1):
                if isinstance(shown, Shown):
                    part = _scaled(shown.region, level).meet(whole)
                    shown = Shown("after", level, part, shown.store, True)
                yield shown
        else:
            yield from self._tiles(desk, cancelled, image, noise, region, level)

    def _tiles(
        self,
        desk: Desk,
        cancelled: Stop,
        image: Image,
        noise: Noise,
        region: Region,
        level: int,
    ) -> Iterator[Shown | Progress | Told]:
        region = _seen(image, region, self.look)
        parts = _parts(image, region, self.look)
        yield Progress(0.0, None, "prepare")
        from core.render import Renderer, Tile  # kernels load here, on the worker

        renderer = Renderer(image, noise, self.recipe, desk, cancelled, self.threads)
        yield told(renderer)
        canvas = _Canvas(image, level, self.look, region)
        whole = Region.whole(image.height, image.width)
        total = max(region.meet(whole).area, 1) * len(parts)
        done, pace = 0, Pace()
        for tile in pace.over(chain.from_iterable(map(renderer.tiles, parts))):
            if not isinstance(tile, Tile):
                yield (
                    told(renderer, tile)
                    if isinstance(tile, str)
                    else Progress(tile, None, "prepare")
                )
                continue
            pace.add(tile.after.size)
            for part, store in canvas.put(tile.region, tile.blended(self.recipe.steps[-1])):
                yield Shown("after", level, part, store)
            done += tile.region.meet(region).area
            yield Progress(min(done / total, 1.0), pace.rate)

    def _plane(self, desk: Desk, cancelled: Stop) -> Iterator[Shown | Progress | Told]:
        """A plane of another pair of axes: the tiles that it cuts, as they come."""
        yield Progress(0.0, None, "prepare")
        from core.render import Renderer, Tile  # kernels load here, on the worker

        image, step = self.image, self.recipe.steps[-1]
        renderer = Renderer(image, self.noise, self.recipe, desk, cancelled, self.threads)
        yield told(renderer)
        sheet = Sheet(image, self.across, self.region, self.level, self.look)
        pace, total, done = Pace(), max(sheet.seen.area, 1), 0
        for tile in pace.over(renderer.tiles(sheet.stored)):
            if not isinstance(tile, Tile):
                yield (
                    told(renderer, tile)
                    if isinstance(tile, str)
                    else Progress(tile, None, "prepare")
                )
                continue
            pace.add(tile.after.size)
            part = tile.part(sheet.stored, image.axes)
            sheet.put(part.region, part.blended(step))
            done += part.after.size
            if sheet.ripe or done >= total:
                for region, store in sheet.developed():
                    yield Shown("after", self.level, region, store, across=self.across)
                yield Progress(min(done / total, 1.0), pace.rate)


def _scaled(region: Region, factor: float) -> Region:
    y0, x0, y1, x1 = (round(v * factor) for v in (region.y0, region.x0, region.y1, region.x1))
    return Region(y0, x0, y1, x1)


class _Canvas:
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


@dataclass(frozen=True)
class Judge:
    """Statistics of a region before and after; large regions are judged by their centre."""

    image: Image
    noise: Noise
    recipe: Recipe
    region: Region
    across: str = "z"
    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Any]:
        from core.measure import in_units, statistics

        plane = reformatted(self.image, self.across)
        region = one_slice(plane, centre(self.region, JUDGED))
        before, after = pair(self, region, desk, cancelled)
        noise = noise_of(self.noise, self.image, region, self.across)
        found = statistics(before, after, plane, region, noise)
        if plane.kind == "scan":
            found = in_units(found, *scale(plane)[:2])
        yield region, found


def pair(ask: Judge, region: Region, desk: Desk, cancelled: Stop) -> tuple[Array, Array]:
    """The pixels of a region of a plane before and after, float32, with the plane's axes."""
    image, across = ask.image, ask.across
    area = stored(region, image.stack, across)
    before = turned(
        np.asarray(image.pixels[area.index(image.axes)], np.float32), image.axes, across
    )
    if not ask.recipe.steps:
        return before, before
    from core.render import Renderer, assemble

    renderer = Renderer(image, ask.noise, ask.recipe, desk, cancelled)
    return before, turned(assemble(renderer, area), image.axes, across)


def _seen(image: Image, region: Region, look: Look) -> Region:
    """What is looked at of a stack: the bands of the look, else one slice."""
    return region if false_color(image, region, look) else one_slice(image, region)


def _edge(image: Image, region: Region, look: Look) -> int:
    """Of the pieces in which it is developed: smaller where many bands are read at once."""
    many = max(len(false_color(image, region, look)) / 3, 1)
    return max(int(BLOCK / many**0.5) // 12, 4) * 12


def _parts(image: Image, region: Region, look: Look) -> list[Region]:
    """What to compute of a region: the bands shown, all of a place before the next place."""
    bands = false_color(image, region, look)
    if not bands:
        return [region]
    places = tiles(region, PLACE, image.height, image.width) if look.map else [region]
    return [replace(place, front=(span,)) for place in places for span in spans(bands)]


def one_slice(image: Image, region: Region) -> Region:
    """The region of what is looked at of a stack: one slice where the region names none.

    It is the first one, of a cube the band that is shown first when it is opened.
    """
    if region.front:
        return region
    first = (chosen(image) or (0,))[0] if image.kind == "cube" else 0
    return replace(region, front=((first, first + 1),) * len(image.stack))


def centre(region: Region, most: int) -> Region:
    """The middle of a region, at most `most` pixels, on a grid of 12 (whole CFA periods)."""
    if region.area <= most:
        return region
    shrink = (most / region.area) ** 0.5
    height, width = int(region.height * shrink) // 12 * 12, int(region.width * shrink) // 12 * 12
    y0 = (region.y0 + (region.height - height) // 2) // 12 * 12
    x0 = (region.x0 + (region.width - width) // 2) // 12 * 12
    return Region(y0, x0, y0 + height, x0 + width, region.front)
