"""Viewer: the picture in the user's hand.

Mouse and keys; view.py holds what is looked at, picture.py paints it.

Drag pans (with the middle button or space held: always), the wheel zooms at the pointer, a double
click switches between the whole picture and 100 %, the divider of a wipe is dragged, shift-drag
draws the area to be measured, its corners move it. Held keys: B blinks, L shows the loupe. PageUp,
PageDown and the wheel with Alt go through a stack.

What is shown through a window (scans, bands) has its width and level under the right button, or
the left one with Ctrl. Over scans the wheel alone goes through the slices and zooms with Ctrl, as
radiologists have it. Of three linked planes a drag moves the crosshair, a double click enlarges
one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from core.tiles import Region
from gui.camera import Frame
from gui.panes import Compare, Pane
from gui.picture import Picture

__all__ = ["Compare", "Viewer"]

GRAB = 7  # logical pixels around the divider or a corner within which it is taken hold of
RIGHT = Qt.MouseButton.RightButton
ALT, CONTROL, SHIFT = (
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)
BUTTONS = Qt.MouseButton.LeftButton | Qt.MouseButton.MiddleButton | RIGHT
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
    crosshairMoved = Signal(str, int, int)  # across which plane, its row and column
    planeActivated = Signal(str)  # the hand is in the plane across this axis
    planeEnlarged = Signal(str)
    windowDragged = Signal(float, float, bool)  # logical pixels right and down; final
    dragging = Signal(bool)  # the hand holds the picture: compute less, paint more

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._drag: Callable[[QPointF], None] | None = None
        self._last = QPointF()
        self._armed, self._space = "", False  # what the next drag draws
        self._turned = 0.0  # notches of the wheel that are no whole slice yet
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def start_roi(self) -> None:
        """The next drag draws the area to be measured; Escape thinks better of it."""
        self.start_mark("roi")

    def start_mark(self, what: str) -> None:
        """The next drag draws the area ("roi"), a "second" one, or a "line" across an edge."""
        self._armed = what
        self.setCursor(Qt.CursorShape.CrossCursor)

    # --- mouse ---------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Qt: take hold of what is under the pointer."""
        if self._camera is None or not event.button() & BUTTONS or self._drag:
            event.ignore()
            return
        point, left = event.position(), event.button() == Qt.MouseButton.LeftButton
        shift, control = (bool(event.modifiers() & key) for key in (SHIFT, CONTROL))
        windows = event.button() == RIGHT or (left and control)
        if windows and not self._notes.window:
            event.ignore()
            return
        self._last = point
        self._activate(point)
        if windows:
            self._drag = self._change_window
        else:
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
        if self._drag == self._change_window:
            self.windowDragged.emit(0.0, 0.0, True)
        self._drag = None
        if self.tool:
            self.tool.release()
        if self._drawing:
            self._finish_mark()
        self._show_cursor(event.position())
        self.dragging.emit(False)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Qt: the whole picture, or 100 % where the pointer is; on the divider, to the middle."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if self.tool and self.tool.double(event.position()):
            return
        if self._near_divider(event.position()):
            self.wipe = 0.5
        elif not self._alone():
            self.planeEnlarged.emit(self._pane_at(event.position()).across)
        elif self.fitted:
            self.zoom_to(1.0, event.position())
        else:
            self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Qt: zoom, four notches for twice the size; what is under the pointer stays there."""
        turned = event.angleDelta()
        notches = (turned.y() or turned.x()) / 120  # with Alt, Qt turns it sideways
        alt, control = (bool(event.modifiers() & key) for key in (ALT, CONTROL))
        if alt or (self._notes.wheel and not control):
            self._activate(event.position())
            self._turned += notches
            if steps := math.trunc(self._turned):
                self._turned -= steps
                self.sliceStepped.emit(steps)
                self._point_at(event.position())
        elif turned.y() and self._sheets:
            self._hurry()
            self._activate(event.position())
            self.zoom_by(2 ** (notches / 4), event.position())
            self._point_at(event.position())
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        """Qt: the pointer is elsewhere."""
        self._point_at(None)
        if self.tool:
            self.update()  # of its brush
        super().leaveEvent(event)

    def _grasp(self, point: QPointF, shift: bool) -> Callable[[QPointF], None]:
        """What a drag that begins here does."""
        if self.tool and not self._armed and (drag := self.tool.grasp(point, shift)):
            return drag
        what = self._armed or ("roi" if shift else "")
        anchor = self.sensor_at(point, self._active) if what else self._opposite(point)
        if anchor:
            self._outline = None if what else self.roi
            self._armed, self._drawing = "", what or "roi"
            if self._active != self._marked:  # what is compared lies in one plane
                self.clear_marks()
                self._marked = self._active
            return partial(self._draw_line if what == "line" else self._draw_roi, anchor)
        if self._near_divider(point):
            return self._move_divider
        if self._alone():
            return self._pan
        self._move_crosshair(point)
        return self._move_crosshair

    def _activate(self, point: QPointF) -> None:
        """The plane under the pointer is the one that keys act on."""
        across = self._pane_at(point).across if self._sheets else self._active
        if across != self._active:
            self._active = across
            self.planeActivated.emit(across)

    def _move_crosshair(self, point: QPointF) -> None:
        found, whole = self.sensor_at(point, self._active), self._extent()
        if found is not None and whole is not None:
            y = min(max(math.floor(found[0]), 0), whole.height - 1)
            x = min(max(math.floor(found[1]), 0), whole.width - 1)
            self.crosshairMoved.emit(self._active, y, x)

    def _change_window(self, point: QPointF) -> None:
        moved = point - self._last
        self.windowDragged.emit(moved.x(), moved.y(), False)

    def _pan(self, point: QPointF) -> None:
        self._hurry()
        moved = point - self._last
        self.pan_by(moved.x(), moved.y())

    def _move_divider(self, point: QPointF) -> None:
        self._hurry()
        self.wipe = self._along(point, self._own(self._active))[0]

    def _draw_roi(self, anchor: tuple[float, float], point: QPointF) -> None:
        y, x = self.sensor_at(point, self._active) or anchor
        (y0, y1), (x0, x1) = sorted((anchor[0], y)), sorted((anchor[1], x))
        self._outline = Region(math.floor(y0), math.floor(x0), math.ceil(y1), math.ceil(x1))
        self.update()

    def _draw_line(self, anchor: tuple[float, float], point: QPointF) -> None:
        self._line = (*anchor, *(self.sensor_at(point, self._active) or anchor))
        self.update()

    def _finish_mark(self) -> None:
        what, self._drawing = self._drawing, ""
        outline, self._outline = self._outline, None
        if what == "roi":
            self.set_roi(outline)  # None after a mere click: no area
        elif what == "second":
            self.set_marks(outline, self._line)
        else:
            self.marksChanged.emit(self._second, self._line)
        self.update()

    def _near_divider(self, point: QPointF) -> bool:
        if self.shown is not Compare.WIPE or not self._sheets:
            return False
        share, size = self._along(point, self._pane_at(point))
        return abs(share - self.wipe) * size <= GRAB

    def _along(self, point: QPointF, pane: Pane) -> tuple[float, float]:
        """Where a point lies in the direction that the divider moves: share of it, and its size."""
        place = self._logical(pane.place)
        if self.over:
            return (point.y() - place.top()) / max(place.height(), 1), place.height()
        return (point.x() - place.left()) / max(place.width(), 1), place.width()

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
        plane = self._sheets[self.under].plane if self._sheets else None
        return plane is not None and 0 <= y < plane.height and 0 <= x < plane.width

    @property
    def under(self) -> str:
        """The axis across which the plane under the pointer lies."""
        at = self._pointer
        return self._pane_at(at).across if at is not None and self._sheets else self._active

    def _show_cursor(self, point: QPointF) -> None:
        near = self._near_divider(point)
        if self._drag == self._change_window:
            self.setCursor(Qt.CursorShape.SizeAllCursor)
        elif self._drag == self._pan:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif self.tool and (shape := self.tool.cursor(point)) is not None:
            self.setCursor(shape)
        elif self._armed or self._drawing or self._opposite(point):
            self.setCursor(Qt.CursorShape.CrossCursor)
        elif near or self._drag == self._move_divider:
            level = Qt.CursorShape.SplitVCursor if self.over else Qt.CursorShape.SplitHCursor
            self.setCursor(level)
        else:
            self.unsetCursor()
        self.setToolTip("Drag to compare before and after" if near else "")

    def event(self, event: QEvent) -> bool:
        """Qt: keys that a tool wants do not become commands of the window."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            taken = self.tool is not None and self.tool.takes(event)
            event.setAccepted(taken)
            if taken:
                return True
        return super().event(event)

    def frame_at(self, point: QPointF) -> Frame:
        """Between sensor and device pixels in the pane under a point."""
        return self._pane_at(point).view

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt: a key that acts while it is held, or Escape."""
        if self.tool and self.tool.key(event):
            return
        plain = event.modifiers() in (
            Qt.KeyboardModifier.NoModifier,
            Qt.KeyboardModifier.ShiftModifier,
        )
        if event.key() == Qt.Key.Key_Escape and (self._armed or self._drawing):
            self._line = None if self._drawing == "line" else self._line
            self._armed = self._drawing = ""
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
