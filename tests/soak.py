"""An hour at the desk in a few minutes: open, slide, pan, switch, cancel, export, crash, at random.

    python tests/soak.py --minutes 10 --seed 3

Fails when memory is not flat, when a thread, process or file is left, or when a job has not exactly
one end. Works on the engine: what the window submits, without the window.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from core.cache import Cache  # noqa: E402
from core.desk import Desk  # noqa: E402
from core.engine import Engine, Event, Job, Yielded  # noqa: E402
from core.format import Output  # noqa: E402
from core.isolate import MethodCrashed  # noqa: E402
from core.job import Export, MeasureNoise, Open, Opened  # noqa: E402
from core.mask import Mask, Shape  # noqa: E402
from core.method import Cancelled  # noqa: E402
from core.noise.model import PoissonGaussian  # noqa: E402
from core.recipe import Recipe, Step  # noqa: E402
from core.show import Judge, ShowAfter, ShowBefore  # noqa: E402
from core.spill import Spill  # noqa: E402
from core.tiles import Region  # noqa: E402

METHODS = ("dct", "fast", "nlm", "guest")
WARM = 0.2  # of the time: the cache fills
CACHE, DISK = 48 << 20, 128 << 20  # bytes, small: full within the warm-up
ROOM = 0.10  # how much more memory the end may take than the beginning, besides `--spare`
WHITE = PoissonGaussian((0.0,), (1.0,))
PATIENCE = 300.0  # seconds until a job counts as hanging
PLUGIN = """
import os
from typing import Annotated
from core.method import Method, Needs, Slider

class Guest(Method):
    title = "Guest"
    tensors = False
    strength: Annotated[float, Slider(0, 3, "", "Crashes above 2.5.")] = 1.0

    def needs(self, image):
        return Needs(tile=512)

    def run(self, tile, state, ctx):
        if self.strength > 2.5:
            os._exit(3)
        return tile * (1 - self.strength / 10)
"""


@dataclass
class Tally:
    """What the engine emitted; keeps no pixels."""

    ends: Counter[int] = field(default_factory=Counter)
    opened: Opened | None = None
    noise: PoissonGaussian = WHITE
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, event: Event) -> None:
        with self.lock:
            if isinstance(event, Yielded):
                if isinstance(event.value, Opened):
                    self.opened = event.value
                elif isinstance(event.job.work, MeasureNoise):
                    self.noise = event.value.model  # type: ignore[attr-defined]
                return
            self.ends[event.job.number] += 1
            if not isinstance(event.error, Cancelled | MethodCrashed | None):
                self.wrong.append(f"{type(event.job.work).__name__}: {event.error!r}")


class Soak:
    """Random work for an engine. Use as a context manager."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random, self.folder = random.Random(seed), folder
        self.desk = Desk(cache=Cache(CACHE, Spill(DISK)), memory=256 << 20)
        self.tally, self.jobs, self.done = Tally(), list[Job](), Counter[str]()
        self.engine = Engine(self.tally, self.desk)
        self.files = samples(folder)
        self.method, self.region = "fast", Region(0, 0, 1, 1)
        self.memory: list[tuple[float, int]] = []
        self.warm()

    def warm(self) -> None:
        """Every file and method once: kernels compile, children start."""
        for file in self.files:
            self.open(file)
            for self.method in METHODS:
                self.slide()
                self.settle()
        self.export()
        self.settle()

    def submit(self, work: Any, lane: str, rank: int = 0) -> None:
        self.jobs.append(self.engine.submit(work, lane, rank))

    def open(self, file: Path | None = None) -> None:
        self.submit(Open(str(file or self.random.choice(self.files))), "open")
        self.settle()
        assert self.tally.opened is not None, self.tally.wrong
        self.submit(MeasureNoise(self.tally.opened.image), "noise")
        self.pan()

    def pan(self) -> None:
        shown = self.tally.opened
        assert shown is not None
        height, width = shown.image.height, shown.image.width
        y, x = self.random.randrange(height), self.random.randrange(width)
        self.region = Region(y, x, min(y + 400, height), min(x + 600, width))
        self.submit(ShowBefore(shown.image, self.region, self.level(), shown.look), "before")
        self.slide()

    def level(self) -> int:
        return self.random.choice([1, 1, 2, 4])

    def recipe(self) -> Recipe:
        settings = {"strength": self.random.choice([0.5, 1.0, 1.5, 2.9])}
        step = Step(self.desk.registry.methods[self.method].make(settings), self.random.random())
        if self.random.random() < 0.3:
            mask = Mask((Shape("ellipse", ((20.0, 30.0), (300.0, 400.0))),), 8.0)
            step = Step(step.method, step.amount, mask)
        more = self.random.random() < 0.2
        return Recipe((step, Step(self.desk.registry.methods["fast"]())) if more else (step,))

    def slide(self) -> None:
        shown = self.tally.opened
        assert shown is not None
        image, noise, recipe = shown.image, self.tally.noise, self.recipe()
        coarse = self.random.random() < 0.5
        work = ShowAfter(image, noise, recipe, self.region, self.level(), shown.look, coarse)
        self.submit(work, "after")
        if self.random.random() < 0.2:
            self.submit(Judge(image, noise, recipe, self.region), "judge", 1)

    def switch(self) -> None:
        self.method = self.random.choice(METHODS)
        self.slide()

    def cancel(self) -> None:
        for job in self.jobs[-4:]:
            job.stop()

    def export(self) -> None:
        shown = self.tally.opened
        assert shown is not None
        suffix = ".dng" if shown.image.kind == "mosaic" else ".npy"
        path = self.folder / "out" / f"{self.random.randrange(4)}{suffix}"
        output = Output(overwrite=True)
        work = Export(shown.image, self.tally.noise, self.recipe(), str(path), shown.look, output)
        self.submit(work, "export", 10)

    def play(self, seconds: float) -> None:
        begin = time.monotonic()
        actions = ["open", "slide", "pan", "switch", "cancel", "export"]
        while (spent := time.monotonic() - begin) < seconds:
            name = self.random.choices(actions, [2, 8, 5, 3, 3, 1])[0]
            self.done[name] += 1
            getattr(self, name)()
            if self.random.random() < 0.25:
                self.settle()
                self.memory.append((spent / seconds, anonymous()))
            else:
                time.sleep(self.random.random() * 0.05)
        self.settle()

    def settle(self) -> None:
        until(self.engine.idle, "a job hangs")
        numbers = [job.number for job in self.jobs]
        if wrong := [number for number in numbers if self.tally.ends[number] != 1]:
            raise AssertionError(f"{len(wrong)} jobs have not exactly one end")
        self.jobs.clear()

    def close(self) -> None:
        self.engine.close()
        self.desk.close()


