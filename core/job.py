"""The Works: open, measure, show, judge, export. Frozen values; called, they are generators."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from core.children import MethodCrashed
from core.choose import choose
from core.desk import Desk
from core.develop import (
    Look,
    develop,
    export_rgb,
    proxy,
    proxy_noise,
    reach,
    region_pixels,
    settle,
)
from core.files import open_image, save_image
from core.format import Output, UnreadableFile, UnwritableFile
from core.image import Array, Image, Levels
from core.noise.estimate import measure, measure_flat
from core.noise.model import PoissonGaussian
from core.recipe import Recipe, to_json
from core.registry import Registry
from core.spill import scratch
from core.tiles import Region, tiles

Stop = Callable[[], bool]
T = TypeVar("T")
BLOCK = 960  # edge of the pieces in which "before" is developed: a multiple of every CFA and level
AT_ONCE = 0.002  # seconds within which a tile comes from the cache, and never from a computation
JUDGED = 2_000_000  # pixels of a region that statistics look at, at most


@dataclass(frozen=True)
class Opened:
    """An image and the look it is first shown with."""

    image: Image
    look: Look


@dataclass(frozen=True)
class Open:
    """Decode a file; yields one Opened."""

    path: str
    axes: str = ""  # names of the dimensions where the file cannot say them
    worker: ClassVar[str] = "files"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Opened]:
        image = open_image(desk.registry, Path(self.path), cancelled, desk.decoder, self.axes)
        yield Opened(image, settle(image, Look()))


@dataclass(frozen=True)
class MeasureNoise:
    """Measure the noise model, from the whole image or a flat area the user picked."""

    image: Image
    flat: Region | None = None
    worker: ClassVar[str] = "light"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Any]:
        yield measure(self.image) if self.flat is None else measure_flat(self.image, self.flat)


@dataclass(frozen=True)
class Shown:
    """Developed pixels of a region for the screen: uint16 (h, w, 3) at binning `level`."""

    layer: str
    level: int
    region: Region
    store: Array
    proxy: bool = False


@dataclass(frozen=True)
class ShowBefore:
    """The image as it is; needs no torch."""

    image: Image
    region: Region
    level: int
    look: Look
    worker: ClassVar[str] = "light"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Shown]:
        image, whole = self.image, Region.whole(self.image.height, self.image.width)
        region = one_slice(image, self.region)
        for block in tiles(region, BLOCK, whole.height, whole.width):
            part = block.meet(region.aligned(12 * self.level).meet(whole))
            pixels = region_pixels(image.pixels, image, part, self.level, self.look)
            store = develop(pixels, image, part, self.level, self.look)
            yield Shown("before", self.level, part, store)


@dataclass(frozen=True)
class Progress:
    """How far a Work has come; `rate` in megapixels per second (None: nothing computed yet)."""

    done: float
    rate: float | None
    stage: str = "denoise"


@dataclass(frozen=True)
class Told:
    """A sentence for the status line: where a Work computes and why, or why no longer there."""

    text: str
    device: str = ""


@dataclass(frozen=True)
class ShowAfter:
    """The denoised image. With `coarse`, a binned proxy with its own noise model, at once."""

    image: Image
    noise: PoissonGaussian
    recipe: Recipe
    region: Region
    level: int
    look: Look
    coarse: bool = False
    threads: int = 0  # 0: as many as the desk allows
    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Shown | Progress | Told]:
        image, noise, region, level = self.image, self.noise, self.region, self.level
        if self.coarse and level > 1:
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
        noise: PoissonGaussian,
        region: Region,
        level: int,
    ) -> Iterator[Shown | Progress | Told]:
        region = one_slice(image, region)
        yield Progress(0.0, None, "prepare")
        from core.render import Renderer, Tile  # kernels load here, on the worker

        renderer = Renderer(image, noise, self.recipe, desk, cancelled, self.threads)
        yield _told(renderer)
        canvas = _Canvas(image, level, self.look, region)
        total = max(region.meet(Region.whole(image.height, image.width)).area, 1)
        done, pace = 0, Pace()
        for tile in pace.over(renderer.tiles(region)):
            if not isinstance(tile, Tile):
                yield (
                    _told(renderer, tile)
                    if isinstance(tile, str)
                    else Progress(tile, None, "prepare")
                )
                continue
            pace.add(tile.after.size)
            for part, store in canvas.put(tile.region, tile.blended(self.recipe.steps[-1])):
                yield Shown("after", level, part, store)
            done += tile.region.meet(region).area
            yield Progress(min(done / total, 1.0), pace.rate)


def _told(renderer: Any, text: str = "") -> Told:
    """Where a renderer computes, and why; or what it has to say."""
    last = renderer.runners[-1]
    return Told(text or last.why, last.device.name)


def sentence(error: BaseException) -> str:
    """What an error of a Work says to the user."""
    ready = UnreadableFile | UnwritableFile | MemoryError | MethodCrashed | OSError
    if isinstance(error, ready) and str(error):
        return str(error)
    if isinstance(error, MemoryError):
        return "There was not enough memory: close other programs."
    text = (str(error).splitlines() or [""])[0].rstrip(".")
    return f"{type(error).__name__}: {text}. Choose other settings or another method."


class Pace:
    """How fast tiles are computed, in megapixels (samples) per second.

    Only waiting for tiles counts, not what is done with them or for others meanwhile; those that
    come from the cache are there at once, before all others, and do not count either.
    """

    def __init__(self) -> None:
        self._waited = self._spent = self._done = 0.0

    @property
    def rate(self) -> float | None:
        """None until something was computed."""
        return self._done / self._spent if self._spent else None

    def over(self, tiles: Iterator[T]) -> Iterator[T]:
        """The same tiles, each wait measured."""
        while True:
            begin = time.monotonic()
            try:
                tile = next(tiles)
            except StopIteration:
                return
            self._waited = time.monotonic() - begin
            yield tile

    def add(self, samples: int) -> None:
        """Count the tile that came last."""
        if self._spent or self._waited > AT_ONCE:
            self._spent += self._waited
            self._done += samples / 1e6


def _scaled(region: Region, factor: float) -> Region:
    y0, x0, y1, x1 = (round(v * factor) for v in (region.y0, region.x0, region.y1, region.x1))
    return Region(y0, x0, y1, x1)


class _Canvas:
    """Develops what is looked at of tiles as they come; seams again once the neighbour is there."""

    def __init__(self, image: Image, level: int, look: Look, region: Region) -> None:
        self.image, self.level, self.look = image, level, look
        self.whole = Region.whole(image.height, image.width)
        self.seen = region.aligned(12 * level).meet(self.whole)
        self.done: dict[Region, Array] = {}

    def put(self, region: Region, pixels: Array) -> Iterator[tuple[Region, Array]]:
        """Developed pieces that this tile makes final."""
        self.done[region] = pixels
        visible = region.meet(self.seen)
        if not visible.area:
            return
        area = reach(self.image, visible, self.level, self.look).meet(self.whole)
        pixels = region_pixels(self, self.image, area, self.level, self.look)
        store = develop(pixels, self.image, area, self.level, self.look)
        step = self.level
        for near in [near for near in self.done if near.meet(area).meet(self.seen).area]:
            part = near.meet(area).meet(self.seen)
            y, x = (part.y0 - area.y0) // step, (part.x0 - area.x0) // step
            h, w = -(-part.height // step), -(-part.width // step)
            yield part, np.ascontiguousarray(store[y : y + h, x : x + w])

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
        area = Region(rows.start, cols.start, rows.stop, cols.stop, self.seen.front)
        seen = np.array(self.image.pixels[area.index(self.image.axes)], np.float32)
        for tile in [tile for tile in self.done if tile.meet(area).area]:
            part = tile.meet(area)
            seen[(..., *part.within(area))] = self.done[tile][(..., *part.within(tile))]
        return seen


@dataclass(frozen=True)
class Judge:
    """Statistics of a region before and after; large regions are judged by their centre."""

    image: Image
    noise: PoissonGaussian
    recipe: Recipe
    region: Region
    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Any]:
        from core.measure import statistics

        region = one_slice(self.image, centre(self.region, JUDGED))
        before = np.asarray(self.image.pixels[region.index(self.image.axes)], np.float32)
        after = before
        if self.recipe.steps:
            from core.render import Renderer, assemble

            renderer = Renderer(self.image, self.noise, self.recipe, desk, cancelled)
            after = assemble(renderer, region)
        yield region, statistics(before, after, self.image, region, self.noise)


def one_slice(image: Image, region: Region) -> Region:
    """The region of what is looked at of a stack: its first slice where the region names none."""
    return region if region.front else replace(region, front=((0, 1),) * len(image.stack))


def centre(region: Region, most: int) -> Region:
    """The middle of a region, at most `most` pixels, on a grid of 12 (whole CFA periods)."""
    if region.area <= most:
        return region
    shrink = (most / region.area) ** 0.5
    height, width = int(region.height * shrink) // 12 * 12, int(region.width * shrink) // 12 * 12
    y0 = (region.y0 + (region.height - height) // 2) // 12 * 12
    x0 = (region.x0 + (region.width - width) // 2) // 12 * 12
    return Region(y0, x0, y0 + height, x0 + width, region.front)


def denoised(
    image: Image, noise: PoissonGaussian, recipe: Recipe, desk: Desk, cancelled: Stop
) -> Iterator[Progress | Told | Image]:
    """The whole image, denoised: Progress up to 1.0, last the Image (itself, without steps).

    Its pixels lie in a file where they would take too much memory.
    """
    if not recipe.steps:
        yield image
        return
    yield Progress(0.0, None, "prepare")
    from core.render import Renderer, Tile

    whole = Region.whole(image.height, image.width)
    renderer = Renderer(image, noise, recipe, desk, cancelled)
    yield _told(renderer)
    try:
        pixels = scratch(image.pixels.shape, desk.room)
    except OSError as error:
        raise MemoryError(f"The result fits neither memory nor disk: {error}.") from None
    done, pace = 0, Pace()
    for tile in pace.over(renderer.tiles(whole)):
        if not isinstance(tile, Tile):
            yield _told(renderer, tile) if isinstance(tile, str) else Progress(0.0, None, "prepare")
            continue
        pace.add(tile.after.size)
        pixels[tile.region.index(image.axes)] = tile.blended(recipe.steps[-1])
        done += tile.after.size
        yield Progress(done / pixels.size, pace.rate)
    yield replace(image, pixels=pixels)


@dataclass(frozen=True)
class Exported:
    """A file was written: where, and what a record of it says."""

    path: Path
    seconds: float
    rate: float


@dataclass(frozen=True)
class Export:
    """Denoise the whole image and write it; yields Progress, last an Exported."""

    image: Image
    noise: PoissonGaussian
    recipe: Recipe
    path: str
    look: Look = field(default_factory=Look)
    output: Output = field(default_factory=Output)
    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Progress | Told | Exported]:
        begin = time.monotonic()
        result = self.image
        for value in denoised(self.image, self.noise, self.recipe, desk, cancelled):
            if isinstance(value, Progress):
                yield replace(value, done=0.95 * value.done)
            elif isinstance(value, Told):
                yield value
            else:
                result = value
        rate = self.image.megapixels / max(time.monotonic() - begin, 1e-6)
        yield Progress(0.95, None, "write")
        written = self.write(result, desk, cancelled)
        yield Exported(written, time.monotonic() - begin, rate)

    def write(self, result: Image, desk: Desk, cancelled: Stop) -> Path:
        """Write the denoised image; returns its path. Raises UnwritableFile or Cancelled."""
        path = Path(self.path)
        takes = {
            k for f in desk.registry.formats if path.suffix.lower() in f.writes for k in f.takes
        }
        if result.kind not in takes and "display" in takes and result.color is not None:
            result = self._developed(result)
        output = self.output
        if self.recipe.steps:  # without steps it is a copy, not a denoised picture
            output = replace(output, note={"recipe": to_json(self.recipe, self.noise)})
        return save_image(desk.registry, path, result, self.image, output, cancelled)

    def _developed(self, result: Image) -> Image:
        """A RAW image as the screen shows it, upright, for formats that hold pictures."""
        pixels = export_rgb(result, self.look, self.output.bits)
        levels = Levels(white=float(2**self.output.bits - 1))
        picture = np.moveaxis(pixels, -1, 0)
        return Image(picture, "cyx", "display", levels, meta=result.meta, path=result.path)


@dataclass(frozen=True)
class LoadMethods:
    """Find the plugins; yields the Registry."""

    worker: ClassVar[str] = "light"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Registry]:
        yield desk.registry


@dataclass(frozen=True)
class Warm:
    """Load the kernels before they are wanted, and look which devices there are."""

    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Progress]:
        from core.render import Renderer

        yield Progress(0.0, None, "load")
        tiny = Image(np.zeros((64, 64), np.uint16), levels=Levels(white=255.0))
        recipe, _ = choose(desk.registry.methods, tiny)
        renderer = Renderer(tiny, PoissonGaussian((0.0,), (1.0,)), recipe, desk, cancelled)
        for _ in renderer.tiles(Region.whole(64, 64)):
            pass
        yield Progress(1.0, None, "load")
