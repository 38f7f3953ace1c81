from __future__ import annotations

import os

import numpy as np
import pytest
from PySide6.QtCore import QSettings
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

import resources
from core.tiles import Region

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # no screen is needed


def binned(store, level):
    height, width = store.shape[:2]
    rows, cols = -(-height // level), -(-width // level)
    pad = (0, rows * level - height), (0, cols * level - width), (0, 0)
    blocks = np.pad(store, pad, mode="edge").reshape(rows, level, cols, level, 3)
    return blocks.mean((1, 3)).astype(np.uint16)


@pytest.fixture
def viewer(qtbot):
    """An empty viewer, 400 x 300."""
    from gui.viewer import Viewer

    widget = Viewer()
    qtbot.addWidget(widget)
    widget.resize(400, 300)
    widget.show()
    return widget


@pytest.fixture
def load(viewer):
    """Puts a store before, one after (default: the same) into the viewer at all levels."""

    def put(before, after=None, orientation=1, levels=(1,)):
        whole = Region.whole(*before.shape[:2])
        viewer.set_image(*before.shape[:2], orientation, levels)
        for level in levels:
            viewer.put("before", level, whole, binned(before, level))
            viewer.put("after", level, whole, binned(before if after is None else after, level))

    return put


@pytest.fixture
def seen(viewer):
    """The viewer's pixels as an RGB array, or those of a QImage."""

    def pixels(image=None):
        image = viewer.grab().toImage() if image is None else image
        image = image.convertToFormat(QImage.Format.Format_RGB888)
        data = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
        return data[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()

    return pixels


@pytest.fixture
def window(qtbot, tmp_path):
    """The whole program, plugins loaded; its settings are in tmp_path."""
    from gui import theme
    from gui.app import build

    theme.apply(QApplication.instance())
    settings = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    window = build(settings, tmp_path)
    qtbot.addWidget(window, before_close_func=lambda w: w.bridge.close())
    failures: list[tuple[str, str]] = []
    window.bridge.failed.connect(lambda what, why: failures.append((what, why)))
    window.failures = failures
    window.resize(1200, 800)
    window.show()
    window.begin([])
    qtbot.waitUntil(lambda: window.registry is not None, timeout=20_000)
    return window


@pytest.fixture
def settle(qtbot):
    """Until nothing runs for the open image and statistics are there."""

    def wait(window):
        qtbot.waitUntil(lambda: not window.bridge.busy, timeout=90_000)
        assert window.failures == []

    return wait


@pytest.fixture
def opened(window, qtbot, settle):
    """The window with the Bayer sample open."""
    window.open(str(resources.path("samples/bayer_iso12800.dng")))
    qtbot.waitUntil(lambda: window.session.document is not None, timeout=30_000)
    settle(window)
    return window


@pytest.fixture
def picture(window, qtbot, settle, tmp_path):
    """The window with a small grey picture and a step `half`; two more methods to choose from."""
    from tests.gui.chains import CALLS, Half, Minus

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