def samples(folder: Path) -> list[Path]:
    """Two RAW files, a picture, an array and a stack."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:500, :700] / 90
    grey = (100 + 60 * np.sin(y) * np.cos(x) + rng.normal(0, 6, y.shape)).clip(0, 255)
    from PIL import Image as Picture

    Picture.fromarray(np.stack([grey, grey * 0.8, grey * 0.6], -1).astype(np.uint8)).save(
        folder / "picture.png"
    )
    np.save(folder / "array.npy", grey.astype(np.float32))
    np.save(folder / "stack.npy", np.stack([grey[:300, :400]] * 5).astype(np.uint16))
    made = [folder / name for name in ("picture.png", "array.npy", "stack.npy")]
    return [*sorted((ROOT / "resources" / "samples").glob("*.dng")), *made]


def anonymous() -> int:
    """Bytes of memory that no file backs."""
    gc.collect()
    with open("/proc/self/status", encoding="ascii") as table:
        rows = dict(line.split(":", 1) for line in table)
    return int(rows["RssAnon"].split()[0]) * 1024


def open_files() -> list[str]:
    found: list[str] = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue
    return found


def until(done: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > end:
            raise AssertionError(what)
        time.sleep(0.002)


def children() -> list[str]:
    tasks = Path("/proc/self/task")
    return [n for task in tasks.iterdir() for n in (task / "children").read_text().split()]


def threads() -> list[str]:
    names = ("tile", "child", "compute", "light", "files", "batch")
    return [t.name for t in threading.enumerate() if t.name.startswith(names)]


def judge_memory(memory: list[tuple[float, int]], spare: float) -> str:
    """One line of figures; raises AssertionError when the end takes more than the beginning."""
    after = [size for at, size in memory if at >= WARM]
    third = len(after) // 3
    if third < 2:
        raise AssertionError("too short to judge the memory")
    first, last = statistics.median(after[:third]), statistics.median(after[-third:])
    line = (
        f"RssAnon: {first / 1e6:.0f} MB at first, {last / 1e6:.0f} MB at last, {len(after)} looks"
    )
    if last > first * (1 + ROOM) + spare:
        raise AssertionError(f"memory is not flat. {line}")
    return line


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spare", type=float, default=30.0, help="MB that memory may grow by")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        for each in ("temporary", "plugins", "out"):
            (folder / each).mkdir()
        (folder / "plugins" / "guest.py").write_text(PLUGIN)
        os.environ["SORDINO_PLUGINS"] = str(folder / "plugins")
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "temporary")
        before = len(open_files())
        soak = Soak(options.seed, folder)
        try:
            soak.play(60 * options.minutes)
        finally:
            soak.close()
        tally, line = soak.tally, judge_memory(soak.memory, 1e6 * options.spare)
        print(f"{len(tally.ends)} jobs: {dict(soak.done)}. {line}.")
        assert not tally.wrong, tally.wrong[:5]
        assert set(tally.ends.values()) == {1}
        del soak
        tally.opened = None
        gc.collect()
        until(lambda: not children(), "a process is left")
        until(lambda: not threads(), "a thread is left")
        assert not list((folder / "temporary").iterdir()), "a temporary file is left"
        assert not [f for f in (folder / "out").iterdir() if "part" in f.name], "half an export"
        assert len(open_files()) <= before + 3, open_files()
    print("flat, and nothing left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
