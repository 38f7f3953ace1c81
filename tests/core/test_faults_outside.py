"""Faults from outside: plugins in processes of their own, and full disks. See test_faults.py."""

from __future__ import annotations

import errno
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import isolate
from core import spill as spill_module
from core.format import UnwritableFile
from core.image import Array, Image, Levels
from core.isolate import MethodCrashed
from core.method import Cancelled, Method
from core.recipe import Recipe, Step
from core.registry import load
from core.spill import Spill
from tests.core.bench import (
    BUDGET,
    RECIPE,
    TILES,
    Bench,
    Render,
    export,
    sentence,
    soft_limit,
    until,
)

# --- plugins in a process of their own ---------------------------------------------------------

PLUGIN = """
import ctypes, itertools, os, signal, sys, time
from typing import Annotated, Any, ClassVar, Literal
import numpy as np
from core.method import Choice, Context, Method, Needs, Slider

class Guest(Method):
    title = "Guest"
    tensors = False
    domain = "signal"
    numbers: ClassVar[Any] = itertools.count(1)
    act: Annotated[Literal["none", "raise", "kill", "quit", "memory", "nan", "shape", "spin", "grip"
                           ], Choice("What call `nth` does.")] = "none"
    nth: Annotated[int, Slider(1, 99, "", "Which call.")] = 1

    def needs(self, image):
        return Needs(halo=1, tile=16)

    def run(self, tile, state, ctx):
        if next(self.numbers) == self.nth and self.act != "none":
            return globals()[self.act](tile, ctx)
        return tile + 1

def kill(tile, ctx): os.kill(os.getpid(), signal.SIGKILL)
def quit(tile, ctx): os._exit(5)
def memory(tile, ctx): raise MemoryError("too large")
def nan(tile, ctx): return tile * np.nan
def shape(tile, ctx): return tile[..., 1:]
def spin(tile, ctx):
    open(os.environ["GUEST_NOTE"], "a").close()
    while True: pass
def grip(tile, ctx):
    open(os.environ["GUEST_NOTE"], "a").close()
    ctypes.PyDLL(None).pause()
globals()["raise"] = lambda tile, ctx: 1 // 0
"""


@pytest.fixture
def guest(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[Method]:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "guest.py").write_text(PLUGIN)
    monkeypatch.setenv("SORDINO_PLUGINS", str(folder))
    monkeypatch.setenv("GUEST_NOTE", str(tmp_path / "note"))
    bench.desk.registry = load()
    bench.desk.threads = 1  # so that the plugin's calls have one count
    return bench.desk.registry.methods["guest"]


@pytest.mark.parametrize("nth", [1, 6])
@pytest.mark.parametrize(
    ("act", "kind", "words"),
    [
        ("raise", ZeroDivisionError, "division"),
        ("kill", MethodCrashed, "Guest was ended by the system"),
        ("quit", MethodCrashed, "Guest ended its process (status 5)"),
        ("memory", MemoryError, "One tile does not fit into memory"),
        ("nan", ValueError, "Guest gave pixels that are no numbers"),
        ("shape", ValueError, "Guest gave a tile of shape"),
        ("spin", MethodCrashed, "Guest did not answer"),
        ("grip", MethodCrashed, "Guest did not answer"),
    ],
)
def test_a_plugin_in_a_process_of_its_own(
    bench: Bench,
    image: Image,
    guest: Any,
    monkeypatch: pytest.MonkeyPatch,
    act: str,
    kind: type[Exception],
    words: str,
    nth: int,
) -> None:
    if act in ("spin", "grip"):
        bench.pixels(image, Recipe((Step(guest(nth=99)),)))  # the process has started
        monkeypatch.setattr(isolate, "RUN", 0.5)
        monkeypatch.setattr(isolate, "PER_MEGAPIXEL", 0.0)
        nth += TILES
    ended = bench.error(Render(image, Recipe((Step(guest(act=act, nth=nth)),))))
    assert type(ended) is kind
    assert words in str(ended) and "Traceback" not in str(ended)
    monkeypatch.setattr(isolate, "RUN", 300.0)
    found = bench.pixels(image, Recipe((Step(guest()),)))
    np.testing.assert_allclose(found, image.pixels[...] + 1, atol=1e-6)


