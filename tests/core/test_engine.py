from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from core.engine import Engine, Event, Finished, Job, Yielded
from core.method import Cancelled

PATIENCE = 30.0  # seconds until a test that hangs fails; nothing waits that long otherwise
Stop = Callable[[], bool]


class Record:
    """What an engine emitted, and waiting for it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._news = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._news:
            self.events.append(event)
            self._news.notify_all()

    def finished(self, job: Job) -> list[Finished]:
        return [e for e in self.events if isinstance(e, Finished) and e.job is job]

    def values(self, job: Job) -> list[object]:
        return [e.value for e in self.events if isinstance(e, Yielded) and e.job is job]

    def wait(self, *jobs: Job) -> None:
        with self._news:
            assert self._news.wait_for(lambda: all(self.finished(j) for j in jobs), PATIENCE)


@dataclass(frozen=True)
class Count:
    """Yields 0..steps-1; waits for the gate before its first step where it has one."""

    steps: int = 3
    gate: threading.Event | None = None
    started: threading.Event = field(default_factory=threading.Event)
    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Any, cancelled: Stop) -> Iterator[object]:
        self.started.set()
        if self.gate is not None:
            assert self.gate.wait(PATIENCE)
        yield from range(self.steps)


@dataclass(frozen=True)
class Light(Count):
    worker: ClassVar[str] = "light"


@dataclass(frozen=True)
class Raise:
    error: BaseException
    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Any, cancelled: Stop) -> Iterator[object]:
        yield 1
        raise self.error


@dataclass(frozen=True)
class Endless:
    """Works until it is cancelled inside a step, as a method's loop does."""

    started: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)
    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Any, cancelled: Stop) -> Iterator[object]:
        try:
            self.started.set()
            nap = threading.Event()
            while not cancelled():
                nap.wait(0.001)
            raise Cancelled
            yield
        finally:
            self.closed.set()


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def engine(record: Record) -> Iterator[Engine]:
    made = Engine(record, desk="the desk")
    yield made
    made.close()


def test_values_in_order_then_one_finished(engine: Engine, record: Record) -> None:
    job = engine.submit(Count(4), "lane")
    record.wait(job)
    engine.close()
    assert record.values(job) == [0, 1, 2, 3]
    assert record.finished(job) == [Finished(job, None)]
    assert record.events[-1] == Finished(job, None)


def test_work_gets_the_desk(engine: Engine, record: Record) -> None:
    @dataclass(frozen=True)
    class Ask:
        worker: ClassVar[str] = "files"

        def __call__(self, desk: Any, cancelled: Stop) -> Iterator[object]:
            yield desk, threading.current_thread().name

    job = engine.submit(Ask(), "lane")
    record.wait(job)
    assert record.values(job) == [("the desk", "files")]


def test_exactly_one_finished_for_every_job(engine: Engine, record: Record) -> None:
    works = [Count(i % 4) for i in range(30)] + [Light(2), Raise(ValueError("no"))]
    jobs = [engine.submit(work, f"lane {i % 5}", i % 3) for i, work in enumerate(works)]
    jobs[7].stop()
    record.wait(*jobs)
    engine.close()
    assert [len(record.finished(job)) for job in jobs] == [1] * len(jobs)


def test_newest_in_a_lane_replaces_older_ones(engine: Engine, record: Record) -> None:
    running = Endless()
    first = engine.submit(running, "view")
    assert running.started.wait(PATIENCE)
    gate = threading.Event()  # nothing begins before all are there
    engine.submit(Count(1, gate), "gate", rank=-1)
    waiting = engine.submit(Count(5), "view")
    other = engine.submit(Count(2), "elsewhere")
    newest = engine.submit(Count(3), "view")
    gate.set()
    record.wait(first, waiting, newest, other)
    assert isinstance(record.finished(first)[0].error, Cancelled)
    assert isinstance(record.finished(waiting)[0].error, Cancelled)
    assert record.values(waiting) == []
    assert record.values(newest) == [0, 1, 2]
    assert record.finished(other) == [Finished(other, None)]


