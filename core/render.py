"""render(): the only path from an image to denoised pixels.

Screen, export, command line and batch call it with the same tiles of the same grid, so that what is
seen is what is written, bit by bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from core import areas
from core.desk import Desk
from core.image import Array, Image, Pixels
from core.method import Cancelled, Context, Method, Planes
from core.noise.correlated import stabilised
from core.noise.model import Noise
from core.ops.domain import Domain, filled, lost
from core.part import Part, others, seen, source, spanned
from core.patch import Layers, Patch, Tile, batches, joined, split
from core.plan import Plan, plan
from core.recipe import Recipe
from core.runner import Failed, Place, Runner, one_thread, out_of_memory
from core.tiles import Region, cut, tiles


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
        tile: int = 0,
    ) -> None:
        recipe = recipe.ready(image)
        if np.issubdtype(image.pixels.dtype, np.complexfloating):
            raise ValueError("Complex pixels cannot be denoised yet.")
        self.image, self.noise, self.recipe, self.desk = image, noise, recipe, desk
        left = accumulate(recipe.steps[:-1], lambda n, step: step.left(n), initial=noise)
        self.noises = list(left)
        self.cache, self.threads = desk.cache, threads or desk.threads
        self.plans = [plan(step.method, image, tile or desk.tile) for step in recipe.steps]
        self.runners = [Runner(laid, desk) for laid in self.plans]
        self._cancelled, self._closed = cancelled, False
        self._spans: dict[int, tuple[float, float]] = {}

    def tiles(self, region: Region) -> Iterator[Tile | float | str]:
        """Tiles of the region, centre first; before them, preparation's progress (0..1).

        Tiles that are cached come at once. A sentence says when work goes on elsewhere than before.
        Raises Cancelled, and MemoryError when even one tile at a time does not fit.
        """
        last = len(self.plans) - 1
        yield from self.prepared()
        missing: list[Region] = []
        for tile in self._grid(last, region):
            found = self._cached(last, tile)
            if found is None:
                missing.append(tile)
            else:
                yield found
        if missing:
            yield from self._timed(last, missing[0])
            yield from self.prepared()
            yield from self._compute(last, missing)

    def _grid(self, index: int, region: Region) -> list[Region]:
        laid, (height, width) = self.plans[index], self.image.pixels.shape[-2:]
        return tiles(region, laid.grid, height, width, laid.grids)

    def _context(self, index: int, torch: str, region: Region | None = None) -> Context:
        packing, own = self.plans[index].packing, self.noises[index]
        if self.plans[index].method.domain == "signal":
            noise = self._noise(index, region) if region else own
        else:
            noise = stabilised(own, packing.planes, packing.period > 1)
        span = self._span(index) if self.plans[index].method.ranged else Context.span
        series = others(self.plans[index], self.recipe.steps[index], own)
        base = Context(noise, packing.planes, torch, 1, self._stopped, region)
        return replace(base, span=span, series=series)

    def _span(self, index: int) -> tuple[float, float]:
        if index not in self._spans:  # two threads find the same
            self._spans[index] = spanned(self._seen(index), self.image, self.plans[index])
        return self._spans[index]

    def _seen(self, index: int) -> Callable[[Region], Array]:
        laid, pixels = self.plans[index], partial(self._pixels, index)
        return partial(source, laid, self.image, self.noises[index], pixels)

    def _stopped(self) -> bool:
        return self._closed or self._cancelled()

    def _base(self, index: int) -> tuple[Hashable, ...]:
        """Equal, where step `index` computes the same: the last step's blend is not part of it."""
        earlier = tuple(step.key for step in self.recipe.steps[:index])
        return self.image.id, self.noise, earlier, self.recipe.steps[index].work

    def _key(self, index: int, tile: Region, what: str = "tile") -> Hashable:
        places = tuple(runner.here.kind for runner in self.runners[: index + 1])
        return what, *self._base(index), self.plans[index].tile, places, tile

    def prepared(self) -> Iterator[float | str]:
        """See to it that every step is prepared where it is to be computed."""
        for index, runner in enumerate(self.runners):
            while not runner.ready:
                try:
                    if not runner.prepared:
                        yield from self._prepare(index)
                    yield from runner.tune(self._context(index, runner.torch))
                except (Failed, MemoryError) as error:
                    yield from self._elsewhere(error, runner.method.title)

    def _prepare(self, index: int) -> Iterator[float | str]:
        runner, said = self.runners[index], list[str]()
        key = self.state_key(index, runner.prepares_by)
        found = self.cache.get(key)
        if found is not None:
            runner.know(found[0])
            return
        begin = time.perf_counter()
        state = yield from runner.prepare(self.image, self.whole(index, said.append))
        # the runner keeps it, too: the cache may drop it before the last tile
        self.cache.put(key, (state,), time.perf_counter() - begin)
        yield from said

    def state_key(self, index: int, method: Method) -> Hashable:
        """Equal, where what `method` prepares as step `index` is the same."""
        step = replace(self.recipe.steps[index], method=method)
        return "state", *self._base(index)[:-1], step.work, self.runners[index].torch

    def whole(self, index: int, say: Callable[[str], object] = lambda _: None) -> Context:
        """For what is done once for the image, before its tiles."""
        context = self._context(index, self.runners[index].torch)
        return replace(context, source=self._seen(index), say=say)

    def _timed(self, index: int, region: Region) -> Iterator[str]:
        """The device for the last step, by a tile on each where that is not known yet."""
        runner, told = self.runners[index], list[str]()
        before = runner.why

        def trial() -> object:
            while True:
                told.extend(each for each in self.prepared() if isinstance(each, str))
                try:
                    return self._patches(index, {region: self._input(index, region)})
                except Failed as failed:
                    if failed.runner is runner:  # its device is what is tried
                        raise failed.error from None
                    told.extend(self._elsewhere(failed))

        try:
            runner.settle(trial, region.area / 1e6)
        except (Failed, MemoryError) as error:
            self._elsewhere(error)
        yield from told
        if runner.why != before and runner.why not in told:
            yield runner.why

    def _elsewhere(self, error: Failed | MemoryError, what: str = "One tile") -> list[str]:
        """Work goes on on another device: what to tell, once. Raises where there is none."""
        told = error.runner.failed(error) if isinstance(error, Failed) else None
        if told is not None:
            for runner in self.runners:  # the other steps leave it before they fail there
                runner.leave(error.device if isinstance(error, Failed) else None)
            return [told] if told else []
        if out_of_memory(error):
            raise MemoryError(f"{what} does not fit into memory: close other programs.") from None
        raise error.error if isinstance(error, Failed) else error

    def _workers(self, index: int) -> int:
        runner = self.runners[index]
        return min(self.threads, runner.workers) if runner.on_cpu else runner.workers

    def _compute(self, index: int, missing: list[Region]) -> Iterator[Tile | float | str]:
        """Some tiles at a time; out of memory runs one at a time, with the same result."""
        workers = self._workers(index)
        most = 1 if self.recipe.steps[index].inputs else self.runners[index].batch
        queue = batches(missing, self.plans[index].align, most)[::-1]
        running: dict[Future[list[Tile]], tuple[tuple[Region, ...], bool]] = {}  # bool: it is alone
        uses_torch = any(step.method.tensors for step in self.recipe.steps)
        threads = max(workers, self.threads)  # another device may want more
        pool = ThreadPoolExecutor(threads, "tile", initializer=one_thread, initargs=(uses_torch,))
        try:
            while queue or running:
                self._check()
                while queue and len(running) < workers:
                    regions = queue.pop()
                    alone = workers == len(regions) == 1
                    running[pool.submit(self._together, index, regions)] = regions, alone
                done, _ = wait(running, timeout=0.05, return_when=FIRST_COMPLETED)
                for future in done:
                    regions, alone = running.pop(future)
                    error = future.exception()
                    if error is None:
                        yield from future.result()
                        continue
                    if not isinstance(error, Failed | MemoryError):
                        raise error
                    queue += [(region,) for region in reversed(regions)]
                    if out_of_memory(error) and not alone:
                        workers = 1
                        queue = [(each,) for some in queue for each in reversed(some)]
                        continue
                    yield from self._elsewhere(error)
                    yield from self.prepared()
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
        return known or self._together(index, (region,))[0]

    def _together(self, index: int, regions: Sequence[Region]) -> list[Tile]:
        """Compute tiles of one size, none of which is cached, and keep them."""
        begin = time.perf_counter()
        keys = [self._key(index, region) for region in regions]
        before = {region: self._input(index, region) for region in regions}
        if all(areas.untouched(self.image, region) for region in regions):
            same = [(r, given, {"image": given.astype(np.float32)}) for r, given in before.items()]
            return [self._made(*each) for each in same]
        if self.plans[index].blend:
            found = [self._blended(index, region) for region in regions]
        else:
            found = self._patches(index, before)
        spent = (time.perf_counter() - begin) / len(regions)
        for region, key, layers in zip(regions, keys, found, strict=True):
            if key == self._key(index, region):  # else a device failed meanwhile: it is mixed
                kept = {**layers, "before": before[region]} if index else layers
                self.cache.put(key, tuple(kept.items()), spent)
        rows = zip(regions, found, strict=True)
        return [self._made(region, before[region], layers) for region, layers in rows]

    def _made(self, region: Region, before: Array, layers: Layers) -> Tile:
        """What lies outside of the areas that may change stays, bit by bit."""
        after = areas.kept(self.image, region, before, layers.pop("image"))
        return Tile(region, before, after, layers, self.image.axes)

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
                (layers,) = self._patches(index, {patch: self._input(index, patch)})
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

    def _patches(self, index: int, wanted: Mapping[Region, Array]) -> list[Layers]:
        """Compute regions that begin on the method's grid: stored units, shape of each region.

        `wanted` has the step's input over each; several are of one size, see `batches`.
        """
        runner = self.runners[index]
        place = runner.here
        lane = runner.lane(place)
        patches = [self._cut(index, place, lane, *each) for each in wanted.items()]
        alone = patches[0] if len(patches) == 1 else None
        context = self._context(index, place.torch, alone and alone.need)
        context.check()
        with lane or nullcontext():
            given = [patch.planes() for patch in patches]
            if alone and self.recipe.steps[index].inputs:
                inputs = self._inputs(index, alone.domain, alone.need)
                context = replace(context, inputs=inputs)
            whole = joined(given)
            parts = split(given, whole, runner.call(place, whole, context))
            rows = zip(patches, given, parts, strict=True)
            return [patch.layers(planes, found) for patch, planes, found in rows]

    def _cut(self, index: int, place: Place, lane: Any, region: Region, before: Array) -> Patch:
        """What is known of a region and around it, as the method will get it."""
        laid, image = self.plans[index], self.image
        need = laid.need(region.aligned(laid.align))
        source, deep = laid.flat(self._source(index, need))
        inner, middle = laid.flat(before)
        size = image.height, image.width
        blank = Domain(laid.packing, image.levels, (), place.torch, lane, size)
        white, letters = laid.method.domain == "white", laid.letters[1]
        domain = blank.over(self._noise(index, need) if white else None, letters, deep)
        back = blank.over(self._noise(index, region) if white else None, letters, middle)
        shape = region.shape(image.axes, image.pixels.shape)
        return Patch(laid, domain, back, region, need, source, inner, deep, shape)

    def _noise(self, index: int, region: Region) -> Noise:
        return self.noises[index].over(region, self.image.axes, self.image.pixels.shape)

    def _inputs(self, index: int, domain: Domain, need: Region) -> dict[str, Planes]:
        """Further images of a step over the tile, above black, packed as it is."""
        laid, step = self.plans[index], self.recipe.steps[index]
        found: dict[str, Planes] = {}
        for name, image in step.inputs:
            if name in step.method.series:
                continue
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
        return self._known(index, need, partial(self._pixels, index))

    def _known(self, index: int, need: Region, pixels: Callable[[Region], Pixels]) -> Array:
        phase, axes = self.plans[index].packing.phase, self.image.axes
        source = cut(pixels(need), need, phase, axes)
        if self.plans[index].needs.gaps or not lost(source):
            return source
        wide = need.grow(reach := self.plans[index].halo or phase)
        source = cut(pixels(wide), wide, phase, axes)
        return filled(source, phase, reach)[(..., *need.within(wide))]


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
