"""An engine under test: what it emitted, and what it must not leave behind."""

from __future__ import annotations

import gc
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np

from core.desk import Desk
from core.engine import Engine, Event, Finished, Job, Work, Yielded
from core.format import Output
from core.image import Array, Image
from core.job import Export, Told, denoised
from core.method import Context, Method, Needs, Slider
from core.noise.model import PoissonGaussian
from core.recipe import Recipe, Step
from tests.core.probes import smooth

PATIENCE = 120.0  # seconds until a test that hangs fails; nothing waits that long otherwise
NOISE = PoissonGaussian((0.0,), (1.0,))
BUDGET = 1 << 20  # bytes of the cache
TILES = 16
OURS = ("tile", "child", "compute", "light", "files", "batch")  # names of threads


@dataclass(frozen=True)
class Render:
    """The whole image; yields what `denoised` does, last the Image."""

    image: Image
    recipe: Recipe
    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Any, cancelled: Callable[[], bool]) -> Any:
        return denoised(self.image, NOISE, self.recipe, desk, cancelled)


class Bench:
    """Use as a context manager: at its end nothing may be left."""

    def __init__(self, desk: Desk, temporary: Path) -> None:
        self.desk, self._temporary = desk, temporary
        self.jobs: list[Job] = []
        self.events: list[Event] = []
        self._news = threading.Condition()
        self._before = children(), threads()
        self.engine = Engine(self._emit, desk, divide=desk.place)

    def _emit(self, event: Event) -> None:
        with self._news:
            self.events.append(event)
            self._news.notify_all()

    def submit(self, work: Work, lane: str = "", rank: int = 0) -> Job:
        self.jobs.append(self.engine.submit(work, lane or f"lane {len(self.jobs)}", rank))
        return self.jobs[-1]

    def ends(self, job: Job) -> list[Finished]:
        with self._news:
            return [e for e in self.events if isinstance(e, Finished) and e.job is job]

    def values(self, job: Job) -> list[Any]:
        with self._news:
            return [e.value for e in self.events if isinstance(e, Yielded) and e.job is job]

    def wait(self, job: Job) -> BaseException | None:
        """How it ended."""
        with self._news:
            done = lambda: any(isinstance(e, Finished) and e.job is job for e in self.events)  # noqa: E731
            assert self._news.wait_for(done, PATIENCE), "a job hangs"
        return self.ends(job)[0].error

    def error(self, work: Work) -> BaseException | None:
        return self.wait(self.submit(work))

    def pixels(self, image: Image, recipe: Recipe) -> Array:
        """The denoised pixels; the job must succeed."""
        return self.rendered(self.submit(Render(image, recipe)))

    def rendered(self, job: Job) -> Array:
        error = self.wait(job)
        if error is not None:
            raise error
        return self.values(job)[-1].pixels

    def told(self, job: Job) -> list[Told]:
        return [value for value in self.values(job) if isinstance(value, Told)]

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        self.engine.close()
        self.desk.close()
        if kind is None:
            self.check()

    def check(self) -> None:
        """Exactly one end of each job; no thread, process or file; the cache in its bounds."""
        assert [len(self.ends(job)) for job in self.jobs] == [1] * len(self.jobs)
        assert self.engine.idle()
        assert self.desk.cache.used <= self.desk.cache.room
        self.events.clear()
        gc.collect()
        until(lambda: children() <= self._before[0], "a process is left")
        until(lambda: threads() <= self._before[1], "a thread is left")
        until(lambda: not list(self._temporary.iterdir()), "a temporary file is left")


def until(done: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def threads() -> set[threading.Thread]:
    return {t for t in threading.enumerate() if t.name.startswith(OURS)}


def children() -> set[int]:
    """Processes of this one, dead ones that nobody waited for included."""
    found: set[int] = set()
    if sys.platform == "linux":
        for task in Path("/proc/self/task").iterdir():
            try:
                found |= {int(n) for n in (task / "children").read_text().split()}
            except OSError:  # a thread that ended meanwhile
                continue
    return found


def sentence(error: BaseException | None, *words: str) -> str:
    """An error as the user reads it: one sentence, no traceback."""
    text = str(error)
    assert text.endswith(".") and "\n" not in text and "Traceback" not in text, repr(error)
    for word in words:
        assert word in text, text
    return text


def soft_limit(size: int) -> Callable[[], None]:
    """No file may grow beyond `size` bytes from now on, as on a full disk; returns the undo."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Shaky(Method):
    """Three pixels' mean; call number N does what the test says."""

    title = "Shaky"
    domain = "signal"
    tensors = False
    numbers: ClassVar[Iterator[int]] = itertools.count(1)
    act: ClassVar[Callable[[int, Context], None]] = staticmethod(lambda number, ctx: None)
    ready: ClassVar[Callable[[Context], None]] = staticmethod(lambda ctx: None)

    shift: Annotated[float, Slider(0, 9, "", "Added.")] = 0.0

    def needs(self, image: Image) -> Needs:
        return Needs(halo=1, tile=16)

    def prepare(self, image: Image, ctx: Context) -> Any:
        yield 0.5
        Shaky.ready(ctx)
        return ctx.device

    def run(self, tile: Any, state: Any, ctx: Context) -> Any:
        assert state == ctx.device, "prepared elsewhere"
        Shaky.act(next(Shaky.numbers), ctx)
        found = smooth(np.asarray(tile), 0, 1, 0) + np.float32(self.shift)
        if isinstance(tile, np.ndarray):
            return found
        import torch

        return torch.from_numpy(found)


RECIPE = Recipe((Step(Shaky(), 0.5), Step(Shaky(shift=1.0))))


def strike(error: Callable[[], BaseException], *calls: int) -> None:
    def act(number: int, ctx: Context) -> None:
        if number in calls:
            raise error()

    Shaky.act = act


def export(image: Image, path: Path, recipe: Recipe = RECIPE, **output: Any) -> Export:
    return Export(image, NOISE, recipe, str(path), output=Output(**output))
