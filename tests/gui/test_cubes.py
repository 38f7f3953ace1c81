"""Cubes in the window: bands, spectra before and after, ways to look, a guarded target."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

BANDS, EDGE = 24, 40
HEADER = """ENVI
samples = {edge}
lines = {edge}
bands = {bands}
data type = 4
interleave = bsq
byte order = 0
wavelength units = nanometers
wavelength = {{{waves}}}
"""


@pytest.fixture
def cube(window, qtbot, settle, tmp_path):
    """The window with a small ENVI cube open: two materials and white noise."""
    rng = np.random.default_rng(1)
    at = np.linspace(0, 1, BANDS)
    two = 300 + 100 * np.stack([np.sin(4 * at), np.cos(6 * at)])
    share = np.tile(np.linspace(0, 1, EDGE), (EDGE, 1))
    clean = two[0][:, None, None] * share + two[1][:, None, None] * (1 - share)
    clean[:, 20, 20] += 150 * (at > 0.5)
    pixels = (clean + rng.normal(0, 5, clean.shape)).astype("<f4")
    waves = ", ".join(f"{v:.0f}" for v in np.linspace(430, 890, BANDS))
    (tmp_path / "cube.hdr").write_text(HEADER.format(edge=EDGE, bands=BANDS, waves=waves))
    pixels.tofile(tmp_path / "cube.img")
    window.open(str(tmp_path / "cube.img"))
    qtbot.waitUntil(lambda: window.session.document is not None, timeout=30_000)
    settle(window)
    window.pixels = pixels
    return window


def front(window):
    return window.session.state.view.front


def test_the_band_slider_says_colours_until_a_band_is_asked_for(cube, settle):
    (row,) = cube.slices.rows
    assert row.number.text() == f"colours / {BANDS}" and row.place.text() == ""
    assert row.slider._empty and front(cube) == ()
    QTest.keyClick(cube.viewer, Qt.Key.Key_PageUp)
    assert front(cube) == ((0, 1),) and row.number.text() == f"1 / {BANDS}"
    assert row.place.text() == "430 nm" and not row.slider._empty
    QTest.keyClick(row.slider, Qt.Key.Key_End)
    assert row.place.text() == "890 nm"
    row.number.setValue(1)
    row.number.stepDown()
    assert front(cube) == () and row.number.text() == f"colours / {BANDS}"
    settle(cube)
    assert cube.viewer.state_at_view() == "full"
