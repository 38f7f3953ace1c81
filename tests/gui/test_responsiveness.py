"""What keeps the window quick, counted: never measured by a clock."""

from __future__ import annotations

import hashlib
import sys
import threading
import time

import numpy as np
from PySide6.QtCore import QCoreApplication

import resources
from core.engine import Job, Yielded
from core.job import LoadMethods, Progress
from core.show import Shown
from core.tiles import Region
from gui.mail import Mail
from gui.turns import Turns, wake_qt

SAMPLE = resources.path("samples/bayer_iso12800.dng")


def test_the_main_thread_never_hashes_pixels(window, qtbot, settle, monkeypatch):
    here, threads = threading.get_ident(), set()
    blake = hashlib.blake2b

    class Spy:
        def __init__(self, *args, **kwargs):
            self.inner = blake(*args, **kwargs)

        def update(self, data):
            if memoryview(data).nbytes > 4096:
                threads.add(threading.get_ident())
            self.inner.update(data)

        def hexdigest(self):
            return self.inner.hexdigest()

    monkeypatch.setattr(hashlib, "blake2b", Spy)
    window.open(str(SAMPLE))
    qtbot.waitUntil(lambda: window.session.document is not None, timeout=30_000)
    settle(window)
    assert threads and here not in threads


def test_a_turn_takes_in_one_piece_of_picture(qapp):
    put = []

    def deliver(event):
        put.append(event.value)
        return isinstance(event.value, Shown)

    mail, job = Mail(deliver), Job(LoadMethods(), "test", 0, 0)
    piece = Shown("before", 1, Region(0, 0, 1, 1), np.zeros((1, 1, 3), np.uint16))
    for value in (Progress(0.5, None), piece, piece, Progress(1.0, None), piece):
        mail._waiting.put(Yielded(job, value))
    for count, more in ((2, True), (3, True), (5, False)):
        mail.turn.stop()
        mail.take()
        assert len(put) == count and mail.turn.isActive() == more
    mail.close()
    mail.post(Yielded(job, piece))
    QCoreApplication.processEvents()
    assert len(put) == 5


def test_panels_of_another_image_come_one_a_turn(window, qtbot, settle, monkeypatch):
    """Building all of them at once held the window up for 80 ms."""
    parts = ("set_image", "set_look"), ("set_recipe_step",), ("set_value",)
    panels = window.look, window.panel, window.noise
    turn, built = [0], {}
    for panel, names in zip(panels, parts, strict=True):
        for name in names:
            inner = getattr(panel, name)

            def record(*args, inner=inner, name=name):
                built.setdefault(name, turn[0])
                return inner(*args)

            monkeypatch.setattr(panel, name, record)
    run = Turns._next

    def counted(self):
        turn[0] += 1
        run(self)

    monkeypatch.setattr(Turns, "_next", counted)
    window.presenter._turns._timer.timeout.disconnect()
    window.presenter._turns._timer.timeout.connect(window.presenter._turns._next)
    window.open(str(SAMPLE))
    qtbot.waitUntil(lambda: len(built) == 4, timeout=30_000)
    assert len(set(built.values())) == 4
    settle(window)


def test_dragging_the_exposure_searches_no_colour_temperature(opened, monkeypatch):
    searched = []
    monkeypatch.setattr(
        "gui.look_panel.temperature", lambda *_: (searched.append(1), (5000.0, 0))[1]
    )
    for exposure in (0.1, 0.2, 0.3):
        opened.look.rows["exposure"].change(exposure, final=False)
    opened.look.rows["exposure"].change(0.4)
    assert opened.session.document.look.exposure == 0.4 and not searched


def test_what_is_painted_with_is_there_before_the_picture(window, qtbot):
    qtbot.waitUntil(lambda: "cv2" in sys.modules, timeout=20_000)
    assert window.session.document is None


def test_turns_keep_their_order_and_nobody_waits_twice(qapp):
    turns, done = Turns(), []
    first, second = (lambda: done.append(1)), (lambda: done.append(2))
    turns.add(first, second)
    turns.add(first)
    assert turns.waits(second) and done == []
    while turns.waits(second):
        QCoreApplication.processEvents()
    assert done == [1, 2]


def test_qt_is_woken_in_turns_before_a_worker_imports_what_names_all_of_it(qapp, monkeypatch):
    """A class that a worker makes while the main thread meets it ends the program."""
    from PySide6 import QtWidgets

    asked: list[list[str]] = [[]]
    inner = Turns._next

    class Spy:
        def __getattr__(self, name):
            if not name.startswith("__"):
                asked[-1].append(name)
            return getattr(QtWidgets, name)

        def __dir__(self):
            return dir(QtWidgets)

    turns, done = Turns(), []
    turns._timer.timeout.disconnect()
    turns._timer.timeout.connect(lambda: (asked.append([]), inner(turns)))
    monkeypatch.setitem(sys.modules, "PySide6.QtSpy", Spy())
    monkeypatch.setattr("gui.turns.TURN", -1.0)  # over at once
    wake_qt(turns, lambda: done.append([name for names in asked for name in names]), ("QtSpy",))
    while not done:
        QCoreApplication.processEvents()
    assert done == [[name for name in dir(QtWidgets) if not name.startswith("__")]]
    assert max(map(len, asked)) == 1


def test_no_level_is_resampled_again_for_stale_pixels_that_are_not_there(viewer, monkeypatch):
    from gui import layers

    viewer.set_image(64, 64, 1, (1,))
    viewer.put("before", 1, Region(0, 0, 32, 64), np.full((32, 64, 3), 9, np.uint16))
    frame = viewer._panes()[0].frame(viewer._device(viewer.rect()))
    seen = []
    inner = layers._resample
    monkeypatch.setattr(layers, "_resample", lambda *a: (seen.append(1), inner(*a))[1])
    viewer._layers.draw(("before",), 1, frame)
    assert len(seen) == 2  # pixels and their mask, once


def test_the_event_loop_has_its_turn_while_workers_post(qtbot):
    heard = []
    mail = Mail(lambda event: time.sleep(0.001) or bool(heard.append(event)))
    posted = [Yielded(Job(LoadMethods(), "", 0, number), None) for number in range(300)]
    for event in posted:
        mail._waiting.put(event)
    mail.take()
    assert 0 < len(heard) < 300
    qtbot.waitUntil(lambda: heard == posted, timeout=30_000)