@pytest.mark.parametrize("how", ["close", "stop"])
@pytest.mark.parametrize("act", ["spin", "grip"])
def test_a_hanging_plugin_is_left(
    bench: Bench, image: Image, guest: Any, tmp_path: Path, act: str, how: str
) -> None:
    job = bench.submit(Render(image, Recipe((Step(guest(act=act, nth=3)),))))
    until((tmp_path / "note").exists, "it did not begin")
    if how == "close":
        bench.engine.close()
    else:
        job.stop()
    assert isinstance(bench.wait(job), Cancelled)


# --- disks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("nth", [1, 2, 5])
@pytest.mark.parametrize("how", ["write", "free", "folder"])
def test_a_full_disk_ends_the_spilling_only(
    bench: Bench, image: Image, right: Array, monkeypatch: pytest.MonkeyPatch, how: str, nth: int
) -> None:
    calls = itertools.count(1)

    def full(real: Any) -> Any:
        def call(*args: Any, **more: Any) -> Any:
            if next(calls) >= nth:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args, **more)

        return call

    spill = bench.desk.cache.spill = Spill(BUDGET)
    disk = spill_module.shutil.disk_usage
    undo = monkeypatch.undo
    if how == "write":  # tiles of the first step are written, those of the last half
        undo = soft_limit(1500)
    elif how == "free":
        monkeypatch.setattr(spill_module.shutil, "disk_usage", full(disk))
    else:
        nth = 1
        monkeypatch.setattr(spill_module.tempfile, "mkdtemp", full(None))
    bench.desk.cache.budget = 5000  # bytes: most tiles are spilled
    try:
        for _ in range(2):
            np.testing.assert_array_equal(bench.pixels(image, RECIPE), right)
    finally:
        undo()
    assert 0 <= spill.used <= spill.budget < BUDGET


@pytest.mark.skipif(not hasattr(spill_module.os, "posix_fallocate"), reason="POSIX only")
@pytest.mark.parametrize("how", ["fallocate", "limit"])
def test_a_result_that_fits_neither_memory_nor_disk(
    bench: Bench, image: Image, right: Array, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    bench.desk.memory = 20000  # bytes: the result lies in a file
    np.testing.assert_array_equal(bench.pixels(image, RECIPE), right)
    if how == "limit":
        undo = soft_limit(4096)
    else:

        def none(*_: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(spill_module.os, "posix_fallocate", none)
        undo = monkeypatch.undo
    try:
        error = bench.error(Render(image, RECIPE))
    finally:
        undo()
    assert isinstance(error, MemoryError)
    sentence(error, "The result fits neither memory nor disk", "GB of temporary room")


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.tif", "a.png", "a.jpg", "a.dng"])
def test_an_export_to_a_full_disk(bench: Bench, out: Path, name: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 60000, (3, 100, 90)).astype(np.uint16)
    kind = {"a.png": "display", "a.jpg": "display", "a.dng": "linear"}.get(name, "array")
    image = Image(pixels, "cyx", kind, Levels(white=65535.0))
    (out / name).write_bytes(b"what was there")
    copy = export(image, out / name, Recipe(), overwrite=True)
    _ = bench.desk.registry  # no import may write its cache meanwhile
    undo = soft_limit(4096)
    try:
        error = bench.error(copy)
    finally:
        undo()
    assert isinstance(error, UnwritableFile)
    sentence(error, f"{name} was not written, the disk is full: free ")  # Pillow does not notice
    assert [f.name for f in out.iterdir()] == [name]
    assert (out / name).read_bytes() == b"what was there"
    assert bench.error(copy) is None
    assert [f.name for f in out.iterdir()] == [name]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"),
                                   ValueError("not today"), MemoryError()])  # fmt: skip
def test_a_writer_that_fails_half_way(
    bench: Bench, image: Image, out: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    writer = next(f for f in bench.desk.registry.formats if ".npy" in f.writes)

    def half(self: Any, path: Path, *_: Any) -> None:
        path.write_bytes(b"half")
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(type(writer), "write", half)
        ended = bench.error(export(image, out / "a.npy"))
    if isinstance(error, OSError):
        sentence(ended, "a.npy was not written, the disk is full: free ")
    else:
        assert ended is error
    assert not list(out.iterdir())
