"""Stacks: one slice is shown, sliders and keys go to another."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

import resources
from core.desk import Desk
from core.image import Image
from core.recipe import Recipe
from core.render import Renderer, assemble
from core.show import ShowAfter
from core.tiles import Region
from gui.session import Document, Session


def stack(*sizes):
    """Slice number n is n * 1000 and a little noise: told apart at a glance."""
    count = int(np.prod(sizes))
    noise = np.random.default_rng(5).normal(0, 30, (count, 72, 96))
    return (np.arange(count)[:, None, None] * 1000 + 500 + noise).reshape(*sizes, 72, 96)


@pytest.fixture
def volume(window, qtbot, settle, tmp_path):
    """The window with a stack of four slices open."""
    np.save(tmp_path / "stack.npy", stack(4).astype(np.float32))
    window.open(str(tmp_path / "stack.npy"))
    qtbot.waitUntil(lambda: window.session.document is not None, timeout=30_000)
    settle(window)
    return window


def wheel(viewer, notches, sideways):
    place, turn = QPointF(60, 60), round(120 * notches)
    turned = QPoint(turn, 0) if sideways else QPoint(0, turn)
    event = QWheelEvent(
        place, viewer.mapToGlobal(place), QPoint(), turned,
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.AltModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(viewer, event)


def held(window, layer):
    """Mean of what the viewer's canvas of a layer shows, in 8 bits; None where it is empty."""
    level = window.viewer.wanted()[0][1]
    canvas = window.viewer._layers._canvases.get((layer, level))
    return None if canvas is None or not canvas.marks.all() else canvas.pixels.mean() / 257


def front(window):
    return window.session.state.view.front


def test_a_picture_has_no_sliders(opened):
    assert not opened.slices.isVisible() and opened.slices.rows == [] and front(opened) == ()
    QTest.keyClick(opened.viewer, Qt.Key.Key_PageUp)
    assert front(opened) == ()


def test_a_stack_begins_with_its_first_slice(volume):
    (row,) = volume.slices.rows
    assert volume.slices.isVisible() and row.number.text() == "1 / 4" and row.value == 0
    assert front(volume) == ((0, 1),) and volume.session.state.view.visible.front == ((0, 1),)
    assert volume.viewer.state_at_view() == "full"


def test_keys_wheel_slider_and_number_go_to_another_slice(volume, settle):
    (row,) = volume.slices.rows
    QTest.keyClick(volume.viewer, Qt.Key.Key_PageUp)
    assert row.value == 1
    scale = volume.viewer.scale
    wheel(volume.viewer, 1, sideways=True)
    wheel(volume.viewer, 1, sideways=False)
    assert row.value == 3 and front(volume) == ((3, 4),) and volume.viewer.scale == scale
    QTest.keyClick(volume.viewer, Qt.Key.Key_PageUp)
    assert row.value == 3  # the last
    QTest.keyClick(volume.viewer, Qt.Key.Key_PageDown)
    assert row.value == 2
    row.number.setValue(1)
    assert front(volume) == ((0, 1),)
    QTest.keyClick(row.slider, Qt.Key.Key_End)
    assert front(volume) == ((3, 4),) and not volume.session.can_undo
    settle(volume)


def test_the_slice_seen_is_the_slice_denoised(volume, qtbot, settle):
    levels = []
    for at in (0, 2, 3, 1):
        volume.slices.moved.emit(((at, at + 1),))
        settle(volume)
        assert volume.viewer.state_at_view() == "full"
        levels.append((held(volume, "before"), held(volume, "after")))
        region = Region(0, 0, 72, 96, ((at, at + 1),))
        d = volume.session.document
        exact = assemble(Renderer(d.image, d.noise, d.recipe, volume.bridge._desk), region)
        assert exact.mean() == pytest.approx(at * 1000 + 500, abs=20)
    for before, after in levels:
        assert before == pytest.approx(after, abs=3)
    by_slice = [before for _, (before, _) in sorted(zip((0, 2, 3, 1), levels, strict=True))]
    assert np.diff(by_slice).min() > 20


def test_nothing_of_another_slice_is_ever_put_into_the_picture(volume, qtbot, settle):
    put, seen = volume.viewer.put, []

    def record(layer, level, region, store, *how):
        seen.append((region.front, front(volume)))
        put(layer, level, region, store, *how)

    volume.viewer.put = record
    for _ in range(3):
        for at in (1, 2, 3, 0):
            volume.slices.moved.emit(((at, at + 1),))
            assert held(volume, "after") is None
            qtbot.wait(8)
    settle(volume)
    assert seen and all(of == now for of, now in seen)


def test_a_slice_that_was_seen_comes_from_the_cache(volume, qtbot, settle):
    volume.slices.moved.emit(((2, 3),))
    settle(volume)
    cache = volume.bridge._desk.cache
    known = set(cache._held)
    volume.slices.moved.emit(((0, 1),))
    settle(volume)
    volume.slices.moved.emit(((2, 3),))
    settle(volume)
    assert {key for key in set(cache._held) - known if key[0] == "tile"} == set()


