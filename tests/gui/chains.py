"""Two methods for chains in the window, and hands for its list of steps and its picture."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest

from core.method import Method, Needs
from gui.step_list import NOTES, ROW

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
CTRL, SHIFT, ALT = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.AltModifier,
)
CALLS: list[Method] = []


class Half(Method):
    """Half the signal, and where it was."""

    title = "Half"
    domain = "signal"
    tensors = False
    kinds = ("photo", "raw", "array")

    def needs(self, image):
        return Needs(tile=64)

    def run(self, tile, state, ctx):
        CALLS.append(self)
        return {"image": tile / 2, "sigma": np.abs(tile)}


class Minus(Half):
    """Minus a dark frame."""

    title = "Minus"
    inputs = ("dark",)

    def run(self, tile, state, ctx):
        CALLS.append(self)
        return tile - ctx.inputs["dark"]


Half.id = classmethod(lambda cls: cls.title.lower())


def steps(window):
    return window.session.document.recipe.steps


def titles(window):
    return [step.method.title for step in steps(window)]


def said(window, at):
    """What a line of the list says at its end."""
    return window.panel.steps.list.item(at).data(NOTES)


def row(window, at):
    return QPoint(80, at * ROW + ROW // 2)


def at(window, y, x):
    """The point of the widget over a sensor position."""
    v, u = window.viewer.frame_at(QPointF(1, 1)).device(y, x)
    return QPoint(round(u), round(v))


def drag(widget, start, end, modifier=NONE):
    QTest.mousePress(widget, LEFT, modifier, start)
    for part in (0.3, 0.7, 1.0):
        QTest.mouseMove(widget, start + (end - start) * part)
    QTest.mouseRelease(widget, LEFT, modifier, end)


def after(window):
    """What is shown as after, in 16 bits."""
    level = window.viewer.wanted()[0][1]
    canvas = window.viewer._layers._canvases["after", level]
    return canvas.pixels[..., 1].astype(float)
