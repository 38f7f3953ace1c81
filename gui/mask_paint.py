"""A mask over the picture: where its step works in translucent red, outlines and handles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import (
    QImage,
    QPainter,
    QPainterPath,
    QPainterPathStroker,
    QPen,
    QPolygonF,
    QTransform,
)

from core.image import Image
from core.mask import Mask, Shape
from core.tiles import Region
from gui.camera import Frame
from gui.mask_shapes import Point, handles
from gui.overlay import DARK, HANDLE, LIGHT

RED = (255, 40, 40)
OPACITY = 0.42
FULL = 90.0  # device pixels across a gradient that its line at the full end goes to either side
CELLS = 400_000  # of the tint, at most: it is painted while a hand moves it


class Tint:
    """The weights of a mask as a picture; made again only when something differs."""

    def __init__(self) -> None:
        self._known: tuple[object, ...] = ()
        self._image = QImage()
        self._area = QRectF()

    def paint(self, painter: QPainter, mask: Mask, frame: Frame, whole: Region) -> None:
        """Over what a frame shows of the image; `painter` works in device pixels."""
        seen = frame.region(whole.height, whole.width)
        cell = max(math.ceil(math.sqrt(seen.area / CELLS)), 1)
        known = mask.key, seen, cell
        if known != self._known:
            self._known = known
            part = seen.aligned(cell)
            self._image = _picture(mask, part, cell)
            self._area = QRectF(part.x0, part.y0, part.width, part.height)
        painter.save()
        painter.setTransform(_to_device(frame), True)
        painter.setClipRect(QRectF(seen.x0, seen.y0, seen.width, seen.height),
                            Qt.ClipOperation.IntersectClip)  # fmt: skip
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(self._area, self._image)
        painter.restore()


def _picture(mask: Mask, part: Region, cell: int) -> QImage:
    def small(image: Image) -> Image:
        return replace(image, pixels=np.asarray(image.pixels[..., ::cell, ::cell]), cfa=None)

    cells = Region(part.y0 // cell, part.x0 // cell, part.y1 // cell, part.x1 // cell)
    if cell > 1:
        mask = mask.coarser(cell, small)
        mask = replace(mask, feather=max(mask.feather, 1.0))  # no stairs at its edges
    weights = mask.weights(cells)
    alpha = np.clip(weights, 0, 1) * OPACITY
    argb = np.empty((*weights.shape, 4), np.uint8)
    for at, value in enumerate((*RED[::-1], 255)):
        argb[..., at] = np.rint(alpha * value)
    height, width = weights.shape
    format_ = QImage.Format.Format_ARGB32_Premultiplied
    return QImage(argb.data, width, height, 4 * width, format_).copy()


def _to_device(frame: Frame) -> QTransform:
    m = np.linalg.inv(frame.to_sensor)
    return QTransform(m[0, 0], m[1, 0], m[0, 1], m[1, 1], m[0, 2], m[1, 2])


def outline(painter: QPainter, shape: Shape, frame: Frame, chosen: bool) -> None:
    """Its edge, dashed where it is cut out; with handles where it is chosen."""
    edge = _edge(shape, frame)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, shape.kind != "rectangle")
    for width, color in ((3.0, DARK), (2.0 if chosen else 1.2, LIGHT)):
        pen = QPen(color, width)
        pen.setCosmetic(True)
        if shape.subtract:
            pen.setDashPattern([4 * 3 / width, 3 * 3 / width])
        painter.setPen(pen)
        painter.drawPath(edge)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    if chosen:
        dots(painter, _places(frame, handles(shape)))


def _edge(shape: Shape, frame: Frame) -> QPainterPath:
    """What is drawn of it, in device pixels: of a gradient a line across at both ends."""
    places = _places(frame, [(float(y), float(x)) for y, x in shape.outline()])
    found = QPainterPath()
    if shape.kind == "gradient":
        start, stop = places
        along = stop - start
        size = math.hypot(along.x(), along.y()) or 1.0
        for end, half in ((start, FULL), (stop, FULL / 2)):
            across = QPointF(-along.y(), along.x()) * (half / size)
            found.moveTo(end - across)
            found.lineTo(end + across)
        found.moveTo(start)
        found.lineTo(stop)
    elif shape.kind == "stroke":
        way = QPainterPath(places[0])
        for place in places[1:] or [places[0] + QPointF(0.01, 0)]:
            way.lineTo(place)
        pen = QPainterPathStroker()
        pen.setWidth(shape.width * frame.scale)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        found = pen.createStroke(way).simplified()
    else:
        found.addPolygon(QPolygonF([*places, places[0]]))
    return found


def brush(painter: QPainter, place: QPointF, radius: float, subtract: bool) -> None:
    """The brush under the pointer; a minus in it where it cuts out."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for width, color in ((3.0, DARK), (1.2, LIGHT)):
        painter.setPen(QPen(color, width))
        painter.drawEllipse(place, radius, radius)
        if subtract:
            painter.drawLine(place - QPointF(5, 0), place + QPointF(5, 0))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def path(painter: QPainter, points: Sequence[Point], frame: Frame) -> None:
    """A polygon that is being drawn."""
    corners = _places(frame, points)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for width, color in ((3.0, DARK), (1.2, LIGHT)):
        painter.setPen(QPen(color, width))
        painter.drawPolyline(QPolygonF(corners))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    dots(painter, corners)


def dots(painter: QPainter, places: Sequence[QPointF]) -> None:
    """Handles."""
    painter.setPen(QPen(DARK, 1))
    painter.setBrush(LIGHT)
    for place in places:
        corner = QPointF(place.x() - HANDLE / 2 - 0.5, place.y() - HANDLE / 2 - 0.5)
        painter.drawRect(QRectF(corner.x(), corner.y(), HANDLE + 1, HANDLE + 1))


def _places(frame: Frame, points: Sequence[Point]) -> list[QPointF]:
    found = (frame.device(y, x) for y, x in points)
    return [QPointF(x, y) for y, x in found]
