"""The Works of the picture on screen: before, after, and what denoising did to what is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, ClassVar, Protocol

import numpy as np

from core.canvas import Canvas
from core.desk import Desk
from core.develop import (
    Look,
    chosen,
    develop,
    false_color,
    proxy,
    proxy_noise,
    region_pixels,
    settle,
    spans,
)
from core.develop.window import scale
from core.image import Array, Image, Levels
from core.job import Pace, Progress, Stop, Told, colors_of, has_colors, in_colors, told
from core.noise.measured import Pattern
from core.noise.model import Noise
from core.planes import reformatted, stored, turned
from core.recipe import Recipe
from core.reformat import Sheet, noise_of
from core.tiles import Region, tiles

IMAGE = "image"  # the layer that is the denoised picture
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
    names: tuple[str, ...] = ()  # of what the last step found besides the image
    look: Look | None = None  # of another layer: how its numbers are shown


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
    """The denoised image. With `coarse`, a binned proxy with its own noise model, at once.

    `layer`: what else the last step has found (a sigma map...), as plain numbers.
    """

    image: Image
    noise: Noise
    recipe: Recipe
    region: Region
    level: int
    look: Look
    coarse: bool = False
    threads: int = 0  # 0: as many as the desk allows
    across: str = "z"
    layer: str = IMAGE  # planes across other axes show the image whatever is asked for
    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Shown | Progress | Told]:
        image, region, level = self.image, self.region, self.level
        if self.across != "z":
            yield from self._plane(desk, cancelled)
            return
        if not self.coarse or level == 1:
            yield from self._tiles(desk, cancelled)
            return

        def small(one: Image) -> Image:
            found = desk.cache.get(("proxy", one.id, level))
            if found is None:
                found = proxy(one, level)
                desk.cache.put(("proxy", one.id, level), found)
            return found

        inner = replace(
            region,
            y0=region.y0 // level,
            x0=region.x0 // level,
            y1=-(-region.y1 // level),
            x1=-(-region.x1 // level),
        )
        coarse = replace(
            self,
            image=small(image),
            noise=proxy_noise(self.noise, image, level),
            recipe=self.recipe.active.coarser(level, small),
            region=inner,
            level=1,
        )
        whole = Region.whole(image.height, image.width)
        for shown in coarse._tiles(desk, cancelled):
            if isinstance(shown, Shown):
                part = _scaled(shown.region, level).meet(whole)
                shown = replace(shown, level=level, region=part, proxy=True)
            yield shown

    def _tiles(self, desk: Desk, cancelled: Stop) -> Iterator[Shown | Progress | Told]:
        image, level = self.image, self.level
        look = self.look if self.layer == IMAGE else replace(self.look, map=None)
        region = _seen(image, self.region, look)
        parts = _parts(image, region, look)
        yield Progress(0.0, None, "prepare")
        from core.render import Renderer, Tile  # kernels load here, on the worker

        renderer = Renderer(image, self.noise, self.recipe, desk, cancelled, self.threads)
        yield told(renderer)
        last = renderer.recipe.steps[-1]
        colors = has_colors(image, last)
        canvas = Canvas(_in_colors(image) if colors else image, level, look, region)
        whole = Region.whole(image.height, image.width)
        total = max(region.meet(whole).area, 1) * len(parts)
        done, pace, names = 0, Pace(), ()
        others: dict[Region, Array] = {}  # of another layer: shown when all are there
        for tile in pace.over(chain.from_iterable(map(renderer.tiles, parts))):
            if not isinstance(tile, Tile):
                yield (
                    told(renderer, tile)
                    if isinstance(tile, str)
                    else Progress(tile, None, "prepare")
                )
                continue
            pace.add(tile.after.size)
            names = tuple(tile.layers)
            if self.layer in tile.layers:
                others[tile.region] = tile.layers[self.layer]
            else:
                pixels = colors_of(tile) if colors else tile.blended(last)
                for part, store in canvas.put(tile.region, pixels):
                    yield Shown("after", level, part, store, names=names)
            done += tile.region.meet(region).area
            yield Progress(min(done / total, 1.0), pace.rate)
        if others:
            for shown in self._layer(desk, others, region):
                yield replace(shown, names=names)

    def _layer(self, desk: Desk, found: dict[Region, Array], region: Region) -> Iterator[Shown]:
        """Another layer than the image: numbers, all in the window of those seen first."""
        image = numbers(self.image)
        key = "window", image.id, self.noise, self.recipe.work, self.layer
        look = desk.cache.get(key)
        if look is None:
            values = np.concatenate([each.ravel() for each in found.values()])
            look = settle(replace(image, pixels=values[None], axes="yx"), Look())
            desk.cache.put(key, look)
        look = replace(look, bands=self.look.bands)
        canvas = Canvas(image, self.level, look, region)
        for place, pixels in found.items():
            for part, store in canvas.put(place, pixels):
                yield Shown("after", self.level, part, store, look=look)

    def _plane(self, desk: Desk, cancelled: Stop) -> Iterator[Shown | Progress | Told]:
        """A plane of another pair of axes: the tiles that it cuts, as they come."""
        yield Progress(0.0, None, "prepare")
        from core.render import Renderer, Tile  # kernels load here, on the worker

        image = self.image
        renderer = Renderer(image, self.noise, self.recipe, desk, cancelled, self.threads)
        yield told(renderer)
        step = renderer.recipe.steps[-1]
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


def _in_colors(image: Image) -> Image:
    """A mosaic of which every pixel will have three colours; none has come yet."""
    nothing = np.broadcast_to(np.float32(0), (3, *image.pixels.shape))
    return in_colors(image, nothing)


def numbers(image: Image) -> Image:
    """An image of the same size for numbers that are no light: how other layers are shown."""
    kind = "cube" if image.kind == "cube" else "array"
    return replace(image, kind=kind, levels=Levels(), cfa=None, color=None, nodata=None, meta={})


def _scaled(region: Region, factor: float) -> Region:
    y0, x0, y1, x1 = (round(v * factor) for v in (region.y0, region.x0, region.y1, region.x1))
    return Region(y0, x0, y1, x1, region.front)


@dataclass(frozen=True)
class Judge:
    """Statistics of a region before and after; large regions are judged by their centre."""

    image: Image
    noise: Noise
    recipe: Recipe
    region: Region
    across: str = "z"
    pattern: Pattern | None = None  # how the noise is correlated
    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Any]:
        from core.measure import in_units, statistics

        plane = reformatted(self.image, self.across)
        region = one_slice(plane, centre(self.region, JUDGED))
        before, after = pair(self, region, desk, cancelled)
        noise = noise_of(self.noise, self.image, region, self.across)
        pattern = self.pattern if self.across == "z" else None
        found = statistics(before, after, plane, region, noise, pattern)
        if plane.kind == "scan":
            found = in_units(found, *scale(plane)[:2])
        yield region, found


class Asks(Protocol):
    """What a question about a region of a plane names."""

    @property
    def image(self) -> Image: ...
    @property
    def noise(self) -> Noise: ...
    @property
    def recipe(self) -> Recipe: ...
    @property
    def across(self) -> str: ...


def pair(ask: Asks, region: Region, desk: Desk, cancelled: Stop) -> tuple[Array, Array]:
    """The pixels of a region of a plane before and after, float32, with the plane's axes."""
    image, across = ask.image, ask.across
    area = stored(region, image.stack, across)
    before = turned(
        np.asarray(image.pixels[area.index(image.axes)], np.float32), image.axes, across
    )
    if not ask.recipe.active.steps:
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
