"""Cubes in the window: bands, spectra before and after, ways to look, a guarded target."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QInputDialog

from core.library import read
from core.render import Renderer, assemble
from core.tiles import Region

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


def at(window, y, x):
    """Where a pixel lies in the viewer."""
    v, u = window.viewer._panes()[0].view.device(y + 0.5, x + 0.5)
    return QPoint(round(u), round(v))


def point(window, qtbot, y, x):
    for place in ((y + 3, x + 3), (y, x)):  # it may be there from the test before
        QTest.mouseMove(window.viewer, at(window, *place))
    qtbot.waitUntil(lambda: known(window, "pixel", y, x), timeout=20_000)


def known(window, name, y, x):
    found = window.cubes._found.get(name)
    return bool(found and (found.region.y0, found.region.x0) == (y, x) and found.after is not None)


def rect(window, qtbot, y0, x0, y1, x1):
    shift = Qt.KeyboardModifier.ShiftModifier
    QTest.mousePress(window.viewer, Qt.MouseButton.LeftButton, shift, at(window, y0, x0))
    QTest.mouseMove(window.viewer, at(window, y1 - 1, x1 - 1))
    QTest.mouseRelease(window.viewer, Qt.MouseButton.LeftButton, shift, at(window, y1 - 1, x1 - 1))


def test_the_dock_is_there_for_cubes_only(cube, qtbot, settle, tmp_path):
    assert cube.cubes.dock.isVisible() and cube.cubes.bands.isVisible()
    np.save(tmp_path / "plain.npy", cube.pixels[0])
    cube.open(str(tmp_path / "plain.npy"))
    qtbot.waitUntil(lambda: cube.session.document.image.axes == "yx", timeout=30_000)
    settle(cube)
    qtbot.waitUntil(lambda: not cube.cubes.dock.isVisible())
    assert not cube.cubes.bands.isVisible()


def test_spectra_under_the_pointer_and_of_an_area_before_and_after(cube, qtbot):
    point(cube, qtbot, 11, 7)
    found = cube.cubes._found["pixel"]
    assert found.before == pytest.approx(cube.pixels[:, 11, 7], rel=1e-6)
    d = cube.session.document
    exact = assemble(
        Renderer(d.image, d.noise, d.recipe, cube.bridge._desk), Region.whole(EDGE, EDGE)
    )
    assert found.after == pytest.approx(exact[:, 11, 7], rel=1e-6)
    marks = cube.cubes.panel.removed.sketch.marks
    assert any(np.allclose(one.y, found.before - found.after) for one in marks[1:])
    assert cube.cubes.panel.spectra.sketch.x == ("Wavelength", "nm")
    rect(cube, qtbot, 5, 6, 15, 20)
    qtbot.waitUntil(lambda: "area" in cube.cubes._found, timeout=20_000)
    roi = cube.session.state.view.roi
    area = cube.cubes._found["area"]
    assert area.before == pytest.approx(cube.pixels[(slice(None), *roi.slices)].mean((1, 2)))
    QTest.keyClick(cube.viewer, Qt.Key.Key_K)
    assert len(cube.cubes.panel.spectra.sketch.marks) > 4 and cube.cubes._kept


def test_noise_and_snr_of_each_band(cube, qtbot):
    qtbot.waitUntil(lambda: cube.cubes._statistics is not None, timeout=20_000)
    found = cube.cubes._statistics
    assert np.median(found.noise_before) == pytest.approx(5, rel=0.15)
    assert np.median(found.noise_after) < 3
    curve = cube.cubes.panel.quality.sketch.marks[1]
    assert curve.y == pytest.approx(20 * np.log10(found.snr[1]))


def test_bands_and_eigen_images_are_chosen_in_the_strip(cube, qtbot, settle):
    bands = cube.cubes.bands
    assert bands.mode.currentText() == "Colours: visible range"
    assert [label.text() for label in bands.lengths] == ["630 nm", "550 nm", "450 nm"]
    bands.numbers[0].setValue(20)
    qtbot.waitUntil(lambda: cube.session.document.look.bands[0] == 19)
    assert bands.mode.currentData() == "own" and bands.lengths[0].text() == "810 nm"
    bands.mode.setCurrentIndex(bands.mode.findData("eigens"))
    bands.mode.activated.emit(bands.mode.currentIndex())
    qtbot.waitUntil(lambda: cube.session.document.look.map.name == "Eigen-images 1, 2, 3")
    settle(cube)
    assert cube.viewer.state_at_view() == "full" and len(bands.numbers) == 3
    bands.mode.setCurrentIndex(bands.mode.findData("change"))
    bands.mode.activated.emit(bands.mode.currentIndex())
    settle(cube)
    level = cube.viewer.wanted()[0][1]
    before, after = (
        cube.viewer._layers._canvases[layer, level].pixels for layer in ("before", "after")
    )
    assert before.std() == 0 and after.mean() > before.mean()
    QTest.keyClick(cube.viewer, Qt.Key.Key_PageUp)
    look = cube.session.document.look
    assert front(cube) == ((0, 1),) and look.map is None and look.window[1] > 100
    QTest.keyClick(cube.viewer, Qt.Key.Key_O)
    assert front(cube) == ()
    settle(cube)


def test_a_target_that_is_lost_raises_the_alarm(cube, qtbot, settle):
    point(cube, qtbot, 20, 20)
    QTest.keyClick(cube.viewer, Qt.Key.Key_T)
    assert cube.session.document.target.spectrum.name == "x 20 y 20"
    panel = cube.cubes.panel
    cube.panel.rows["strength"].change(0.0)
    qtbot.waitUntil(lambda: "kept" in panel.alarm.words.text(), timeout=30_000)
    assert "Target kept" in panel.alarm.words.text()
    cube.panel.rows["strength"].change(3.0)
    qtbot.waitUntil(lambda: "was not kept" in panel.alarm.words.text(), timeout=30_000)
    assert "was not kept" in cube.status.words
    panel.buttons["release"].click()
    assert cube.session.document.target is None and panel.alarm.isHidden()


def test_spectra_are_saved_and_loaded(cube, qtbot, tmp_path, monkeypatch):
    path = str(tmp_path / "s.csv")
    for name in ("getSaveFileName", "getOpenFileName"):
        monkeypatch.setattr(QFileDialog, name, lambda *_: (path, ""))
    point(cube, qtbot, 20, 20)
    cube.cubes.panel.buttons["save"].click()
    before, after, removed = read(tmp_path / "s.csv")
    assert (before.name, removed.name) == ("x 20 y 20 before", "x 20 y 20 removed")
    assert before.y == pytest.approx(cube.pixels[:, 20, 20], rel=1e-6)
    assert np.subtract(before.y, after.y) == pytest.approx(removed.y, abs=1e-3)
    monkeypatch.setattr(QInputDialog, "getItem", lambda *_: (f"1  {before.name}", True))
    cube.cubes.panel.buttons["library"].click()
    qtbot.waitUntil(lambda: cube.session.document.target is not None, timeout=20_000)
    assert cube.session.document.target.source is None
