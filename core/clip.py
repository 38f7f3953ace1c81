"""The Works of a clip: frames before and after in step, frames computed ahead, a line over time."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from core.desk import Desk
from core.develop import Look
from core.develop.store import PEDESTAL
from core.image import Array, Image
from core.job import Stop
from core.noise.model import Noise
from core.recipe import Recipe
from core.show import ShowAfter, ShowBefore, Shown
from core.tiles import Region, Span

F64 = NDArray[np.float64]
ASSUMED = 20.0  # frames a second where the file does not say when they were taken


def frame_times(image: Image) -> tuple[F64, bool]:
    """When each frame begins, in seconds from the first, and whether the file says so."""
    count = image.pixels.shape[image.axes.index("t")]
    said = image.coords.get("t")
    if said is not None and len(said) == count:
        times = np.asarray(said, float)
        if np.isfinite(times).all() and (np.diff(times) > 0).all():
            return np.asarray(times - times[0], np.float64), True
    return np.arange(count) / ASSUMED, False


@dataclass(frozen=True)
class Seen:
    """What is looked at of a clip: all frames share it."""

    image: Image
    noise: Noise | None
    recipe: Recipe
    look: Look
    region: Region
    level: int

    def key(self, front: tuple[Span, ...]) -> Hashable:
        """Of a denoised frame in the cache."""
        steps = tuple(step.key for step in self.recipe.steps)
        place = replace(self.area, front=front)
        return "frame", self.image.id, self.noise, steps, self.look.stored, place, self.level

    @property
    def area(self) -> Region:
        """The region in whole cells of the store."""
        whole = Region.whole(self.image.height, self.image.width)
        return self.region.aligned(12 * self.level).meet(whole)

    def store(self, pieces: Iterator[object]) -> Generator[None, None, Array]:
        """Developed pieces put together, uint16 (h, w, 3), or (h, w, 1) of a grey image."""
        area, step = self.area, self.level
        channels = 3 if "c" in self.image.axes and self.image.kind != "rf" else 1
        out = np.zeros((-(-area.height // step), -(-area.width // step), channels), np.uint16)
        for shown in pieces:
            if isinstance(shown, Shown):
                y, x = (shown.region.y0 - area.y0) // step, (shown.region.x0 - area.x0) // step
                part = out[y : y + shown.store.shape[0], x : x + shown.store.shape[1]]
                part[:] = shown.store[: part.shape[0], : part.shape[1], :channels]
            yield
        return out

    def before(self, front: tuple[Span, ...]) -> ShowBefore:
        """The Work for a frame."""
        return ShowBefore(self.image, replace(self.region, front=front), self.level, self.look)

    def after(self, front: tuple[Span, ...]) -> ShowAfter | None:
        """The Work for a frame, if there is anything to denoise."""
        if self.noise is None or not self.recipe.steps:
            return None
        region = replace(self.region, front=front)
        return ShowAfter(self.image, self.noise, self.recipe, region, self.level, self.look)


@dataclass(frozen=True, eq=False)
class Frame:
    """Both sides of a frame; `after` is None where it is not computed yet."""

    at: int
    area: Region
    level: int
    before: Array
    after: Array | None


@dataclass(frozen=True)
class ShowFrame:
    """A frame for playing: before, and after where it was computed ahead; yields a Frame."""

    seen: Seen
    at: int
    front: tuple[Span, ...]
    worker: ClassVar[str] = "light"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Frame]:
        seen = self.seen
        before = _last(seen.store(seen.before(self.front)(desk, cancelled)))
        after = desk.cache.get(seen.key(self.front))
        area = replace(seen.area, front=self.front)
        yield Frame(self.at, area, seen.level, before, after)


@dataclass(frozen=True)
class Ready:
    """A frame's "after" is in the cache."""

    at: int


@dataclass(frozen=True)
class ComputeAhead:
    """Denoise frames for playing, in this order; yields Ready for each, and after every tile."""

    seen: Seen
    frames: tuple[tuple[int, tuple[Span, ...]], ...]  # number and front
    worker: ClassVar[str] = "compute"

    @property
    def recipe(self) -> Recipe:
        """What is done: tells the engine on which device."""
        return self.seen.recipe

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Ready | None]:
        for at, front in self.frames:
            work = self.seen.after(front)
            if work is None:
                return
            key = self.seen.key(front)
            if desk.cache.get(key) is None:
                store = yield from self.seen.store(work(desk, cancelled))
                desk.cache.put(key, store, 1e-8 * store.nbytes)  # dearer than what it is made of
            yield Ready(at)


@dataclass(frozen=True, eq=False)
class Column:
    """A line in one frame, from its first to its last pixel, 0..1 of what the store holds.

    (points, channels): one channel, or red, green and blue where the clip is coloured.
    """

    at: int
    before: F64
    after: F64 | None


@dataclass(frozen=True)
class FollowLine:
    """A line (y0, x0, y1, x1) over time, as in M-mode; yields a Column a frame, then its after."""

    seen: Seen
    line: tuple[float, float, float, float]
    frames: tuple[tuple[int, tuple[Span, ...]], ...]
    worker: ClassVar[str] = "compute"

    @property
    def recipe(self) -> Recipe:
        """What is done: tells the engine on which device."""
        return self.seen.recipe

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Column | None]:
        y0, x0, y1, x1 = self.line
        whole = Region.whole(self.seen.image.height, self.seen.image.width)
        top, left = int(min(y0, y1)) - 1, int(min(x0, x1)) - 1
        box = Region(top, left, int(max(y0, y1)) + 3, int(max(x0, x1)) + 3).meet(whole)
        seen = replace(self.seen, region=box, level=1)
        before: dict[int, F64] = {}
        for at, front in self.frames:
            store = _last(seen.store(seen.before(front)(desk, cancelled)))
            before[at] = along(store, seen.area, self.line)
            yield Column(at, before[at], None)
        for at, front in self.frames:
            work = seen.after(front)
            if work is None:
                return
            store = yield from seen.store(work(desk, cancelled))
            yield Column(at, before[at], along(store, seen.area, self.line))


def along(store: Array, area: Region, line: tuple[float, float, float, float]) -> F64:
    """Values (points, channels) of a store at every pixel's length of a line, linear, 0..1."""
    y0, x0, y1, x1 = line
    count = max(round(float(np.hypot(y1 - y0, x1 - x0))) + 1, 2)
    y = np.clip(np.linspace(y0, y1, count) - area.y0, 0, store.shape[0] - 1.001)
    x = np.clip(np.linspace(x0, x1, count) - area.x0, 0, store.shape[1] - 1.001)
    row, column = y.astype(np.intp), x.astype(np.intp)
    v, u = (y - row)[:, None], (x - column)[:, None]
    down = np.minimum(row + 1, store.shape[0] - 1)
    right = np.minimum(column + 1, store.shape[1] - 1)
    upper = store[row, column] * (1 - u) + store[row, right] * u
    lower = store[down, column] * (1 - u) + store[down, right] * u
    return np.asarray((upper * (1 - v) + lower * v - PEDESTAL) / (65535 - PEDESTAL), np.float64)


def _last(store: Generator[None, None, Array]) -> Array:
    """What a generator returns."""
    while True:
        try:
            next(store)
        except StopIteration as done:
            return done.value
