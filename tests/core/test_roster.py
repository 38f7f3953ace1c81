"""Choosing devices. All of them compute on the CPU."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from core import roster as roster_module
from core import selftest
from core.devices import CPU, Device, Fault
from core.method import Cancelled, Method
from core.roster import Roster, Trial
from core.selftest import Records, Verdict
from tests.core.fakes import fake


class One(Method):
    title = "One"


class Two(Method):
    title = "Two"

    @classmethod
    def id(cls) -> str:
        return "two"


def lost() -> RuntimeError:
    return RuntimeError("CUDA error: unspecified launch failure")


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Self-tests that pass without a process; returns the names of those tested."""
    tested: list[str] = []

    def good(device: Device, *_: Any) -> Verdict:
        tested.append(device.name)
        return Verdict(True)

    monkeypatch.setattr(roster_module, "try_device", good)
    return tested


class Clock:
    """A clock that trials move."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def ready(*devices: Device, folder: Path | None = None, clock: Any = None) -> Roster:
    roster = Roster((CPU, *devices), folder, clock or Clock())
    list(roster.look())
    return roster


def trial(clock: Clock, **seconds: float) -> Trial:
    """A trial in which each kind of device takes so many seconds."""

    def run(device: Device) -> None:
        clock.now += seconds[device.name.replace(":", "")]

    return Trial(run, megapixels=0.5, workers=2)


# --- choosing ----------------------------------------------------------------------------------


def test_the_cpu_alone_needs_no_look() -> None:
    assert Roster().choose(One()) == (CPU, "CPU: the only device here.")


def test_without_a_gpu_in_torch_no_child_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster_module, "possible", lambda: False)
    monkeypatch.setattr(roster_module, "list_devices", lambda *_: pytest.fail("a child"))
    assert list(Roster().look()) == []


def test_devices_are_used_after_their_test(trusting: list[str]) -> None:
    roster = Roster((CPU, fake()))
    assert roster.choose(One()) == (CPU, "CPU: FAKE:0 has not been tested yet.")
    assert list(roster.look()) == ["FAKE:0: being tested.", "FAKE:0 (Fake 0): ready."]
    assert roster.choose(One()) == (fake(), "FAKE:0: not timed yet.")
    assert trusting == ["fake:0"]


@pytest.mark.parametrize(
    ("cpu", "gpu", "sentence"),
    [
        (4.0, 1.0, "FAKE:0: 2 s per megapixel, CPU 4 s."),
        (4.0, 3.0, "CPU: 4 s per megapixel, FAKE:0 6 s."),
    ],
)
def test_the_faster_one_is_used(trusting: list[str], cpu: float, gpu: float, sentence: str) -> None:
    """The CPU has two tiles in work at once."""
    clock = Clock()
    roster = ready(fake(), clock=clock)
    device, why = roster.choose(One(), trial(clock, cpu=cpu, fake0=gpu))
    assert why == sentence
    assert device.label == sentence.partition(":")[0] or device == fake()
    assert roster.choose(One()) == (device, why)  # the figures are kept
    assert roster.rows()[0].figures == {One.id(): cpu}


def shared(roster: Roster, method: Method, pieces: int) -> list[str]:
    return [device.name for device in roster.share(method, pieces)]


def test_a_slow_device_takes_part_where_that_is_sooner(trusting: list[str]) -> None:
    clock = Clock()
    roster = ready(fake(), fake(1), fake(2), clock=clock)
    assert shared(roster, One(), 9) == ["fake:0"]  # nobody knows how fast they are
    roster.choose(One(), trial(clock, cpu=4.0, fake0=0.2, fake1=0.1, fake2=0.5))
    assert shared(roster, One(), 1) == ["fake:1"]
    assert shared(roster, One(), 2) == ["fake:1", "fake:0"]
    assert shared(roster, One(), 6) == ["fake:1", "fake:0", "fake:2"]
    assert shared(roster, One(), 99) == ["fake:1", "fake:0", "fake:2", "cpu"]
    roster.failed(fake(0), One(), lost())
    assert shared(roster, One(), 9) == ["fake:1", "fake:2"]
    roster.pin("fake:2")
    assert shared(roster, One(), 9) == ["fake:2"]


def test_a_share_of_the_work_is_done_where_it_was_given(trusting: list[str]) -> None:
    clock = Clock()
    roster = ready(fake(), fake(1), clock=clock)
    roster.choose(One(), trial(clock, cpu=4.0, fake0=0.2, fake1=0.1))
    device, why = roster.choose(One(), None, "fake:0")
    assert (device, why) == (fake(0), "FAKE:0: it shares the work.")
    told = roster.failed(fake(0), One(), lost())
    assert told.startswith("FAKE:1: FAKE:0 was set aside")
    assert roster.choose(One(), None, "fake:0")[0] == fake(1)
    roster.pin("cpu")
    assert roster.choose(One(), None, "fake:1")[0] == CPU


def test_every_device_is_timed_once_per_method(trusting: list[str]) -> None:
    clock, seen = Clock(), list[str]()

    def run(device: Device) -> None:
        seen.append(device.name)
        clock.now += 1

    roster = ready(fake(0), fake(1), clock=clock)
    for method in (One(), One(), Two()):
        roster.choose(method, Trial(run, 1.0))
    assert seen == ["fake:1", "fake:1", "fake:0", "fake:0", "cpu", "cpu"] * 2


def test_the_cpu_alone_is_not_timed() -> None:
    Roster().choose(One(), Trial(lambda _: pytest.fail("timed"), 1.0))


def test_a_pin_wins(trusting: list[str]) -> None:
    clock = Clock()
    roster = ready(fake(), clock=clock)
    roster.choose(One(), trial(clock, cpu=9, fake0=1))
    assert roster.pin("cpu") == "CPU is used for all methods."
    assert roster.choose(One()) == (CPU, "CPU: you chose it.")
    roster.pin("")
    assert roster.choose(One())[0] == fake()
    with pytest.raises(ValueError, match=r"no device 'cuda:0'; there are: cpu, fake:0"):
        roster.pin("cuda")


def test_a_pinned_device_is_used_untested_until_it_fails(trusting: list[str]) -> None:
    roster = Roster((CPU, fake()))
    roster.pin("fake:0")
    assert roster.choose(One()) == (fake(), "FAKE:0: you chose it.")
    roster.failed(fake(), One(), lost())
    device, why = roster.choose(One())
    assert device == CPU
    assert "FAKE:0 was set aside: it stopped working" in why


# --- failing later -----------------------------------------------------------------------------


def test_a_lost_device_is_set_aside_for_all(trusting: list[str]) -> None:
    roster = ready(fake())
    said = roster.failed(fake(), One(), lost())
    assert said == (
        "CPU: FAKE:0 was set aside: it stopped working (CUDA error: unspecified launch failure)."
    )
    assert roster.choose(Two()) == (CPU, said)
    assert not roster.rows()[1].usable


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "One does not fit its memory"),
        (NotImplementedError("not currently implemented for the MPS"), "lacks an operator"),
    ],
)
def test_what_one_method_cannot_others_may(
    trusting: list[str], error: Exception, words: str
) -> None:
    roster = ready(fake())
    assert words in roster.failed(fake(), One(), error)
    assert roster.choose(One())[0] == CPU
    assert words in roster.choose(One())[1]
    assert roster.choose(Two())[0] == fake()


def test_the_next_best_is_used(trusting: list[str]) -> None:
    clock = Clock()
    roster = ready(fake(0), fake(1), clock=clock)
    assert roster.choose(One(), trial(clock, cpu=9, fake0=2, fake1=1))[0] == fake(1)
    assert roster.failed(fake(1), One(), lost()).startswith("FAKE:0: FAKE:1 was set aside")
    device, why = roster.choose(One())
    assert device == fake(0)
    assert why.startswith("FAKE:0: 4 s per megapixel, CPU 9 s; FAKE:1 was set aside")


def test_errors_of_the_method_are_not_the_devices(trusting: list[str]) -> None:
    roster = ready(fake())
    assert roster.failed(fake(), One(), ZeroDivisionError()) == ""
    assert roster.failed(CPU, One(), MemoryError()) == ""
    assert roster.choose(One())[0] == fake()


def test_a_device_that_fails_its_trial_is_set_aside(trusting: list[str]) -> None:
    roster = ready(fake(0, Fault("lost")), fake(1))
    device, why = roster.choose(One(), Trial(lambda _: None, 1.0))
    assert device != fake(0, Fault("lost"))
    assert "FAKE:0 was set aside: it stopped working" in why


@pytest.mark.parametrize("error", [ZeroDivisionError, Cancelled])
def test_other_errors_of_a_trial_are_raised(trusting: list[str], error: type[Exception]) -> None:
    def run(device: Device) -> None:
        raise error

    with pytest.raises(error):
        ready(fake()).choose(One(), Trial(run, 1.0))


def test_again_tries_a_device_again(trusting: list[str], tmp_path: Path) -> None:
    roster = ready(fake(), folder=tmp_path)
    roster.failed(fake(), One(), lost())
    assert roster.again("fake:0") == "FAKE:0 will be tested again."
    assert roster.choose(One())[1] == "CPU: FAKE:0 has not been tested yet."
    list(roster.look())
    assert roster.choose(One())[0] == fake()
    assert trusting == ["fake:0", "fake:0"]


def test_run_injects_faults_and_nothing_else() -> None:
    roster = Roster((CPU, fake(0, Fault("out-of-memory", every=2))))
    assert [roster.run(CPU, lambda: 5) for _ in range(3)] == [5, 5, 5]
    found: list[str] = []
    for _ in range(4):
        try:
            roster.run(roster.devices[1], lambda: found.append("ran"))
        except RuntimeError as error:
            found.append(type(error).__name__)
    assert found == ["ran", "OutOfMemoryError"] * 2


def test_threads_may_ask_and_fail_together(trusting: list[str]) -> None:
    devices = [fake(number) for number in range(6)]
    roster = ready(*devices)
    errors: list[BaseException] = []

    def work(device: Device) -> None:
        try:
            for _ in range(50):
                chosen, why = roster.choose(One())
                assert why.startswith(chosen.label)
                roster.note(device, One(), 1.0, 1.0)
                roster.rows()
            roster.failed(device, One(), lost())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(device,)) for device in devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert roster.choose(One())[0] == CPU


# --- records -----------------------------------------------------------------------------------


def test_verdicts_and_figures_are_kept(trusting: list[str], tmp_path: Path) -> None:
    clock = Clock()
    first = ready(fake(), folder=tmp_path, clock=clock)
    first.choose(One(), trial(clock, cpu=9, fake0=1))
    second = ready(fake(), folder=tmp_path)
    assert trusting == ["fake:0"]
    assert second.rows()[1].figures == {One.id(): 2.0}


def test_another_driver_is_tested_again(trusting: list[str], tmp_path: Path) -> None:
    for driver in ("1", "1", "2"):
        device = Device("fake:0", "Fake", "cpu", driver, Fault("slow", seconds=0.0))
        ready(device, folder=tmp_path)
    assert len(trusting) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 0, "tested": 3}'])
def test_broken_records_are_begun_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "devices.json").write_text(text)
    records = Records(tmp_path)
    assert records.verdict("x") is None
    records.put("x", Verdict(False, "why"))
    assert Records(tmp_path).verdict("x") == Verdict(False, "why")
    assert json.loads((tmp_path / "devices.json").read_text())["format"] == selftest.FORMAT


def test_a_folder_that_cannot_be_written_is_no_error(trusting: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert ready(fake(), folder=tmp_path / "file").choose(One())[0] == fake()


def test_a_device_that_took_the_machine_down_is_not_tried_again(
    trusting: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster_module, "try_device", selftest.try_device)
    monkeypatch.setattr(selftest, "_ask", lambda *_: pytest.fail("tried"))
    Records(tmp_path).mark("fake:0")
    os.utime(tmp_path / "testing-fake-0", (0, 0))
    for _ in range(2):
        device, why = ready(fake(), folder=tmp_path).choose(One())
        assert device == CPU
        assert "did not come back from its last test" in why


def test_a_test_in_another_window_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Records(tmp_path).mark("fake:0")
    assert "being tested elsewhere" in ready(fake(), folder=tmp_path).choose(One())[1]
    Records(tmp_path).unmark("fake:0")
    monkeypatch.setattr(selftest, "_ask", lambda *_: {"why": ""})
    assert ready(fake(), folder=tmp_path).choose(One())[0] == fake()
