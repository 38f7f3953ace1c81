"""Linked windows: the same place and slice of several images."""

from __future__ import annotations

from dataclasses import replace

import nibabel
import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from core.anatomy import point, same_frame
from gui import links
from gui.viewer import Compare


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


@pytest.fixture
def patients(pair, qtbot, settle, tmp_path):
    """Both windows with a volume of one patient: the second has half the edge, another origin."""
    rng = np.random.default_rng(5)
    first, second = pair
    for one, edge, step, origin in ((first, 32, 2.0, -30.0), (second, 48, 1.0, -20.0)):
        affine = np.diag((-step, -step, step, 1.0))
        affine[:3, 3] = (-origin, -origin, origin)
        volume = rng.normal(100, 5, (edge, edge, edge)).astype(np.float32)
        path = tmp_path / f"{edge}.nii"
        nibabel.save(nibabel.Nifti1Image(volume, affine), path)
        one.open(str(path))
        qtbot.waitUntil(
            lambda w=one, p=path: w.session.document.image.path == str(p), timeout=60_000
        )
        settle(one)
    return first, second


def where(window):
    """Millimetres of what is looked at."""
    at = window.session.state.view.at("z")
    return point(window.session.document.image.coords, at["z"], at["y"], at["x"])


def test_the_same_millimetres_of_a_patient(patients, settle):
    first, second = patients
    assert same_frame(*(one.session.document.image for one in patients))
    first.scans.go({"z": 10, "y": 12, "x": 20})
    assert where(first) == (10.0, -6.0, -10.0)
    assert where(second) == where(first)
    second.scans.go({"z": 20, "y": 23, "x": 21})  # between two voxels of the first
    assert np.abs(np.subtract(where(first), where(second))).max() <= 1.0
    second.scans.go({"z": 0, "y": 0, "x": 0})
    first.scans.go({"z": 0})  # outside of the second one: its first slice
    assert second.session.state.view.at("z")["z"] == 0
    first.viewer.resize(300, 300)
    second.viewer.resize(300, 300)
    first.viewer.zoom_to(8.0)
    assert second.viewer.scale == pytest.approx(4.0)  # half the millimetres a voxel
    middle = [one.viewer.sensor_at(one.viewer.rect().toRectF().center()) for one in patients]
    places = [point(one.session.document.image.coords, 0, y - 0.5, x - 0.5)[:2]
              for one, (y, x) in zip(patients, middle, strict=True)]  # fmt: skip
    assert places[0] == pytest.approx(places[1], abs=0.6)  # a screen pixel is a quarter voxel
    for one in patients:
        settle(one)


def test_planes_window_and_comparison_go_together_or_not(patients, settle):
    first, second = patients
    first.actions_by_id["mpr"].trigger()
    first.actions_by_id["difference"].trigger()
    assert second.session.state.view.planes == "zyx"
    assert second.viewer.compare is Compare.DIFFERENCE
    assert second.actions_by_id["difference"].isChecked()
    look = first.session.document.look
    first.session.edit(look=replace(look, window=(90.0, 110.0)))
    assert second.session.document.look.window == pytest.approx((90.0, 110.0))
    second.actions_by_id["link_window"].trigger()
    second.actions_by_id["link_view"].trigger()
    assert not first.actions_by_id["link_window"].isChecked()
    first.session.edit(look=replace(look, window=(50.0, 60.0)))
    first.actions_by_id["before"].trigger()
    assert second.session.document.look.window == pytest.approx((90.0, 110.0))
    assert second.viewer.compare is Compare.DIFFERENCE
    for one in patients:
        settle(one)


def test_the_pointer_is_a_cross_in_the_other_window(pair):
    first, second = pair
    spot = links.spot(*(one.session.document.image for one in pair), "z", {"z": 0, "y": 9, "x": 29})
    assert spot == ("z", 19.0, 59.0)  # 40 x 60 pixels beside 80 x 120
    before = second.viewer.grab().toImage()
    first.viewer.pointerMoved.emit((9, 29))
    assert second.viewer.grab().toImage() != before
    first.viewer.pointerMoved.emit(None)
    assert second.viewer.grab().toImage() == before


def test_memory_is_shared_by_all_windows(pair, qtbot, settle):
    first, second = pair
    desks = [one.bridge._desk for one in pair]
    assert desks[0].cache is desks[1].cache is first.linked.cache
    qtbot.waitUntil(lambda: all(desk.sharing == 2 for desk in desks), timeout=30_000)
    held = [one.viewer.nbytes for one in pair]
    cache = first.linked.cache
    qtbot.waitUntil(lambda: cache.room == cache.budget - sum(held), timeout=30_000)
    room = desks[0].room
    second.close()
    qtbot.waitUntil(lambda: desks[0].sharing == 1, timeout=30_000)
    assert cache.room == cache.budget - held[0]
    assert desks[0].room > 1.5 * room
    settle(first)
