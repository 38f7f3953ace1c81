"""Several devices at once: all are the CPU, each with its own fault. What runs beside what."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import roster as roster_module
from core.batch import RANK, Denoise
from core.devices import CPU, Device, Fault
from core.image import Array, Image
from core.options import make_desk, parser
from core.recipe import Recipe, Step
from core.roster import Roster
from core.selftest import Verdict
from tests.core.bench import PATIENCE, RECIPE, TILES, Bench, Render, Shaky, export
from tests.core.fakes import fake

FIGURES = {"cpu": 0.9, "fake:0": 0.1, "fake:1": 0.2, "fake:2": 0.3}  # seconds per megapixel
Hook = Callable[[str, int], None]


class Watched(Roster):
    """Tells before each call which device it goes to, and the how manieth there."""

    def __init__(self, *devices: Device) -> None:
        super().__init__((CPU, *devices))
        self.counts: dict[str, int] = {}
        self.hook: Hook = lambda device, number: None
        list(self.look())
        for device in self.devices:
            self._figures[device.name, Shaky.id()] = FIGURES[device.name]

    def run(self, device: Device, call: Callable[[], Any]) -> Any:
        with self._lock:
            number = self.counts[device.name] = self.counts.get(device.name, 0) + 1
        self.hook(device.name, number)
        return super().run(device, call)


@pytest.fixture
def several(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Watched]:
    """Gives the bench devices that passed their test and are timed."""
    monkeypatch.setattr(roster_module, "try_device", lambda *_: Verdict(True))

    def make(*devices: Device) -> Watched:
        bench.desk.roster = found = Watched(*devices)
        return found

    return make


def file(image: Image, device: str = "") -> Denoise:
    return Denoise(export(image, Path("out.npy")), device)


def test_the_view_does_not_wait_for_a_batch_elsewhere(
    bench: Bench, image: Image, right: Array, several: Callable[..., Watched]
) -> None:
    """The batch is held in the middle of a tile until the view, on another device, is done."""
    roster = several(fake(0), fake(1))
    inside, go = threading.Event(), threading.Event()

    def hold(device: str, number: int) -> None:
        if device == "fake:1" and number == 3:
            inside.set()
            assert go.wait(PATIENCE)

    roster.hook = hold
    batch = bench.submit(file(image, "fake:1"), rank=RANK)
    assert inside.wait(PATIENCE)
    view = bench.submit(Render(image, RECIPE))
    np.testing.assert_array_equal(bench.rendered(view), right)
    assert not bench.ends(batch)
    go.set()
    assert bench.wait(batch) is None
    np.testing.assert_array_equal(bench.values(batch)[-1].pixels, right)
    assert {told.device for told in bench.told(batch)} == {"fake:1"}
    assert {told.device for told in bench.told(view)} == {"fake:0"}
    assert "0.1 s per megapixel" in bench.told(view)[0].text
    assert "shares the work" in bench.told(batch)[0].text
    assert bench.values(batch)[-1].meta["computed"]["device"] == "fake:1"


@pytest.mark.parametrize("kind", ["lost", "unsupported", "out-of-memory"])
def test_a_share_goes_on_elsewhere_when_its_device_fails(
    bench: Bench, image: Image, right: Array, several: Callable[..., Watched], kind: Any
) -> None:
    """In mid job; a second file that was meant for it does not go there any more."""
    roster = several(fake(0), fake(1, Fault(kind, after=5)), fake(2))
    jobs = [bench.submit(file(image, name), rank=RANK) for name in ("", "fake:1", "fake:2")]
    for job in jobs:
        assert bench.wait(job) is None
        np.testing.assert_array_equal(bench.values(job)[-1].pixels, right)
    told = bench.told(jobs[1])
    assert told[0].device == "fake:1"
    assert told[-1].device == "fake:0"
    assert any("FAKE:1 was set aside" in each for each in told[-1].aside)
    assert any(each.text.startswith("FAKE:0: FAKE:1 was set aside") for each in told)
    before = roster.counts["fake:1"]
    later = bench.submit(file(image, "fake:1"), rank=RANK)
    assert bench.wait(later) is None
    assert roster.counts["fake:1"] == before
    assert {device.name for device in roster.share(Shaky(), 9)} == {"cpu", "fake:0", "fake:2"}


def test_one_slow_one_failing_one_wrong(
    bench: Bench, image: Image, right: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wrong one fails its real test, in a child, the failing one in mid job; one is left."""
    wrong, bad = fake(0, Fault("wrong")), fake(1, Fault("lost", after=TILES))
    real = roster_module.try_device
    monkeypatch.setattr(
        roster_module, "try_device", lambda d, *a: real(d, *a) if d == wrong else Verdict(True)
    )
    bench.desk.roster = roster = Watched(wrong, bad, fake(2, Fault("slow", seconds=0.001)))
    job = bench.submit(Render(image, RECIPE))
    np.testing.assert_array_equal(bench.rendered(job), right)
    assert "fake:0" not in roster.counts
    assert roster.counts["fake:1"] > TILES
    assert bench.told(job)[-1].device == "fake:2"
    why = roster.choose(Shaky())[1]
    assert "FAKE:0 is not used: it computes wrongly" in why
    assert "FAKE:1 was set aside" in why
    assert "CPU 0.9 s" in why


def test_a_batch_step_is_all_that_a_view_waits_for(
    bench: Bench, image: Image, right: Array, several: Callable[..., Watched]
) -> None:
    """On one device: after the view is wanted, the batch yields at most once before it is done."""
    roster = several(fake(0))
    inside, go = threading.Event(), threading.Event()

    def hold(device: str, number: int) -> None:
        if number == 2:
            inside.set()
            assert go.wait(PATIENCE)

    roster.hook = hold
    batch = bench.submit(file(image), rank=RANK)
    assert inside.wait(PATIENCE)
    view = bench.submit(Render(image, Recipe((Step(Shaky(shift=2.0)),))))
    at = len(bench.events)
    go.set()
    assert bench.wait(view) is None
    events = [event for event in bench.events[at:] if hasattr(event, "value")]
    until = max(n for n, event in enumerate(events) if event.job is view)
    between = [event for event in events[:until] if event.job is batch]
    assert len(between) <= 1
    assert bench.wait(batch) is None
    np.testing.assert_array_equal(bench.values(batch)[-1].pixels, right)


def test_nothing_is_left_when_all_devices_are_at_work(
    bench: Bench, image: Image, several: Callable[..., Watched]
) -> None:
    """Closed in the middle of three files on three devices: see Bench.check."""
    roster = several(fake(0), fake(1), fake(2))
    gate = threading.Barrier(4)

    def meet(device: str, number: int) -> None:
        if number == 2:
            gate.wait(PATIENCE)

    roster.hook = meet
    for name in ("", "fake:1", "fake:2"):
        bench.submit(file(image, name), rank=RANK)
    gate.wait(PATIENCE)


@pytest.mark.parametrize(
    ("text", "memory", "limits"),
    [
        ("0.5", 2**29, {}),
        ("cpu=1,cuda=2", 2**30, {"cuda:0": 2**31}),
        ("cuda:1=2, xpu:0=0.5", 0, {"cuda:1": 2**31, "xpu:0": 2**29}),
    ],
)
def test_memory_of_each_device(text: str, memory: int, limits: dict[str, int]) -> None:
    args = parser().parse_args(["denoise", "x", "-o", "y", "--device", "cpu", "--memory", text])
    desk = make_desk(args)
    assert (desk.memory, desk.limits) == (memory, limits)
    desk.close()
