"""The window's own Works: what it needs behind the first paint, on workers.

SPARE is a thread for what may take long and nobody waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from core.desk import Desk
from core.files import Decoder
from core.roster import Alarm, Row

SPARE = "spare"
WORKERS = "compute", "light", "files", "batch", SPARE
Stop = Callable[[], bool]


@dataclass(frozen=True)
class GetReady:
    """What the first file needs and the first paint does not: a decoder that waits, OpenCV."""

    worker: ClassVar[str] = "files"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[object]:
        desk.decoder = Decoder(warm=True)
        import cv2  # what is painted is resampled with it

        yield cv2.__version__


@dataclass(frozen=True)
class LoadPlots:
    """Import what plots are drawn with, which takes half a second; yields the module."""

    worker: ClassVar[str] = SPARE

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Any]:
        import pyqtgraph

        yield pyqtgraph


@dataclass(frozen=True)
class LookForDevices:
    """Find and test devices; yields sentences and, each time something is new, all Rows.

    `again` names one to be tested anew, `chosen` the one that the user wants for everything.
    """

    again: str = ""
    chosen: str = ""
    worker: ClassVar[str] = SPARE

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[str | tuple[Row, ...]]:
        roster = desk.roster
        pinned = self._pin(desk)
        if self.again:
            yield roster.again(self.again)
        yield roster.rows()
        for words in roster.look(cancelled):
            yield words
            yield roster.rows()
        if not pinned and not self._pin(desk):
            name = self.chosen.upper()
            yield Alarm(f"{name}, which you chose, is not here: the faster device is used.")
        yield roster.rows()

    def _pin(self, desk: Desk) -> bool:
        try:
            desk.roster.pin(self.chosen)
        except ValueError:  # not found yet, or gone
            return False
        return True


@dataclass(frozen=True)
class ListDevices:
    """Yields all Rows: what was timed or set aside meanwhile."""

    worker: ClassVar[str] = "light"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[tuple[Row, ...]]:
        yield desk.roster.rows()


@dataclass(frozen=True)
class ChooseDevice:
    """Use one device for everything, or ("") the faster; yields a sentence, then all Rows."""

    name: str
    worker: ClassVar[str] = "light"  # it is quick, and SPARE may be at a test

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[str | tuple[Row, ...]]:
        yield desk.roster.pin(self.name)
        yield desk.roster.rows()


@dataclass(frozen=True)
class Allow:
    """How much may be taken, in bytes: on a worker, as what does not fit any more is written.

    By all windows together: they share the cache, and each takes its part of the rest.
    """

    memory: int  # of this machine, 0: half of what is free
    limits: tuple[tuple[str, int], ...]  # of other devices, where they are not to take most of it
    cache: int  # of that, for tiles that were computed; the canvases are counted there, too
    disk: int
    canvases: int
    owner: str  # the window whose canvases they are
    windows: int
    worker: ClassVar[str] = SPARE

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[None]:
        desk.memory, desk.sharing, desk.cache.budget = self.memory, self.windows, self.cache
        desk.limits = dict(self.limits)
        if desk.cache.spill is not None and desk.cache.spill.budget != self.disk:
            desk.cache.spill.budget = self.disk
        desk.cache.reserve(self.owner, self.canvases)
        yield None
