"""A small plot in the window's colours: what to draw is a value, pyqtgraph draws it.

pyqtgraph takes half a second to import, so a worker does that (see works.py) and the module is
given to `set_library`; until then a plot is an empty frame. Never import it here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QShowEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QStackedLayout, QWidget

from core.image import Array
from gui import theme
from gui.numbers import text
from gui.turns import Turns

SYMBOLS = {"R": "●", "G": "■", "B": "▼", "Y": "●"}
SHAPES = {"●": "o", "■": "s", "▼": "t"}  # as pyqtgraph calls them
LOWEST = 120  # logical pixels of height with which a plot can still be read


@dataclass(frozen=True, eq=False)
class Curve:
    """Points joined by a line, the area down to zero filled where `fill` says how opaque (0..1)."""

    x: Array
    y: Array
    color: str
    width: float = 2.0  # 0: no line
    dotted: bool = False
    fill: float = 0.0


@dataclass(frozen=True, eq=False)
class Dots:
    """Points, each a symbol of SYMBOLS."""

    x: Array
    y: Array
    color: str
    symbol: str
    size: float
    opacity: float = 1.0


@dataclass(frozen=True, eq=False)
class Raster:
    """Values as grey squares, the middle one at the origin: black at -limit, white at limit."""

    values: Array  # (rows, columns), odd numbers
    step: float  # from one to the next, on both axes
    limit: float


Mark = Curve | Dots | Raster


@dataclass(frozen=True, eq=False)
class Sketch:
    """What a plot shows: first marks are painted first. Axes are (name, unit)."""

    marks: tuple[Mark, ...]
    x: tuple[str, str]
    y: tuple[str, str]
    reach: tuple[float, float] | None = None  # right and upper end of axes that begin at 0


def steps(edges: Array, counts: Array, color: str, **look: float) -> Curve:
    """A histogram as a curve that rises and falls at the edges of its bins."""
    x, y = np.repeat(edges, 2), np.concatenate(([0.0], np.repeat(counts, 2), [0.0]))
    return Curve(x, y, color, **look)  # type: ignore[arg-type]


class Plot(QWidget):
    """Axes with a name and unit each; `draw` says what to paint on them."""

    def __init__(self, title: str, turns: Turns, empty: str = "") -> None:
        super().__init__()
        self.setAccessibleName(title)
        self.setMinimumHeight(150)
        self.sketch: Sketch | None = None
        self.view: Any = None  # pyqtgraph's PlotWidget, once there is something to see
        self._library: Any = None
        self._turns, self._stale = turns, False
        self._words = QLabel(empty)
        self._words.setProperty("role", "soft")
        self._words.setWordWrap(True)
        self._words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._words.setMargin(12)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self._words)
        self._empty = empty

    def fill_page(self) -> None:
        """Take what room its page leaves, however little; where that is too little, it scrolls."""
        self.setMinimumHeight(LOWEST)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)

    def sizeHint(self) -> QSize:
        """Qt: what there is room for in a dock; pyqtgraph's own wish would be cut off there."""
        return QSize(240, 190)

    def hasHeightForWidth(self) -> bool:
        """Qt: any height will do, whatever the words in it would take."""
        return False

    @property
    def library(self) -> Any:
        """The module pyqtgraph, None before it is there."""
        return self._library

    def set_library(self, library: Any) -> None:
        """The module pyqtgraph is there."""
        self._library = library
        self._refresh()

    def draw(self, sketch: Sketch | None) -> None:
        """Show this, in a turn of its own as soon as the plot is visible; None empties it."""
        self.sketch, self._stale = sketch, True
        self._refresh()

    def showEvent(self, event: QShowEvent) -> None:
        """Qt: what was drawn while it was hidden."""
        super().showEvent(event)
        self._refresh()

    def _refresh(self) -> None:
        if self.sketch is None:
            self._words.setText(self._empty)
            self._stack.setCurrentWidget(self._words)
        elif self._library is None:
            self._words.setText("The plot is coming …")
        elif self._stale and self.isVisible():
            self._turns.add(self._paint if self.view is not None else self._build)

    def _build(self) -> None:
        if self.view is None:
            self.view = self._made()
            self._stack.addWidget(self.view)
        self._turns.add(self._paint)

    def _paint(self) -> None:
        sketch, item = self.sketch, self.view.getPlotItem()
        if sketch is None or not self._stale or not self.isVisible():
            return
        self._stale = False
        item.clear()
        for side, (name, unit) in (("bottom", sketch.x), ("left", sketch.y)):
            item.setLabel(side, f"{name} ({unit})" if unit else name)
        square = any(isinstance(one, Raster) for one in sketch.marks)
        item.setAspectLocked(square)
        item.invertY(square)  # as in the picture
        for one in sketch.marks:
            item.addItem(_item(self._library, one))
        if sketch.reach is not None:
            right, top = (end or 1.0 for end in sketch.reach)
            item.setRange(QRectF(0, 0, right, top), padding=0)
        else:
            item.enableAutoRange()
        self._stack.setCurrentWidget(self.view)

    def _made(self) -> Any:
        look = theme.colors()
        view = self._library.PlotWidget(background=look.base)
        view.setFrameShape(view.Shape.NoFrame)
        view.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)  # the panel scrolls
        view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        item = view.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.getViewBox().setDefaultPadding(0.02)
        item.layout.setContentsMargins(4, 8, 14, 4)
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * 0.85)
        for side in ("bottom", "left"):
            axis = item.getAxis(side)
            axis.enableAutoSIPrefix(False)
            axis.setPen(look.edge)
            axis.setTextPen(look.soft)
            axis.setStyle(tickFont=font, tickLength=4, maxTickLevel=0)
            axis.label.setFont(font)
            axis.tickStrings = _ticks  # pyqtgraph's own writes 1e-05
        return view


