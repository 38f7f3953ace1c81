"""Picture: paints what is looked at.

Only the visible part is resampled, from canvases of developed pixels (layers.py) through a camera
(camera.py); `to_screen` then gives it the look.
"""

from __future__ import annotations

import time

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt, QTimer
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from core.planes import VIEWS
from core.tiles import Region
from gui import annotations, overlay
from gui.panes import Compare, Pane
from gui.render import render
from gui.showing import BACKGROUNDS, Spot
from gui.view import View

GHOST = QPoint(16, 16)  # half of what the pointer of another window takes
SLOW = 0.025  # seconds per frame above which a moving picture is painted at half resolution


class Picture(View):
    """A view that can be seen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._focus_shown = self._slow = self._draft = False
        self._drawing = ""  # what the hand draws: "roi", "second", "line"
        self._refine = QTimer(self, singleShot=True, interval=80)
        self._refine.timeout.connect(self._sharpen)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt: paint what is dirty."""
        started = time.perf_counter()
        painter = QPainter(self)
        grey = BACKGROUNDS[self._background]
        painter.fillRect(event.rect(), QColor(grey, grey, grey))
        if self._sheets:
            dirty = self._device(event.rect())
            for pane in self._panes():
                self._paint_pane(painter, pane, dirty)
            self._paint_overlay(painter)
            self._paint_loupe(painter, dirty)
        if self._focus_shown:
            overlay.border(painter, QRectF(self.rect()), self.palette().highlight().color(), 2)
        painter.end()
        if event.rect() == self.rect() and not self._draft:
            self._slow = time.perf_counter() - started > SLOW

    def _paint_pane(self, painter: QPainter, pane: Pane, dirty: Region) -> None:
        frame = pane.frame(dirty)
        if frame is None:
            return
        layers = self._sheets[pane.across].layers
        target = self._logical(frame.box)
        if self._draft:
            frame = frame.coarser(2)
            target.setSize(
                self._logical(Region.whole(2 * frame.box.height, 2 * frame.box.width)).size()
            )
        grey = BACKGROUNDS[self._background]
        other = self._other if pane.shows is Compare.AFTER else None
        screen = other or self._screen
        pixels = render(layers, pane.shows, frame, screen, self._gain, grey, other is not None)
        if pixels is None:
            return
        height, width = pixels.shape[:2]
        image = QImage(pixels.data, width, height, pixels.strides[0], QImage.Format.Format_RGB32)
        painter.drawImage(target, image)

    def _paint_overlay(self, painter: QPainter) -> None:
        for across, box in self._boxes():
            area, shown = self._logical(box), self._in(across, box)
            clips = [self._logical(pane.clip) for pane in shown]
            for pane, clip in zip(shown, clips, strict=True):
                painter.save()
                painter.setClipRect(clip, Qt.ClipOperation.IntersectClip)
                self._paint_marks(painter, pane)
                painter.restore()
            places = [area] if self.shown is Compare.WIPE else clips
            for pane, place in zip(shown, places, strict=False):
                self._cross(painter, pane, place)
            overlay.comparison(
                painter, self.shown, area, clips, self._wipe, self._gain, self._warning,
                self._other_words,
            )  # fmt: skip
            for pane, place in zip(shown, places, strict=False):  # to be read on the divider, too
                self._annotate(painter, pane, place)
        for _, box in self._boxes()[1:]:
            edge = self._logical(box)
            painter.fillRect(QRectF(edge.left() - 1, edge.top(), 1, edge.height()), overlay.SEAM)
            painter.fillRect(QRectF(edge.left(), edge.top() - 1, edge.width(), 1), overlay.SEAM)

    @property
    def _warning(self) -> str:
        return annotations.DISCLAIMER if self._notes.medical else ""

    def _paint_marks(self, painter: QPainter, pane: Pane) -> None:
        """What a tool draws, the measured areas, the line across an edge."""
        if self.tool:
            self.tool.paint(painter, pane, self.devicePixelRatioF())
        if self._ghost is not None and self._ghost[0] == pane.across:
            overlay.pointer(painter, self._logical_point(pane, *self._ghost[1:]))
        if pane.across != self._marked:
            return
        second = self._outline if self._drawing == "second" else self._second
        roi = self._outline if self._drawing == "roi" else self._roi
        for area, letter in ((roi, "A"), (second, "B")):
            if area is not None:
                box = self._logical(pane.view.box_of(area))
                overlay.rectangle(painter, box, letter if second else "")
        if self._line is not None:
            y0, x0, y1, x1 = self._line
            ends = [self._logical_point(pane, y, x) for y, x in ((y0, x0), (y1, x1))]
            overlay.line(painter, *ends)

    def set_ghost(self, spot: Spot | None) -> None:
        """Where the pointer of a linked window is; None: nowhere."""
        if spot == self._ghost:
            return
        both = [each for each in (self._ghost, spot) if each is not None]
        self._ghost = spot
        for across, y, x in both:
            for pane in self._panes() if self._sheets else ():
                if pane.across == across:
                    point = self._logical_point(pane, y, x).toPoint()
                    self.update(QRect(point - GHOST, point + GHOST))

    def _logical_point(self, pane: Pane, y: float, x: float) -> QPointF:
        down, right = pane.view.device(y, x)
        return QPointF(right, down) / self.devicePixelRatioF()

    def _cross(self, painter: QPainter, pane: Pane, area: QRectF) -> None:
        plane, notes = self._sheets[pane.across].plane, self._notes
        if notes.crosshair:
            row, column = (notes.at[axis] + 0.5 for axis in VIEWS[pane.across][1:])
            annotations.crosshair(painter, area, self._logical_point(pane, row, column), plane)

    def _annotate(self, painter: QPainter, pane: Pane, area: QRectF) -> None:
        plane, notes = self._sheets[pane.across].plane, self._notes
        if notes.medical:
            pixel = plane.millimetres / pane.camera.scale * self.devicePixelRatioF()
            annotations.paint(painter, area, plane, notes, pixel)

    def _paint_loupe(self, painter: QPainter, dirty: Region) -> None:
        both = self._loupe_panes()
        if both:
            left, right = (self._logical(pane.clip) for pane in both)
            grey = BACKGROUNDS[self._background]
            painter.fillRect(left.united(right), QColor(grey, grey, grey))
            for pane in both:
                self._paint_pane(painter, pane, dirty)
            overlay.loupe(painter, left, right, self._warning)

    def _hurry(self) -> None:
        """The picture moves under the hand: where frames are slow, coarse ones until it rests."""
        if self._slow:
            self._draft = True
            self._refine.start()

    def _sharpen(self) -> None:
        self._draft = False
        self.update()
