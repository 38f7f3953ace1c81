"""Asking: what a worker finds out about the step in hand, one question at a time."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject

from core.engine import Event, Finished, Job, Work
from core.job import Progress, Told, sentence
from core.method import Cancelled
from gui.bridge import Bridge
from gui.panel import MethodPanel
from gui.session import Session

RANK = 4  # after what is seen


class Asking(QObject):
    """A question on its way; `_answer` takes what is found, `_show` tells how it stands."""

    failed = ""  # what is said before the reason

    def __init__(
        self,
        session: Session,
        panel: MethodPanel,
        bridge: Bridge,
        say: Callable[[str], None],
        show: Callable[[object, str], None],
    ) -> None:
        super().__init__()
        self._session, self._panel, self._bridge = session, panel, bridge
        self._say, self._show_progress = say, show
        self._job: Job | None = None

    @property
    def running(self) -> bool:
        """Is a worker at it?"""
        return self._job is not None

    def _ask(self, work: Work, lane: str) -> None:
        self._job = self._bridge.run(work, lane, RANK, self._hear)
        self._show()

    def _stop(self) -> None:
        """The answer is no longer wanted."""
        if self._job is not None:
            self._job.stop()
            self._end()

    def _end(self) -> None:
        self._job = None
        self._show_progress(None, "")

    def _hear(self, event: Event) -> None:
        if event.job is not self._job:
            return
        if isinstance(event, Finished):
            self._end()
            if event.error is not None and not isinstance(event.error, Cancelled):
                self._say(f"{self.failed}: {sentence(event.error)}")
        elif isinstance(event.value, Progress):
            self._show_progress(event.value, "view")
        elif isinstance(event.value, Told):
            if event.value.news:
                self._say(event.value.news)
        else:
            self._answer(event.value)
        self._show()

    def _answer(self, value: object) -> None:
        """What the worker found."""
        raise NotImplementedError

    def _show(self) -> None:
        """How it stands, in the panel."""
        raise NotImplementedError
