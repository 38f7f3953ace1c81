"""Suggested settings: marked, taken by one key, undone, forgotten when they are true no more."""

from __future__ import annotations

import pytest

import resources
from core.noise.model import PoissonGaussian

SAMPLE = resources.path("samples/bayer_iso12800.dng")


@pytest.fixture
def opened(window, qtbot):
    window.open(str(SAMPLE))
    qtbot.waitUntil(lambda: window.session.document is not None, timeout=20_000)
    qtbot.waitUntil(lambda: window.session.document.noise is not None, timeout=20_000)
    window.chain.method(window.registry.methods["fast"](strength=2.0), True)
    return window


def suggest(window, qtbot):
    window.actions_by_id["tune"].trigger()
    assert window.tuning.running
    qtbot.waitUntil(lambda: not window.tuning.running, timeout=60_000)


def test_suggested_taken_undone(opened, qtbot):
    w, method = opened, opened.session.document.recipe.steps[-1].method
    assert w.panel.tune.text().startswith("Suggest, ")
    w.actions_by_id["take"].trigger()
    assert "Nothing is suggested" in w.status.words
    suggest(w, qtbot)
    row = w.panel.rows["strength"]
    assert w.status.words.startswith("Suggested from the noise model: strength")
    assert row.suggestion == pytest.approx(w.tuning.found.settings["strength"], abs=0.02)
    assert 0.6 < row.suggestion < 1.3
    assert not row.hint.isHidden()
    assert w.session.document.recipe.steps[-1].method == method  # nothing is changed by it
    w.actions_by_id["take"].trigger()
    assert w.session.document.recipe.steps[-1].method.strength == row.suggestion
    assert w.panel.rows["chroma"].value == w.panel.rows["chroma"].suggestion
    w.session.undo()
    assert w.session.document.recipe.steps[-1].method == method
    assert row.suggestion is not None  # still true
    w.edits.noise(PoissonGaussian((9.0,) * 3, (50.0,) * 3))
    assert row.suggestion is None
    assert w.tuning.found is None


def test_cancelled_and_without_strength(opened, qtbot):
    w = opened
    w.actions_by_id["tune"].trigger()
    assert w.panel.tune.text() == "Cancel"
    w.actions_by_id["cancel"].trigger()
    assert not w.tuning.running
    w.actions_by_id["tune"].trigger()
    w.chain.method(w.registry.methods["mppca"](), True)
    assert not w.tuning.running
    assert w.panel.tune.isHidden()
    w.actions_by_id["tune"].trigger()
    assert not w.tuning.running
