"""Batch: the queue. Many files, one on each device, behind everything the user does meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core.batch import RANK, Denoise, Inspect, Item, Load, Loaded, Write, target_of
from core.develop import Look
from core.devices import Device
from core.engine import Event, Finished, Job, Work
from core.format import Output
from core.image import Image
from core.job import Export, Progress, Told, sentence
from core.method import Cancelled, Method
from core.noise.model import Noise
from core.recipe import Recipe
from gui.bridge import Bridge


class Stage(Enum):
    """Where a file of the queue stands; the value is what the user reads."""

    WAITING = "waiting"
    OPENING = "opening"
    MEASURING = "measuring noise"
    DENOISING = "denoising"
    WRITING = "writing"
    DONE = "done"
    FAILED = "failed"


STAGES = {"open": Stage.OPENING, "measure": Stage.MEASURING, "write": Stage.WRITING}
OVER = (Stage.DONE, Stage.FAILED)


@dataclass(frozen=True)
class Settings:
    """How a file is denoised; no recipe: chosen for each file."""

    recipe: Recipe | None = None
    noise: Noise | None = None  # None: measured in each file
    look: Look | None = None


@dataclass(frozen=True)
class Target:
    """Where results go: a folder ("": beside each source), a format, how it is written."""

    folder: str = ""
    suffix: str = ".dng"
    output: Output = field(default_factory=Output)


@dataclass(frozen=True)
class Entry:
    """A file of the queue."""

    number: int
    source: str
    own: Settings | None = None  # settings of its own, else the queue's
    stage: Stage = Stage.WAITING
    done: float = 0.0  # 0..1 of denoising
    words: str = ""  # why it failed
    target: str = ""  # what was written
    megapixels: float | None = None
    device: str = ""  # that it is denoised on, where several share the queue

    @property
    def name(self) -> str:
        """The file's name."""
        return Path(self.source).name


@dataclass(eq=False)
class Task:
    """An entry that is worked on: the Work that runs, and what those before it have found."""

    number: int
    begun: float  # 0 after a pause, which is no time that work took
    job: Job | None = None
    next: Work | None = None  # what a paused one goes on with
    loaded: Loaded | None = None
    result: Image | None = None
    device: str | None = None  # None: not denoised yet; "": where the picture is computed, too
    told: Told | None = None


