"""Engine: worker threads, lanes, cancel. Knows nothing of images or Qt.

A Work is a frozen value; called, it is a generator: every yield is progress and a place to cancel.
A worker advances the most urgent of its generators by one step at a time, so that an export yields
to the visible tile. In one lane the newest work replaces older ones. Works on different devices run
beside each other (see `divide`).
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from core.method import Cancelled


class Work(Protocol):
    """What an Engine runs."""

    worker: ClassVar[str]  # which of the engine's threads: "compute", "light", "files", "batch"

    def __call__(self, desk: Any, cancelled: Callable[[], bool]) -> Iterator[object]:
        """A generator of results or progress. `desk` is what the engine's maker gave it."""
        ...


@dataclass(eq=False)
class Job:
    """A submitted Work. `stop()` may be called from any thread."""

    work: Work
    lane: str
    rank: int
    number: int
    held: bool = False  # see Engine.hold
    _stop: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Ask it to end at its next yield or check (if held: when it goes on)."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Was it asked to end?"""
        return self._stop.is_set()


@dataclass(frozen=True)
class Yielded:
    """A Work yielded a value."""

    job: Job
    value: object


@dataclass(frozen=True)
class Finished:
    """A Work ended: exactly one for every job. `error` is None, Cancelled, or what it raised."""

    job: Job
    error: BaseException | None


Event = Yielded | Finished
Entry = tuple[Job, Iterator[object]]


class Engine:
    """Owns the worker threads. `emit` is called on them, in order, for every event."""

    def __init__(
        self,
        emit: Callable[[Event], None],
        desk: Any,
        workers: Sequence[str] = ("compute", "light", "files", "batch"),
        nice: Mapping[str, int] | None = None,
        divide: Callable[[Any], str] = lambda work: "",
    ) -> None:
        """`nice`: by how much a worker, with all threads it starts, steps back behind the others.

        It tells the scheduler whom to prefer when all cores are busy; on Linux only. `divide`: what
        a Work is done with (a device): a worker has a thread for each, started when it is wanted.
        """
        self._emit, self._desk, self._nice, self._divide = emit, desk, dict(nice or {}), divide
        self._numbers = itertools.count()
        self._closing = False
        self._wake = threading.Condition()
        self._jobs: dict[str, list[Entry]] = {}
        self._threads: list[threading.Thread] = []
        for name in workers:
            self._hire(name)

    def submit(self, work: Work, lane: str, rank: int = 0) -> Job:
        """Run a Work; lower ranks first. Older jobs of the same lane are asked to stop."""
        job = Job(work, lane, rank, next(self._numbers))
        name = f"{work.worker} {self._divide(work)}".rstrip()
        with self._wake:
            if self._closing:
                raise RuntimeError("the engine is closed")
            for older, _ in itertools.chain.from_iterable(self._jobs.values()):
                if older.lane == lane:
                    older.stop()
            generator = work(self._desk, lambda: job.stopped)
            if name not in self._jobs and work.worker in self._jobs:
                self._hire(name)
            self._jobs[name].append((job, generator))
            self._wake.notify_all()
        return job

    def hold(self, job: Job, on: bool) -> None:
        """Let a job rest after its current step, keeping what it has, or go on."""
        with self._wake:
            job.held = on
            self._wake.notify_all()

    def idle(self) -> bool:
        """True when nothing is queued or running."""
        with self._wake:
            return not any(self._jobs.values())

    def close(self) -> None:
        """Stop all jobs, wait for their end, end the threads. May be called twice."""
        with self._wake:
            self._closing = True
            for job, _ in itertools.chain.from_iterable(self._jobs.values()):
                job.held = False
                job.stop()
            self._wake.notify_all()
        for thread in self._threads:
            thread.join()

    def _hire(self, name: str) -> None:
        self._jobs[name] = []
        self._threads.append(threading.Thread(target=self._serve, args=(name,), name=name))
        self._threads[-1].start()

    def _serve(self, name: str) -> None:
        jobs, nice = self._jobs[name], self._nice.get(name.partition(" ")[0])
        if sys.platform == "linux" and nice is not None:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
        while True:
            with self._wake:
                self._wake.wait_for(lambda: _ready(jobs) or self._closing)
                if not jobs:
                    return
                entry = min(_ready(jobs), key=lambda e: (not e[0].stopped, e[0].rank, e[0].number))
            if self._step(*entry):
                with self._wake:
                    jobs.remove(entry)

    def _step(self, job: Job, generator: Iterator[object]) -> bool:
        """Advance by one yield; True when the job has ended."""
        error: BaseException | None = None
        try:
            if job.stopped:
                raise Cancelled
            value = next(generator)
        except StopIteration:
            pass
        except BaseException as raised:  # a plugin may raise anything; the worker lives on
            error = raised
        else:
            self._emit(Yielded(job, value))
            return False
        close = getattr(generator, "close", None)
        if close is not None:
            try:
                close()
            except BaseException as raised:  # as above
                error = error or raised
        self._emit(Finished(job, error))
        return True


def _ready(jobs: list[Entry]) -> list[Entry]:
    return [entry for entry in jobs if entry[0].stopped or not entry[0].held]
