"""Ultrasound in the window: a line over time, speckle of two areas, dynamic range and gain."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from core.clip import FollowLine, Seen
from core.desk import Desk
from core.develop import Look
from core.develop import settle as settled
from core.image import Image, Levels
from core.recipe import Recipe
from core.tiles import Region
from gui.over_time import _picture
from gui.session import Document
from tests.gui.test_clips import COUNT, at, clip  # noqa: F401  (a fixture)

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton


def drag(window, start, stop, button=LEFT):
    QTest.mousePress(window.viewer, button, pos=start)
    QTest.mouseMove(window.viewer, (start + stop) / 2)
    QTest.mouseMove(window.viewer, stop)
    QTest.mouseRelease(window.viewer, button, pos=stop)


def middle(window, dx=0, dy=0):
    return window.viewer.rect().center() + QPoint(dx, dy)


def test_a_line_is_followed_over_time_and_leads_to_its_frames(clip, qtbot, settle):  # noqa: F811
    page = clip.quality
    clip.pages_by_dock["Measure"].setCurrentIndex(2)
    assert page.tabs.isTabVisible(2) and not page.strip.shown
    QTest.keyClick(clip, Qt.Key.Key_W)
    drag(clip, middle(clip, 0, -60), middle(clip, 0, 60))
    qtbot.waitUntil(lambda: len(page.strip.shown) == 2, timeout=60_000)
    qtbot.waitUntil(lambda: clip.over_time._job is None, timeout=60_000)
    qtbot.waitUntil(lambda: not clip.over_time._soon.isActive(), timeout=10_000)
    settle(clip)
    assert page.tabs.currentIndex() == 2
    for picture in page.strip.shown:  # frame n is n * 20 bright, before and after
        rows = picture.mean((0, 2))
        assert picture.shape[1] == COUNT and (np.diff(rows) > 5).all()
    assert page.strip.shown[1].std(0).mean() < page.strip.shown[0].std(0).mean()
    strip = page.strip
    QTest.mouseClick(strip, LEFT, pos=QPoint(strip.width() - 2, 20))
    assert at(clip) == COUNT - 1 and strip.at == COUNT - 1
    dark = strip.shown[0].mean()
    clip.look.rows["high"].change(100.0)  # the look is live there, too
    qtbot.waitUntil(lambda: strip.shown[0].mean() > dark + 10, timeout=10_000)
    clip.viewer.clear_marks()
    qtbot.waitUntil(lambda: not strip.shown, timeout=10_000)
    settle(clip)


def test_a_line_of_a_coloured_clip_is_coloured():
    """Red grows from frame to frame, blue along the line, green is not there."""
    pixels = np.zeros((4, 3, 20, 30), np.uint8)
    pixels[:, 0] = (np.arange(4) * 60 + 20)[:, None, None]
    pixels[:, 2] = np.arange(30) * 8
    image = Image(pixels, "tcyx", "display", Levels(white=255.0))
    look = settled(image, Look())
    seen = Seen(image, None, Recipe(), look, Region.whole(20, 30), 1)
    frames = tuple((at, ((at, at + 1),)) for at in range(4))
    columns = list(FollowLine(seen, (10.0, 2.0, 10.0, 27.0), frames)(Desk(), lambda: False))
    strip = np.stack([one.before for one in columns if one], axis=1).astype(np.float32)
    assert strip.shape == (26, 4, 3)
    shown = _picture(strip, Document(image, look=look)).astype(int)
    assert shown.shape == (26, 4, 3)
    assert np.abs(shown[:, :, 0] - (np.arange(4) * 60 + 20)).max() <= 2
    assert np.abs(shown[:, :, 2] - (np.arange(2, 28) * 8)[:, None]).max() <= 2
    assert shown[:, :, 1].max() <= 2


def test_speckle_of_two_areas(clip, qtbot, settle):  # noqa: F811
    page = clip.quality
    QTest.keyClick(clip, Qt.Key.Key_R)
    drag(clip, middle(clip, -150, -150), middle(clip, 0, 0))
    QTest.keyClick(clip, Qt.Key.Key_D)
    drag(clip, middle(clip, 10, 10), middle(clip, 150, 150))
    qtbot.waitUntil(lambda: ("Speckle SNR B", "after") in page.cells, timeout=60_000)
    settle(clip)
    words = {name: page.cells[name, "before"].text() for name, _ in page.cells}
    assert float(words["Speckle SNR A"]) == pytest.approx(60 / 3, rel=0.1)
    assert {"CNR of A and B", "gCNR, 0 to 1"} <= words.keys()
    after = float(page.cells["Speckle SNR A", "after"].text())
    assert after > float(words["Speckle SNR A"])


def test_echoes_have_dynamic_range_and_gain(window, qtbot, settle, tmp_path):
    rng = np.random.default_rng(5)
    depth = np.exp(-np.arange(160) / 50)[:, None]
    echoes = (rng.normal(size=(160, 48)) + 1j * rng.normal(size=(160, 48))) * depth * 1000
    np.save(tmp_path / "iq.npy", echoes.astype(np.complex64))
    window.open(str(tmp_path / "iq.npy"))
    qtbot.waitUntil(lambda: window.session.document is not None, timeout=30_000)
    settle(window)
    image, look = window.session.document.image, window.session.document.look
    assert image.kind == "rf"
    rows = window.look.rows
    assert (rows["dynamic_range"].value, rows["gain"].value) == (60.0, 0.0)
    assert window.viewer._notes.window == "60 dB"
    before, pixels = window.viewer.grab().toImage(), image.id
    rows["gain"].slider.setFocus()
    QTest.keyClick(rows["gain"].slider, Qt.Key.Key_Right)
    gain = window.session.document.look.gain
    assert gain > 0 and window.session.document.look.window[1] == look.window[1] - gain
    assert window.viewer.grab().toImage() != before
    QTest.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert window.session.document.look == look
    drag(window, middle(window), middle(window, 75, 0), RIGHT)  # across: the dynamic range
    assert rows["dynamic_range"].value > 75
    assert image.id == pixels and image is window.session.document.image
    assert window.viewer._notes.window.endswith(" dB")
    settle(window)
