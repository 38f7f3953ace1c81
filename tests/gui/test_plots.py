"""Plots: nothing before the library is there, marks where the numbers are, round ticks."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from gui.plots import Curve, Dots, Plot, Raster, Sketch, steps
from gui.turns import Turns
from gui.works import SPARE, LoadPlots

LINE = Curve(np.array([0.0, 10.0]), np.array([0.0, 5.0]), "#ff0000")
ONE = Sketch((LINE,), ("x", "px"), ("y", ""), reach=(20.0, 20.0))


@pytest.fixture
def plot(qtbot):
    plot = Plot("Test", Turns(), "Nothing yet.")
    qtbot.addWidget(plot)
    plot.resize(300, 200)
    plot.show()
    return plot


@pytest.fixture
def library():
    import pyqtgraph

    return pyqtgraph


@pytest.fixture
def painted(plot, qtbot, library):
    """Shows a sketch; returns the plot's view box."""

    def paint(sketch):
        plot.set_library(library)
        plot.draw(sketch)
        qtbot.waitUntil(lambda: plot.view is not None and not plot._stale)
        return plot.view.getPlotItem().getViewBox()

    return paint


def colored(plot, red):
    image = plot.grab().toImage()
    every = [(x, y) for y in range(image.height()) for x in range(image.width())]
    return [at for at in every if red(image.pixelColor(*at))]


def is_red(color):
    return color.red() > 200 and color.green() < 50


def test_steps_of_a_histogram_enclose_its_bins():
    curve = steps(np.array([0.0, 1.0, 3.0]), np.array([2.0, 5.0]), "#ffffff")
    assert curve.x.tolist() == [0, 0, 1, 1, 3, 3]
    assert curve.y.tolist() == [0, 2, 2, 5, 5, 0]


def test_a_plot_waits_for_its_library(plot, qtbot, library):
    plot.draw(ONE)
    qtbot.wait(20)
    assert plot.view is None and "coming" in plot._words.text()
    plot.set_library(library)
    qtbot.waitUntil(lambda: plot.view is not None and plot.view.isVisible())
    assert len(colored(plot, is_red)) > 50


def test_views_are_built_one_a_turn_and_only_where_they_are_seen(qtbot, library, monkeypatch):
    built, turn = [], [0]
    made, run = Plot._made, Turns._next
    monkeypatch.setattr(Plot, "_made", lambda plot: (built.append(turn[0]), made(plot))[1])
    monkeypatch.setattr(Turns, "_next", lambda turns: (turn.__setitem__(0, turn[0] + 1),
                                                       run(turns))[1])  # fmt: skip
    page, turns = QWidget(), Turns()
    qtbot.addWidget(page)
    column = QVBoxLayout(page)
    plots = [Plot(name, turns) for name in "abc"]
    for plot in plots:
        column.addWidget(plot)
    plots[2].hide()
    page.show()
    for plot in plots:
        plot.set_library(library)
        plot.draw(ONE)
    assert built == []
    qtbot.waitUntil(lambda: not any(plot._stale for plot in plots[:2]))
    assert len(set(built)) == 2 and plots[2].view is None
    plots[2].show()
    qtbot.waitUntil(lambda: not plots[2]._stale)


def test_a_dot_is_painted_where_its_numbers_say(plot, painted):
    dots = Dots(np.array([10.0, np.nan]), np.array([10.0, 1.0]), "#ff0000", "■", 10.0)
    box = painted(Sketch((dots,), ("x", "px"), ("y", ""), reach=(20.0, 20.0)))
    red = colored(plot, is_red)
    assert 64 <= len(red) <= 144
    view = plot.view
    middle = view.mapFromScene(box.mapViewToScene(QPointF(10, 10)))
    assert np.abs(np.mean(red, axis=0) - (middle.x(), middle.y())).max() < 1.5


def test_axes_are_named_and_ticks_are_read_by_people(plot, painted):
    tiny = Curve(np.array([0.0, 4e-5]), np.array([-1.0, 1.0]), "#ff0000")
    painted(Sketch((tiny,), ("Signal", "DN"), ("Variance", "")))
    axis = plot.view.getPlotItem().getAxis("bottom")
    assert axis.labelText == "Signal (DN)"
    assert axis.tickStrings([0.0, 1e-5, -2e-5], 1.0, 1e-5) == ["0", "1×10⁻⁵", "−2×10⁻⁵"]


@pytest.mark.parametrize("values", [[np.nan, np.nan], [3.0, 3.0], [np.inf, -np.inf]])
def test_any_numbers_can_be_drawn(plot, painted, values):
    curve = Curve(np.array(values), np.array(values), "#ff0000", fill=0.5)
    box = painted(Sketch((curve,), ("x", ""), ("y", "")))
    assert np.isfinite(box.viewRange()).all()
    plot.grab()
    painted(Sketch((), ("x", ""), ("y", ""), reach=(5.0, 0.0)))
    assert box.viewRange() == [[0, 5], [0, 1]]


def test_a_raster_is_square_grey_at_zero_and_the_right_way_up(plot, painted):
    values = np.zeros((5, 5))
    values[2, 2], values[0, 1], values[4, 4] = 1, -0.1, np.nan
    box = painted(Sketch((Raster(values, 2, 0.1),), ("x", "px"), ("y", "px")))
    image = plot.grab().toImage()

    def grey(x, y):
        at = plot.view.mapFromScene(box.mapViewToScene(QPointF(x, y)))
        return image.pixelColor(at).red()

    assert grey(0, 0) == 255 and grey(-2, -4) == 0  # two steps up, one to the left
    assert grey(2, 2) in (127, 128) and grey(4, 4) in (127, 128)  # no pairs: as zero


def test_an_emptied_plot_says_what_it_waits_for(plot, painted):
    painted(ONE)
    plot.draw(None)
    assert plot.sketch is None and plot._words.isVisible() and plot._words.text() == "Nothing yet."


def test_the_wheel_is_left_to_the_panel(plot, painted):
    painted(ONE)
    assert plot.view.testAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)


def test_a_worker_imports_the_library(qtbot, window):
    """On the main thread it held the window up for 380 ms."""
    assert LoadPlots.worker == SPARE
    qtbot.waitUntil(lambda: window.statistics.histogram._library is not None, timeout=60_000)
    assert window.noise.plot._library is sys.modules["pyqtgraph"]
    assert window.statistics.histogram.view is None  # nothing to show: nothing was built
