"""A fault at every Nth step. However it ends: one end per job, nothing left, the next one right."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import roster as roster_module
from core.cache import Cache
from core.devices import CPU, Device, Fault
from core.image import Array, Image
from core.method import Cancelled, Context
from core.recipe import Recipe, Step
from core.roster import Roster
from core.selftest import Verdict
from tests.core.bench import (
    BUDGET,
    PATIENCE,
    RECIPE,
    TILES,
    Bench,
    Render,
    Shaky,
    export,
    sentence,
    strike,
)


def torch_oom() -> BaseException:
    import torch

    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


# --- memory, errors ----------------------------------------------------------------------------


@pytest.mark.parametrize("nth", [1, 2, 7, TILES, 2 * TILES - 1])
@pytest.mark.parametrize("error", [MemoryError, torch_oom], ids=["host", "torch"])
def test_out_of_memory_once(bench: Bench, image: Image, right: Array, error: Any, nth: int) -> None:
    """Beside another tile it is tried again alone; alone it is one sentence."""
    strike(error, nth)
    job = bench.submit(Render(image, RECIPE))
    if (ended := bench.wait(job)) is not None:
        sentence(ended, "One tile does not fit into memory")
    np.testing.assert_array_equal(bench.pixels(image, RECIPE), right)


@pytest.mark.parametrize("nth", [1, 5, TILES + 1])
@pytest.mark.parametrize("error", [MemoryError, torch_oom], ids=["host", "torch"])
def test_out_of_memory_for_good(
    bench: Bench, image: Image, right: Array, error: Any, nth: int
) -> None:
    strike(error, *range(nth, 999))
    sentence(bench.error(Render(image, RECIPE)), "One tile does not fit into memory")
    Shaky.act = lambda number, ctx: None
    np.testing.assert_array_equal(bench.pixels(image, RECIPE), right)


def test_out_of_memory_while_preparing(bench: Bench, image: Image, right: Array) -> None:
    def none(ctx: Context) -> None:
        raise MemoryError

    Shaky.ready = none
    sentence(bench.error(Render(image, RECIPE)), "Shaky does not fit into memory")
    Shaky.ready = lambda ctx: None
    np.testing.assert_array_equal(bench.pixels(image, RECIPE), right)


@pytest.mark.parametrize("nth", [1, 3, TILES, TILES + 4, 2 * TILES])
@pytest.mark.parametrize("kind", [ZeroDivisionError, SystemExit, KeyboardInterrupt, RuntimeError])
def test_a_method_that_raises(
    bench: Bench, image: Image, right: Array, kind: type[BaseException], nth: int
) -> None:
    strike(lambda: kind("in a plugin"), nth)
    ended = bench.error(Render(image, RECIPE))
    assert type(ended) is kind and str(ended) == "in a plugin"
    np.testing.assert_array_equal(bench.pixels(image, RECIPE), right)


# --- devices -----------------------------------------------------------------------------------


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Self-tests that pass without a process."""
    monkeypatch.setattr(roster_module, "try_device", lambda *_: Verdict(True))


def with_devices(bench: Bench, *devices: Device) -> None:
    bench.desk.roster = Roster((CPU, *devices))
    bench.desk.memory = 1 << 28
    list(bench.desk.roster.look())


@pytest.mark.parametrize("nth", [0, 1, 2, 3, 4, 6, 9, 15])
@pytest.mark.parametrize("kind", ["lost", "unsupported", "out-of-memory"])
@pytest.mark.parametrize("torch", ["cpu", "cpu:0"])
def test_a_device_that_fails(
    bench: Bench, image: Image, right: Array, trusting: None, kind: Any, nth: int, torch: str
) -> None:
    """While it is timed, in the first step, in the last one: the next device goes on."""
    bad = Device("bad:0", "Bad", torch, fault=Fault(kind, after=nth, every=nth + 1))
    good = Device("good:0", "Good", torch, fault=Fault("slow", seconds=0))
    with_devices(bench, bad, good)
    bench.desk.roster.pin("bad:0" if nth % 2 else "")
    job = bench.submit(Render(image, RECIPE))
    np.testing.assert_allclose(bench.rendered(job), right, rtol=0, atol=1e-5)
    said = [told for told in bench.told(job) if "BAD:0 was set aside" in told.text]
    rows = {row.device.name: row for row in bench.desk.roster.rows()}
    if kind != "out-of-memory":  # which may have been cured by trying alone
        assert said or "BAD:0" not in bench.told(job)[-1].text
    assert all(told.text.endswith(".") and "\n" not in told.text for told in bench.told(job))
    sentences = [told.text for told in bench.told(job)]
    assert all(one != other for one, other in itertools.pairwise(sentences)), sentences
    if not rows["bad:0"].usable:
        assert any("BAD:0 was set aside" in one for one in bench.told(job)[-1].aside)
        assert said and said[-1].device != "bad:0"
        np.testing.assert_allclose(bench.pixels(image, RECIPE), right, rtol=0, atol=1e-5)


