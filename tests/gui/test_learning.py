"""Learning in the window: a setting, undone, stopped with the best so far, exported alike."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from core.cli import main
from core.format import Output
from core.learn.lesson import Lesson
from core.noise.model import PoissonGaussian
from core.recipe import to_json

SIGMA = 20.0


@pytest.fixture
def opened(window, qtbot, tmp_path):
    y, x = np.mgrid[:300, :340]
    clean = 120 + 40 * np.sign(np.sin(x / 2.7) * np.sin(y / 3.1 + x / 9.0))
    noise = SIGMA * np.random.default_rng(0).standard_normal(clean.shape)
    path = tmp_path / "weave.png"
    cv2.imwrite(str(path), np.clip(clean + noise, 0, 255).astype(np.uint8))
    window.open(str(path))
    qtbot.waitUntil(lambda: window.session.document is not None, timeout=20_000)
    qtbot.waitUntil(lambda: window.session.document.noise is not None, timeout=20_000)
    window.edits.noise(PoissonGaussian((0.0,), (SIGMA,)))
    window.chain.method(window.registry.methods["unet"](strength=0.9), True)
    return window


def settled(window, qtbot):
    qtbot.waitUntil(lambda: not window.learning.running, timeout=120_000)


def test_learned_undone_and_exported_alike(opened, qtbot, tmp_path, capsys):
    w, row = opened, opened.panel.rows["learn"]
    before = w.session.document.recipe
    assert row.button.text().startswith("Learn from this image, ")
    assert row.found.isHidden()
    row.button.click()
    assert row.button.text() == "Cancel, keep the best"
    qtbot.waitUntil(lambda: w.status._bar.value() > 80, timeout=120_000)
    w.actions_by_id["cancel"].trigger()
    settled(w, qtbot)
    method = w.session.document.recipe.steps[-1].method
    lesson = Lesson.parse(method.learn)
    assert 0 < lesson.steps < lesson.planned == 150
    assert "fell by" in w.status.words
    assert w.status.words == row.found.text()
    assert method.strength == 0.9
    w.session.undo()
    assert w.session.document.recipe == before
    assert row.found.isHidden()
    w.session.redo()
    assert row.found.text() == w.learning.found.words
    row.reset.click()
    assert w.session.document.recipe == before
    w.session.undo()

    window_file, recipe = tmp_path / "window.tif", tmp_path / "recipe.json"
    with qtbot.waitSignal(w.bridge.exported, timeout=120_000):
        w.bridge.export(str(window_file), Output())
    d = w.session.document
    recipe.write_text(json.dumps(to_json(d.recipe, d.noise)))
    by_hand = tmp_path / "line.tif"
    args = ["denoise", d.image.path, "-o", str(by_hand), "--recipe", str(recipe)]
    assert main(args) == 0
    assert w.learning.found.words in capsys.readouterr().err
    pair = [cv2.imread(str(each), cv2.IMREAD_UNCHANGED) for each in (window_file, by_hand)]
    np.testing.assert_array_equal(*pair)


def test_another_picture_or_step_stops_it(opened, qtbot):
    w = opened
    w.actions_by_id["learn"].trigger()
    assert w.learning.running
    w.chain.method(w.registry.methods["fast"](), True)
    assert not w.learning.running
    w.actions_by_id["learn"].trigger()
    assert not w.learning.running
    assert "choose Network" in w.status.words
