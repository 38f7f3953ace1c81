"""Masks by mouse and keys: shapes, strokes and gradients drawn in the picture."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest

from core.mask import Mask, Shape
from core.tiles import Region
from tests.gui.chains import (
    ALT,
    CALLS,
    CTRL,
    LEFT,
    NONE,
    SHIFT,
    after,
    at,
    drag,
    said,
    steps,
    titles,
)


def test_a_mask_is_drawn_shaped_and_undone_without_computing(picture, settle, qtbot):
    w, v = picture, picture.viewer
    QTest.keyClick(w, Qt.Key.Key_R, CTRL | ALT)
    assert w.chain.tool.active and w.masks.buttons["rectangle"].isChecked()
    drag(v, at(w, 20, 30), at(w, 80, 90))
    (shape,) = steps(w)[0].mask.shapes
    assert np.allclose(shape.points, ((20, 30), (80, 90)), atol=1)
    settle(w)
    assert CALLS == []  # a mask of the last step blends what is there
    shown = after(w)
    assert shown[40, 60] < shown[100, 140] - 1000
    drag(v, at(w, 80, 90), at(w, 100, 120))  # its lower right handle
    drag(v, at(w, 50, 60), at(w, 60, 60))  # the whole of it
    (shape,) = steps(w)[0].mask.shapes
    assert np.allclose(shape.points, ((30, 30), (110, 120)), atol=2)
    scale = v.scale
    QTest.keyClick(v, Qt.Key.Key_Left)
    QTest.keyClick(v, Qt.Key.Key_Right, CTRL)
    (shape,) = steps(w)[0].mask.shapes
    step = 10 / scale
    assert np.allclose(shape.points, ((30, 30 - step), (110, 120)), atol=2)
    settle(w)
    assert CALLS == []
    for _ in range(5):  # one undo step for each of the drags and keys
        w.session.undo()
    assert steps(w)[0].mask is None and titles(w) == ["Half"]
    settle(w)
    assert CALLS == []


def test_shapes_are_cut_out_inverted_feathered_and_removed(picture, settle):
    w, v = picture, picture.viewer
    w.actions_by_id["mask_ellipse"].trigger()
    drag(v, at(w, 10, 10), at(w, 50, 100), SHIFT)
    (circle,) = steps(w)[0].mask.shapes
    (top, left), (bottom, right) = circle.points
    assert circle.kind == "ellipse" and bottom - top == pytest.approx(right - left, abs=0.01)
    w.actions_by_id["mask_rectangle"].trigger()
    w.actions_by_id["mask_subtract"].trigger()
    QTest.keyClick(v, Qt.Key.Key_Return)  # by keys: into the middle
    mask = steps(w)[0].mask
    assert [s.subtract for s in mask.shapes] == [False, True]
    assert np.allclose(mask.shapes[1].points, ((30, 40), (90, 120)), atol=2)
    w.actions_by_id["mask_polygon"].trigger()
    for y, x in ((100, 20), (110, 60), (70, 40)):
        QTest.mouseClick(v, LEFT, NONE, at(w, y, x))
    QTest.keyClick(v, Qt.Key.Key_Return)
    assert steps(w)[0].mask.shapes[2].kind == "polygon"
    QTest.mouseDClick(v, LEFT, NONE, at(w, 105, 40))  # on its edge: a corner more
    assert len(steps(w)[0].mask.shapes[2].points) == 4
    w.masks.feather.change(12.0)
    w.actions_by_id["mask_invert"].trigger()
    assert steps(w)[0].mask.feather == 12 and steps(w)[0].mask.invert
    red = v.grab().toImage().pixelColor(at(w, 5, 150))
    w.actions_by_id["mask_tint"].trigger()
    grey = v.grab().toImage().pixelColor(at(w, 5, 150))
    assert red.red() > red.green() + 30 and grey.red() == grey.green()
    QTest.keyClick(v, Qt.Key.Key_N)
    QTest.keyClick(v, Qt.Key.Key_Delete)
    assert len(steps(w)[0].mask.shapes) == 2
    QTest.keyClick(v, Qt.Key.Key_Escape)
    QTest.keyClick(v, Qt.Key.Key_Escape)
    assert not w.chain.tool.active and not w.session.state.view.masking
    w.actions_by_id["mask_remove"].trigger()
    assert steps(w)[0].mask is None
    settle(w)


def test_strokes_are_painted_and_painted_out(picture, settle):
    w, v = picture, picture.viewer
    QTest.mouseClick(w.panel.where, LEFT)
    assert w.masks.isVisible() and not w.masks.brush.isVisible()
    QTest.mouseClick(w.masks.buttons["stroke"], LEFT)
    assert w.masks.brush.isVisible() and w.chain.tool.width == w.masks.brush.value == 7
    w.masks.brush.change(20.0)
    drag(v, at(w, 30, 30), at(w, 30, 100))
    (stroke,) = steps(w)[0].mask.shapes
    assert stroke.kind == "stroke" and stroke.width == 20 and len(stroke.points) >= 3
    assert np.allclose(stroke.points[-1], (30, 100), atol=1)
    QTest.mouseClick(v, LEFT, SHIFT, at(w, 90, 100))  # straight on from where it ended
    assert np.allclose(steps(w)[0].mask.shapes[1].points, ((30, 100), (90, 100)), atol=1)
    QTest.keyClick(v, Qt.Key.Key_BracketLeft)
    QTest.keyClick(v, Qt.Key.Key_X)
    assert w.chain.tool.width < 20 and w.masks.buttons["subtract"].isChecked()
    QTest.mouseClick(v, LEFT, NONE, at(w, 30, 60))  # a dab
    dab = steps(w)[0].mask.shapes[2]
    assert dab.subtract and len(dab.points) == 1
    weights = steps(w)[0].mask.weights(Region.whole(120, 160))
    assert weights[30, 40] == weights[60, 100] == 1 and weights[30, 60] == weights[90, 20] == 0
    settle(w)
    assert CALLS == []  # what a stroke uncovers was computed
    shown = after(w)
    assert shown[30, 40] < shown[30, 60] - 1000
    for count in (2, 1, 0):
        QTest.keyClick(w, Qt.Key.Key_Z, CTRL)
        assert len(steps(w)[0].mask.shapes if steps(w)[0].mask else ()) == count
    QTest.mouseClick(w.masks.done, LEFT)
    assert not w.masks.isVisible() and v.tool is None
    settle(w)


def test_a_gradient_is_drawn_and_turned(picture, settle):
    w, v = picture, picture.viewer
    QTest.keyClick(w, Qt.Key.Key_G, CTRL | ALT)
    drag(v, at(w, 20, 40), at(w, 100, 50), SHIFT)  # straight down
    (fall,) = steps(w)[0].mask.shapes
    assert fall.kind == "gradient"
    assert np.allclose(fall.points, ((20, 40), (100, 40)), atol=1)
    drag(v, at(w, 100, 40), at(w, 60, 120))  # its end
    drag(v, at(w, 40, 80), at(w, 50, 80))  # on its line: the whole
    assert np.allclose(steps(w)[0].mask.shapes[0].points, ((30, 40), (70, 120)), atol=2)
    QTest.keyClick(v, Qt.Key.Key_Down, CTRL)
    far = 10 / v.scale
    assert np.allclose(steps(w)[0].mask.shapes[0].points, ((30, 40), (70 + far, 120)), atol=2)
    settle(w)
    shown = after(w)
    assert CALLS == [] and shown[5, 5] < shown[110, 150] - 1000


def test_a_stroke_is_chosen_widened_moved_and_removed(picture, settle):
    w, v = picture, picture.viewer
    QTest.keyClick(w, Qt.Key.Key_B, CTRL | ALT)
    w.masks.brush.change(30.0)
    drag(v, at(w, 60, 40), at(w, 60, 110))
    QTest.keyClick(v, Qt.Key.Key_Escape)
    assert not w.masks.brush.isVisible()
    QTest.mouseClick(v, LEFT, NONE, at(w, 50, 80))
    assert w.chain.tool.chosen == 0 and w.masks.brush.isVisible()
    QTest.keyClick(v, Qt.Key.Key_BracketRight)
    assert steps(w)[0].mask.shapes[0].width == pytest.approx(34.5)
    before = steps(w)[0].mask.shapes[0].points
    QTest.keyClick(v, Qt.Key.Key_Down)
    moved = np.subtract(steps(w)[0].mask.shapes[0].points, before)
    assert np.allclose(moved, (10 / v.scale, 0), atol=0.01)
    QTest.keyClick(v, Qt.Key.Key_Delete)
    assert steps(w)[0].mask is None
    settle(w)


def test_a_mask_belongs_to_its_step(picture, settle):
    w = picture
    w.chain.add("fast")
    w.chain.mask(Mask((Shape("rectangle", ((0.0, 0.0), (9.0, 9.0))),)), True)
    w.chain.edit_mask(True)
    assert w.chain.tool.mask is not None and w.panel.where.text() == "1 shape"
    w.chain.choose(0)
    assert w.chain.tool.mask is None and w.panel.where.text() == "Whole picture"
    assert said(w, 1) == "mask"
    point = at(w, 60, 80)
    drag(w.viewer, point, point + QPoint(30, 0))  # nothing there: the picture's business
    assert steps(w)[0].mask is None
    settle(w)


def test_a_turned_picture_is_drawn_in_as_it_is_seen(viewer, load, seen, qtbot):
    from gui.mask_tool import MaskTool

    load(np.full((60, 90, 3), 30000, np.uint16), orientation=6)
    tool = MaskTool(viewer)
    told = []
    tool.edited.connect(lambda mask, final: (told.append((mask, final)), tool.set_mask(mask, True)))
    tool.set_mask(None, True)
    tool.arm("rectangle")
    frame = viewer.frame_at(QPointF(1, 1))
    places = [frame.device(y, x) for y, x in ((10, 20), (30, 70))]
    points = [QPoint(round(x), round(y)) for y, x in places]
    drag(viewer, points[0], points[1])
    mask, final = told[-1]
    assert final and [f for _, f in told[:-1]] == [False] * (len(told) - 1)
    ys, xs = zip(*mask.shapes[0].points, strict=True)
    assert (min(ys), max(ys)) == pytest.approx((10, 30), abs=1)
    assert (min(xs), max(xs)) == pytest.approx((20, 70), abs=1)
    pixels = seen().astype(int)
    v, u = (round(n) for n in frame.device(20, 45))
    assert pixels[v, u, 0] > pixels[v, u, 1] + 30
    v, u = (round(n) for n in frame.device(50, 45))
    assert abs(pixels[v, u, 0] - pixels[v, u, 1]) < 3
