"""Linked windows: the same place and slice of several images."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest


@pytest.fixture
def pair(window, qtbot, settle, tmp_path):
    """Two windows, each with a stack; the second one is larger and deeper."""
    rng = np.random.default_rng(4)
    QTest.keyClick(window, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier)
    first, second = window.linked.windows
    qtbot.addWidget(second)
    second.failures = []
    second.bridge.failed.connect(lambda *told: second.failures.append(told))
    for one, shape in ((first, (5, 40, 60)), (second, (9, 80, 120))):
        path = tmp_path / f"{shape[0]}.npy"
        np.save(path, rng.normal(100, 5, shape).astype(np.float32))
        one.open(str(path))
        qtbot.waitUntil(lambda w=one: w.session.document is not None, timeout=60_000)
        settle(one)
    yield first, second
    second.close()


def test_zoom_pan_and_slices_go_together(pair, settle):
    first, second = pair
    QTest.keyClick(first, Qt.Key.Key_Plus)
    assert not second.viewer.fitted
    first.viewer.zoom_to(12.0)
    middle = first.viewer.rect().center()
    QTest.mousePress(first.viewer, Qt.MouseButton.LeftButton, pos=middle)
    QTest.mouseMove(first.viewer, middle + QPoint(40, 30))
    QTest.mouseRelease(first.viewer, Qt.MouseButton.LeftButton, pos=middle + QPoint(40, 30))
    assert first.viewer.scale == pytest.approx(2 * second.viewer.scale)  # twice as many pixels
    here, there = first.viewer.place, second.viewer.place
    assert (here.down, here.right) == pytest.approx((there.down, there.right), abs=0.01)
    QTest.keyClick(second.viewer, Qt.Key.Key_End)  # the other way round
    assert first.session.state.view.front == ((4, 5),)
    QTest.keyClick(first.viewer, Qt.Key.Key_Home)
    assert second.session.state.view.front == ((0, 1),)
    QTest.keyClick(second, Qt.Key.Key_F)
    assert first.viewer.fitted
    for one in pair:
        settle(one)


def test_what_is_closed_is_not_followed(pair, settle):
    first, second = pair
    second.close()
    assert first.linked.windows == [first]
    first.viewer.zoom_to(3.0)
    settle(first)
