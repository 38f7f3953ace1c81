"""Linked windows: several images side by side, looked at in the same place, slice by slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QRect
from PySide6.QtWidgets import QApplication

from core.tiles import Span
from gui.session import State, stack_sizes

if TYPE_CHECKING:
    from gui.window import Window


class Linked(QObject):
    """The windows of one group. `make` gives a furnished one that belongs to it."""

    def __init__(self, make: Callable[[Linked], Window]) -> None:
        super().__init__()
        self.windows: list[Window] = []
        self._make, self._following = make, False

    def add(self, window: Window) -> None:
        """From now on it moves with the others, and they with it."""
        self.windows.append(window)
        window.viewer.viewChanged.connect(lambda *_: self._move(window))
        window.session.changed.connect(lambda old, new: self._turn(window, old, new))

    def remove(self, window: Window) -> None:
        """It is closed."""
        self.windows = [one for one in self.windows if one is not window]

    def another(self, beside: Window) -> Window:
        """A new window, the screen shared with the one it was asked for in."""
        made = self._make(self)
        place = beside.screen().availableGeometry()
        half = place.width() // 2
        if not beside.isMaximized() and beside.width() < half:
            made.resize(beside.size())
        else:
            beside.showNormal()
            beside.setGeometry(QRect(place.x(), place.y(), half, place.height()))
            made.setGeometry(QRect(place.x() + half, place.y(), half, place.height()))
        made.show()
        made.begin([])
        return made

    def quit(self) -> None:
        """Close all of them."""
        for window in tuple(self.windows):
            window.close()
        QApplication.processEvents()

    def _others(self, window: Window) -> list[Window]:
        shown = [one for one in self.windows if one.session.document is not None]
        return [one for one in shown if one is not window] if window in shown else []

    def _move(self, window: Window) -> None:
        """Zoom and pan: what is in the middle of one is in the middle of all."""
        place = window.viewer.place
        if self._following or place is None:
            return
        self._following = True
        for other in self._others(window):
            other.viewer.go_to(place)
        self._following = False

    def _turn(self, window: Window, old: State, new: State) -> None:
        """The slice, on axes that both have; of stacks of another length the same share."""
        d, was = new.document, old.document
        front = new.view.front
        if self._following or d is None or was is None or was.image is not d.image:
            return
        if front == old.view.front or not front:
            return
        sizes = stack_sizes(d.image)
        shares = {axis: span[0] / max(size - 1, 1) for axis, span, size
                  in zip(d.image.stack, front, sizes, strict=True)}  # fmt: skip
        self._following = True
        for other in self._others(window):
            document, view = other.session.document, other.session.state.view
            if document is None:
                continue
            image = document.image
            wanted: list[Span] = []
            for axis, span, size in zip(image.stack, view.front, stack_sizes(image), strict=False):
                at = round(shares[axis] * (size - 1)) if axis in shares else span[0]
                wanted.append((at, at + 1))
            if wanted and tuple(wanted) != view.front:
                other.edits.slice(tuple(wanted))
        self._following = False
