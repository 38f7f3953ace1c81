"""The statistics dock: figures with units, alarms in words, plots only when seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest

from core.measure import ChannelStatistics, Histogram, Residual, Statistics
from core.structure import ONLY_NOISE, STRUCTURE
from gui import theme
from gui.statistics import StatisticsPanel


def channel(name: str, alarm: bool = False, scale: float = 1.0) -> ChannelStatistics:
    edges, bins = np.linspace(0, 100, 33), np.arange(32.0)
    return ChannelStatistics(
        name,
        sigma_before=14.2 * scale,
        sigma_after=3.1 * scale,
        snr_before=26.8,
        snr_after=40.0,
        mean_before=310 * scale,
        mean_after=310 * scale,
        shift=(8.2 if alarm else 0.013) * scale,
        shift_percent=0.21 if alarm else 0.0003,
        shift_alarm=alarm,
        residual_std=13.9 * scale,
        expected_std=14.2 * scale,
        histogram=Histogram(edges, bins, bins[::-1].copy()),
        residual=Residual(np.linspace(-5, 5, 33), np.ones(32), np.ones(32)),
    )


def result(*channels: ChannelStatistics, verdict: str = ONLY_NOISE) -> Statistics:
    lags = np.zeros((15, 15))
    lags[7, 7], lags[7, 8], lags[0, 0], lags[14, 14] = 1, 0.1, -0.1, np.nan
    return Statistics(channels, lags, 2, 0.02, verdict, "A sentence.")


@pytest.fixture
def panel(qtbot, qapp):
    theme.apply(qapp)
    panel = StatisticsPanel()
    qtbot.addWidget(panel)
    panel.resize(320, 600)
    panel.show()
    qtbot.waitExposed(panel)
    return panel


def cells(panel: StatisticsPanel, name: str) -> dict[str, str]:
    return {line: cell.text() for (line, of), cell in panel.table.cells.items() if of == name}


def test_nothing_yet(panel):
    assert panel.title.text() == "Nothing to compare yet"
    assert not panel.table.isVisible() and not panel.tabs.isVisible()
    assert not panel.verdict.isVisible() and not panel.alarm.isVisible()


def test_figures_have_units(panel):
    panel.show_statistics(result(channel("R"), channel("G")), "Visible region", "DN")
    assert panel.title.text() == "Visible region"
    assert cells(panel, "G") == {
        "Noise σ before, DN": "14.2",
        "Noise σ after, DN": "3.10",
        "Noise reduced by": "4.58×",
        "SNR before, dB": "26.8",
        "SNR after, dB": "40.0",
        "Mean shift, DN": "0.013",
        "Removed σ, DN": "13.9",
        "Expected σ, DN": "14.2",
    }
    assert "Only noise." in panel.verdict.words.text() and not panel.alarm.isVisible()


def test_tiny_values_are_not_zero(panel):
    panel.show_statistics(result(channel("Y", scale=1e-5)), "", "")
    found = cells(panel, "Y")
    assert found["Noise σ before"] == "1.42×10⁻⁴" and found["Mean shift"] == "1.3×10⁻⁷"


def test_a_moved_mean_is_said_in_words(panel):
    panel.show_statistics(result(channel("R", alarm=True), channel("G")), "Region")
    assert panel.alarm.isVisible()
    assert "R by 0.21 % of the range" in panel.alarm.words.text()
    assert "G" not in panel.alarm.words.text()
    assert cells(panel, "R")["Mean shift, DN"] == "▲ 8.2"
    panel.show_statistics(result(channel("R"), channel("G")), "Region")
    assert not panel.alarm.isVisible()


def test_structure_is_an_alarm(panel):
    panel.show_statistics(result(channel("Y"), verdict=STRUCTURE), "Region")
    assert panel.verdict.property("role") == "alarm"
    assert "Structure." in panel.verdict.words.text()


def test_other_channels_make_another_table(panel):
    panel.show_statistics(result(channel("R"), channel("G"), channel("B")), "Region")
    panel.show_statistics(result(channel("Y")), "Region")
    assert {name for _, name in panel.table.cells} == {"Y"}
    panel.show_statistics(None, "")
    assert not panel.table.isVisible()


def test_plots_hold_before_and_after(panel):
    panel.show_statistics(result(channel("R"), channel("G")), "Region")
    marks = panel.histogram.sketch.marks
    assert len(marks) == 4  # before and after of two channels
    assert marks[0].y[1::2].sum() == pytest.approx(100)  # per cent of the pixels
    assert len(panel.residual.sketch.marks) == 3
    panel.tabs.tabBar().setFocus()
    QTest.keyClick(panel.tabs.tabBar(), Qt.Key.Key_Right)
    assert panel.residual.isVisible() and not panel.histogram.isVisible()


def test_autocorrelation_is_drawn_in_pixels_of_the_picture(panel):
    panel.show_statistics(result(channel("Y")), "Region")
    (raster,) = panel.lags.sketch.marks
    assert raster.values.shape == (15, 15) and raster.step == 2 and raster.limit == 0.1
    assert "black −0.1" in panel.lag_words.text()
    none = replace(result(channel("Y")), autocorrelation=None)
    panel.show_statistics(none, "Region")
    assert panel.lags.sketch is None


def test_numbers_can_be_copied(panel):
    panel.show_statistics(result(channel("R"), channel("G")), "Region")
    QTest.mouseClick(panel.copy, Qt.MouseButton.LeftButton)
    table = [line.split("\t") for line in QGuiApplication.clipboard().text().split("\n")]
    assert table[0] == ["", "R", "G"] and table[1] == ["Noise σ before, DN", "14.2", "14.2"]
    assert len(table) == 9


def test_it_fits_a_narrow_dock(panel):
    panel.show_statistics(result(channel("R", True), channel("G"), channel("B")), "Region")
    assert panel.minimumSizeHint().width() <= 320
