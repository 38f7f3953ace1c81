"""render(): the only path from an image to denoised pixels.

Screen, export, command line and batch call it with the same tiles of the same grid, so that what is
seen is what is written, bit by bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from core import areas
from core.desk import Desk
from core.image import Array, Image, Pixels
from core.method import Cancelled, Context, Planes
from core.noise.model import Noise, PoissonGaussian
from core.ops.domain import Domain, filled, lost
from core.part import Part, seen, source
from core.plan import Plan, plan
from core.recipe import Recipe, Step
from core.runner import Failed, Runner, one_thread
from core.tiles import Region, cut, tiles

Layers = dict[str, Array]


@dataclass(frozen=True)
class Tile:
    """A denoised tile: the last step's input and output in stored units, shape (..., h, w).

    `before` may be a view of the image's own pixels in their dtype; `after` is float32. `layers`
    are what a method found besides the image (a sigma map...).
    """

    region: Region
    before: Array
    after: Array
    layers: Mapping[str, Array] = field(default_factory=dict[str, Array])

    def blended(self, step: Step) -> Array:
        """The result with the step's amount and mask: never a reason to compute again."""
        if step.mask is None and step.amount == 1.0:
            return self.after
        share = np.float32(step.amount)
        if step.mask is not None:
            share = step.mask.weights(self.region) * share
        before = self.before.astype(np.float32, copy=False)
        with np.errstate(invalid="ignore"):
            found = before + share * (self.after - before)
        return np.where(np.isfinite(before), found, before) if lost(before) else found

    def part(self, area: Region, axes: str) -> Tile:
        """What of it lies in an area: views, without the other layers."""
        region = self.region.meet(area)
        here = region.inside(self.region, axes)
        return Tile(region, self.before[here], self.after[here])


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
        recipe = recipe.ready(image)
        if np.issubdtype(image.pixels.dtype, np.complexfloating):
            raise ValueError("Complex pixels cannot be denoised yet.")
        self.image, self.noise, self.recipe, self.desk = image, noise, recipe, desk
        self.cache, self.threads = desk.cache, threads or desk.threads
        self.plans = [plan(step.method, image, desk.tile) for step in recipe.steps]
        self.runners = [Runner(laid, desk) for laid in self.plans]
        self._cancelled, self._closed = cancelled, False

    def tiles(self, region: Region) -> Iterator[Tile | float | str]:
        """Tiles of the region, centre first; before them, preparation's progress (0..1).

        Tiles that are cached come at once. A sentence says when work goes on elsewhere than before.
        Raises Cancelled, and MemoryError when even one tile at a time does not fit.
        """
        last = len(self.plans) - 1
        yield from self._prepared()
        missing: list[Region] = []
        for tile in self._grid(last, region):
            found = self._cached(last, tile)
            if found is None:
                missing.append(tile)
            else:
                yield found
        if missing:
            yield from self._timed(last, missing[0])
            yield from self._prepared()
            yield from self._compute(last, missing)

    def _grid(self, index: int, region: Region) -> list[Region]:
        laid, (height, width) = self.plans[index], self.image.pixels.shape[-2:]
        return tiles(region, laid.grid, height, width, laid.grids)

    def _context(self, index: int, torch: str, region: Region | None = None) -> Context:
        planes = self.plans[index].packing.planes
        noise: Noise = PoissonGaussian((0.0,) * (max(planes) + 1), (1.0,) * (max(planes) + 1))
        if self.plans[index].method.domain == "signal":
            noise = self._noise(region) if region else self.noise
        return Context(noise, planes, torch, 1, self._stopped, region)

    def _stopped(self) -> bool:
        return self._closed or self._cancelled()

    def _base(self, index: int) -> tuple[Hashable, ...]:
        """Equal, where step `index` computes the same: the last step's blend is not part of it."""
        earlier = tuple(step.key for step in self.recipe.steps[:index])
        return self.image.id, self.noise, earlier, self.recipe.steps[index].work

    def _key(self, index: int, tile: Region, what: str = "tile") -> Hashable:
        kinds = tuple(runner.here.device.kind for runner in self.runners[: index + 1])
        return what, *self._base(index), self.plans[index].tile, kinds, tile

    def _prepared(self) -> Iterator[float | str]:
        """See to it that every step is prepared where it is to be computed."""
        for index, runner in enumerate(self.runners):
            while not runner.ready:
                try:
                    yield from self._prepare(index)
                except (Failed, MemoryError) as error:
                    yield from self._elsewhere(error, runner.method.title)

    def _prepare(self, index: int) -> Iterator[float]:
        runner = self.runners[index]
        key = ("state", *self._base(index), runner.torch)
        found = self.cache.get(key)
        if found is not None:
            runner.know(found[0])
            return
        begin = time.perf_counter()
        given = self.plans[index], self.image, self.noise, partial(self._pixels, index)
        context = replace(self._context(index, runner.torch), source=partial(source, *given))
        state = yield from runner.prepare(self.image, context)
        # the runner keeps it, too: the cache may drop it before the last tile
        self.cache.put(key, (state,), time.perf_counter() - begin)

    def _timed(self, index: int, region: Region) -> Iterator[str]:
        """The device for the last step, by a tile on each where that is not known yet."""
        runner, told = self.runners[index], list[str]()
        before = runner.why

        def trial() -> object:
            while True:
                told.extend(each for each in self._prepared() if isinstance(each, str))
                try:
                    return self._patch(index, region, self._input(index, region))
                except Failed as failed:
                    if failed.runner is runner:  # its device is what is tried
                        raise failed.error from None
                    told.extend(self._elsewhere(failed))

        try:
            runner.settle(trial, region.area / 1e6)
        except (Failed, MemoryError) as error:
            self._elsewhere(error)
        yield from told
        if runner.why != before:
            yield runner.why

    def _elsewhere(self, error: Failed | MemoryError, what: str = "One tile") -> list[str]:
        """Work goes on on another device: what to tell, once. Raises where there is none."""
        told = error.runner.failed(error) if isinstance(error, Failed) else None
        if told is not None:
            return [told] if told else []
        if _out_of_memory(error):
            raise MemoryError(f"{what} does not fit into memory: close other programs.") from None
        raise error.error if isinstance(error, Failed) else error

    def _workers(self, index: int) -> int:
        runner = self.runners[index]
        return min(self.threads, runner.workers) if runner.on_cpu else runner.workers

    def _compute(self, index: int, missing: list[Region]) -> Iterator[Tile | float | str]:
        """Some tiles at a time; out of memory runs one at a time, with the same result."""
        workers = self._workers(index)
        queue = list(reversed(missing))
        running: dict[Future[Tile], tuple[Region, bool]] = {}  # bool: nothing runs beside it
        uses_torch = any(step.method.tensors for step in self.recipe.steps)
        most = max(workers, self.threads)  # another device may want more
        pool = ThreadPoolExecutor(most, "tile", initializer=one_thread, initargs=(uses_torch,))
        try:
            while queue or running:
                self._check()
                while queue and len(running) < workers:
                    region = queue.pop()
                    running[pool.submit(self._tile, index, region)] = region, workers == 1
                done, _ = wait(running, timeout=0.05, return_when=FIRST_COMPLETED)
                for future in done:
                    region, alone = running.pop(future)
                    error = future.exception()
                    if error is None:
                        yield future.result()
                        continue
                    if not isinstance(error, Failed | MemoryError):
                        raise error
                    queue.append(region)
                    if _out_of_memory(error) and not alone:
                        workers = 1
                        continue
                    yield from self._elsewhere(error)
                    yield from self._prepared()
                    workers = self._workers(index)
        finally:
            self._closed = True
            pool.shutdown(wait=True, cancel_futures=True)
            self._closed = False

    def _check(self) -> None:
        if self._cancelled():
            raise Cancelled

    def _cached(self, index: int, region: Region) -> Tile | None:
        found = self.cache.get(self._key(index, region))
        if found is None:
            return None
        layers = dict(found)
        before = layers.pop("before", None)
        if before is None:
            before = self._input(index, region)  # the image's own pixels: nothing was stored
        return self._made(region, before, layers)

    def _tile(self, index: int, region: Region) -> Tile:
        known = self._cached(index, region)
        if known is not None:
            return known
        begin, key = time.perf_counter(), self._key(index, region)
        before = self._input(index, region)
        if areas.untouched(self.image, region):
            return self._made(region, before, {"image": before.astype(np.float32)})
        layers = self._blended(index, region) if self.plans[index].blend else None
        layers = layers or self._patch(index, region, before)
        if key == self._key(index, region):  # else a device failed meanwhile: it is mixed
            kept = {**layers, "before": before} if index else layers
            self.cache.put(key, tuple(kept.items()), time.perf_counter() - begin)
        return self._made(region, before, layers)

    def _made(self, region: Region, before: Array, layers: Layers) -> Tile:
        """What lies outside of the areas that may change stays, bit by bit."""
        after = areas.kept(self.image, region, before, layers.pop("image"))
        return Tile(region, before, after, layers)

    def _blended(self, index: int, region: Region) -> Layers:
        """A tile from the patches that overlap there, each as much as its place in it says."""
        laid, whole = self.plans[index], Region.whole(*self.image.pixels.shape[-2:])
        total: Layers = {}
        for cell in sorted(self._grid(index, region.grow(laid.blend))):
            patch = cell.grow(laid.blend).meet(whole)
            key = self._key(index, patch, "patch")
            found = self.cache.get(key)
            if found is None:
                begin = time.perf_counter()
                layers = self._patch(index, patch, self._input(index, patch))
                found = tuple(layers.items())
                self.cache.put(key, found, time.perf_counter() - begin)
            part = patch.meet(region)
            here, there = part.within(region), part.within(patch)
            rows, cols = laid.weights(patch, cell)
            share = rows[there[0], None] * cols[None, there[1]]
            for name, values in dict(found).items():
                size = (*values.shape[:-2], region.height, region.width)
                added = total.setdefault(name, np.zeros(size, np.float32))
                added[(..., *here)] += share * values[(..., *there)]
        return total

    def _patch(self, index: int, region: Region, before: Array) -> Layers:
        """Compute a region that begins on the method's grid: stored units, shape of the region.

        `before` is the step's input over it.
        """
        laid, step, runner = self.plans[index], self.recipe.steps[index], self.runners[index]
        place = runner.here
        need = laid.need(region.aligned(laid.align))
        source, deep = laid.flat(self._source(index, need))
        inner, middle = laid.flat(before)
        lane = runner.lane(place)
        size = self.image.height, self.image.width
        blank = Domain(laid.packing, self.image.levels, (), place.torch, lane, size)
        white, letters = laid.method.domain == "white", laid.letters[1]
        domain = blank.over(self._noise(need) if white else None, letters, deep)
        back = blank.over(self._noise(region) if white else None, letters, middle)
        context = self._context(index, place.torch, need)
        context.check()
        shape = region.shape(self.image.axes, self.image.pixels.shape)
        halo = laid.halo // laid.packing.period
        layers: Layers = {}
        with lane or nullcontext():
            planes = laid.together(domain.enter(source, need.y0, need.x0), deep)
            if step.inputs:
                context = replace(context, inputs=self._inputs(index, domain, need))
            for name, values in runner.call(place, planes, context).items():
                if values is planes:
                    flat = inner.astype(np.float32)  # the unbiased inverse is none of what was kept
                elif name == "image":
                    flat = back.leave(laid.apart(values, deep), inner, region.y0, region.x0, halo)
                else:
                    flat = domain.plain(laid.apart(values, deep), inner, halo)
                layers[name] = np.ascontiguousarray(laid.stored(flat, shape))
        return layers

    def _noise(self, region: Region) -> Noise:
        return self.noise.over(region, self.image.axes, self.image.pixels.shape)

    def _inputs(self, index: int, domain: Domain, need: Region) -> dict[str, Planes]:
        """Further images of a step over the tile, above black, packed as it is."""
        laid, step = self.plans[index], self.recipe.steps[index]
        found: dict[str, Planes] = {}
        for name, image in step.inputs:
            known = self._known(index, need, lambda _, image=image: image.samples)
            flat, deep = laid.flat(known)
            theirs = replace(domain, levels=image.levels).over(None)
            found[name] = laid.together(theirs.enter(flat, need.y0, need.x0), deep)
        return found

    def _pixels(self, index: int, region: Region) -> Pixels:
        """Step `index`'s input around a region, that answers as the whole image would."""
        if index == 0:
            return self.image.samples
        shape, axes = self.image.pixels.shape, self.image.axes
        area = seen(region, shape, self.plans[index].packing.phase, axes)
        part = np.empty(area.shape(axes, shape), np.float32)
        step = self.recipe.steps[index - 1]
        for cell in self._grid(index - 1, area):
            tile, here = self._tile(index - 1, cell), cell.meet(area)
            part[here.inside(area, axes)] = tile.blended(step)[here.inside(cell, axes)]
        return Part(part, area, shape, axes)

    def _input(self, index: int, region: Region) -> Array:
        """Step `index`'s input over a region of the image: a view where it is the image's own."""
        return np.asarray(self._pixels(index, region)[region.index(self.image.axes)])

    def _source(self, index: int, need: Region) -> Array:
        """Step `index`'s input over `need`, border mirrored, no-data filled from its neighbours."""
        return self._known(index, need, lambda area: self._pixels(index, area))

    def _known(self, index: int, need: Region, pixels: Callable[[Region], Pixels]) -> Array:
        phase, axes = self.plans[index].packing.phase, self.image.axes
        source = cut(pixels(need), need, phase, axes)
        if not lost(source):
            return source
        reach = self.plans[index].halo or phase
        wide = need.grow(reach)
        source = cut(pixels(wide), wide, phase, axes)
        return filled(source, phase, reach)[(..., *need.within(wide))]


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, Failed) and error.memory)


def assemble(
    renderer: Renderer,
    region: Region,
    progress: Callable[[float], None] = lambda _: None,
    out: Array | None = None,
) -> Array:
    """The whole region's blended result, float32, stored units, shape of the region's pixels.

    `out` takes it, where it is given: an array of that shape, or a map of a file.
    """
    image, step = renderer.image, renderer.recipe.steps[-1]
    if out is None:
        out = np.empty(region.shape(image.axes, image.pixels.shape), np.float32)
    done, total = 0, out.size
    for tile in renderer.tiles(region):
        if not isinstance(tile, Tile):
            continue
        part = tile.region.meet(region)
        here = tile.blended(step)[part.inside(tile.region, image.axes)]
        out[part.inside(region, image.axes)] = here
        done += here.size
        progress(done / total)
    return out


__all__ = ["Plan", "Renderer", "Tile", "assemble", "plan"]
