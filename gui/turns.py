"""Turns: work of the window that can be done in pieces, one a turn of the event loop."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

Call = Callable[[], None]


class Turns(QObject):
    """Calls in order, between them whatever else the event loop has: paint, mouse, keys."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: list[Call] = []
        self._timer = QTimer(self, singleShot=True, interval=0)
        self._timer.timeout.connect(self._next)

    def add(self, *calls: Call) -> None:
        """To the end of the line; one that waits already keeps its place."""
        self._waiting += [call for call in calls if call not in self._waiting]
        self._timer.start()

    def waits(self, call: Call) -> bool:
        """Is its turn still to come?"""
        return call in self._waiting

    def _next(self) -> None:
        if self._waiting:
            self._waiting.pop(0)()
        if self._waiting:
            self._timer.start()


def timer(ms: int, call: object) -> QTimer:
    """One that calls once, so long after its last start()."""
    made = QTimer(singleShot=True, interval=ms)
    made.timeout.connect(call)
    return made
