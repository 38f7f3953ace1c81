"""Mail: what workers post, taken in by the main thread. The only place where threads meet Qt."""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import SimpleQueue

from PySide6.QtCore import QCoreApplication, QEvent, QObject, QTimer

from core.engine import Event

TURN = 0.008  # seconds


class Mail(QObject):
    """Events in order; `deliver` takes one and says whether it was a piece of picture."""

    def __init__(self, deliver: Callable[[Event], bool]) -> None:
        super().__init__()
        self._deliver = deliver
        self._waiting: SimpleQueue[Event] = SimpleQueue()
        self.closed = False
        self.turn = QTimer(self, singleShot=True, interval=0)
        self.turn.timeout.connect(self.take)

    def post(self, event: Event) -> None:
        """Called on workers. Posts, never emits: an emit copies Python objects under a lock.

        That waits for the GIL, while the main thread, deleting a widget with the GIL in its hand,
        may wait for the very lock: a deadlock that was seen.
        """
        self._waiting.put(event)
        QCoreApplication.postEvent(self, QEvent(QEvent.Type.User))

    def event(self, event: QEvent) -> bool:
        """Main thread: workers have posted something."""
        if event.type() != QEvent.Type.User:
            return super().event(event)
        if not self.closed and not self.turn.isActive():
            self.turn.start()
        return True

    def take(self) -> None:
        """At most one piece of picture: then the event loop has its turn (paint, mouse, keys).

        So it has after some milliseconds: workers may post faster than the window can listen.
        """
        shown, end = False, time.perf_counter() + TURN
        try:
            while not shown and not self._waiting.empty() and time.perf_counter() < end:
                shown = self._deliver(self._waiting.get_nowait())
        finally:
            if not self._waiting.empty() and not self.closed:
                self.turn.start()

    def close(self) -> None:
        """What still comes is not heard any more."""
        self.closed = True
        self.turn.stop()
