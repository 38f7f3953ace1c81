"""Bridge: session and engine. The only file where threads meet Qt.

Newest wish wins, but the running one shows its first tile: a newer wish is held back until the
current job has shown something (cancelling on every move would show nothing during a drag).
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from queue import Empty, SimpleQueue

from PySide6.QtCore import QCoreApplication, QEvent, QObject, QTimer, Signal

from core.desk import Desk
from core.engine import Engine, Event, Finished, Job, Work
from core.format import Output, UnreadableFile, UnwritableFile
from core.job import (
    Export,
    Exported,
    Judge,
    LoadMethods,
    MeasureNoise,
    Open,
    Opened,
    Progress,
    ShowAfter,
    ShowBefore,
    Shown,
    Warm,
)
from core.method import Cancelled, Method
from core.noise.model import Measured
from core.tiles import Region
from gui.session import Document, Origin, Session, State
from gui.viewer import Viewer

THROTTLE = 30  # ms between wishes while a slider moves
REST = 180  # ms of rest before statistics are computed
SLOW = 0.35  # seconds a view may take before a proxy comes first
AFFORDABLE = 30.0  # seconds of work for real pixels instead of a proxy, when zoomed out
FIRST_GUESS = 4.0  # megapixels per second, until a method was measured


class Bridge(QObject):
    """Turns states into work, and what comes back into signals on the main thread."""

    opened = Signal(object)  # Opened
    methods_loaded = Signal(object)  # Registry
    progressed = Signal(object, str)  # Progress or None (idle), what is running
    judged = Signal(object, object)  # Region, Statistics
    exported = Signal(object)  # Exported
    failed = Signal(str, str)  # what failed, why in one sentence

    def __init__(self, session: Session, viewer: Viewer, desk: Desk) -> None:
        super().__init__()
        self._session, self._viewer, self._desk = session, viewer, desk
        self._mail: SimpleQueue[Event] = SimpleQueue()
        self._engine = Engine(self._post, desk)
        self._stages: list[ShowAfter] = []  # what is still to come for the current wish
        self._after: Job | None = None
        self._after_shown = True
        self._held_back = False
        self._blends = False  # the wish differs in its amount only from what is shown
        self._rates: dict[type[Method], float] = {}  # megapixels per second, measured
        self._running: set[Job] = set()
        self._throttle = _timer(THROTTLE, self._wish)
        self._rest = _timer(REST, self._judge)
        session.changed.connect(self._on_change)
        viewer.viewChanged.connect(self._on_view)

    # What the window asks for

    def start(self) -> None:
        """Load plugins, then the engine's libraries, while the window already works."""
        self._submit(LoadMethods(), "plugins")

    def open(self, path: str) -> None:
        """Decode a file; `opened` follows, or `failed`."""
        self._submit(Open(path), "open")

    def measure(self, flat: Region | None = None) -> None:
        """Measure the noise, blind or in a flat area."""
        document = self._session.document
        if document is not None:
            self._submit(MeasureNoise(document.image, flat), "noise")

    def export(self, path: str, output: Output) -> None:
        """Write the denoised image."""
        d = self._session.document
        if d is None or d.noise is None:
            return
        self._submit(
            Export(d.image, d.noise, d.recipe, path, d.look, output), f"export {path}", rank=10
        )

    def cancel(self) -> None:
        """Stop everything that computes (loading the engine goes on)."""
        self._stages, self._held_back = [], False
        self._throttle.stop()
        self._rest.stop()
        for job in self._running:
            if not isinstance(job.work, LoadMethods | Warm):
                job.stop()
        self._tell_idle()

    @property
    def busy(self) -> bool:
        """Is anything running or about to?"""
        waiting = self._throttle.isActive() or self._rest.isActive()
        return bool(self._running or self._stages or waiting)

    def close(self) -> None:
        """End all work and all threads."""
        self.cancel()
        self._engine.close()
        self._desk.close()

    # From state to work

    def _on_change(self, old: State, new: State) -> None:
        a, b = old.document, new.document
        if b is None:
            return
        if a is None or a.image is not b.image:
            self._show_image(b)
            return
        if a.look.stored != b.look.stored:
            self._viewer.begin("before")
            self._before()
        if _result(a) != _result(b):
            # the amount alone blends tiles that are there: no proxy is wanted before them
            blend = _result(a)[1:] == _result(b)[1:] and (
                a.recipe.with_amount(1.0) == b.recipe.with_amount(1.0)
            )
            self._blends = blend and (self._blends or not self._missing("after"))
            self._viewer.begin("after")
            self._after_soon()
        elif old.view.held and not new.view.held:
            self._after_soon()  # the slider was let go: full detail
        if old.view.roi != new.view.roi:
            self._rest.start()

    def _show_image(self, document: Document) -> None:
        self.cancel()
        self._before()
        if document.noise is None:
            self.measure()
        else:
            self._after_soon()

    def _on_view(self, visible: Region, level: int) -> None:
        self._blends = False
        self._session.look_at(visible=visible, level=level)
        if self._session.document is not None:
            self._before()
            self._after_soon()

    def _before(self) -> None:
        d = self._session.document
        wanted = self._missing("before")
        if d is not None and wanted:
            works = [ShowBefore(d.image, r, level, d.look) for r, level in wanted]
            for number, work in enumerate(works):
                self._submit(work, f"before {number}", rank=-1)

    def _missing(self, layer: str) -> list[tuple[Region, int]]:
        return [
            (region, level)
            for region, level in self._viewer.wanted()
            if self._viewer.state_of(layer, level, region) != "full"
        ]

    def _after_soon(self) -> None:
        if not self._throttle.isActive():
            self._throttle.start()

    def _wish(self) -> None:
        """The current state's wish becomes work, unless the running one has shown nothing yet."""
        if self._after is not None and not self._after_shown:
            self._held_back = True
            return
        self._held_back = False
        self._stages = self._plan()
        if self._after is not None:
            self._after.stop()
        self._next_stage()

    def _plan(self) -> list[ShowAfter]:
        d, held = self._session.document, self._session.state.view.held
        if d is None or d.noise is None or not d.recipe.steps:
            return []
        rate = self._rates.get(type(d.recipe.steps[-1].method), FIRST_GUESS)
        stages: list[ShowAfter] = []
        for region, level in self._missing("after"):
            full = ShowAfter(d.image, d.noise, d.recipe, region, level, d.look)
            seconds = region.area / 1e6 / rate
            coarser = self._coarser(level)
            slow = seconds > SLOW and coarser > 1 and not self._blends
            if slow:
                stages.append(replace(full, level=coarser, coarse=True, threads=self._threads()))
            if not (slow and held) and (seconds < AFFORDABLE or not slow):
                stages.append(replace(full, threads=self._threads()))
        return stages

    def _coarser(self, level: int) -> int:
        if level > 1:
            return level
        found = [each for each in self._viewer.levels if each > 1]
        return found[0] if found else 1

    def _threads(self) -> int:
        """One core is left to the window while a button is down."""
        held = self._session.state.view.held
        return max(self._desk.threads - 1, 1) if held else 0

    def _next_stage(self) -> None:
        if self._stages:
            self._after_shown = False
            self._after = self._submit(self._stages.pop(0), "after")
        else:
            self._after, self._after_shown = None, True
            self._rest.start()

    def _judge(self) -> None:
        d, view = self._session.document, self._session.state.view
        region = view.roi or view.visible
        if d is not None and d.noise is not None and region.area and self._after is None:
            self._submit(Judge(d.image, d.noise, d.recipe, region), "judge", rank=5)
        self._tell_idle()

    def _submit(self, work: Work, lane: str, rank: int = 0) -> Job:
        job = self._engine.submit(work, lane, rank)
        self._running.add(job)
        return job

    # From work to signals

    def _post(self, event: Event) -> None:
        """Called on workers. Posts, never emits: an emit copies Python objects under a lock.

        That waits for the GIL, while the main thread, deleting a widget with the GIL in its hand,
        may wait for the very lock: a deadlock that was seen.
        """
        self._mail.put(event)
        QCoreApplication.postEvent(self, QEvent(QEvent.Type.User))

    def event(self, event: QEvent) -> bool:
        """Main thread: what workers posted."""
        if event.type() != QEvent.Type.User:
            return super().event(event)
        with contextlib.suppress(Empty):
            while True:
                self._deliver(self._mail.get_nowait())
        return True

    def _deliver(self, event: Event) -> None:
        if isinstance(event, Finished):
            self._finish(event.job, event.error)
            return
        job, value = event.job, event.value
        if isinstance(value, Shown):
            self._show(job, value)
        elif isinstance(value, Progress):
            self._progress(job, value)
        elif job.stopped:
            return
        elif isinstance(value, Opened):
            self.opened.emit(value)
        elif isinstance(value, Measured):
            flat = isinstance(job.work, MeasureNoise) and job.work.flat is not None
            self._learn_noise(value, flat)
        elif isinstance(value, Exported):
            self.exported.emit(value)
        elif isinstance(job.work, Judge) and isinstance(value, tuple):
            self.judged.emit(*value)
        elif isinstance(job.work, LoadMethods):
            self.methods_loaded.emit(value)

    def _show(self, job: Job, shown: Shown) -> None:
        d = self._session.document
        if d is None or getattr(job.work, "image", None) is not d.image:
            return
        if isinstance(job.work, ShowAfter):
            if job is not self._after:
                return  # an answer to an older question
            self._after_shown = True
            self._viewer.put("after", shown.level, shown.region, shown.store, shown.proxy)
            if self._held_back:
                self._wish()
        elif not job.stopped:
            self._viewer.put("before", shown.level, shown.region, shown.store)

    def _progress(self, job: Job, value: Progress) -> None:
        work = job.work
        if isinstance(work, ShowAfter) and value.rate and not work.coarse:
            self._rates[type(work.recipe.steps[-1].method)] = value.rate
        if not job.stopped:
            self.progressed.emit(value, "export" if isinstance(work, Export) else "view")

    def _learn_noise(self, found: Measured, flat: bool) -> None:
        origin = Origin.PICKED if flat else Origin.MEASURED
        changes = {"noise": found.model, "measured": found, "origin": origin}
        d = self._session.document
        if d is not None and d.noise is None:
            self._session.learn(**changes)
        else:
            self._session.edit(**changes)

    def _finish(self, job: Job, error: BaseException | None) -> None:
        self._running.discard(job)
        if error is not None and not isinstance(error, Cancelled):
            self._stages = []
            self.failed.emit(_task(job.work), _sentence(error))
        if isinstance(job.work, LoadMethods):
            self._submit(Warm(), "warm", rank=3)
        if job is self._after:
            if error is None:
                self._next_stage()
            else:
                self._after, self._after_shown = None, True
                if self._held_back:
                    self._wish()
        self._tell_idle()

    def _tell_idle(self) -> None:
        if not self.busy:
            self.progressed.emit(None, "")


def _result(d: Document) -> tuple[object, ...]:
    """What the denoised picture on screen depends on."""
    return d.recipe, d.noise, d.look.stored


def _task(work: Work) -> str:
    names = {"Open": "Opening", "Export": "Export", "MeasureNoise": "Measuring the noise"}
    return names.get(type(work).__name__, "Denoising")


def _sentence(error: BaseException) -> str:
    if isinstance(error, UnreadableFile | UnwritableFile | MemoryError):
        return str(error) or "There was not enough memory."
    return f"{type(error).__name__}: {error}. Choose other settings or another method."


def _timer(ms: int, call: object) -> QTimer:
    timer = QTimer()
    timer.setSingleShot(True)
    timer.setInterval(ms)
    timer.timeout.connect(call)
    return timer
