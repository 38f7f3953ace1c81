"""Annotations: what radiologists expect to read over a picture. Logical pixels.

Orientation letters at the edges, a scale bar, slice and window in a corner, the crosshair of linked
planes. All of it is white with a dark rim, seen on bone and on air.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPainterPath, QPen

from core.planes import VIEWS, Plane

LIGHT = QColor(255, 255, 255, 230)
DARK = QColor(0, 0, 0, 190)
LINES = {"z": QColor("#f08a70"), "y": QColor("#62d2aa"), "x": QColor("#7fbdf5")}  # Okabe and Ito's
MARGIN = 10.0
HOLE = 14.0  # around the point of the crosshair nothing is drawn
STEPS = (1.0, 2.0, 5.0)
DISCLAIMER = "not for diagnosis"


@dataclass(frozen=True)
class Notes:
    """What is written over the picture, besides what the planes themselves say."""

    medical: bool = False  # denoised pictures of it are not for diagnosis
    window: str = ""  # level and width, where it is shown through a window
    wheel: bool = False  # the wheel alone goes through the slices
    at: Mapping[str, int] = field(default_factory=dict[str, int])  # slice by axis, from 0
    first: str = "z"  # the plane that the window is written on
    crosshair: bool = False


def paint(painter: QPainter, area: QRectF, plane: Plane, notes: Notes, pixel: float) -> None:
    """All annotations of a plane inside `area`; `pixel`: millimetres of a logical pixel, or 0."""
    painter.save()
    painter.setClipRect(area, Qt.ClipOperation.IntersectClip)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    _letters(painter, area, plane)
    lines = []
    if plane.count > 1 and plane.across in notes.at:
        name = plane.name or f"Across {plane.across}"
        lines.append(f"{name}  {notes.at[plane.across] + 1} / {plane.count}")
    if notes.window and plane.across == notes.first and area.height() > 120:
        lines.append(notes.window)
    _corner(painter, area, lines, LINES[plane.across] if notes.crosshair else LIGHT)
    if pixel > 0:
        _scale_bar(painter, area, pixel)
    painter.restore()


def crosshair(painter: QPainter, area: QRectF, at: QPointF, plane: Plane) -> None:
    """Where the two other planes cut this one, each in its colour."""
    _, row, column = VIEWS[plane.across]
    if plane.orientation >= 5:
        row, column = column, row
    painter.save()
    painter.setClipRect(area, Qt.ClipOperation.IntersectClip)
    x, y = at.x(), at.y()
    across = [QLineF(area.left(), y, x - HOLE, y), QLineF(x + HOLE, y, area.right(), y)]
    down = [QLineF(x, area.top(), x, y - HOLE), QLineF(x, y + HOLE, x, area.bottom())]
    for lines, letter in ((across, row), (down, column)):
        for width, color in ((3.0, QColor(0, 0, 0, 90)), (1.0, LINES[letter])):
            painter.setPen(QPen(color, width))
            painter.drawLines(lines)
    painter.restore()


def bar(pixel: float, room: float) -> float:
    """The length in millimetres of a scale bar that takes about a fifth of `room` pixels."""
    wish, best = room * pixel / 5, 0.01
    for power in range(-2, 5):
        for step in STEPS:
            if step * 10.0**power <= wish:
                best = step * 10.0**power
    return best


def length(millimetres: float) -> str:
    """`5 cm`, `20 mm`, `0.5 mm`."""
    if millimetres >= 10:
        return f"{millimetres / 10:g} cm"
    return f"{millimetres:g} mm" if millimetres >= 0.1 else f"{millimetres * 1000:g} µm"


def write(painter: QPainter, at: QPointF, words: str, color: QColor = LIGHT) -> None:
    """Words with a dark rim, their base line beginning at a point."""
    path = QPainterPath()
    path.addText(at, painter.font(), words)
    painter.setPen(QPen(DARK, 3, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap,
                        Qt.PenJoinStyle.RoundJoin))  # fmt: skip
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(path)
    painter.fillPath(path, color)


def _letters(painter: QPainter, area: QRectF, plane: Plane) -> None:
    font = QFont(painter.font())
    plain = QFont(font)
    font.setBold(True)
    font.setPointSizeF(font.pointSizeF() * 1.15)
    painter.setFont(font)
    metrics = painter.fontMetrics()
    middle = area.center()
    for word, side in zip(plane.edges, ("left", "top", "right", "below"), strict=True):
        wide, high = metrics.horizontalAdvance(word), metrics.capHeight()
        x = {"left": area.left() + MARGIN, "right": area.right() - MARGIN - wide}.get(
            side, middle.x() - wide / 2
        )
        y = {"top": area.top() + MARGIN + high, "below": area.bottom() - MARGIN}.get(
            side, middle.y() + high / 2
        )
        if word:
            write(painter, QPointF(x, y), word)
    painter.setFont(plain)


def _corner(painter: QPainter, area: QRectF, lines: list[str], first: QColor) -> None:
    """Lines at the bottom on the left, the first one in its plane's colour."""
    high = painter.fontMetrics().height()
    y = area.bottom() - MARGIN - high * (len(lines) - 1)
    for number, words in enumerate(lines):
        color = LIGHT if number else first
        write(painter, QPointF(area.left() + MARGIN, y + number * high), words, color)


def _scale_bar(painter: QPainter, area: QRectF, pixel: float) -> None:
    """At the bottom on the right, with its length above it."""
    found = bar(pixel, area.width())
    wide, right, y = found / pixel, area.right() - MARGIN, area.bottom() - MARGIN - 3
    lines = [
        QLineF(right - wide, y, right, y),
        QLineF(right - wide, y - 5, right - wide, y + 3),
        QLineF(right, y - 5, right, y + 3),
    ]
    for width, color in ((4.0, DARK), (2.0, LIGHT)):
        painter.setPen(QPen(color, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
        painter.drawLines(lines)
    words = length(found)
    wide = painter.fontMetrics().horizontalAdvance(words)
    write(painter, QPointF(right - wide, y - 9), words)
