"""Turns: work of the window that can be done in pieces, one a turn of the event loop."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable, Iterator, Sequence

from PySide6.QtCore import QObject, QTimer

Call = Callable[[], None]


QT = "QtCore", "QtGui", "QtWidgets", "QtSvg", "QtTest", "QtOpenGL", "QtOpenGLWidgets"
TURN = 0.003  # seconds


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


def wake_qt(turns: Turns, then: Call, parts: Sequence[str] = QT) -> None:
    """Have the main thread make all classes of Qt that pyqtgraph names, a few a turn; then call.

    PySide makes each when it is first named. A worker that does so, as pyqtgraph's import would,
    can crash the main thread, which meets one that is half made.
    """

    def classes() -> Iterator[object]:
        for part in parts:
            with contextlib.suppress(ImportError):  # a smaller Qt: pyqtgraph does without, too
                module = importlib.import_module(f"PySide6.{part}")
                for name in dir(module):
                    yield getattr(module, name, None)

    left = classes()

    def some() -> None:
        end = time.perf_counter() + TURN
        for _ in left:
            if time.perf_counter() > end:
                turns.add(some)
                return
        then()

    turns.add(some)
