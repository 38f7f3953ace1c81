"""Plots: round ticks, ends that fit, marks where the numbers are."""

from __future__ import annotations

import numpy as np
import pytest

from gui.plots import Curve, Dots, Plot, Sketch, extent, steps, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-3, 3, [-2, 0, 2]),
        (0, 16383, [0, 5000, 10000, 15000]),
        (0.0, 4e-5, [0, 1e-5, 2e-5, 3e-5, 4e-5]),
        (2, 2, []),
        (0, float("nan"), []),
    ],
)
def test_ticks_are_round(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_steps_of_a_histogram_enclose_its_bins():
    curve = steps(np.array([0.0, 1.0, 3.0]), np.array([2.0, 5.0]), "#ffffff")
    assert curve.x.tolist() == [0, 0, 1, 1, 3, 3]
    assert curve.y.tolist() == [0, 2, 2, 5, 5, 0]


def test_axes_have_length_whatever_is_drawn():
    nothing = Curve(np.array([np.nan]), np.array([np.inf]), "#ffffff")
    for sketch in (Sketch((), ("x", ""), ("y", "")), Sketch((nothing,), ("x", ""), ("y", ""))):
        assert all(high > low for low, high in extent(sketch))
    assert extent(Sketch((), ("x", ""), ("y", ""), reach=(5.0, 0.0))) == ((0, 5), (0, 1))


def test_a_dot_is_painted_where_its_numbers_say(qtbot):
    plot = Plot("Test", "Nothing yet.")
    qtbot.addWidget(plot)
    plot.resize(300, 200)
    plot.show()
    dots = Dots(np.array([10.0]), np.array([10.0]), "#ff0000", "■", 10.0)
    plot.draw(Sketch((dots,), ("x", "px"), ("y", ""), reach=(20.0, 20.0)))
    image = plot.grab().toImage()
    red = [
        (x, y)
        for y in range(image.height())
        for x in range(image.width())
        if image.pixelColor(x, y).red() > 200 and image.pixelColor(x, y).green() < 50
    ]
    assert 64 <= len(red) <= 121
    middle = np.mean(red, axis=0)
    assert 150 < middle[0] < 200 and 60 < middle[1] < 100  # the middle of the frame
    plot.draw(None)
    assert plot.sketch is None