def test_a_lane_replaces_across_workers(engine: Engine, record: Record) -> None:
    running = Endless()
    old = engine.submit(running, "view")
    assert running.started.wait(PATIENCE)
    new = engine.submit(Light(1), "view")
    record.wait(old, new)
    assert isinstance(record.finished(old)[0].error, Cancelled)
    assert record.finished(new) == [Finished(new, None)]


def test_an_export_yields_to_the_view_step_by_step(engine: Engine, record: Record) -> None:
    gate, go = threading.Event(), threading.Event()

    @dataclass(frozen=True)
    class Export:
        worker: ClassVar[str] = "compute"

        def __call__(self, desk: Any, cancelled: Stop) -> Iterator[object]:
            yield "first"
            gate.set()
            assert go.wait(PATIENCE)
            yield "second"
            yield "third"

    export = engine.submit(Export(), "export", rank=5)
    assert gate.wait(PATIENCE)  # in the middle of its second step
    view = engine.submit(Count(3), "view", rank=0)
    go.set()
    record.wait(export, view)
    order = [e.value for e in record.events if isinstance(e, Yielded)]
    assert order == ["first", "second", 0, 1, 2, "third"]


def test_lower_ranks_first_then_older_first(engine: Engine, record: Record) -> None:
    gate = threading.Event()
    blocker = Count(1, gate)
    jobs = [engine.submit(blocker, "blocker", rank=-1)]
    assert blocker.started.wait(PATIENCE)
    ranks = [3, 1, 2, 1]
    jobs += [engine.submit(Count(1), f"lane {i}", rank) for i, rank in enumerate(ranks)]
    gate.set()
    record.wait(*jobs)
    ended = [e.job.lane for e in record.events if isinstance(e, Finished)]
    assert ended == ["blocker", "lane 1", "lane 3", "lane 2", "lane 0"]


@pytest.mark.parametrize(
    "error", [ValueError("broken"), MemoryError(), SystemExit(3), KeyboardInterrupt()]
)
def test_an_exception_ends_only_its_job(
    engine: Engine, record: Record, error: BaseException
) -> None:
    bad = engine.submit(Raise(error), "bad")
    good = engine.submit(Count(2), "good")
    record.wait(bad, good)
    later = engine.submit(Count(1), "later")
    record.wait(later)
    assert record.values(bad) == [1]
    assert record.finished(bad) == [Finished(bad, error)]
    assert record.finished(good) == [Finished(good, None)]
    assert record.finished(later) == [Finished(later, None)]


def test_stop_reaches_the_inside_of_a_step(engine: Engine, record: Record) -> None:
    work = Endless()
    job = engine.submit(work, "lane")
    assert work.started.wait(PATIENCE)
    assert not job.stopped
    job.stop()
    record.wait(job)
    assert isinstance(record.finished(job)[0].error, Cancelled)
    assert work.closed.is_set()


def test_a_stopped_job_closes_its_generator(engine: Engine, record: Record) -> None:
    closed, step, go = threading.Event(), threading.Event(), threading.Event()

    @dataclass(frozen=True)
    class Resource:
        worker: ClassVar[str] = "compute"

        def __call__(self, desk: Any, cancelled: Stop) -> Iterator[object]:
            try:
                step.set()
                assert go.wait(PATIENCE)
                yield 1
                yield 2
            finally:
                closed.set()

    job = engine.submit(Resource(), "lane")
    assert step.wait(PATIENCE)
    job.stop()
    go.set()
    record.wait(job)
    assert record.values(job) == [1]
    assert closed.is_set()


def test_close_in_the_middle_of_work(record: Record) -> None:
    engine = Engine(record, None)
    before = {thread for thread in threading.enumerate() if thread.name in {"compute", "light"}}
    running = Endless()
    jobs = [engine.submit(running, "a"), engine.submit(Count(9), "b"), engine.submit(Light(2), "c")]
    assert running.started.wait(PATIENCE)
    engine.close()
    assert not any(thread.is_alive() for thread in before)
    assert [len(record.finished(job)) for job in jobs] == [1, 1, 1]
    assert isinstance(record.finished(jobs[0])[0].error, Cancelled)
    assert isinstance(record.finished(jobs[1])[0].error, Cancelled)
    assert engine.idle()
    engine.close()  # twice is harmless


