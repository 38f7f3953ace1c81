"""A line of a clip over time, as M-mode has it: before above after, time from left to right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from core.clip import Column, FollowLine, Seen
from core.develop import Look, to_screen
from core.develop.store import PEDESTAL
from core.engine import Event, Finished, Job
from core.image import Array, Image
from gui import overlay, theme
from gui.bridge import Bridge
from gui.session import Document, Session, State
from gui.turns import timer

REST = 300  # ms without a change before the line is followed
SHOW = 60  # ms between pictures while columns come in
HINT = "Draw a line through what moves: press W, then drag."
LINE = QColor(255, 190, 125)
GAP = 2


class TimeStrip(QWidget):
    """Two pictures of time; a click goes to that frame."""

    frameWanted = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Line over time, before and after")
        self.setMinimumHeight(150)
        self.setToolTip("Time runs to the right, the line from its first point downwards")
        self._pictures: list[Array] = []
        self.at, self.count = 0, 0

    def sizeHint(self) -> QSize:
        """Qt: as high as the plots beside it."""
        return QSize(240, 220)

    def set_pictures(self, before: Array | None, after: Array | None) -> None:
        """RGB (points, frames, 3) uint8, or None; equal sizes."""
        self._pictures = [np.ascontiguousarray(one) for one in (before, after) if one is not None]
        self.count = self._pictures[0].shape[1] if self._pictures else 0
        self.update()

    def set_at(self, at: int) -> None:
        """The frame that is looked at."""
        if at != self.at:
            self.at = at
            self.update()

    @property
    def shown(self) -> list[Array]:
        """The pictures, before first."""
        return self._pictures

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Qt: to that frame."""
        self._go(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Qt: while the button is held."""
        self._go(event)

    def _go(self, event: QMouseEvent) -> None:
        if self.count and event.buttons() & Qt.MouseButton.LeftButton:
            at = int(event.position().x() / max(self.width(), 1) * self.count)
            self.frameWanted.emit(min(max(at, 0), self.count - 1))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt: one above the other, and where the clip stands."""
        painter = QPainter(self)
        if not self._pictures:
            painter.setPen(QColor(theme.colors().soft))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(12, 12, -12, -12), flags, HINT)
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        high = (self.height() - GAP * (len(self._pictures) - 1)) / len(self._pictures)
        names = ("before", "after")
        for row, pixels in enumerate(self._pictures):
            tall, wide = pixels.shape[:2]
            image = QImage(pixels.data, wide, tall, 3 * wide, QImage.Format.Format_RGB888)
            place = QRectF(0, row * (high + GAP), self.width(), high)
            painter.drawImage(place, image)
            overlay.label(painter, place, names[row])
        x = (self.at + 0.5) / self.count * self.width()
        painter.fillRect(QRectF(x - 0.5, 0, 1, self.height()), LINE)


class OverTime(QObject):
    """Follows the drawn line through all frames of a clip, in the background."""

    def __init__(self, session: Session, bridge: Bridge, strip: TimeStrip) -> None:
        super().__init__(strip)
        self._session, self._bridge, self._strip = session, bridge, strip
        self._job: Job | None = None
        self._before = self._after = np.zeros((0, 0, 1), np.float32)  # points, frames, channels
        self._rest, self._soon = timer(REST, self._ask), timer(SHOW, self._paint)
        session.changed.connect(self._on_change)
        strip.frameWanted.connect(self._go)

    def _on_change(self, old: State, new: State) -> None:
        self._strip.set_at(_at(new))
        if _key(old) != _key(new):
            self._rest.start()
        elif (old.document and old.document.look) != (new.document and new.document.look):
            self._soon.start()

    def _ask(self) -> None:
        if self._job is not None:
            self._job.stop()
            self._job = None
        state = self._session.state
        d, line = state.document, state.view.line
        if self._bridge.closed or d is None or line is None or not moves(d.image):
            self._before = self._after = np.zeros((0, 0, 1), np.float32)
            self._strip.set_pictures(None, None)
            return
        stack, count = d.image.stack, d.image.pixels.shape[d.image.axes.index("t")]
        frames = tuple((at, state.view.front_at(stack, "t", at)) for at in range(count))
        seen = Seen(d.image, d.noise, d.recipe, d.look, state.view.visible, 1)
        self._before = self._after = np.zeros((0, count, 1), np.float32)
        work = FollowLine(seen, line, frames)
        self._job = self._bridge.run(work, "over time", 7, self._hear)

    def _hear(self, event: Event) -> None:
        if event.job is not self._job:
            return
        if isinstance(event, Finished):
            self._job = None
        elif isinstance(event.value, Column):
            column = event.value
            if not self._before.size:
                points, channels = column.before.shape
                shape = points, self._before.shape[1], channels
                self._before, self._after = (np.full(shape, np.nan, np.float32) for _ in "ab")
            self._before[:, column.at] = column.before
            if column.after is not None:
                self._after[:, column.at] = column.after
            if not self._soon.isActive():
                self._soon.start()

    def _paint(self) -> None:
        d = self._session.document
        if d is None or not self._before.size:
            return
        after = _picture(self._after, d) if d.recipe.steps else None
        self._strip.set_pictures(_picture(self._before, d), after)

    def _go(self, at: int) -> None:
        state = self._session.state
        d, view = state.document, state.view
        if d is None:
            return
        front = view.front_at(d.image.stack, "t", at)
        if front != view.front:
            self._session.look_at(front=front, visible=replace(view.visible, front=front))


def moves(image: Image) -> bool:
    """Has it several frames in time?"""
    return "t" in image.axes and image.pixels.shape[image.axes.index("t")] > 1


def _picture(values: Array, d: Document) -> Array:
    """Values 0..1 (points, frames, 1 or 3) of the store as the screen shows them.

    Dark grey where none has come yet.
    """
    missing = np.isnan(values[..., 0])
    store = np.nan_to_num(values) * (65535 - PEDESTAL) + PEDESTAL
    store = np.clip(store, 0, 65535).astype(np.uint16)
    look: Look = d.look
    rgb: Any = to_screen(
        np.ascontiguousarray(np.broadcast_to(store, (*missing.shape, 3))), d.image, look
    )
    rgb = np.asarray(rgb)[..., :3].copy()
    rgb[missing] = 40
    return rgb


def _at(state: State) -> int:
    d, front = state.document, state.view.front
    if d is None or not front or "t" not in d.image.stack:
        return 0
    return front[d.image.stack.index("t")][0]


def _key(state: State) -> tuple[object, ...]:
    """What the columns depend on."""
    d = state.document
    rest = () if d is None else tuple(
        span for axis, span in zip(d.image.stack, state.view.front, strict=False) if axis != "t"
    )  # fmt: skip
    image = (d.image, d.noise, d.recipe, d.look.stored) if d is not None else ()
    return *image, state.view.line, rest
