"""Bridge: session and engine. What workers say comes by mail.py, on the main thread.

Newest wish wins, but the running one shows its first tile: a newer wish is held back until the
current job has shown something (cancelling on every move would show nothing during a drag).
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from core.byproducts import What
from core.desk import Desk
from core.engine import Engine, Event, Finished, Job, Work
from core.format import Output
from core.job import (
    Export,
    Exported,
    LoadMethods,
    MeasureNoise,
    Open,
    Opened,
    Progress,
    Told,
    Warm,
    sentence,
)
from core.method import Cancelled
from core.noise.measured import Measured
from core.planes import reformatted
from core.show import Judge, ShowAfter, ShowBefore, Shown
from core.tiles import Region
from gui.again import LANE, Again
from gui.mail import Mail
from gui.plan import stages
from gui.rates import Rates
from gui.session import Document, Session, State
from gui.status import task
from gui.turns import timer
from gui.viewer import Viewer
from gui.wishes import Wish, here, missing, turned
from gui.works import WORKERS, GetReady

THROTTLE = 30  # ms between wishes while a slider moves
REST = 180  # ms of rest before statistics are computed
Receive = Callable[[Event], None]
NICE = {"compute": 5, "batch": 10}  # the window comes first, also where all cores are busy


class Bridge(QObject):
    """Turns states into work, and what comes back into signals on the main thread."""

    opened = Signal(object)  # Opened
    methods_loaded = Signal(object)  # Registry
    progressed = Signal(object, str)  # Progress or None (idle), what is running
    after_shown = Signal(object)  # Shown: what the viewer gets as "after"
    judged = Signal(object, object)  # Region, Statistics
    exported = Signal(object)  # Exported
    told = Signal(object)  # Told: on which device it computes, why there
    failed = Signal(str, str)  # what failed, why in one sentence
    stopped = Signal(str)  # what the user stopped
    recovered = Signal()  # nothing is wrong any more

    def __init__(self, session: Session, viewer: Viewer, desk: Desk, rates: Rates) -> None:
        super().__init__()
        self._session, self._viewer, self._desk, self.rates = session, viewer, desk, rates
        self._mail = Mail(self._deliver)
        self._engine = Engine(self._mail.post, desk, WORKERS, NICE, desk.place)
        self._stages: list[ShowAfter] = []  # what is still to come for the current wish
        self._after: Job | None = None
        self._after_shown = True
        self._held_back = self._outdated = False  # the running one answers an older question
        self._blends = False  # the wish differs in its amount only from what is shown
        self._running: set[Job] = set()
        self._where: dict[Job, str] = {}  # the devices that they compute on
        self._guests: dict[Job, Receive] = {}  # jobs of others, and who hears of them
        self._again = Again()
        self._throttle, self._rest = timer(THROTTLE, self._wish), timer(REST, self._judge)
        session.changed.connect(self._on_change)
        viewer.viewChanged.connect(self._on_view)

    # What the window asks for

    def start(self) -> None:
        """Load plugins, then the engine's libraries, while the window already works."""
        self._submit(GetReady(), "ready")
        self._submit(LoadMethods(), "plugins")

    def open(self, path: str) -> None:
        """Decode a file; `opened` follows, or `failed`."""
        self._submit(Open(path), "open")

    def measure(self, flat: Region | None = None, profiled: bool = False) -> None:
        """Measure the noise, blind or in a flat area; `profiled`: unless its camera is known."""
        document = self._session.document
        if document is not None:
            across = self._session.state.view.across if flat else "z"
            flat = here(self._session.state, flat, across) if flat else None
            image = reformatted(document.image, across)
            self._submit(MeasureNoise(image, flat, profiled), "noise")

    def export(self, path: str, output: Output, what: What | None = None) -> None:
        """Write the denoised image, or one of its by-products."""
        d = self._session.document
        if d is None or d.noise is None:
            return
        more: tuple[tuple[What, str], ...] = ((what, path),) if what else ()
        target = "" if what else path
        work = Export(d.image, d.noise, d.recipe, target, d.look, output, byproducts=more)
        self._submit(work, f"export {path}", rank=10)

    def run(self, work: Work, lane: str, rank: int, receive: Receive) -> Job:
        """Run a Work for somebody else, who hears of every event, on the main thread."""
        job = self._engine.submit(work, lane, rank)
        self._guests[job] = receive
        return job

    def hold(self, job: Job, on: bool) -> None:
        """Let a job rest after its current step, or go on."""
        self._engine.hold(job, on)

    def retry(self) -> None:
        """Do what failed, or was stopped, once more."""
        for lane, work, rank in self._again.works():
            if lane == LANE:
                self._after_shown = True
                self._wish()
            else:
                self._submit(work, lane, rank)

    def forget(self) -> None:
        """What failed is not to be tried again."""
        if self._again.clear():
            self.recovered.emit()

    def compute_again(self) -> None:
        """What is shown of "after" is no answer any more, but stays until it is replaced."""
        if self._session.document:
            self._outdated = True
            self._viewer.begin("after")
            self._after_soon()

    def interrupt(self) -> None:
        """The user's Cancel: stop, so that retry() can go on."""
        jobs = [job for job in self._running if not job.stopped]
        self._again.stopped(jobs)
        self.cancel()
        if self._again:
            self.stopped.emit(task(self._again.works()[0][1]))

    def cancel(self) -> None:
        """Stop all that computes for the open image (a queue and loading the engine go on)."""
        self._stages, self._held_back = [], False
        self._throttle.stop()
        self._rest.stop()
        for job in self._running:
            if not isinstance(job.work, LoadMethods | GetReady | Warm):
                job.stop()
        self._tell_idle()

    @property
    def threads(self) -> int:
        """How many compute at once, while no button is down."""
        return self._desk.threads

    @property
    def busy(self) -> bool:
        """Is anything running or about to?"""
        waiting = self._throttle.isActive() or self._rest.isActive()
        return bool(self._running or self._stages or waiting)

    @property
    def closed(self) -> bool:
        """Does nothing run any more?"""
        return self._mail.closed

    def close(self) -> None:
        """End all work and all threads; what they still say is not heard any more."""
        self._mail.close()
        self.cancel()
        self._engine.close()
        self._desk.close()

    # From state to work

    def _on_change(self, old: State, new: State) -> None:
        a, b = old.document, new.document
        if b is None:
            self.forget()
            self._tell_idle()
            return
        if a is None or a.image is not b.image:
            self._show_image(b)
            return
        if a.look.stored != b.look.stored:
            self._viewer.begin("before")
            self._before()
        if _result(a) != _result(b):
            # the last blend alone needs tiles that are there: no proxy is wanted before them
            blend = _result(a)[1:] == _result(b)[1:] and a.recipe.work == b.recipe.work
            self._blends = blend and (self._blends or not self._missing("after"))
            self.compute_again()
        elif old.view.held and not new.view.held:
            self._after_soon()  # the slider was let go: full detail
        changed = turned(old, new)
        if changed and not new.view.playing:
            self._another_slice(changed)
        elif old.view.playing and not new.view.playing:
            self._after_soon()  # what was not denoised when it was played
        if old.view.roi != new.view.roi:
            self._rest.start()

    def _show_image(self, document: Document) -> None:
        self.cancel()
        self.forget()
        self._before()
        if document.noise is None:
            self.measure(profiled=True)
        else:
            self._after_soon()

    def _on_view(self, visible: Region, level: int) -> None:
        self._blends = False
        self._session.look_at(visible=here(self._session.state, visible), level=level)
        if self._session.document is not None:
            self._before()
            self._after_soon()

    def _another_slice(self, planes: list[str]) -> None:
        """Another question: what is still on its way to the old slice is not heard any more."""
        for across in planes:
            self._viewer.turn(across)
        idle = self._after is None
        if self._after is not None:
            self._after.stop()
        self._after, self._after_shown, self._stages = None, True, []
        self._before()
        if idle:
            self._wish()  # what was computed already is there at once
        else:
            self._after_soon()

    def _before(self) -> None:
        d = self._session.document
        if d is not None:
            for n, (region, level, across) in enumerate(self._missing("before")):
                self._submit(ShowBefore(d.image, region, level, d.look, across), f"before {n}", -1)

    def _after_soon(self) -> None:
        if not self._throttle.isActive():
            self._throttle.start()

    def _wish(self) -> None:
        """The current state's wish becomes work, unless the running one has shown nothing yet."""
        if self._after is not None and not self._after_shown:
            self._held_back = True
            return
        self._held_back = self._outdated = False
        self._stages = self._plan()
        if self._after is not None:
            self._after.stop()
        if not self._stages:
            self._well(LANE)
        self._next_stage()

    def _plan(self) -> list[ShowAfter]:
        d, view = self._session.document, self._session.state.view
        if d is None:
            return []
        lacks, cost, threads = self._missing("after"), self.rates.seconds, self._threads()
        return stages(d, lacks, self._viewer.levels, cost, threads, view, self._blends)

    def _missing(self, layer: str) -> list[Wish]:
        return missing(self._viewer, self._session.state, layer)

    def _threads(self) -> int:
        """One core is left to the window while a button is down."""
        held = self._session.state.view.held
        return max(self._desk.threads - 1, 1) if held else 0

    def _next_stage(self) -> None:
        if self._stages:
            self._after_shown = False
            self._after = self._submit(self._stages.pop(0), LANE)
        else:
            self._after, self._after_shown = None, True
            self._rest.start()

    def _judge(self) -> None:
        d, view = self._session.document, self._session.state.view
        across = view.roi_across if view.roi else view.across
        region = here(self._session.state, view.roi or view.visible, across)
        if d is not None and d.noise is not None and region.area and self._after is None:
            like = d.measured.pattern if d.measured else None
            self._submit(Judge(d.image, d.noise, d.recipe, region, across, like), "judge", rank=5)
        self._tell_idle()

    def _submit(self, work: Work, lane: str, rank: int = 0) -> Job:
        job = self._engine.submit(work, lane, rank)
        self._running.add(job)
        return job

    # From work to signals

    def _deliver(self, event: Event) -> bool:
        """Was it a piece of picture?"""
        receive = self._guests.get(event.job)
        if receive is not None:
            if isinstance(event, Finished):
                del self._guests[event.job]
            receive(event)
        elif isinstance(event, Finished):
            self._finish(event.job, event.error)
        elif isinstance(event.value, Shown):
            self._show(event.job, event.value)
            return True
        else:
            self._hear(event.job, event.value)
        return False

    def _hear(self, job: Job, value: object) -> None:
        if isinstance(value, Progress):
            self._progress(job, value)
        elif isinstance(value, Told):
            self._where[job] = value.device or self._where.get(job, "cpu")
            self.told.emit(value)
        elif job.stopped:
            return
        elif isinstance(value, Opened):
            self.opened.emit(value)
        elif isinstance(value, Measured):
            flat = isinstance(job.work, MeasureNoise) and job.work.flat is not None
            self._session.take_noise(value, flat)
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
        across = shown.across
        if shown.region != here(self._session.state, shown.region, across):
            return  # of a slice that is not looked at any more
        if isinstance(job.work, ShowAfter):
            if job is not self._after:
                return  # an answer to an older question
            self._after_shown = True
            self.after_shown.emit(shown)
            self._viewer.put("after", shown.level, shown.region, shown.store, shown.proxy, across)
            if self._outdated:
                self._viewer.begin("after")  # worth seeing, but nothing is done with it
            if self._held_back:
                self._wish()
        elif not job.stopped:
            self._viewer.put("before", shown.level, shown.region, shown.store, False, across)

    def _progress(self, job: Job, value: Progress) -> None:
        work = job.work
        if isinstance(work, ShowAfter | Export) and value.rate:
            partly = isinstance(work, ShowAfter) and (work.coarse or work.threads > 0)
            self.rates.learn(work.recipe, value.rate, self._where.get(job, "cpu"), partly)
        if not job.stopped:
            self.progressed.emit(value, "export" if isinstance(work, Export) else "view")

    def _finish(self, job: Job, error: BaseException | None) -> None:
        self._running.discard(job)
        self._where.pop(job, None)
        if error is None:
            self._well(job.lane)
        elif not isinstance(error, Cancelled):
            self._stages = []
            self._again.add(job)
            self.failed.emit(task(job.work), sentence(error))
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

    def _well(self, lane: str) -> None:
        if self._again.succeeded(lane):
            self.recovered.emit()

    def _tell_idle(self) -> None:
        if not self.busy and not self._mail.closed:
            self.progressed.emit(None, "")


def _result(d: Document) -> tuple[object, ...]:  # what the denoised picture depends on
    return d.recipe.active, d.noise, d.look.stored
