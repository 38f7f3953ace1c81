"""The noise panel: what it says of a measurement, and how the user overrules it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from core.noise.measured import CANNOT_TELL, DOUBTFUL, GOOD, ChannelFit, Chart, Measured
from core.noise.model import LogSpeckle, Mapped, PoissonGaussian, Rician, Sliced, Speckle
from gui import frame, theme
from gui.noise_fields import changed, fields, typical
from gui.noise_panel import NoisePanel
from gui.plots import Curve

POINTS = tuple((float(x), 2.0 * x + 100) for x in range(0, 1000, 25))
FITS = (
    ChannelFit("R", 2.0, 10.0, (9.0, 11.5), GOOD, "The points lie on a line.", POINTS),
    ChannelFit("G", 1.5, 12.0, (11.0, 13.0), GOOD, "The points lie on a line.", POINTS),
    ChannelFit("B", 3.0, 8.0, None, DOUBTFUL, "There are no dark areas.", POINTS),
)
MODEL = PoissonGaussian((2.0, 1.5, 3.0), (10.0, 12.0, 8.0))


@pytest.fixture
def panel(qtbot, qapp):
    theme.apply(qapp)
    panel = NoisePanel()
    qtbot.addWidget(panel)
    panel.resize(320, 560)
    panel.show()
    qtbot.waitExposed(panel)
    return panel


def test_nothing_is_known_at_first(panel):
    assert "not measured" in panel.source.text()
    assert panel.rows[0].gain.text() == "–" and not panel.rows[0].gain.isEnabled()


def test_a_measurement_is_shown_with_words(panel, qtbot):
    with qtbot.assertNotEmitted(panel.modelEdited):
        panel.set_value(MODEL, Measured(MODEL, FITS), "measured from this image")
    red, _, blue = panel.rows
    assert panel.source.text() == "Noise model: measured from this image"
    assert (red.gain.text(), red.read.text()) == ("2 DN", "10 DN")
    assert red.range.text() == "range: 9 … 11.5 DN"
    assert CANNOT_TELL in blue.range.text()
    assert [row.verdict.word.text() for row in panel.rows] == [GOOD, GOOD, DOUBTFUL]
    assert not blue.verdict.icon.pixmap().isNull()
    assert panel.why.text().splitlines() == [
        "R, G: The points lie on a line.",
        "B: There are no dark areas.",
    ]


def test_plot_has_points_and_lines(panel):
    panel.set_value(MODEL, Measured(MODEL, FITS))
    marks = panel.plot.sketch.marks
    lines = [one for one in marks if isinstance(one, Curve)]
    assert len(marks) == 6 and len(lines) == 3  # points and a line, three channels
    assert list(lines[0].x) == [0, 975] and list(lines[0].y) == [100, 2 * 975 + 100]
    typed = PoissonGaussian((2.5, 1.5, 3.0), (10.0, 12.0, 8.0))
    panel.set_value(typed, Measured(MODEL, FITS), "typed")
    dotted = [one for one in panel.plot.sketch.marks if isinstance(one, Curve) and one.dotted]
    assert list(dotted[0].y) == [100, 2 * 975 + 100]  # the measured line stays


def test_typing_a_gain_tells_the_whole_model(panel, qtbot):
    panel.set_value(MODEL, Measured(MODEL, FITS))
    edit = panel.rows[1].gain
    edit.setFocus()
    edit.selectAll()
    QTest.keyClicks(edit, "1,75")
    with qtbot.waitSignal(panel.modelEdited) as told:
        QTest.keyClick(edit, Qt.Key.Key_Return)
    assert told.args == [PoissonGaussian((2.0, 1.75, 3.0), (10.0, 12.0, 8.0))]
    panel.set_value(told.args[0], Measured(MODEL, FITS), "typed")
    assert panel.rows[1].verdict.word.text() == "by hand"
    assert "G: Measured: gain 1.5 DN" in panel.why.text()


def test_negative_noise_is_refused(panel, qtbot):
    panel.set_value(MODEL, Measured(MODEL, FITS))
    edit = panel.rows[0].read
    edit.setFocus()
    edit.selectAll()
    with qtbot.assertNotEmitted(panel.modelEdited):
        QTest.keyClicks(edit, "-4")
        QTest.keyClick(edit, Qt.Key.Key_Return)
    assert edit.value == 10.0


def test_arrow_keys_change_by_two_percent(panel, qtbot):
    panel.set_value(MODEL, Measured(MODEL, FITS))
    with qtbot.waitSignal(panel.modelEdited) as told:
        QTest.keyClick(panel.rows[0].gain, Qt.Key.Key_Up)
    assert told.args[0].gain[0] == pytest.approx(2.04)


def test_lock_by_keyboard_protects_the_model(panel, qtbot):
    panel.set_value(MODEL, Measured(MODEL, FITS))
    panel.lock.setFocus()
    with qtbot.waitSignal(panel.lockToggled, check_params_cb=lambda on: on):
        QTest.keyClick(panel.lock, Qt.Key.Key_Space)
    assert not panel.measure.isEnabled() and not panel.pick.isEnabled()
    with qtbot.assertNotEmitted(panel.modelEdited):
        QTest.keyClick(panel.rows[0].gain, Qt.Key.Key_Up)
        QTest.keyClicks(panel.rows[0].gain, "5")
    with qtbot.assertNotEmitted(panel.lockToggled):
        panel.set_locked(False)
    assert panel.measure.isEnabled() and panel.lock.text() == "Lock"


def test_buttons_ask(panel, qtbot):
    with qtbot.waitSignal(panel.measureRequested):
        QTest.mouseClick(panel.measure, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(panel.pickToggled, check_params_cb=lambda on: on):
        QTest.mouseClick(panel.pick, Qt.MouseButton.LeftButton)
    with qtbot.assertNotEmitted(panel.pickToggled):
        panel.set_picking(False)
    assert not panel.pick.isChecked()


def test_one_channel_in_tiny_units(panel):
    fit = ChannelFit("Y", 1.2e-5, 3.4e-4, (3.1e-4, 3.6e-4), GOOD, "Fine.", POINTS)
    model = PoissonGaussian((1.2e-5,), (3.4e-4,))
    panel.set_value(model, Measured(model, (fit,)), unit="")
    assert panel.rows[0].gain.text() == "1.2×10⁻⁵"
    assert panel.why.text() == "Fine."


def test_importing_the_panels_imports_no_heavy_library():
    code = (
        "import sys, gui.panel, gui.noise_panel, gui.statistics;"
        "print([m for m in ('torch', 'pyqtgraph', 'cv2', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_fits_a_narrow_dock(panel):
    panel.set_value(MODEL, Measured(MODEL, FITS), "measured from this image")
    assert panel.minimumSizeHint().width() <= 320


def one(model, sigma):
    fit = ChannelFit("Y", 0.0, sigma, (0.9 * sigma, 1.1 * sigma), GOOD, "It fits.")
    chart = Chart("Law", ("Magnitude", ""), ("Density", ""), ((0, 1), (1, 3)), ((0, 1),), True)
    return Measured(model, (fit,), "Rician noise.", ("It is correlated.",), None, chart)


def test_magnitudes_have_a_sigma_and_coils(panel, qtbot):
    model = Rician(12.0, 4)
    panel.set_value(MODEL, Measured(MODEL, FITS))
    panel.set_value(model, one(model, 12.0), "measured from this image", "Y", "")
    (row,) = panel.rows
    assert [edit.control.label.strip() for edit in row.edits] == ["Sigma", "Coils"]
    assert [edit.text() for edit in row.edits] == ["12", "4"]
    assert row.verdict.word.text() == GOOD
    for words in ("Rician noise.", "It fits.", "It is correlated."):
        assert words in panel.why.text()
    assert panel.plot.sketch.x == ("Magnitude", "")
    with qtbot.waitSignal(panel.modelEdited) as told:
        row.gain.setFocus()
        QTest.keyClicks(row.gain, "15")
        QTest.keyClick(row.gain, Qt.Key.Key_Return)
    assert told.args == [Rician(15.0, 4)]
    panel.set_value(told.args[0], one(model, 12.0), "typed", "Y", "")
    assert row.verdict.word.text() == "by hand"
    assert "Measured: sigma 12" in panel.why.text()


def test_bands_have_one_row_that_scales_them_all(panel, qtbot):
    model = Sliced(tuple(PoissonGaussian((0.0,), (float(s),)) for s in (1, 2, 6)), "b")
    fits = tuple(ChannelFit(f"band {n}", 0.0, 1.0, None, GOOD, "Fine.") for n in range(3))
    panel.set_value(model, Measured(model, fits, "Noise of 3 bands."), channels="Y")
    (row,) = panel.rows
    assert row.gain.text() == "2 DN"
    assert "3 of 3 bands" in panel.why.text()
    with qtbot.waitSignal(panel.modelEdited) as told:
        row.gain.setFocus()
        QTest.keyClicks(row.gain, "4")
        QTest.keyClick(row.gain, Qt.Key.Key_Return)
    assert [m.read[0] for m in told.args[0].models] == [2, 4, 12]


def test_every_kind_can_be_typed():
    field = Mapped(PoissonGaussian((0.0,), (1.0,)), np.full((2, 2), 3.0, np.float32))
    for model in (MODEL, Rician(3.0, 2), Speckle(4.0), LogSpeckle(5.0), field):
        rows = 3 if model is MODEL else 1
        values = [f.value for row in range(rows) for f in fields(model, row)]
        assert changed(model, tuple(values)) == model
    assert typical(changed(field, (6.0,))) == 6


def test_the_plot_is_whole_in_a_dock(qtbot, qapp):
    theme.apply(qapp)
    panel = NoisePanel()
    page = frame.scrolled(panel)
    qtbot.addWidget(page)
    page.resize(346, 480)
    page.show()
    panel.set_value(MODEL, Measured(MODEL, FITS), "measured from this image")
    qtbot.waitUntil(lambda: panel.height() <= page.viewport().height())
    assert panel.plot.geometry().bottom() <= page.viewport().height()
