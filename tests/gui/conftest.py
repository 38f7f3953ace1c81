from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtGui import QImage

from core.tiles import Region


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
