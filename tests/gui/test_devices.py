"""Devices and memory in the window: what it says of them, what the user may change."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtWidgets import QApplication

import resources
from core.cache import Cache
from core.desk import Desk
from core.devices import CPU, Device, Fault
from core.files import open_image
from core.recipe import Recipe, Step
from core.render import Renderer, assemble
from core.roster import Roster
from core.selftest import Verdict
from core.show import one_slice
from core.tiles import Region
from gui.batch import Settings, Stage
from gui.devices_dialog import DevicesDialog
from gui.machine import GB, Machine

SAMPLE = str(resources.path("samples/bayer_iso12800.dng"))
PART = Region(96, 96, 288, 288)


def fake(kind, **how):
    return Device("fake:0", "A device", "cpu", fault=Fault(kind, **how))


@pytest.fixture
def store(tmp_path):
    return QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def started(qtbot, store, tmp_path, monkeypatch):
    """A window with these devices, whose test finds what `verdict` says."""

    def start(*devices, verdict=None, figures=None):
        from gui import theme
        from gui.app import build

        if verdict is not None:
            monkeypatch.setattr("core.roster.try_device", lambda *args: verdict)
        theme.apply(QApplication.instance())
        roster = Roster(devices=(CPU, *devices))
        window = build(store, tmp_path, roster)
        qtbot.addWidget(window, before_close_func=lambda w: w.bridge.close())
        window.failures = []
        window.bridge.failed.connect(lambda *words: window.failures.append(words))
        window.said = []
        window.background.said.connect(lambda words, bad: window.said.append((words, bad)))
        window.resize(1000, 700)
        window.show()
        window.begin([])
        qtbot.waitUntil(lambda: window.registry is not None, timeout=30_000)
        qtbot.waitUntil(lambda: not window.background.busy, timeout=120_000)
        if figures:
            with roster._lock:
                for device, seconds in figures.items():
                    for method in window.registry.methods:
                        roster._figures[device, method] = seconds
        return window

    return start


@pytest.fixture
def open_fast(qtbot, settle):
    """Opens the sample with the fast method, at 100 %."""

    def go(window):
        window.open(SAMPLE)
        qtbot.waitUntil(lambda: window.session.document is not None, timeout=30_000)
        window.session.edit(recipe=Recipe((Step(window.registry.methods["fast"]()),)))
        window.viewer.zoom_to(1.0)
        settle(window)

    return go


def right(window):
    """Are the denoised pixels those that the CPU makes?"""
    d = window.session.document
    found = assemble(Renderer(d.image, d.noise, d.recipe, window.bridge._desk), PART)
    with_cpu = Desk(cache=Cache(0))
    try:
        expected = assemble(Renderer(d.image, d.noise, d.recipe, with_cpu), PART)
    finally:
        with_cpu.close()
    return np.array_equal(found, expected)


def test_the_status_line_says_where_and_why(started, open_fast):
    window = started()
    assert window.status.device == ("CPU", "Nothing was computed yet.")
    open_fast(window)
    assert window.status.device == ("CPU", "CPU: the only device here.")
    assert window.said == []


def test_a_slow_device_is_not_used_and_the_figures_say_so(started, open_fast):
    window = started(fake("slow", seconds=0.001), verdict=Verdict(True),
                     figures={"cpu": 0.1, "fake:0": 0.9})  # fmt: skip
    assert ("FAKE:0 (A device): ready.", False) in window.said
    open_fast(window)
    words, why = window.status.device
    assert words == "CPU" and "0.1 s per megapixel, FAKE:0 0.9 s" in why
    assert right(window)


def test_a_device_that_fails_is_set_aside_with_an_alarm(started, open_fast, qtbot):
    window = started(fake("lost", after=0), verdict=Verdict(True),
                     figures={"cpu": 0.9, "fake:0": 0.1})  # fmt: skip
    open_fast(window)
    words, why = window.status.device
    assert words == "▲ CPU" and "FAKE:0 was set aside: it stopped working" in why
    assert window.status.words.startswith("FAKE:0 was set aside: it stopped working")
    assert window.status.words.endswith("CPU goes on instead.")
    assert window.viewer.state_at_view() == "full" and window.trouble.words == ""
    assert right(window)
    window.show_devices()
    state = window.devices.table.states["fake:0"]
    qtbot.waitUntil(lambda: "set aside" in state.text())
    assert state.property("role") == "warning"


def test_a_wrong_device_is_refused_by_its_real_test(started, open_fast):
    """In a child process, as at any start."""
    window = started(fake("wrong"))
    assert window.said[0] == ("FAKE:0: being tested.", False)
    assert "not used, it computes wrongly" in window.said[1][0] and window.said[1][1]
    open_fast(window)
    assert window.status.device[0] == "CPU" and "computes wrongly" in window.status.device[1]
    assert right(window)


@pytest.mark.parametrize("fault", ["", "lost"])
def test_a_queue_is_spread_over_devices(started, open_fast, qtbot, tmp_path, fault):
    """Files go to two devices at once, beside the picture on the faster one; equal pixels."""
    second = replace(fake(fault or "slow", after=7, seconds=0.0), name="fake:1")
    window = started(fake("slow", seconds=0.0), second, verdict=Verdict(True),
                     figures={"cpu": 99.0, "fake:0": 0.1, "fake:1": 0.2})  # fmt: skip
    open_fast(window)
    assert window.status.device[0] == "FAKE:0" and "FAKE:1 0.2 s" in window.status.device[1]
    files = [tmp_path / f"{name}.dng" for name in "abcd"]
    for file in files:
        shutil.copy(SAMPLE, file)
    batch, most, where = window.batch, [0], set()

    def look(at):
        most[0] = max(most[0], len(batch._tasks))
        where.update(e.device for e in batch.entries if e.stage is Stage.DENOISING)

    batch.changed.connect(look)
    window.show_queue()
    window.queue.add_paths(map(str, files))
    window.presenter.settings()
    batch.settings = Settings(window.session.document.recipe)
    batch.start()
    qtbot.waitUntil(lambda: batch.count(Stage.DONE) == 4, timeout=90_000)
    calls = window.bridge._desk.roster._calls
    assert most[0] == 2 and where >= {"", "fake:1"} and calls["fake:1"] >= 7 and not batch.running
    images = [open_image(window.registry, Path(entry.target)) for entry in batch.entries]
    assert len({image.path for image in images}) == 4
    assert len({image.pixels[...].tobytes() for image in images}) == 1
    if fault:
        words, why = window.status.device
        assert window.status.words.startswith("FAKE:1 was set aside: it stopped working")
        assert window.status.words.endswith("goes on instead.") and "FAKE:1 was set aside" in why
        assert words == "▲ FAKE:0"
    window.viewer.zoom_to(0.5)
    assert right(window)


def test_the_dialog_lists_devices_pins_one_and_remembers(started, open_fast, qtbot, settle, store):
    window = started(fake("slow", seconds=0.001), verdict=Verdict(True),
                     figures={"cpu": 0.1, "fake:0": 0.9})  # fmt: skip
    open_fast(window)
    window.actions_by_id["devices"].trigger()
    dialog = window.devices
    assert isinstance(dialog, DevicesDialog) and list(dialog.table.choices) == ["", "cpu", "fake:0"]
    assert dialog.table.choices[""].isChecked() and list(dialog.table.tests) == ["fake:0"]
    qtbot.mouseClick(dialog.table.choices["fake:0"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.status.device[0] == "FAKE:0", timeout=20_000)
    settle(window)
    assert "you chose it" in window.status.device[1] and store.value("device") == "fake:0"
    assert "0.9 s" in dialog.table.states["fake:0"].text()  # the dialog heard of the figures
    dialog.table.choices[""].click()
    qtbot.waitUntil(lambda: window.status.device[0] == "CPU", timeout=20_000)
    settle(window)
    assert right(window)


def test_a_chosen_device_is_chosen_again_or_missed(started, store):
    store.setValue("device", "fake:0")
    window = started(fake("slow"), verdict=Verdict(True))
    assert window.bridge._desk.roster._pinned == "fake:0"


def test_a_chosen_device_that_is_gone_is_missed(started, store):
    store.setValue("device", "fake:0")
    window = started()
    assert window.said == [
        ("FAKE:0, which you chose, is not here: the faster device is used.", True)
    ]


def test_a_device_is_tested_again_on_request(started, qtbot, monkeypatch):
    window = started(fake("slow"), verdict=Verdict(False, "it did not answer", kept=True))
    window.show_devices()
    table = window.devices.table
    assert "did not answer" in table.states["fake:0"].text()
    monkeypatch.setattr("core.roster.try_device", lambda *args: Verdict(True))
    qtbot.mouseClick(table.tests["fake:0"], Qt.MouseButton.LeftButton)
    assert not table.tests["fake:0"].isEnabled()
    qtbot.waitUntil(lambda: table.states["fake:0"].text().startswith("Ready"), timeout=20_000)
    qtbot.waitUntil(lambda: table.tests["fake:0"].isEnabled())


def test_memory_and_disk_are_bounded_and_remembered(started, qtbot, store):
    window = started()
    desk = window.bridge._desk
    assert desk.memory == 0 and desk.cache.budget == window.background.machine.cache_bytes
    window.show_devices()
    memory = window.devices.memory.rows["cpu"]
    memory.change(0.5)
    window.devices.disk.change(0.0)
    qtbot.waitUntil(lambda: desk.memory == GB // 2 and desk.cache.budget == GB // 8)
    qtbot.waitUntil(lambda: desk.cache.spill.budget == 0)
    machine = Machine(store)
    again = machine.desk(Roster(devices=(CPU,)), machine.cache())
    assert (again.memory, again.cache.spill.budget) == (GB // 2, 0)
    memory.restore()
    qtbot.waitUntil(lambda: desk.memory == 0)
    assert store.value("memory GB") is None
    again.cache.close()
    again.close()


def test_each_device_has_a_bound_of_its_own(started, open_fast, qtbot, store):
    there = replace(fake("slow", seconds=0.0), free=8 * GB, total=10 * GB)
    window = started(there, verdict=Verdict(True), figures={"cpu": 0.9, "fake:0": 0.1})
    desk, machine = window.bridge._desk, window.background.machine
    window.show_devices()
    rows = window.devices.memory.rows
    assert list(rows) == ["cpu", "fake:0"] and rows["fake:0"].label.text().startswith(
        "Memory of FAKE"
    )
    assert rows["fake:0"].value == 6.4 and rows["fake:0"].control.maximum == 10
    rows["fake:0"].change(2.0)
    qtbot.waitUntil(lambda: desk.limits == {"fake:0": 2 * GB})
    assert desk.allowed(there) == 2 * GB and desk.memory == 0 and desk.allowed(CPU) != 2 * GB
    again = Machine(store)
    assert again.memory_on(there) == 2.0 and again.memory == machine.memory_default
    assert again.desk(Roster(devices=(CPU,)), desk.cache).limits == {"fake:0": 2 * GB}
    open_fast(window)
    assert window.status.device[0] == "FAKE:0" and right(window)
    rows["fake:0"].restore()
    qtbot.waitUntil(lambda: not desk.limits)
    assert not machine.limits


def test_what_the_viewer_holds_is_reserved_on_a_worker(started, open_fast, qtbot, monkeypatch):
    threads, inner = set(), Cache.reserve
    monkeypatch.setattr(
        Cache, "reserve", lambda *args: (threads.add(threading.current_thread().name), inner(*args))
    )
    window = started()
    open_fast(window)
    cache, owner = window.bridge._desk.cache, window.background.owner
    qtbot.waitUntil(lambda: cache._reserved.get(owner) == window.viewer.nbytes > 0)
    seen = one_slice(window.session.document.image, window.viewer.wanted()[0][0])
    assert window.viewer.nbytes >= 2 * 7 * seen.area  # before and after
    window.actions_by_id["close"].trigger()
    qtbot.waitUntil(lambda: cache._reserved[owner] == 0)
    assert threads == {"spare"}