def test_no_coarse_stage_is_planned_for_a_stack(volume, settle, monkeypatch):
    works, submit = [], volume.bridge._engine.submit
    monkeypatch.setattr(
        volume.bridge._engine, "submit", lambda work, *rest: (works.append(work),
                                                             submit(work, *rest))[1]
    )  # fmt: skip
    monkeypatch.setattr(volume.bridge.rates, "seconds", lambda recipe, size: 5.0)
    volume.panel.rows["strength"].change(2.0)
    settle(volume)
    shown = [work for work in works if isinstance(work, ShowAfter)]
    assert shown and not any(work.coarse for work in shown)
    assert all(work.region.front == ((0, 1),) for work in shown)


def test_statistics_and_pointer_are_of_the_slice(volume, settle, qtbot):
    volume.slices.moved.emit(((3, 4),))
    settle(volume)
    middle = volume.statistics.histogram.sketch.marks[0].x.mean()
    assert middle == pytest.approx(3500, abs=200)
    volume.viewer.pointerMoved.emit((5, 6))
    value = float(volume.status._pointer.text().split()[-1])
    assert value == pytest.approx(volume.session.document.image.pixels[3, 5, 6], rel=0.01)
    volume.open(str(resources.path("samples/ct_belly.nrrd")))
    qtbot.waitUntil(lambda: volume.session.document.image.kind == "scan", timeout=30_000)
    assert volume.status._pointer.text() == ""  # the pointer has been nowhere in this one


def test_two_axes_have_two_sliders_and_keys_move_the_last_one_used(window, qtbot, settle, tmp_path):
    import tifffile

    tifffile.imwrite(
        tmp_path / "tz.tif", stack(3, 2).astype(np.uint16), imagej=True,
        metadata={"axes": "TZYX"},
    )  # fmt: skip
    window.open(str(tmp_path / "tz.tif"))
    qtbot.waitUntil(lambda: window.session.document is not None, timeout=30_000)
    if window.session.document.image.stack != "tz":
        pytest.skip(f"the format reads {window.session.document.image.axes}")
    settle(window)
    first, second = window.slices.rows
    assert (first.number.text(), second.number.text()) == ("1 / 3", "1 / 2")
    QTest.keyClick(window.viewer, Qt.Key.Key_PageUp)
    assert front(window) == ((0, 1), (1, 2))
    first.number.setValue(2)
    QTest.keyClick(window.viewer, Qt.Key.Key_PageUp)
    assert front(window) == ((2, 3), (1, 2))
    settle(window)
    assert held(window, "before") == pytest.approx(held(window, "after"), abs=3)


def test_another_picture_puts_the_sliders_away(volume, qtbot, settle, tmp_path):
    volume.slices.moved.emit(((3, 4),))
    settle(volume)
    np.save(tmp_path / "plain.npy", stack(1)[0].astype(np.float32))
    volume.open(str(tmp_path / "plain.npy"))
    qtbot.waitUntil(lambda: volume.session.document.image.axes == "yx", timeout=30_000)
    settle(volume)
    assert not volume.slices.isVisible() and front(volume) == ()
    assert volume.session.document.recipe != Recipe()
    assert volume.viewer.state_at_view() == "full"


def test_a_cube_is_seen_in_false_colour_until_a_band_is_asked_for(qtbot):
    document = Document(Image(np.zeros((9, 20, 30), np.float32), "byx", "cube"))
    session = Session()
    session.open(document)
    assert session.state.view.front == ()
    session.open(Document(Image(np.zeros((9, 20, 30), np.float32), "zyx", "array")))
    assert session.state.view.front == ((0, 1),)


def test_a_scan_begins_in_its_middle(qtbot):
    session = Session()
    session.open(Document(Image(np.zeros((2, 9, 20, 30), np.float32), "tzyx", "scan")))
    view = session.state.view
    assert view.front == ((0, 1), (4, 5)) and view.cross == (10, 15)
    assert view.front_of("tz", "y") == ((0, 1), (10, 11))
    assert view.at("tz") == {"z": 4, "y": 10, "x": 15}


def test_a_step_works_in_some_slices_only(volume, settle):
    w = volume
    w.session.look_at(masking=True)

    def mask():
        return w.session.state.step.mask

    def go(at):
        w.slices.moved.emit(((at, at + 1),))
        settle(w)

    go(1)
    w.actions_by_id["mask_first"].trigger()
    assert mask().slices == (("z", 1, 4),)
    assert w.panel.where.text() == "Whole picture, z 2 to 4"
    assert w.masks.buttons["first"].isChecked() and not w.masks.buttons["last"].isChecked()
    go(2)
    QTest.mouseClick(w.masks.buttons["last"], Qt.MouseButton.LeftButton)
    assert mask().slices == (("z", 1, 3),)
    red = []
    for at in (0, 2):
        go(at)
        color = w.viewer.grab().toImage().pixelColor(w.viewer.rect().center())
        red.append(color.red() - color.blue())
    assert red[0] == 0 and red[1] > 30, "shown where it works"
    image, d = w.session.document.image, w.session.document
    found = assemble(Renderer(image, d.noise, d.recipe, Desk(threads=1)), Region.whole(72, 96))
    changed = [not np.array_equal(a, b) for a, b in zip(found, image.pixels[...], strict=True)]
    assert changed == [False, True, True, False]
    QTest.mouseClick(w.masks.buttons["last"], Qt.MouseButton.LeftButton)  # again: to the last
    go(1)
    w.actions_by_id["mask_first"].trigger()
    assert mask() is None
    w.session.undo()
    assert mask().slices == (("z", 1, 4),)
