"""Again: the Works that failed or were stopped, by lane, until one of the same lane succeeds."""

from __future__ import annotations

from collections.abc import Iterable

from core.engine import Job, Work
from core.job import Export, MeasureNoise, Open
from core.show import Judge, ShowAfter

WORTH = Open | MeasureNoise | Export | ShowAfter | Judge  # stopped by the user: may go on
LANE = "after"  # that of the denoised picture


class Again:
    """What Retry does."""

    def __init__(self) -> None:
        self._works: dict[str, tuple[Work, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._works)

    def add(self, job: Job) -> None:
        """It failed."""
        self._works[job.lane] = job.work, job.rank

    def stopped(self, jobs: Iterable[Job]) -> None:
        """The user stopped these."""
        for job in jobs:
            if isinstance(job.work, WORTH):
                self.add(job)

    def succeeded(self, lane: str) -> bool:
        """A Work of this lane has ended well; was it the last that there was trouble with?"""
        return self._works.pop(lane, None) is not None and not self._works

    def clear(self) -> bool:
        """Nobody wants it any more; was there anything?"""
        had = bool(self._works)
        self._works.clear()
        return had

    def works(self) -> list[tuple[str, Work, int]]:
        """Lane, Work and rank of all."""
        return [(lane, *rest) for lane, rest in self._works.items()]
