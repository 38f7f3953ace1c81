"""render(): the only path from an image to denoised pixels.

Screen, export, command line and batch call it with the same tiles of the same grid, so that what is
seen is what is written, bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from math import lcm
from typing import Any

import numpy as np
import torch

from core.desk import Desk
from core.image import Array, Image
from core.method import Cancelled, Context, Method, Needs
from core.noise.model import Noise, PoissonGaussian
from core.ops import vst
from core.ops.planes import Packing, packing
from core.recipe import Recipe
from core.tiles import Region, cut, tiles

BATCH = 8  # planes of a stack (z, t, b) that one call of a method gets at most


@dataclass(frozen=True)
class Tile:
    """A denoised tile: the last step's input and output, float32, stored units, (..., h, w)."""

    region: Region
    before: Array
    after: Array

    @property
    def nbytes(self) -> int:
        """What the cache counts."""
        return self.before.nbytes + self.after.nbytes

    def blended(self, amount: float) -> Array:
        """The result with `amount` of the last step's effect (1: all of it)."""
        if amount == 1.0:
            return self.after
        return self.before + np.float32(amount) * (self.after - self.before)


@dataclass(frozen=True)
class Plan:
    """How one step is laid over one image: the grid belongs to method and image alone."""

    method: Method
    packing: Packing
    needs: Needs
    channels: int  # of the stored image: planes given to a method belong together
    tile: int = 0  # edge in pixels that the user asked for; 0: what the method likes

    @property
    def grid(self) -> int:
        """Edge of a tile in pixels of the image."""
        edge = self.tile or self.needs.tile * self.packing.period
        return -(-edge // self.align) * self.align

    @property
    def align(self) -> int:
        """Tiles are worked on in multiples of this many pixels."""
        return lcm(self.packing.phase, self.needs.align * self.packing.period)

    @property
    def halo(self) -> int:
        """Halo in pixels of the image, in whole steps of the grid."""
        return -(-self.needs.halo * self.packing.period // self.align) * self.align


def plan(method: Method, image: Image, tile: int = 0) -> Plan:
    """Lay a method over an image."""
    channels = image.pixels.shape[image.axes.index("c")] if "c" in image.axes else 1
    pack = packing(image.cfa, channels)
    return Plan(method, pack, method.needs(pack.planes), channels, tile)


class Renderer:
    """An image with its noise and recipe, ready to give tiles. One per Work; cheap to make."""

    def __init__(
        self,
        image: Image,
        noise: Noise,
        recipe: Recipe,
        desk: Desk,
        cancelled: Callable[[], bool] = lambda: False,
        threads: int = 0,
    ) -> None:
        if not recipe.steps:
            raise ValueError("The recipe has no steps.")
        if np.issubdtype(image.pixels.dtype, np.complexfloating):
            raise ValueError("Complex pixels cannot be denoised yet.")
        self.image, self.noise, self.recipe = image, noise, recipe
        self.cache, self.device, self.threads = desk.cache, desk.device, threads or desk.threads
        self.plans = [plan(step.method, image, desk.tile) for step in recipe.steps]
        self._cancelled, self._closed = cancelled, False
        self._states: list[Any] = [None] * len(self.plans)

    def tiles(self, region: Region) -> Iterator[Tile | float]:
        """Tiles of the region, centre first; before them, preparation's progress (0..1).

        Tiles that are cached come at once. Raises Cancelled, and MemoryError when even one tile at
        a time does not fit.
        """
        height, width = self.image.height, self.image.width
        last = len(self.recipe.steps) - 1
        yield from self._prepare()
        todo = tiles(region, self.plans[last].grid, height, width)
        missing: list[Region] = []
        for tile in todo:
            found = self.cache.get(self._key(last, tile))
            if found is None:
                missing.append(tile)
            else:
                yield found
        if missing:
            yield from self._compute(last, missing)

    def _context(self, planes: tuple[int, ...]) -> Context:
        count = max(planes) + 1
        white = PoissonGaussian((0.0,) * count, (1.0,) * count)
        return Context(white, planes, self.device, 1, lambda: self._closed or self._cancelled())

    def _state_key(self, index: int) -> Hashable:
        earlier, method = self.recipe.steps[:index], self.recipe.steps[index].method
        return ("state", self.image.id, self.noise, earlier, method, method.version, self.device)

    def _prepare(self) -> Iterator[float]:
        for index, step in enumerate(self.recipe.steps):
            found = self.cache.get(self._state_key(index))
            if found is not None:
                self._states[index] = found[0]
                continue
            work = step.method.prepare(self.image, self._context(self.plans[index].packing.planes))
            while True:
                try:
                    yield next(work)
                except StopIteration as end:
                    self._states[index] = end.value  # the cache may drop it before the last tile
                    break
            self.cache.put(self._state_key(index), (self._states[index],))

    def _key(self, index: int, tile: Region) -> Hashable:
        """Equal keys, equal pixels: the last step's amount is not part of it."""
        earlier, method = self.recipe.steps[:index], self.recipe.steps[index].method
        kind = self.device.partition(":")[0]
        return (self.image.id, self.noise, earlier, method, method.version, kind, tile)

    def _compute(self, index: int, missing: list[Region]) -> Iterator[Tile]:
        """Run `threads` tiles at a time; out of memory runs one at a time, with the same result."""
        workers = self.threads if self.device == "cpu" else 1
        queue = list(reversed(missing))
        running: dict[Future[Tile], tuple[Region, bool]] = {}  # bool: nothing runs beside it
        pool = ThreadPoolExecutor(workers, "tile", initializer=_one_thread)
        try:
            while queue or running:
                self._check()
                while queue and len(running) < workers:
                    region = queue.pop()
                    running[pool.submit(self._tile, index, region)] = region, workers == 1
                done, _ = wait(running, timeout=0.05, return_when=FIRST_COMPLETED)
                for future in done:
                    region, alone = running.pop(future)
                    try:
                        yield future.result()
                    except (MemoryError, torch.OutOfMemoryError):
                        if alone:
                            raise MemoryError(
                                "One tile does not fit into memory: close other programs."
                            ) from None
                        workers = 1
                        queue.append(region)
        finally:
            self._closed = True
            pool.shutdown(wait=True, cancel_futures=True)
            self._closed = False

    def _check(self) -> None:
        if self._cancelled():
            raise Cancelled

    def _tile(self, index: int, region: Region) -> Tile:
        key = self._key(index, region)
        found = self.cache.get(key)
        if found is not None:
            return found
        laid = self.plans[index]
        area = region.aligned(laid.align)
        need = area.grow(laid.halo)
        source = self._source(index, need)
        shape = (*source.shape[:2], area.height, area.width)
        after = np.empty(shape, np.float32)
        for start in range(0, source.shape[0], BATCH):
            part = slice(start, start + BATCH)
            after[part] = self._run(laid, self._states[index], source[part], need)
        shape = (*self.image.pixels.shape[:-2], region.height, region.width)
        before = np.ascontiguousarray(source[(..., *region.within(need))]).reshape(shape)
        after = np.ascontiguousarray(after[(..., *region.within(area))]).reshape(shape)
        tile = Tile(region, before, after)
        self.cache.put(key, tile)
        return tile

    def _source(self, index: int, need: Region) -> Array:
        """Step `index`'s input over `need`, float32 (batch, channels, h, w), border mirrored."""
        laid = self.plans[index]
        if index == 0:
            pixels = cut(self.image.pixels, need, laid.packing.phase)
        else:
            pixels = self._assembled(index - 1, need, laid.packing.phase)
        flat = np.asarray(pixels, np.float32)
        return flat.reshape(-1, laid.channels, need.height, need.width)

    def _assembled(self, index: int, need: Region, period: int) -> Array:
        """Step `index`'s blended output over `need`, from its tiles."""
        height, width = self.image.height, self.image.width
        area = _inside(need, height, width, period)
        whole = np.empty((*self.image.pixels.shape[:-2], area.height, area.width), np.float32)
        amount = self.recipe.steps[index].amount
        for region in tiles(area, self.plans[index].grid, height, width):
            tile, part = self._tile(index, region), region.meet(area)
            whole[(..., *part.within(area))] = tile.blended(amount)[(..., *part.within(region))]
        return cut(_Window(whole, area, (height, width)), need, period)

    def _run(self, laid: Plan, state: Any, source: Array, need: Region) -> Array:
        """Stored units in and, without the halo, out: black, planes, VST, the method, back."""
        ctx = self._context(laid.packing.planes)
        ctx.check()
        black = self.image.levels.black_map(need.y0, need.x0, need.height, need.width)
        lost = ~np.isfinite(source) if self.image.pixels.dtype.kind == "f" else np.False_
        if np.any(lost):  # no-data must not spread: give it a neutral value meanwhile
            neutral = np.nanmedian(np.where(lost, np.nan, source)) if not lost.all() else 0.0
            source = np.where(lost, np.float32(neutral), source)
        signal = torch.as_tensor(source - black).to(self.device)
        planes = laid.packing.pack(signal)
        if laid.method.domain == "white":
            models = _models(self.noise, laid.packing.planes)
            white = vst.forward(planes, models)
            clean = laid.method.run(white, state, ctx)
            # the unbiased inverse is no inverse where nothing was averaged
            planes = _inner(planes if clean is white else clean, laid.halo // laid.packing.period)
            if clean is not white:
                planes = vst.inverse(planes, models)
        else:
            planes = _inner(laid.method.run(planes, state, ctx), laid.halo // laid.packing.period)
        inner = _inner(source, laid.halo)
        result = laid.packing.unpack(planes).cpu().numpy()
        result = result + (black if black.size == 1 else _inner(black, laid.halo))
        saturated = inner >= self.image.levels.white  # clipped sites stay clipped, never magenta
        if saturated.any():
            result = np.where(saturated, np.maximum(result, inner), result)
        return (
            np.where(_inner(lost, laid.halo), np.float32(np.nan), result)
            if np.any(lost)
            else result
        )


def _inner(values: Any, halo: int) -> Any:
    """An array or tensor without its halo."""
    return values[..., halo : values.shape[-2] - halo, halo : values.shape[-1] - halo]


def _models(noise: Noise, planes: tuple[int, ...]) -> tuple[tuple[float, float], ...]:
    """(gain, read) of every plane."""
    if not isinstance(noise, PoissonGaussian):
        raise ValueError(f"Methods on stabilised planes cannot use a {noise.kind} noise model.")
    return tuple(noise.of(color) for color in planes)


def _one_thread() -> None:
    """Tiles are the parallelism: every tile runs on one thread."""
    torch.set_num_threads(1)
    with suppress(ImportError):
        import cv2

        cv2.setNumThreads(1)


def _inside(need: Region, height: int, width: int, period: int) -> Region:
    """The part of the image that `need`, mirrored at the borders, looks at."""
    whole = Region.whole(height, width)
    reach = max(-need.y0, -need.x0, need.y1 - height, need.x1 - width, 0) + period
    return need.meet(whole).grow(reach).meet(whole)


@dataclass(frozen=True)
class _Window:
    """A part of an image that answers as the whole would."""

    part: Array
    area: Region
    size: tuple[int, int]

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.part.shape[:-2], *self.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.part.dtype

    def __getitem__(self, key: Any) -> Array:
        *front, rows, cols = key
        y, x = self.area.y0, self.area.x0
        rows = slice(rows.start - y, rows.stop - y)
        return self.part[(*front, rows, slice(cols.start - x, cols.stop - x))]


def assemble(
    renderer: Renderer, region: Region, progress: Callable[[float], None] = lambda _: None
) -> Array:
    """The whole region's blended result, float32, stored units, shape (..., h, w)."""
    image = renderer.image
    out = np.empty((*image.pixels.shape[:-2], region.height, region.width), np.float32)
    done, amount = 0, renderer.recipe.amount
    for tile in renderer.tiles(region):
        if not isinstance(tile, Tile):
            continue
        part = tile.region.meet(region)
        out[(..., *part.within(region))] = tile.blended(amount)[(..., *part.within(tile.region))]
        done += part.area
        progress(done / region.area)
    return out


__all__ = ["Plan", "Renderer", "Tile", "assemble", "plan"]
