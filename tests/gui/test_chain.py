"""Chains by mouse and keys: steps, further images, other layers."""

from __future__ import annotations

import json

import numpy as np
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core.image import Image
from core.show import ShowAfter
from gui.chain import _whole
from gui.viewer import Compare
from tests.gui.chains import (
    ALT,
    CALLS,
    CTRL,
    LEFT,
    NONE,
    SHIFT,
    Minus,
    drag,
    row,
    said,
    steps,
    titles,
)

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


def test_a_burst_takes_several_files(picture, settle, qtbot, monkeypatch, tmp_path):
    from PySide6.QtWidgets import QFileDialog

    w = picture
    path, values = w.session.document.image.path, w.session.document.image.pixels
    others = [str(tmp_path / f"frame{n}.npy") for n in range(2)]
    for other in others:
        np.save(other, values)
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([path, *others], ""))
    w.chain.add("burst")
    assert type(steps(w)[0].method).id() == "burst" and steps(w)[0].enabled
    button = w.panel.inputs.buttons["frames"]
    assert button.text() == "Choose files…"
    QTest.mouseClick(button, LEFT)
    qtbot.waitUntil(lambda: len(steps(w)[0].series("frames")) == 2, timeout=20_000)
    assert w.panel.inputs.buttons["frames"].text() == "2 files"
    settle(w)
    assert json.loads(w.recipes.text())["steps"][0]["inputs"] == {"frames": others}
    assert w.trouble.words == ""
    w.panel.inputs.cleared.emit("frames")
    assert steps(w)[0].inputs == () and steps(w)[0].enabled
    settle(w)


def test_a_burst_and_dark_frames_in_one_go(picture, settle, qtbot, monkeypatch, tmp_path):
    from PySide6.QtWidgets import QFileDialog

    w, values = picture, picture.session.document.image.pixels
    others = [str(tmp_path / f"frame{n}.npy") for n in range(2)]
    for other in others:
        np.save(other, values)
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: (others, ""))
    for name, ids in (("burst", ["burst", "half"]), ("dark", ["dark", "burst", "half"])):
        w.actions_by_id[name].trigger()
        qtbot.waitUntil(lambda ids=ids: len(steps(w)) == len(ids), timeout=20_000)
        assert [type(step.method).id() for step in steps(w)][:-1] == ids[:-1]
        assert len(steps(w)[0].series("frames")) == 2 and w.session.state.at == 0
        settle(w)
    assert w.trouble.words == ""
    np.save(others[1], values[:50])
    w.actions_by_id["burst"].trigger()
    qtbot.waitUntil(lambda: "size" in w.trouble.words + w.status.words, timeout=20_000)
    assert len(steps(w)) == 3


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
    w.chain.fetch([str(tmp_path / "dark.npy")], got.append)
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