def test_no_work_after_close(engine: Engine) -> None:
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        engine.submit(Count(), "lane")


def test_idle(engine: Engine, record: Record) -> None:
    assert engine.idle()
    gate = threading.Event()
    work = Count(1, gate)
    job = engine.submit(work, "lane")
    assert not engine.idle()
    gate.set()
    record.wait(job)
    engine.close()
    assert engine.idle()


def test_workers_do_not_wait_for_each_other(engine: Engine, record: Record) -> None:
    gate = threading.Event()
    slow, quick = engine.submit(Count(1, gate), "slow"), engine.submit(Light(1), "quick")
    record.wait(quick)
    assert not record.finished(slow)
    gate.set()
    record.wait(slow)


def test_a_worker_has_a_thread_for_each_device(record: Record) -> None:
    """They run beside each other, each in its own order of ranks; a lane is one for all."""
    before = set(threading.enumerate())
    engine = Engine(record, None, divide=lambda work: "gpu" if work.steps == 9 else "")
    gate, other = threading.Event(), Count(9)
    held = Count(3, gate)
    slow = engine.submit(held, "batch", rank=20)
    assert held.started.wait(PATIENCE)
    quick = engine.submit(other, "view")
    record.wait(quick)
    assert not record.finished(slow)
    assert "compute gpu" in {thread.name for thread in threading.enumerate()}
    newer = engine.submit(Count(9), "batch")
    gate.set()
    record.wait(slow, newer)
    assert isinstance(record.finished(slow)[0].error, Cancelled)
    assert record.finished(newer) == [Finished(newer, None)]
    engine.close()
    assert set(threading.enumerate()) <= before


def test_submit_from_many_threads(engine: Engine, record: Record) -> None:
    jobs: list[Job] = []
    lock = threading.Lock()

    def send(name: int) -> None:
        for _ in range(20):
            job = engine.submit(Light(2), f"lane {name}")
            with lock:
                jobs.append(job)

    threads = [threading.Thread(target=send, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    record.wait(*jobs)
    engine.close()
    assert len({job.number for job in jobs}) == 80
    assert [len(record.finished(job)) for job in jobs] == [1] * 80
    newest = {job.lane: job for job in sorted(jobs, key=lambda job: job.number)}
    assert [record.finished(job)[0].error for job in newest.values()] == [None] * 4


def test_a_held_job_rests_and_goes_on(engine: Engine, record: Record) -> None:
    gate = threading.Event()
    long, other = Count(50, gate), Count(2)
    job = engine.submit(long, "long")
    assert long.started.wait(PATIENCE)
    engine.hold(job, True)
    gate.set()
    record.wait(engine.submit(other, "other", rank=9))  # the less urgent one has the worker
    assert len(record.values(job)) <= 1 and not engine.idle()
    engine.hold(job, False)
    record.wait(job)
    assert record.values(job) == list(range(50))


def test_a_held_job_can_be_ended(record: Record) -> None:
    engine = Engine(record, None)
    endless = Endless()
    job = engine.submit(endless, "long")
    assert endless.started.wait(PATIENCE)
    engine.hold(job, True)
    engine.close()
    assert isinstance(record.finished(job)[0].error, Cancelled)


@pytest.mark.skipif(sys.platform != "linux", reason="priorities of threads are Linux's")
def test_a_worker_and_its_threads_step_back() -> None:
    record, found = Record(), []

    @dataclass(frozen=True)
    class Ask:
        worker: ClassVar[str] = "compute"

        def __call__(self, desk: Any, cancelled: Stop) -> Iterator[object]:
            def tell() -> None:
                found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

            child = threading.Thread(target=tell)
            child.start()
            child.join()
            yield tell()

    here = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    engine = Engine(record, None, nice={"compute": 19})
    record.wait(engine.submit(Ask(), "ask"))
    engine.close()
    assert found == [19, 19]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == here
