"""What is drawn over the picture: thin, grey, and no more than must be. Logical pixels."""

from __future__ import annotations

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPen, QPolygonF

from gui.panes import Compare

LIGHT = QColor(255, 255, 255, 220)
DARK = QColor(0, 0, 0, 130)
SEAM = QColor(128, 128, 128)
WARNING = QColor("#ffbe7d")
HANDLE = 6.0


def comparison(
    painter: QPainter,
    shown: Compare,
    area: QRectF,
    clips: list[QRectF],
    wipe: float,
    gain: float,
    warning: str = "",
    layer: str = "",
) -> None:
    """What is before and what is after, and the line between them.

    `warning`: what is added wherever something denoised is seen; `layer`: what is seen as "after"
    where that is no picture.
    """
    after = layer or "after"
    more = f"  ·  {warning}" if warning else ""
    ink = WARNING if warning else LIGHT
    if shown is Compare.DIFFERENCE:
        label(painter, area, f"after − before, × {gain:g}{more}", ink=ink)
    elif shown is Compare.BEFORE:
        label(painter, area, "before")
    elif shown is not Compare.AFTER:
        label(painter, clips[0], "before")
        label(painter, clips[1], f"{after}{more}", True, ink)
        if shown is Compare.WIPE:
            divider(painter, area, wipe, clips[1].top() > area.top())
        elif clips[1].top() > clips[0].top():
            painter.fillRect(QRectF(area.left(), area.center().y() - 0.5, area.width(), 1), SEAM)
        else:
            painter.fillRect(QRectF(area.center().x() - 0.5, area.top(), 1, area.height()), SEAM)
    elif warning or layer:
        label(painter, area, f"{after}{more}", True, ink)


def loupe(painter: QPainter, left: QRectF, right: QRectF, warning: str = "") -> None:
    """The rim of the loupe and its words."""
    label(painter, left, "before")
    label(painter, right, f"after  ·  {warning}" if warning else "after", right=True)
    border(painter, right, LIGHT, 1)
    border(painter, left.united(right), LIGHT, 1)


def divider(painter: QPainter, area: QRectF, wipe: float, over: bool = False) -> None:
    """The wipe's line with a handle in its middle; `over`: before lies over after."""
    painter.save()
    painter.translate(area.center())
    length, thick = area.height(), area.width()
    if over:
        painter.rotate(90)
        length, thick = thick, length
    painter.translate((wipe - 0.5) * thick, 0)
    for width, color in ((3.0, DARK), (1.0, LIGHT)):  # seen on snow and on soot
        painter.fillRect(QRectF(-width / 2, -length / 2, width, length), color)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(LIGHT, 1.2))
    painter.setBrush(QBrush(QColor(0, 0, 0, 150)))
    painter.drawEllipse(QPointF(0, 0), 12, 12)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QBrush(LIGHT))
    for side in (-1, 1):
        tip, base = QPointF(side * 7.5, 0), side * 3
        painter.drawPolygon(QPolygonF([tip, QPointF(base, -4), QPointF(base, 4)]))
    painter.restore()


def label(
    painter: QPainter, area: QRectF, text: str, right: bool = False, ink: QColor = LIGHT
) -> None:
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
    painter.setPen(ink)
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
    painter.restore()


def rectangle(painter: QPainter, area: QRectF, letter: str = "") -> None:
    """The outline of the measured area with a handle at each corner, and its letter."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for width, color in ((3.0, DARK), (1.0, LIGHT)):
        painter.setPen(_pen(color, width))
        painter.drawRect(area)
    painter.setPen(QPen(QColor(0, 0, 0, 200), 1))
    painter.setBrush(LIGHT)
    for corner in (area.topLeft(), area.topRight(), area.bottomLeft(), area.bottomRight()):
        painter.drawRect(QRectF(corner.x() - HANDLE / 2, corner.y() - HANDLE / 2, HANDLE, HANDLE))
    if letter:
        painter.setPen(LIGHT)
        painter.drawText(area.topRight() + QPointF(6, 10), letter)


def line(painter: QPainter, start: QPointF, stop: QPointF) -> None:
    """The line across an edge, with round ends."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for width, color in ((3.0, DARK), (1.2, LIGHT)):
        painter.setPen(_pen(color, width))
        painter.drawLine(start, stop)
    painter.setBrush(LIGHT)
    for end in (start, stop):
        painter.drawEllipse(end, 3, 3)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def pointer(painter: QPainter, at: QPointF) -> None:
    """Where the pointer of a linked window is: a cross with a hole, so that the spot is seen."""
    arms = [QLineF(at + QPointF(4 * x, 4 * y), at + QPointF(12 * x, 12 * y))
            for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1))]  # fmt: skip
    for width, color in ((3.4, DARK), (1.4, LIGHT)):
        painter.setPen(_pen(color, width))
        painter.drawLines(arms)


def border(painter: QPainter, area: QRectF, color: QColor, width: float) -> None:
    """A frame just inside an area: keyboard focus, the rim of the loupe."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(_pen(color, width))
    half = width / 2
    painter.drawRect(area.adjusted(half, half, -half, -half))


def _pen(color: QColor, width: float) -> QPen:
    return QPen(QBrush(color), width, j=Qt.PenJoinStyle.MiterJoin)