@pytest.mark.parametrize("where", ["prepare", "run"])
@pytest.mark.parametrize("nth", [1, 2, 5, TILES + 2])
def test_a_device_whose_own_calls_fail(
    bench: Bench, image: Image, right: Array, trusting: None, where: str, nth: int
) -> None:
    """The error comes from within the method, as real ones do; its state is made anew."""
    calls = itertools.count(1)

    def fail(ctx: Context) -> None:
        if ctx.device != "cpu" and next(calls) >= nth:
            raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore")

    if where == "prepare":
        Shaky.ready, nth = fail, min(nth, 2)
    else:
        Shaky.act = lambda number, ctx: fail(ctx)
    with_devices(bench, Device("bad:0", "Bad", "cpu:0"))
    job = bench.submit(Render(image, RECIPE))
    np.testing.assert_allclose(bench.rendered(job), right, rtol=0, atol=1e-5)
    if bench.desk.roster.rows()[1].usable:
        assert where == "prepare" or "cpu" in {told.device for told in bench.told(job)}
    else:
        told = [told for told in bench.told(job) if "BAD:0 was set aside: it stopped" in told.text]
        assert told and told[-1].device == "cpu"
        assert "illegal memory access" in told[0].text and "more" not in told[0].text


def test_a_device_that_computes_wrongly(bench: Bench, image: Image, right: Array) -> None:
    with_devices(bench, Device("bad:0", "Bad", "cpu", fault=Fault("wrong")))
    job = bench.submit(Render(image, RECIPE))
    np.testing.assert_array_equal(bench.rendered(job), right)
    assert bench.told(job)[-1].device == "cpu"
    assert "it computes wrongly" in bench.told(job)[-1].text
    bench.desk.roster.pin("bad:0")  # the test told of it: a wish does not make it right
    np.testing.assert_array_equal(bench.pixels(image, RECIPE), right)


# --- ends --------------------------------------------------------------------------------------


@pytest.mark.parametrize("nth", [1, 2, 6, TILES, TILES + 3, 2 * TILES])
@pytest.mark.parametrize("how", ["close", "stop", "lane"])
def test_an_end_in_the_middle_of_a_tile(
    bench: Bench, image: Image, right: Array, out: Path, how: str, nth: int
) -> None:
    entered, nap = threading.Event(), threading.Event()

    def act(number: int, ctx: Context) -> None:
        if number == nth:
            entered.set()
            while True:
                ctx.check()
                nap.wait(0.001)

    Shaky.act = act
    job = bench.submit(export(image, out / "a.npy"), "export")
    waiting = bench.submit(Render(image, RECIPE), "view", rank=9)
    assert entered.wait(PATIENCE)
    if how == "close":
        bench.engine.close()
        assert isinstance(bench.wait(waiting), Cancelled)
    elif how == "stop":
        job.stop()
        np.testing.assert_array_equal(bench.rendered(waiting), right)
    else:
        newer = bench.submit(Render(image, RECIPE), "export")
        np.testing.assert_array_equal(bench.rendered(newer), right)
        bench.wait(waiting)
    assert isinstance(bench.wait(job), Cancelled)
    assert not list(out.iterdir())


@pytest.mark.parametrize("how", ["close", "stop"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_end_while_writing(
    bench: Bench, image: Image, out: Path, monkeypatch: pytest.MonkeyPatch, how: str, when: str
) -> None:
    writer = next(f for f in bench.desk.registry.formats if ".npy" in f.writes)
    real, entered, go = type(writer).write, threading.Event(), threading.Event()

    def slow(self: Any, path: Path, *args: Any) -> None:
        if when == "after":
            real(self, path, *args)
        entered.set()
        assert go.wait(PATIENCE)
        if when == "before":
            real(self, path, *args)

    monkeypatch.setattr(type(writer), "write", slow)
    (out / "a.npy").write_bytes(b"what was there")
    job = bench.submit(export(image, out / "a.npy", overwrite=True))
    assert entered.wait(PATIENCE)
    job.stop()
    if how == "close":
        closing = threading.Thread(target=bench.engine.close)
        closing.start()
    go.set()
    assert isinstance(bench.wait(job), Cancelled)
    if how == "close":
        closing.join(PATIENCE)
    assert [(f.name, f.read_bytes()) for f in out.iterdir()] == [("a.npy", b"what was there")]


def test_an_end_while_reading_back(bench: Bench, image: Image, out: Path) -> None:
    """Cancelled at each of its looks at `cancelled`, an export leaves nothing."""
    whole = Recipe((Step(Shaky()),))
    for looks in itertools.count():
        asked = itertools.count()
        desk = replace(bench.desk, cache=Cache(BUDGET))
        work = export(image, out / "a.npy", whole)(desk, lambda n=looks, a=asked: next(a) >= n)
        try:
            for _ in work:
                pass
            break
        except Cancelled:
            assert not list(out.iterdir())
    assert looks > TILES
    assert [f.name for f in out.iterdir()] == ["a.npy"]