def _item(library: Any, one: Mark) -> Any:
    """A mark as pyqtgraph draws it."""
    if isinstance(one, Raster):
        item = library.ImageItem(np.nan_to_num(one.values), axisOrder="row-major")
        item.setLevels((-one.limit, one.limit))
        height, width = (count * one.step for count in one.values.shape)
        item.setRect(QRectF(-width / 2, -height / 2, width, height))
        return item
    if isinstance(one, Dots):
        item = library.ScatterPlotItem(antialias=True)
        there = np.isfinite(one.x) & np.isfinite(one.y)
        brush, shape = _faded(one.color, one.opacity), SHAPES[one.symbol]
        item.setData(one.x[there], one.y[there], pen=None, brush=brush, symbol=shape, size=one.size)
        return item
    pen = None
    if one.width:
        dash = [2, 3] if one.dotted else None
        pen = library.mkPen(one.color, width=one.width, dash=dash)
    fill = {"fillLevel": 0.0, "brush": _faded(one.color, one.fill)} if one.fill else {}
    return library.PlotCurveItem(
        one.x, one.y, pen=pen, antialias=True, connect="finite", skipFiniteCheck=False, **fill
    )


def _faded(color: str, opacity: float) -> QColor:
    faded = QColor(color)
    faded.setAlphaF(opacity)
    return faded


def _ticks(values: Sequence[float], scale: float, spacing: float) -> list[str]:
    least = spacing * 1e-3
    return [text(0 if abs(value) < least else value * scale, "", 4) for value in values]


def channel_color(channel: str) -> str:
    """The colour of a channel's marks."""
    return theme.CHANNELS.get(channel, theme.CHANNELS["Y"])


def mark(channel: str) -> str:
    """A channel's letter with its symbol in its colour, as rich text."""
    symbol = SYMBOLS.get(channel, "●")
    return f'{channel} <span style="color:{channel_color(channel)}">{symbol}</span>'
