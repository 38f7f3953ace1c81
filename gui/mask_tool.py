"""The mask of a step in the user's hand: shapes are drawn, moved and shaped over the picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QObject, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QRegion

from core.mask import Mask, Shape
from core.tiles import Region
from gui import mask_paint, mask_shapes
from gui.mask_shapes import Point
from gui.panes import Pane
from gui.viewer import Viewer

GRAB = 8.0  # logical pixels around a handle within which it is taken hold of
THIN = 6  # points of a stroke within its width
FIRST = 0.06  # of what is seen: how wide the brush is at first
STEP = 10.0  # that an arrow key moves a shape by; 1 with Shift
ARROWS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}
ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
ERASE = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)
SIZES = {Qt.Key.Key_BracketLeft: 1 / 1.15, Qt.Key.Key_BracketRight: 1.15}
Drag = Callable[[QPointF], None]


class MaskTool(QObject):
    """Edits a Mask. Driven by values: `set_mask` shows one; `edited(mask, final)` tells a change.

    Keys: arrows move the chosen shape, with Ctrl its lower right corner, Delete removes it, N goes
    to the next one, X cuts out or adds, brackets change the brush, Enter puts a shape into the
    middle or closes a polygon, Escape leaves.
    """

    edited = Signal(object, bool)  # Mask or None; False while the hand holds it
    changed = Signal()  # what is armed or chosen
    left = Signal()  # Escape: no more editing

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(viewer)
        self._viewer = viewer
        self.mask: Mask | None = None
        self.armed = ""  # the kind of shape that the next drag draws
        self.subtract = False  # what is drawn next is cut out
        self.width = 0.0  # of the brush, in sensor pixels; 0: not used yet
        self.tinted = True
        self.chosen = -1  # which of the shapes
        self._corners: list[Point] = []  # of a polygon that is being drawn
        self._stroke: Point | None = None  # where the last one ended
        self._moved = False  # since the drag began
        self._ring = QRect()  # where the brush was painted, in logical pixels
        self._tint = mask_paint.Tint()
        self._works = True  # in the slice that is seen

    @property
    def active(self) -> bool:
        """Is a mask being edited?"""
        return self._viewer.tool is self

    @property
    def brushes(self) -> bool:
        """Does the width of the brush matter now?"""
        return self.armed == "stroke" or (self.shape is not None and self.shape.kind == "stroke")

    @property
    def shape(self) -> Shape | None:
        """The one that is chosen."""
        shapes = self.mask.shapes if self.mask else ()
        return shapes[self.chosen] if 0 <= self.chosen < len(shapes) else None

    def set_mask(self, mask: Mask | None, active: bool, works: bool = True) -> None:
        """Show a mask, or none; edited while it is active; `works` in the slice that is seen."""
        self._works = works
        if not active:
            self.armed, self._corners, self.chosen = "", [], -1
        self.mask = mask
        if mask is None or self.chosen >= len(mask.shapes):
            self.chosen = -1
        self._viewer.tool = self if active else None
        self._tell()

    def arm(self, kind: str) -> None:
        """The next drag draws a shape of this kind ("": none); corners are clicked of a polygon."""
        self.armed, self._corners, self._stroke = kind, [], None
        if kind:
            self.chosen, self.subtract = -1, False
        if kind == "stroke" and not self.width:
            seen = self._viewer.wanted("z")[0][0]
            self.width = float(max(round(FIRST * min(seen.height, seen.width)), 1))
        self._viewer.setFocus(Qt.FocusReason.OtherFocusReason)
        self._tell()

    def turn(self, on: bool) -> None:
        """The chosen shape, and what is drawn next, is cut out (or added)."""
        self.subtract = on
        if not self.armed and self.shape is not None and self.shape.subtract != on:
            self._put(replace(self.shape, subtract=on), True)
        self._tell()

    def widen(self, width: float, final: bool = True) -> None:
        """The brush, and the chosen stroke, so many sensor pixels wide."""
        self.width = width
        if not self.armed and self.shape is not None and self.shape.kind == "stroke":
            self._put(replace(self.shape, width=width), final)
        self._tell()

    def choose(self, at: int) -> None:
        """Another shape, -1 for none."""
        self.chosen = at
        if self.shape is not None:
            self.subtract = self.shape.subtract
            self.width = self.shape.width or self.width
        self._tell()

    def remove(self) -> None:
        """Without the chosen shape; without any, there is no mask."""
        if self.mask is not None and self.shape is not None:
            shapes = tuple(s for at, s in enumerate(self.mask.shapes) if at != self.chosen)
            self.chosen = min(self.chosen, len(shapes) - 1)
            left = replace(self.mask, shapes=shapes)
            self._set(left if shapes or self.mask.image else None, True)

    def tint(self, on: bool) -> None:
        """Show in colour where the step works, or only the outlines."""
        self.tinted = on
        self._tell()

    # --- the hand ------------------------------------------------------------------------------

    def grasp(self, point: QPointF, shift: bool) -> Drag | None:
        """See Tool."""
        at, self._moved = self._sensor(point), False
        if at is None:
            return None
        if self.armed == "polygon":
            return self._corner(point, at)
        if self.armed == "stroke":
            return self._begin_stroke(at, shift)
        if self.armed:
            return partial(self._draw, at, shift)
        handle = self._handle_at(point)
        if handle >= 0:
            return partial(self._pull, handle)
        found = self._shape_at(point)
        if found != self.chosen:
            self.choose(found)
        shape = self.shape
        return partial(self._carry, shape, at) if shape is not None else None

    def release(self) -> None:
        """See Tool."""
        if self._moved:
            self._moved = False
            if self.armed == "stroke":  # one more may follow
                self.chosen = -1
            else:
                self.armed = ""
            self._tell()
            self.edited.emit(self.mask, True)

    def double(self, point: QPointF) -> bool:
        """Closes a polygon that is being drawn; on an edge of one, a corner more."""
        if self.armed == "polygon":
            self._close()
        if self.armed:
            return True
        shape, at = self.shape, self._sensor(point)
        if shape is None or at is None or shape.kind != "polygon":
            return self._shape_at(point) >= 0
        behind = mask_shapes.near_edge(shape, *at, GRAB * self._pixel(point))
        if behind >= 0:
            points = (*shape.points[: behind + 1], at, *shape.points[behind + 1 :])
            self._put(replace(shape, points=points), True)
        return True

    def cursor(self, point: QPointF) -> Qt.CursorShape | None:
        """See Tool."""
        if self.armed == "stroke":
            radius = self.width / 2 / self._pixel(point) + 4
            corner = QPointF(radius, radius)
            now = QRectF(point - corner, point + corner).toAlignedRect()
            self._viewer.update(QRegion(now) | QRegion(self._ring))
            self._ring = now
        if self.armed or self._handle_at(point) >= 0:
            return Qt.CursorShape.CrossCursor
        return Qt.CursorShape.SizeAllCursor if self._shape_at(point) >= 0 else None

    def _draw(self, anchor: Point, even: bool, point: QPointF) -> None:
        to = self._sensor(point) or anchor
        to = mask_shapes.opposite(self.armed, anchor, to) if even else to
        flat = to[0] == anchor[0] or to[1] == anchor[1]
        if to == anchor or (flat and self.armed != "gradient"):
            return
        shape = Shape(self.armed, (anchor, to), self.subtract)  # type: ignore[arg-type]
        self._add(shape, False) if not self._moved else self._put(shape, False)
        self._moved = True

    def _begin_stroke(self, at: Point, straight: bool) -> Drag:
        """A dab at once; with Shift a line from where the last one ended."""
        points = (self._stroke, at) if straight and self._stroke else (at,)
        self._add(Shape("stroke", points, self.subtract, self.width), False)
        self._moved, self._stroke = True, at
        return self._paint_on

    def _paint_on(self, point: QPointF) -> None:
        shape, at = self.shape, self._sensor(point)
        if shape is not None and at is not None and self._stroke is not None:
            apart = math.dist(at, self._stroke)
            if apart >= max(shape.width / THIN, self._pixel(point)):
                self._stroke = at
                self._put(replace(shape, points=(*shape.points, at)), False)
        self._viewer.update()

    def _corner(self, point: QPointF, at: Point) -> Drag | None:
        first = self._corners[0] if self._corners else None
        if first and len(self._corners) > 2 and self._near(point, first):
            self._close()
            return _nothing
        self._corners.append(at)
        self._tell()
        return self._place

    def _place(self, point: QPointF) -> None:
        """The corner that was clicked follows the hand until it is let go."""
        at = self._sensor(point)
        if at and self._corners:
            self._corners[-1] = at
            self._viewer.update()

    def _close(self) -> None:
        corners = [c for c, next_ in zip(self._corners, [*self._corners[1:], None], strict=True)
                   if c != next_]  # fmt: skip
        if len(corners) > 2:
            self._add(Shape("polygon", tuple(corners), self.subtract), True)
            self.arm("")

    def _pull(self, handle: int, point: QPointF) -> None:
        shape, at = self.shape, self._sensor(point)
        if shape is not None and at is not None:
            self._moved = True
            self._put(mask_shapes.dragged(shape, handle, at), False)

    def _carry(self, shape: Shape, start: Point, point: QPointF) -> None:
        at = self._sensor(point)
        if at is not None and at != start:
            self._moved = True
            self._put(mask_shapes.moved(shape, at[0] - start[0], at[1] - start[1]), False)

    # --- keys ----------------------------------------------------------------------------------

    def takes(self, event: QKeyEvent) -> bool:
        """See Tool."""
        key = event.key()
        if key == Qt.Key.Key_Escape or (key in ENTER and bool(self.armed)):
            return True
        keys = (*ARROWS, *ERASE)
        if key in keys and (self.shape is not None or (self._corners and key in ERASE)):
            return not event.modifiers() & Qt.KeyboardModifier.AltModifier
        plain = not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        return plain and (key in (Qt.Key.Key_N, Qt.Key.Key_X) or (key in SIZES and self.brushes))

    def key(self, event: QKeyEvent) -> bool:
        """See Tool."""
        if not self.takes(event):
            return False
        key = Qt.Key(event.key())
        if key == Qt.Key.Key_Escape:
            self._escape()
        elif key in ENTER:
            self._enter()
        elif key in ERASE and self._corners:
            self._corners.pop()
        elif key in ERASE:
            self.remove()
        elif key == Qt.Key.Key_X:
            self.turn(not self.subtract)
        elif key in SIZES:
            self.widen(max(self.width * SIZES[key], 1.0))
        elif key == Qt.Key.Key_N:
            count = len(self.mask.shapes) if self.mask else 0
            self.choose((self.chosen + 1) % count if count else -1)
        elif self.shape is not None:
            self._arrow(key, event.modifiers())
        self._tell()
        return True

    def _escape(self) -> None:
        if self._corners:
            self._corners = []
        elif self.armed:
            self.armed = ""
        elif self.chosen >= 0:
            self.chosen = -1
        else:
            self.left.emit()

    def _enter(self) -> None:
        if self.armed == "polygon" and len(self._corners) > 2:
            self._close()
            return
        seen = self._viewer.wanted("z")[0][0]
        area = float(seen.y0), float(seen.x0), float(seen.y1), float(seen.x1)
        self._add(mask_shapes.middle(self.armed, area, self.subtract, self.width), True)
        self.arm("")

    def _arrow(self, key: Qt.Key, held: Qt.KeyboardModifier) -> None:
        """As seen on screen, whichever way the picture is turned."""
        assert self.shape is not None
        down, right = ARROWS[key]
        middle = QPointF(self._viewer.rect().center())
        far = 1.0 if held & Qt.KeyboardModifier.ShiftModifier else STEP
        here, there = self._sensor(middle), self._sensor(middle + QPointF(right, down) * far)
        if here and there:
            dy, dx = there[0] - here[0], there[1] - here[1]
            grows = held & Qt.KeyboardModifier.ControlModifier
            change = mask_shapes.grown if grows else mask_shapes.moved
            self._put(change(self.shape, dy, dx), True)

    # --- what is where -------------------------------------------------------------------------

    def _sensor(self, point: QPointF) -> Point | None:
        return self._viewer.sensor_at(point, "z")

    def _pixel(self, point: QPointF) -> float:
        """Sensor pixels of a logical pixel."""
        return self._viewer.devicePixelRatioF() / self._viewer.frame_at(point).scale

    def _near(self, point: QPointF, place: Point) -> bool:
        v, u = self._viewer.frame_at(point).device(*place)
        ratio = self._viewer.devicePixelRatioF()
        return math.hypot(v / ratio - point.y(), u / ratio - point.x()) <= GRAB

    def _handle_at(self, point: QPointF) -> int:
        places = mask_shapes.handles(self.shape) if self.shape is not None else []
        return next((at for at, place in enumerate(places) if self._near(point, place)), -1)

    def _shape_at(self, point: QPointF) -> int:
        """The uppermost under a point."""
        at, shapes = self._sensor(point), self.mask.shapes if self.mask else ()
        reach = GRAB * self._pixel(point)
        found = [n for n, s in enumerate(shapes) if at and mask_shapes.hit(s, *at, reach)]
        return self.chosen if self.chosen in found else (found or [-1])[-1]

    # --- changes -------------------------------------------------------------------------------

    def _add(self, shape: Shape, final: bool) -> None:
        mask = self.mask or Mask()
        self.chosen = len(mask.shapes)
        self._set(replace(mask, shapes=(*mask.shapes, shape)), final)

    def _put(self, shape: Shape, final: bool) -> None:
        if self.mask is not None:
            shapes = list(self.mask.shapes)
            shapes[self.chosen] = shape
            self._set(replace(self.mask, shapes=tuple(shapes)), final)

    def _set(self, mask: Mask | None, final: bool) -> None:
        self.mask = mask
        self._tell()
        self.edited.emit(mask, final)

    def _tell(self) -> None:
        self._viewer.update()
        self.changed.emit()

    def paint(self, painter: QPainter, pane: Pane, ratio: float) -> None:
        """See Tool."""
        if pane.across != "z":
            return
        painter.save()
        painter.scale(1 / ratio, 1 / ratio)  # to device pixels
        frame, camera = pane.view, pane.camera
        if self.mask is not None:
            if self.tinted and self._works:
                whole = Region.whole(camera.height, camera.width)
                self._tint.paint(painter, self.mask, frame, whole)
            for at, shape in enumerate(self.mask.shapes):
                chosen = at == self.chosen and self.armed != "stroke"
                if chosen or shape.kind != "stroke" or not self.tinted:
                    mask_paint.outline(painter, shape, frame, chosen)
        if self._corners:
            mask_paint.path(painter, self._corners, frame)
        if self.armed == "stroke" and (hand := self._viewer.pointer) is not None:
            mask_paint.brush(painter, hand * ratio, self.width / 2 * frame.scale, self.subtract)
        painter.restore()


def _nothing(_: QPointF) -> None:
    """A drag that does nothing: the press has done it."""
