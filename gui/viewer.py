"""Viewer: the picture in the user's hand.

Mouse and keys; view.py holds what is looked at, picture.py paints it.

Drag pans (with the middle button or space held: always), the wheel zooms at the pointer, a double
click switches between the whole picture and 100 %, the divider of a wipe is dragged, shift-drag
draws the area to be measured, its corners move it. Held keys: B blinks, L shows the loupe. PageUp,
PageDown and the wheel with Alt go through a stack.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from core.tiles import Region
from gui.panes import Compare
from gui.picture import Picture

__all__ = ["Compare", "Viewer"]

GRAB = 7  # logical pixels around the divider or a corner within which it is taken hold of
BUTTONS = Qt.MouseButton.LeftButton | Qt.MouseButton.MiddleButton
SLICES = {Qt.Key.Key_PageUp: 1, Qt.Key.Key_PageDown: -1}
BY_KEY = (  # ways to get the focus that call for showing where it is
    Qt.FocusReason.TabFocusReason,
    Qt.FocusReason.BacktabFocusReason,
    Qt.FocusReason.ShortcutFocusReason,
)


class Viewer(Picture):
    """Shows one image and lets the user look around in it."""

    pointerMoved = Signal(object)  # (y, x) of the sensor pixel under the pointer, or None
    sliceStepped = Signal(int)  # so many slices on, or back
    dragging = Signal(bool)  # the hand holds the picture: compute less, paint more

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._drag: Callable[[QPointF], None] | None = None
        self._last = QPointF()
        self._roi_armed = self._drawing = self._space = False
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def start_roi(self) -> None:
        """The next drag draws the area to be measured; Escape thinks better of it."""
        self._roi_armed = True
        self.setCursor(Qt.CursorShape.CrossCursor)

    # --- mouse ---------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Qt: take hold of what is under the pointer."""
        if self._camera is None or not event.button() & BUTTONS or self._drag:
            event.ignore()
            return
        point, left = event.position(), event.button() == Qt.MouseButton.LeftButton
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self._last = point
        self._drag = self._grasp(point, shift) if left and not self._space else self._pan
        self._show_cursor(point)
        self.dragging.emit(True)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Qt: follow the hand."""
        point = event.position()
        if self._drag:
            self._drag(point)
            self._last = point
        self._point_at(point)
        self._show_cursor(point)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Qt: let go."""
        if not self._drag or event.buttons() & BUTTONS:
            return
        self._drag = None
        if self._drawing:
            self._drawing = False
            self.set_roi(self._outline)  # None after a mere click: no area
        self._show_cursor(event.position())
        self.dragging.emit(False)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Qt: the whole picture, or 100 % where the pointer is; on the divider, to the middle."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if self._near_divider(event.position()):
            self.wipe = 0.5
        elif self.fitted:
            self.zoom_to(1.0, event.position())
        else:
            self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Qt: zoom, four notches for twice the size; what is under the pointer stays there."""
        turned = event.angleDelta()
        notches = (turned.y() or turned.x()) / 120  # with Alt, Qt turns it sideways
        if event.modifiers() & Qt.KeyboardModifier.AltModifier:
            if notches:
                self.sliceStepped.emit(1 if notches > 0 else -1)
        elif turned.y():
            self._hurry()
            self.zoom_by(2 ** (notches / 4), event.position())
            self._point_at(event.position())
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        """Qt: the pointer is elsewhere."""
        self._point_at(None)
        super().leaveEvent(event)

    def _grasp(self, point: QPointF, shift: bool) -> Callable[[QPointF], None]:
        """What a drag that begins here does."""
        anchor = self.sensor_at(point) if self._roi_armed or shift else self._opposite(point)
        if anchor:
            self._roi_armed, self._drawing = False, True
            self._outline = None if shift else self.roi
            return partial(self._draw_roi, anchor)
        return self._move_divider if self._near_divider(point) else self._pan

    def _pan(self, point: QPointF) -> None:
        self._hurry()
        moved = point - self._last
        self.pan_by(moved.x(), moved.y())

    def _move_divider(self, point: QPointF) -> None:
        self._hurry()
        self.wipe = point.x() / max(self.width(), 1)

    def _draw_roi(self, anchor: tuple[float, float], point: QPointF) -> None:
        y, x = self.sensor_at(point) or anchor
        (y0, y1), (x0, x1) = sorted((anchor[0], y)), sorted((anchor[1], x))
        self._outline = Region(math.floor(y0), math.floor(x0), math.ceil(y1), math.ceil(x1))
        self.update()

    def _near_divider(self, point: QPointF) -> bool:
        near = abs(point.x() - self.wipe * self.width()) <= GRAB
        return near and self.shown is Compare.WIPE and self._camera is not None

    def _opposite(self, point: QPointF) -> tuple[float, float] | None:
        """The sensor corner of the measured area across from the one under the pointer."""
        if self.roi is None or self._camera is None:
            return None
        view, ratio = self._pane_at(point).view, self.devicePixelRatioF()
        ends = self.roi
        for y, x in ((a, b) for a in (ends.y0, ends.y1) for b in (ends.x0, ends.x1)):
            v, u = view.device(y, x)
            if max(abs(v / ratio - point.y()), abs(u / ratio - point.x())) <= GRAB:
                return ends.y0 + ends.y1 - y, ends.x0 + ends.x1 - x
        return None

    # --- pointer, keys and focus ---------------------------------------------------------------

    def _point_at(self, point: QPointF | None) -> None:
        """The pointer is at another place, or gone."""
        self._pointer = point
        middle = QPointF(0.5, 0.5) / self.devicePixelRatioF()  # of the pixel it points at
        found = self.sensor_at(point + middle) if point is not None else None
        pixel = (math.floor(found[0]), math.floor(found[1])) if found else None
        self.pointerMoved.emit(pixel if pixel and self._holds(*pixel) else None)
        if self.loupe:
            self._view_moved()

    def _holds(self, y: int, x: int) -> bool:
        camera = self._camera
        return camera is not None and 0 <= y < camera.height and 0 <= x < camera.width

    def _show_cursor(self, point: QPointF) -> None:
        near = self._near_divider(point)
        if self._drag == self._pan:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif self._roi_armed or self._drawing or self._opposite(point):
            self.setCursor(Qt.CursorShape.CrossCursor)
        elif near or self._drag == self._move_divider:
            self.setCursor(Qt.CursorShape.SplitHCursor)
        else:
            self.unsetCursor()
        self.setToolTip("Drag to compare before and after" if near else "")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt: a key that acts while it is held, or Escape."""
        plain = event.modifiers() in (
            Qt.KeyboardModifier.NoModifier,
            Qt.KeyboardModifier.ShiftModifier,
        )
        if event.key() == Qt.Key.Key_Escape and (self._roi_armed or self._drawing):
            self._roi_armed = self._drawing = False
            self._outline = self._drag = None
            self.unsetCursor()
            self.update()
        elif plain and event.key() in SLICES:
            self.sliceStepped.emit(SLICES[Qt.Key(event.key())])
        elif not (plain and self._hold(event, True)):
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Qt: a held key is let go."""
        if not self._hold(event, False):
            super().keyReleaseEvent(event)

    def _hold(self, event: QKeyEvent, down: bool) -> bool:
        if event.key() not in (Qt.Key.Key_B, Qt.Key.Key_L, Qt.Key.Key_Space):
            return False
        if event.isAutoRepeat():
            return True
        if event.key() == Qt.Key.Key_B:
            self.blinking = down
        elif event.key() == Qt.Key.Key_L:
            self.loupe = down
        else:
            self._space = down
        return True

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Qt: show the focus to those who move it by keys."""
        self._focus_shown = event.reason() in BY_KEY
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Qt: nothing is held any more."""
        self._focus_shown = self._space = False
        self.blinking = self.loupe = False
        super().focusOutEvent(event)
