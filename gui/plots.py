"""A small plot in the window's colours, made only when it is first seen with something to show.

pyqtgraph takes half a second to import: never at the top of a module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QLabel, QStackedLayout, QWidget

from gui import theme
from gui.numbers import text

Paint = Callable[[Any, Any], None]  # (the pyqtgraph module, a PlotItem)

SYMBOLS = {"R": "o", "G": "s", "B": "t", "Y": "o"}
GLYPHS = {"o": "●", "s": "■", "t": "▼"}  # the same as letters


class Plot(QWidget):
    """Axes with a name and unit each; `draw` gives what to paint on them."""

    def __init__(self, title: str, x: tuple[str, str], y: tuple[str, str], empty: str = "") -> None:
        super().__init__()
        self.setAccessibleName(title)
        self.setMinimumHeight(150)
        self.view: Any = None  # the PlotWidget, once there is something to show
        self._labels = {"bottom": x, "left": y}
        self._paint: Paint | None = None
        self._stale = False
        self._empty = QLabel(empty)
        self._empty.setProperty("role", "soft")
        self._empty.setWordWrap(True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setMargin(12)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._empty)

    def set_units(self, x: tuple[str, str], y: tuple[str, str]) -> None:
        """Name and unit of the axes; shown by the next draw()."""
        self._labels = {"bottom": x, "left": y}

    def draw(self, paint: Paint | None) -> None:
        """Paint this as soon as the plot is visible; None empties it."""
        self._paint, self._stale = paint, True
        if paint is None:
            self._stack.setCurrentWidget(self._empty)
        elif self.isVisible():
            self._later()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._later()

    def _later(self) -> None:
        QTimer.singleShot(0, self, self._flush)  # the window's own paint comes first

    def _flush(self) -> None:
        if self._paint is None or not self._stale or not self.isVisible():
            return
        import pyqtgraph

        self._stale = False
        if self.view is None:
            self.view = self._make(pyqtgraph)
            self._stack.addWidget(self.view)
        self._stack.setCurrentWidget(self.view)
        item = self.view.getPlotItem()
        item.clear()
        for side, (name, unit) in self._labels.items():
            item.setLabel(side, f"{name} ({unit})" if unit else name)
        self._paint(pyqtgraph, item)

    def _make(self, pyqtgraph: Any) -> Any:
        look = theme.colors()
        view = pyqtgraph.PlotWidget(background=look.base)
        view.setFrameShape(view.Shape.NoFrame)
        item = view.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.setMouseEnabled(False, False)  # the wheel scrolls the panel
        item.layout.setContentsMargins(4, 8, 12, 4)
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * 0.85)
        for side in ("bottom", "left"):
            axis = item.getAxis(side)
            axis.enableAutoSIPrefix(False)
            axis.setPen(look.edge)
            axis.setTextPen(look.soft)
            axis.setStyle(tickFont=font, tickLength=-4)
            axis.label.setFont(font)
            axis.tickStrings = _ticks  # pyqtgraph's own writes 1e-05
        return view


def _ticks(values: list[float], scale: float, spacing: float) -> list[str]:
    least = spacing * 1e-3
    return [text(0 if abs(value) < least else value * scale, "", 4) for value in values]


def pen(pyqtgraph: Any, channel: str, width: float = 2.0, dotted: bool = False) -> Any:
    """The line of a channel: a colour of its own."""
    color = theme.CHANNELS.get(channel, theme.CHANNELS["Y"])
    return pyqtgraph.mkPen(color, width=width, dash=[2, 3] if dotted else None)


def mark(channel: str) -> str:
    """A channel's letter with its symbol in its colour, as rich text."""
    color = theme.CHANNELS.get(channel, theme.CHANNELS["Y"])
    return f'{channel} <span style="color:{color}">{GLYPHS[SYMBOLS.get(channel, "o")]}</span>'
