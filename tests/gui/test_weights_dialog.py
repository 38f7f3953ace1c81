"""Importing a network in the window: asked, tried, in the list of methods, used."""

from __future__ import annotations

import numpy as np

import resources
from core.learn import weights

SAMPLE = resources.path("samples/bayer_iso12800.dng")


def test_imported_and_used(window, qtbot, tmp_path, monkeypatch):
    monkeypatch.setenv("SORDINO_PLUGINS", str(tmp_path / "plugins"))
    (tmp_path / "plugins").mkdir()
    first, last = np.zeros((2, 1, 3, 3), np.float32), np.zeros((1, 2, 3, 3), np.float32)
    first[0, 0, 1, 1], first[1, 0, 1, 1] = 1, -1
    last[0, 0], last[0, 1] = -1 / 9, 1 / 9
    last[0, :, 1, 1] += (1, -1)
    path = tmp_path / "mean.safetensors"
    weights.save(path, {"model.0.weight": first, "model.2.weight": last})
    window.open(str(SAMPLE))
    qtbot.waitUntil(lambda: window.registry is not None, timeout=20_000)
    qtbot.waitUntil(lambda: window.session.document is not None, timeout=20_000)
    qtbot.waitUntil(lambda: window.session.document.noise is not None, timeout=20_000)
    window.import_network(path)
    dialog = window.weights
    dialog.begin()
    assert not dialog.running
    assert "name the licence" in dialog.state.text()
    dialog.licence.setText("MIT")
    dialog.noise.setText("much")
    dialog.begin()
    assert "SIGMA or LOW-HIGH" in dialog.state.text()
    dialog.noise.setText("15-50")
    dialog.begin()
    assert dialog.running
    qtbot.waitUntil(lambda: "net_mean" in window.registry.methods, timeout=60_000)
    assert "mean (dncnn, grey, not told" in window.status.words
    assert window.panel.chooser.findData("net_mean") >= 0
    shown = []
    window.bridge.after_shown.connect(shown.append)
    window.chain.method(window.registry.methods["net_mean"](), True)
    qtbot.waitUntil(lambda: bool(shown) and not window.bridge.busy, timeout=120_000)
    assert not window.bridge._again
