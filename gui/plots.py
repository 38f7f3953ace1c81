"""A small plot in the window's colours: axes with round numbers, lines, steps and dots."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from core.image import Array
from gui import theme
from gui.numbers import text

SYMBOLS = {"R": "●", "G": "■", "B": "▼", "Y": "●"}
TICKS = 5  # about so many on an axis
TRIANGLE = (QPointF(-1.1, -0.9), QPointF(1.1, -0.9), QPointF(0.0, 1.1))


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
class Sketch:
    """What a plot shows: first marks are painted first. Axes are (name, unit)."""

    marks: tuple[Curve | Dots, ...]
    x: tuple[str, str]
    y: tuple[str, str]
    reach: tuple[float, float] | None = None  # right and upper end of axes that begin at 0


def steps(edges: Array, counts: Array, color: str, **look: float) -> Curve:
    """A histogram as a curve that rises and falls at the edges of its bins."""
    x, y = np.repeat(edges, 2), np.concatenate(([0.0], np.repeat(counts, 2), [0.0]))
    return Curve(x, y, color, **look)  # type: ignore[arg-type]


def ticks(low: float, high: float, most: int = TICKS) -> list[float]:
    """Round numbers between the ends, about `most`: 1, 2 or 5 times a power of ten apart."""
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        return []
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(each for each in (1, 2, 5, 10) if each * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [at * step for at in range(first, last + 1)]


class Plot(QWidget):
    """Axes with a name and unit each; `draw` says what to paint on them."""

    def __init__(self, title: str, empty: str = "") -> None:
        super().__init__()
        self.setAccessibleName(title)
        self.setMinimumHeight(150)
        self.sketch: Sketch | None = None
        self._empty = empty
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * 0.85)
        self.setFont(font)

    def draw(self, sketch: Sketch | None) -> None:
        """Show this; None empties the plot."""
        self.sketch = sketch
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt: axes, then marks, inside the frame that the labels leave."""
        look, painter = theme.colors(), QPainter(self)
        if self.sketch is None:
            painter.setPen(QColor(look.soft))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(12, 12, -12, -12), flags, self._empty)
            return
        painter.fillRect(self.rect(), QColor(look.base))
        (x0, x1), (y0, y1) = extent(self.sketch)
        frame = self._axes(painter, self.sketch, (x0, x1), (y0, y1))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipRect(frame.adjusted(0, -1, 1, 1))
        across, up = frame.width() / (x1 - x0), frame.height() / (y1 - y0)
        for one in self.sketch.marks:
            x, y = frame.left() + (one.x - x0) * across, frame.bottom() - (one.y - y0) * up
            there = np.isfinite(x) & np.isfinite(y)
            points = [QPointF(a, b) for a, b in zip(x[there], y[there], strict=True)]
            if isinstance(one, Curve):
                _curve(painter, one, points, frame.bottom() + y0 * up)
            else:
                _dots(painter, one, points)

    def _axes(
        self,
        painter: QPainter,
        sketch: Sketch,
        xs: tuple[float, float],
        ys: tuple[float, float],
    ) -> QRectF:
        look, metrics = theme.colors(), self.fontMetrics()
        line = metrics.height()
        rows = ticks(*ys, max(min(TICKS, self.height() // (2 * line) - 2), 2))
        wide = max((metrics.horizontalAdvance(words) for words in _words(rows)), default=0)
        frame = QRectF(line + wide + 12, 8, 0, 0)
        frame.setRight(max(self.width() - 14, frame.left() + 20))
        frame.setBottom(max(self.height() - 2 * line - 10, 30))
        painter.setPen(QColor(look.edge))
        painter.drawLine(frame.bottomLeft(), frame.bottomRight())
        painter.drawLine(frame.bottomLeft(), frame.topLeft())
        columns = ticks(*xs)
        middle = Qt.AlignmentFlag.AlignCenter
        for value, words in zip(columns, _words(columns), strict=True):
            x = frame.left() + (value - xs[0]) / (xs[1] - xs[0]) * frame.width()
            painter.setPen(QColor(look.edge))
            painter.drawLine(QPointF(x, frame.bottom()), QPointF(x, frame.bottom() + 4))
            half = metrics.horizontalAdvance(words) / 2 + 1
            left = min(x - half, self.width() - 2 * half)
            painter.setPen(QColor(look.soft))
            painter.drawText(QRectF(left, frame.bottom() + 5, 2 * half, line), middle, words)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for value, words in zip(rows, _words(rows), strict=True):
            y = frame.bottom() - (value - ys[0]) / (ys[1] - ys[0]) * frame.height()
            painter.setPen(QColor(look.edge))
            painter.drawLine(QPointF(frame.left() - 4, y), QPointF(frame.left(), y))
            painter.setPen(QColor(look.soft))
            box = QRectF(line + 2, y - line / 2, wide + 4, line)
            painter.drawText(box, right, words)
        bottom = QRectF(frame.left(), self.height() - line - 3, frame.width(), line)
        painter.drawText(bottom, middle, _label(sketch.x))
        painter.save()
        painter.translate(2, frame.bottom())
        painter.rotate(-90)
        painter.drawText(QRectF(0, 0, frame.height(), line), middle, _label(sketch.y))
        painter.restore()
        return frame


def extent(sketch: Sketch) -> tuple[tuple[float, float], tuple[float, float]]:
    """Both ends of both axes: as asked for, else of all finite points. Never empty."""
    if sketch.reach is not None:
        return (0.0, sketch.reach[0] or 1.0), (0.0, sketch.reach[1] or 1.0)
    x0, x1 = _ends(one.x for one in sketch.marks)
    y0, y1 = _ends(one.y for one in sketch.marks)
    room = 0.04 * (y1 - y0)
    return (x0, x1), (y0 - room if y0 < 0 else y0, y1 + room)


def _ends(values: Iterable[Array]) -> tuple[float, float]:
    finite = [each[np.isfinite(each)] for each in values]
    low = min((float(each.min()) for each in finite if each.size), default=0.0)
    high = max((float(each.max()) for each in finite if each.size), default=1.0)
    return (low, high) if high > low else (low, low + 1.0)


def _curve(painter: QPainter, one: Curve, points: list[QPointF], ground: float) -> None:
    if one.fill and points:
        color = QColor(one.color)
        color.setAlphaF(one.fill)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        ends = QPointF(points[-1].x(), ground), QPointF(points[0].x(), ground)
        painter.drawPolygon(QPolygonF([*points, *ends]))
    if one.width:
        pen = QPen(QColor(one.color), one.width)
        if one.dotted:
            pen.setDashPattern([2, 3])
        painter.setPen(pen)
        painter.drawPolyline(QPolygonF(points))


def _dots(painter: QPainter, one: Dots, points: list[QPointF]) -> None:
    color = QColor(one.color)
    color.setAlphaF(one.opacity)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    half = one.size / 2
    for at in points:
        if one.symbol == "■":
            painter.drawRect(QRectF(at.x() - half, at.y() - half, one.size, one.size))
        elif one.symbol == "▼":
            painter.drawPolygon(QPolygonF([at + corner * half for corner in TRIANGLE]))
        else:
            painter.drawEllipse(at, half, half)


def _words(values: list[float]) -> list[str]:
    least = (values[1] - values[0]) * 1e-3 if len(values) > 1 else 0.0
    return [text(0 if abs(value) < least else value, "", 4) for value in values]


def _label(axis: tuple[str, str]) -> str:
    name, unit = axis
    return f"{name} ({unit})" if unit else name


def channel_color(channel: str) -> str:
    """The colour of a channel's marks."""
    return theme.CHANNELS.get(channel, theme.CHANNELS["Y"])


def mark(channel: str) -> str:
    """A channel's letter with its symbol in its colour, as rich text."""
    symbol = SYMBOLS.get(channel, "●")
    return f'{channel} <span style="color:{channel_color(channel)}">{symbol}</span>'
