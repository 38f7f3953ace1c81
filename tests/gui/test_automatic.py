"""The automatic choice in the window: by the budget, once more when the noise is known."""

from __future__ import annotations

from dataclasses import replace

import resources
from core.noise.measured import ChannelFit, Measured, Pattern
from core.noise.model import PoissonGaussian

SAMPLE = resources.path("samples/bayer_iso12800.dng")


def method_of(window):
    return window.session.document.recipe.steps[-1].method.id()


def test_budget_is_kept_and_chooses_at_once(window, qtbot):
    assert window.actions_by_id["budget_balanced"].isChecked()
    assert window.panel.auto.menu().actions()[0] is window.actions_by_id["reset"]
    window.open(str(SAMPLE))
    qtbot.waitUntil(lambda: window.session.document is not None, timeout=20_000)
    assert method_of(window) == "dct"
    window.actions_by_id["budget_fast"].trigger()
    assert method_of(window) == "fast"
    assert window.automatic.budget == "fast"
    assert "quickest" in window.status.words
    window.session.undo()
    assert method_of(window) == "dct"
    window.actions_by_id["reset"].trigger()
    assert method_of(window) == "fast"


def test_chosen_again_when_the_noise_is_known(window, qtbot):
    w = window
    w.actions_by_id["budget_best"].trigger()
    w.open(str(SAMPLE))
    qtbot.waitUntil(lambda: w.session.document is not None, timeout=20_000)
    d = w.session.document
    w.bridge.cancel()
    assert method_of(w) == "mosaic"
    fit = ChannelFit("R", 0.0, 9.0, None, "doubtful", "")
    noise = PoissonGaussian((0.0,), (9.0,))
    grain = Measured(noise, (fit,), pattern=Pattern(((1.0, 0.5), (0.5, 0.2))))
    w.session.open(replace(d, noise=None, measured=None))
    w.session.take_noise(grain, flat=False)
    qtbot.waitUntil(lambda: method_of(w) == "dct")
    assert "correlated" in w.status.words
    assert not w.session.can_undo
    w.session.open(replace(d, noise=None, measured=None))
    w.chain.amount(0.5, True)  # the user's own wish stays
    w.session.take_noise(grain, flat=False)
    qtbot.wait(20)
    assert method_of(w) == "mosaic"
