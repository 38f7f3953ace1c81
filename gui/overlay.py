"""What is drawn over the picture: thin, grey, and no more than must be. Logical pixels."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPen, QPolygonF

from gui.panes import Compare

LIGHT = QColor(255, 255, 255, 220)
DARK = QColor(0, 0, 0, 130)
SEAM = QColor(128, 128, 128)
HANDLE = 6.0


def comparison(
    painter: QPainter, shown: Compare, area: QRectF, clips: list[QRectF], wipe: float, gain: float
) -> None:
    """What is before and what is after, and the line between them."""
    if shown is Compare.DIFFERENCE:
        label(painter, area, f"after − before, × {gain:g}")
    elif shown is Compare.BEFORE:
        label(painter, area, "before")
    elif shown is not Compare.AFTER:
        label(painter, clips[0], "before")
        label(painter, clips[1], "after", right=True)
        if shown is Compare.WIPE:
            divider(painter, wipe * area.width(), area.height())
        else:
            painter.fillRect(QRectF(area.width() / 2 - 0.5, 0, 1, area.height()), SEAM)


def loupe(painter: QPainter, left: QRectF, right: QRectF) -> None:
    """The rim of the loupe and its words."""
    label(painter, left, "before")
    label(painter, right, "after", right=True)
    border(painter, right, LIGHT, 1)
    border(painter, left.united(right), LIGHT, 1)


def divider(painter: QPainter, x: float, height: float) -> None:
    """The wipe's line with a handle in its middle."""
    for width, color in ((3.0, DARK), (1.0, LIGHT)):  # seen on snow and on soot
        painter.fillRect(QRectF(x - width / 2, 0, width, height), color)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(LIGHT, 1.2))
    painter.setBrush(QBrush(QColor(0, 0, 0, 150)))
    painter.drawEllipse(QPointF(x, height / 2), 12, 12)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QBrush(LIGHT))
    for side in (-1, 1):
        tip = QPointF(x + side * 7.5, height / 2)
        base = x + side * 3
        painter.drawPolygon(
            QPolygonF([tip, QPointF(base, height / 2 - 4), QPointF(base, height / 2 + 4)])
        )
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def label(painter: QPainter, area: QRectF, text: str, right: bool = False) -> None:
    """A small word in an upper corner of an area, cut off where the area ends."""
    painter.save()
    painter.setClipRect(area, Qt.ClipOperation.IntersectClip)
    font = painter.font()
    font.setPointSizeF(max(font.pointSizeF() * 0.9, 6))
    painter.setFont(font)
    metrics = painter.fontMetrics()
    width, height = metrics.horizontalAdvance(text) + 12, metrics.height() + 4
    left = area.right() - width - 8 if right else area.left() + 8
    box = QRectF(left, area.top() + 8, width, height)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(DARK)
    painter.drawRoundedRect(box, 3, 3)
    painter.setPen(LIGHT)
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
    painter.restore()


def rectangle(painter: QPainter, area: QRectF) -> None:
    """The outline of the measured area with a handle at each corner."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for width, color in ((3.0, DARK), (1.0, LIGHT)):
        painter.setPen(_pen(color, width))
        painter.drawRect(area)
    painter.setPen(QPen(QColor(0, 0, 0, 200), 1))
    painter.setBrush(LIGHT)
    for corner in (area.topLeft(), area.topRight(), area.bottomLeft(), area.bottomRight()):
        painter.drawRect(QRectF(corner.x() - HANDLE / 2, corner.y() - HANDLE / 2, HANDLE, HANDLE))


def border(painter: QPainter, area: QRectF, color: QColor, width: float) -> None:
    """A frame just inside an area: keyboard focus, the rim of the loupe."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(_pen(color, width))
    half = width / 2
    painter.drawRect(area.adjusted(half, half, -half, -half))


def _pen(color: QColor, width: float) -> QPen:
    return QPen(QBrush(color), width, j=Qt.PenJoinStyle.MiterJoin)