class Batch(QObject):
    """Owns the entries and runs the first that waits. Lives on the main thread."""

    changed = Signal(int)  # the entry at this row
    listed = Signal()  # other entries, or another order
    moved_on = Signal()  # running or not, how far, how long still

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.entries: list[Entry] = []
        self.running = False
        self.settings, self.target = Settings(), Target()
        self.guess: Callable[[float], Recipe | None] = lambda megapixels: None
        self.budget: Callable[[], str] = lambda: "balanced"
        self.share: Callable[[Method, int], tuple[Device, ...]] = lambda method, files: ()
        self._bridge = bridge
        self._count = 0
        self._tasks: dict[int, Task] = {}  # of the entries that are worked on, by number
        self._method: Method | None = None  # that the last file was denoised with
        self._speed = [0.0, 0.0]  # megapixels and seconds of what was done without a pause

    # The list

    def add(self, sources: Iterable[str], own: Settings | None = None) -> int:
        """To the end; files that wait already are not added twice. How many were added."""
        waiting = {e.source for e in self.entries if e.stage not in OVER}
        fresh = [s for s in dict.fromkeys(sources) if own is not None or s not in waiting]
        for source in fresh:
            self._count += 1
            self.entries.append(Entry(self._count, source, own))
            self._inspect(self._count, source)
        self.listed.emit()
        self._go_on()
        return len(fresh)

    def remove(self, numbers: Sequence[int]) -> None:
        """Take entries out; one that is worked on is cancelled."""
        self.entries = [e for e in self.entries if e.number not in numbers]
        for number in numbers:
            self._drop(number)
        self.listed.emit()
        self._go_on()

    def move(self, numbers: Sequence[int], by: int) -> None:
        """One place up (-1) or down (1), keeping the order among them."""
        order = self.entries if by < 0 else self.entries[::-1]
        for at in range(1, len(order)):
            if order[at].number in numbers and order[at - 1].number not in numbers:
                order[at - 1], order[at] = order[at], order[at - 1]
        self.entries = order if by < 0 else order[::-1]
        self.listed.emit()

    def retry(self) -> None:
        """All that failed wait again."""
        for at, entry in enumerate(self.entries):
            if entry.stage is Stage.FAILED:
                self._set(at, stage=Stage.WAITING, words="", done=0.0)
        self._go_on()

    def clear_done(self) -> None:
        """Take out what is done."""
        self.entries = [e for e in self.entries if e.stage is not Stage.DONE]
        self.listed.emit()
        self.moved_on.emit()

    def count(self, *stages: Stage) -> int:
        """How many entries stand there."""
        return sum(entry.stage in stages for entry in self.entries)

    # Running

    def start(self) -> None:
        """Go through all that waits, or go on where it was paused."""
        self.running = True
        for task in self._tasks.values():
            if task.job is not None:
                self._bridge.hold(task.job, False)
            work, task.next = task.next, None
            if work is not None:
                self._submit(task, work)
        self._go_on()

    def pause(self) -> None:
        """Rest after the current step, keeping what was computed."""
        self.running = False
        for task in self._tasks.values():
            task.begun = 0.0
            if task.job is not None:
                self._bridge.hold(task.job, True)
        self.moved_on.emit()

    def seconds_left(self) -> float | None:
        """About how long the rest will take; None when nothing is known."""
        usual, total = self._usual(), 0.0
        for entry in self.entries:
            if entry.stage in OVER:
                continue
            seconds = self.seconds(replace(entry, megapixels=entry.megapixels or usual))
            if seconds is None:
                return None
            total += seconds * (1 - entry.done)
        return total / max(len(self._tasks), 1)

    def seconds(self, entry: Entry) -> float | None:
        """About how long a file takes: as those before it, else as its methods are known to."""
        if entry.megapixels is None:
            return None
        if self._speed[0]:
            return entry.megapixels * self._speed[1] / self._speed[0]
        recipe = (entry.own or self.settings).recipe or self.guess(entry.megapixels)
        return None if recipe is None else self._bridge.rates.file(recipe, entry.megapixels)

    def _usual(self) -> float | None:
        known = [e.megapixels for e in self.entries if e.megapixels]
        return sum(known) / len(known) if known else None

    def progress(self) -> float:
        """How much of the queue is done, 0..1, by size where sizes are known."""
        usual = self._usual() or 1.0
        sizes = [e.megapixels or usual for e in self.entries]
        done = [1.0 if e.stage in OVER else e.done for e in self.entries]
        return sum(s * d for s, d in zip(sizes, done, strict=True)) / (sum(sizes) or 1.0)

    def _go_on(self) -> None:
        waiting = [at for at, e in enumerate(self.entries) if e.stage is Stage.WAITING]
        if self.running:
            for at in waiting[: max(len(self._places(self._method)) - len(self._tasks), 0)]:
                self._begin(at)
            self.running = bool(self._tasks)
        self.moved_on.emit()

    def _places(self, method: Method | None) -> list[str]:
        """Where files are denoised side by side: "" stands for where the picture is, too."""
        files = len(self._tasks) + self.count(Stage.WAITING)
        others = self.share(method, files)[1:] if method is not None else ()
        return ["", *(device.name for device in others)]

    def _begin(self, at: int) -> None:
        entry = self.entries[at]
        task = self._tasks[entry.number] = Task(entry.number, time.monotonic())
        self._set(at, stage=Stage.OPENING, done=0.0, words="", device="")
        self._submit(task, Load(self._item(entry)))

    def _denoise(self, task: Task, export: Export) -> Work:
        """The Work that denoises a file on a device that no other file has, if there is one."""
        steps = export.recipe.active.steps
        self._method = steps[-1].method if steps else None
        places = self._places(self._method)
        taken = [other.device for other in self._tasks.values()]
        task.device = next((place for place in places if place not in taken), "")
        self._set(self._row(task), device=task.device)
        return Denoise(export, task.device, len(places))

    def _item(self, entry: Entry) -> Item:
        how, to = entry.own or self.settings, self.target
        place = target_of(entry.source, to.folder, to.suffix)
        before = [e.source for e in self.entries if e.number < entry.number]
        others = sum(target_of(source, to.folder, to.suffix) == place for source in before)
        target = target_of(entry.source, to.folder, to.suffix, others)
        return Item(entry.source, target, how.recipe, how.noise, how.look, to.output, self.budget())

    def _submit(self, task: Task, work: Work) -> None:
        if self.running:
            lane, receive = f"batch {task.number}", partial(self._receive, task)
            task.job = self._bridge.run(work, lane, RANK, receive)
        else:
            task.next = work

    def _drop(self, number: int) -> None:
        """Forget an entry's work; its job may still be about to end."""
        task = self._tasks.pop(number, None)
        if task is not None and task.job is not None:
            task.job.stop()
            self._bridge.hold(task.job, False)

    def _receive(self, task: Task, event: Event) -> None:
        if self._tasks.get(task.number) is not task or event.job is not task.job:
            return  # of an entry that was taken out
        if isinstance(event, Finished):
            self._finished(task, event.error)
            return
        value, at = event.value, self._row(task)
        if isinstance(value, Progress):
            self._set(at, stage=STAGES.get(value.stage, Stage.DENOISING), done=value.done)
            if value.rate and task.loaded is not None and not task.device:
                device = task.told.device if task.told else "cpu"
                self._bridge.rates.learn(task.loaded.export.recipe, value.rate, device)
        elif isinstance(value, Told):
            self._tell(task, value)
        elif isinstance(value, Loaded):
            task.loaded = value
            self._set(at, megapixels=value.export.image.megapixels)
        elif isinstance(value, Image):
            task.result = value
        elif isinstance(value, Path):
            self._set(at, stage=Stage.DONE, done=1.0, target=str(value))
        self.moved_on.emit()

    def _tell(self, task: Task, told: Told) -> None:
        """Where a file is denoised; beside the first one only what went wrong is said aloud."""
        task.told = told
        if task.device:
            self._set(self._row(task), device=told.device)
        if told.aside or not task.device:
            self._bridge.told.emit(told)
        self._go_on()  # the devices have been timed, or one has failed

    def _finished(self, task: Task, error: BaseException | None) -> None:
        """A Work has ended: the next of the three, or the next entry."""
        task.job = None
        at, work = self._row(task), None
        entry = self.entries[at]
        if error is not None:
            why = "Cancelled." if isinstance(error, Cancelled) else sentence(error)
            self._set(at, stage=Stage.FAILED, done=0.0, words=why)
        elif entry.stage is Stage.DONE:
            if task.begun and entry.megapixels and task.loaded is not None:
                spent = time.monotonic() - task.begun
                self._speed[0] += entry.megapixels
                self._speed[1] += spent
                if not task.device:
                    recipe = task.loaded.export.recipe
                    self._bridge.rates.learn_file(recipe, entry.megapixels, spent)
        elif task.loaded is not None and task.result is None:
            work = self._denoise(task, task.loaded.export)
        elif task.loaded is not None and task.result is not None:
            work = Write(task.loaded.export, task.result)
        if work is not None:
            self._submit(task, work)
        else:
            self._drop(task.number)
        self._go_on()

    def _inspect(self, number: int, source: str) -> None:
        def receive(event: Event) -> None:
            at = next((i for i, e in enumerate(self.entries) if e.number == number), None)
            if at is None:
                return
            if not isinstance(event, Finished):
                self._set(at, megapixels=event.value)
            elif event.error is not None and self.entries[at].stage is Stage.WAITING:
                self._set(at, stage=Stage.FAILED, words=sentence(event.error))
            self.moved_on.emit()

        self._bridge.run(Inspect(source), f"inspect {number}", RANK + 1, receive)

    def _row(self, task: Task) -> int:
        return next(at for at, e in enumerate(self.entries) if e.number == task.number)

    def _set(self, at: int, **changes: object) -> None:
        self.entries[at] = replace(self.entries[at], **changes)  # type: ignore[arg-type]
        self.changed.emit(at)
