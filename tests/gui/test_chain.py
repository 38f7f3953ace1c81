"""Chains by mouse and keys: steps, masks drawn in the picture, further images, other layers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core.image import Image
from core.mask import Mask, Shape
from core.method import Method, Needs
from core.show import ShowAfter
from core.tiles import Region
from gui.chain import _whole
from gui.step_list import NOTES, ROW
from gui.viewer import Compare

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
CTRL, SHIFT, ALT = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.AltModifier,
)
CALLS: list[Method] = []


class Half(Method):
    """Half the signal, and where it was."""

    title = "Half"
    domain = "signal"
    tensors = False
    kinds = ("photo", "raw", "array")

    def needs(self, image):
        return Needs(tile=64)

    def run(self, tile, state, ctx):
        CALLS.append(self)
        return {"image": tile / 2, "sigma": np.abs(tile)}


class Minus(Half):
    """Minus a dark frame."""

    title = "Minus"
    inputs = ("dark",)

    def run(self, tile, state, ctx):
        CALLS.append(self)
        return tile - ctx.inputs["dark"]


Half.id = classmethod(lambda cls: cls.title.lower())


@pytest.fixture
def picture(window, qtbot, settle, tmp_path):
    """The window with a small grey picture and a step `half`; two more methods to choose from."""
    values = np.random.default_rng(0).normal(1000, 20, (120, 160)).astype(np.float32)
    for name, pixels in (("picture", values), ("dark", values / 4), ("small", values[:50])):
        np.save(tmp_path / f"{name}.npy", pixels)
    window.registry.methods.update({"half": Half, "minus": Minus})
    window.panel.set_methods(window.registry.methods)
    window.open(str(tmp_path / "picture.npy"))
    qtbot.waitUntil(lambda: window.session.document is not None, timeout=30_000)
    settle(window)
    window.chain.method(Half(), True)
    settle(window)
    CALLS.clear()
    return window


def steps(window):
    return window.session.document.recipe.steps


def titles(window):
    return [step.method.title for step in steps(window)]


def said(window, at):
    """What a line of the list says at its end."""
    return window.panel.steps.list.item(at).data(NOTES)


def row(window, at):
    return QPoint(80, at * ROW + ROW // 2)


def at(window, y, x):
    """The point of the widget over a sensor position."""
    v, u = window.viewer.frame_at(QPointF(1, 1)).device(y, x)
    return QPoint(round(u), round(v))


def drag(widget, start, end, modifier=NONE):
    QTest.mousePress(widget, LEFT, modifier, start)
    for part in (0.3, 0.7, 1.0):
        QTest.mouseMove(widget, start + (end - start) * part)
    QTest.mouseRelease(widget, LEFT, modifier, end)


def after(window):
    """What is shown as after, in 16 bits."""
    level = window.viewer.wanted()[0][1]
    canvas = window.viewer._layers._canvases["after", level]
    return canvas.pixels[..., 1].astype(float)


# --- steps -------------------------------------------------------------------------------------


def test_steps_are_added_chosen_switched_moved_and_removed(picture, settle):
    w, lines = picture, picture.panel.steps.list
    w.panel.steps._menu.actions()[list(w.registry.methods).index("half")].trigger()
    w.chain.method(w.registry.methods["fast"](), True)
    assert titles(w) == ["Half", "Fast"] and w.session.state.at == 1
    assert w.panel.chooser.currentText() == "Fast"
    QTest.mouseClick(lines.viewport(), LEFT, NONE, row(w, 0))
    assert w.session.state.at == 0 and w.panel.chooser.currentText() == "Half"
    lines.setFocus()
    QTest.keyClick(lines, Qt.Key.Key_Space)
    assert [s.enabled for s in steps(w)] == [False, True]
    QTest.keyClick(lines, Qt.Key.Key_Down, ALT)
    assert titles(w) == ["Fast", "Half"] and w.session.state.at == 1
    drag(lines.viewport(), row(w, 1), QPoint(80, 2))
    assert titles(w) == ["Half", "Fast"] and w.session.state.at == 0
    QTest.keyClick(w, Qt.Key.Key_D, CTRL)
    assert titles(w) == ["Half", "Half", "Fast"] and w.session.state.at == 1
    QTest.keyClick(w, Qt.Key.Key_PageDown, CTRL)
    assert w.session.state.at == 2
    QTest.keyClick(w, Qt.Key.Key_PageUp, CTRL | SHIFT)
    assert titles(w) == ["Half", "Fast", "Half"]
    lines.setFocus()
    QTest.keyClick(lines, Qt.Key.Key_Delete)
    assert titles(w) == ["Half", "Half"]
    w.session.undo()
    assert titles(w) == ["Half", "Fast", "Half"]
    while w.session.can_undo:
        w.session.undo()
    assert len(steps(w)) == 1
    settle(w)


def test_settings_and_amount_are_those_of_the_step_in_hand(picture, settle):
    w = picture
    w.chain.add("fast")
    w.panel.rows["strength"].change(2.0)
    QTest.keyClick(w.viewer, Qt.Key.Key_Comma)
    w.chain.choose(0)
    assert w.panel.amount.value == 100 and "strength" not in w.panel.rows
    assert steps(w)[1].method.strength == 2.0 and steps(w)[1].amount == 0.95
    settle(w)
    text = w.recipes.text()
    w.chain.choose(1)
    w.chain.remove()
    w.recipes.use(text)
    assert titles(w) == ["Half", "Fast"] and steps(w)[1].amount == 0.95
    settle(w)


def test_a_change_in_a_late_step_computes_from_there(picture, settle):
    w = picture
    w.chain.add("fast")
    settle(w)
    CALLS.clear()
    w.panel.rows["strength"].change(2.0)
    w.panel.amount.change(50.0)
    settle(w)
    assert CALLS == []  # the first step's tiles are there
    w.chain.switch(1, False)
    settle(w)
    assert CALLS == []


# --- masks -------------------------------------------------------------------------------------


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


# --- further images ----------------------------------------------------------------------------


def choose(monkeypatch, path):
    from PySide6.QtWidgets import QFileDialog

    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))


def test_a_step_is_off_until_it_has_its_image(picture, settle, qtbot, monkeypatch, tmp_path):
    w = picture
    w.chain.add("minus")
    assert not steps(w)[1].enabled and said(w, 1) == "needs dark"
    settle(w)
    w.chain.switch(1, True)
    assert w.status.words == "Choose the dark image first." and not steps(w)[1].enabled
    choose(monkeypatch, tmp_path / "small.npy")
    QTest.mouseClick(w.panel.inputs.buttons["dark"], LEFT)
    qtbot.waitUntil(lambda: "size of the picture: 160 × 120" in w.status.words, timeout=20_000)
    choose(monkeypatch, tmp_path / "none.npy")
    QTest.mouseClick(w.panel.inputs.buttons["dark"], LEFT)
    qtbot.waitUntil(lambda: "none.npy does not exist" in w.status.words, timeout=20_000)
    choose(monkeypatch, tmp_path / "dark.npy")
    QTest.mouseClick(w.panel.inputs.buttons["dark"], LEFT)
    qtbot.waitUntil(lambda: steps(w)[1].enabled, timeout=20_000)
    settle(w)
    assert w.panel.inputs.buttons["dark"].text() == "dark.npy"
    text = w.recipes.text()
    assert json.loads(text)["steps"][1]["inputs"] == {"dark": str(tmp_path / "dark.npy")}
    w.session.undo()
    assert not steps(w)[1].enabled
    w.recipes.use(text)
    qtbot.waitUntil(lambda: steps(w)[1].enabled, timeout=20_000)
    settle(w)
    w.panel.inputs.cleared.emit("dark")
    assert not steps(w)[1].enabled and steps(w)[1].inputs == ()


def test_what_is_remembered_brings_its_images(picture, settle, qtbot, monkeypatch, tmp_path):
    w = picture
    choose(monkeypatch, tmp_path / "dark.npy")
    w.actions_by_id["mask_image"].trigger()
    qtbot.waitUntil(lambda: steps(w)[0].mask is not None, timeout=20_000)
    assert w.panel.where.text() == "dark.npy"
    settle(w)
    w.open(str(tmp_path / "picture.npy"))
    qtbot.waitUntil(lambda: not w.session.can_undo and w.session.document is not None)
    settle(w)
    assert steps(w)[0].mask.image.path == str(tmp_path / "dark.npy")
    w.chain.amount(0.5, True)
    (tmp_path / "dark.npy").unlink()
    w.open(str(tmp_path / "picture.npy"))
    qtbot.waitUntil(lambda: not w.session.can_undo, timeout=20_000)
    assert steps(w)[0].mask is None  # what is chosen for the picture, and it is said why


def test_the_image_of_another_picture_is_not_taken(picture, qtbot, tmp_path):
    w, got = picture, []
    w.chain.fetch(str(tmp_path / "dark.npy"), got.append)
    w.documents.close()
    qtbot.waitUntil(lambda: not w.bridge._guests, timeout=20_000)
    assert got == []


def test_a_missing_image_switches_off_and_on(picture):
    from core.recipe import Step

    bare = _whole(Step(Minus()))
    assert not bare.enabled
    image = Image(np.zeros((2, 2)))
    given = _whole(bare.with_input("dark", image), bare)
    assert given.enabled and not _whole(given.with_input("dark", None), given).enabled


# --- layers ------------------------------------------------------------------------------------


def test_another_layer_is_seen_and_left(picture, settle, monkeypatch):
    w, works = picture, []
    submit = w.bridge._engine.submit
    w.bridge._engine.submit = lambda work, lane, rank=0: (
        works.append(work), submit(work, lane, rank))[1]  # fmt: skip
    assert w.layer.isVisible() and w.layer.names == ("sigma",)
    w.compare(Compare.DIFFERENCE)
    QTest.keyClick(w, Qt.Key.Key_Y)
    assert w.session.state.view.layer == "sigma" and w.viewer.compare is Compare.AFTER
    settle(w)
    assert [x.layer for x in works if isinstance(x, ShowAfter)][-1] == "sigma"
    assert CALLS == []  # it was found with the picture
    assert w.viewer._other is not None and w.viewer._other_words.startswith("sigma: ")
    assert w.layer.currentText() == "Sigma"
    w.chain.method(w.registry.methods["fast"](), True)  # which has no such layer
    settle(w)
    assert w.session.state.view.layer == "image" and not w.layer.isVisible()
    assert w.viewer._other is None
    QApplication.processEvents()
