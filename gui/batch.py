"""Batch: the queue. Many files, one after the other, behind everything the user does meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core.batch import RANK, Denoise, Inspect, Item, Load, Loaded, Write, target_of
from core.develop import Look
from core.engine import Event, Finished, Job, Work
from core.format import Output
from core.image import Image
from core.job import Progress, Told, sentence
from core.method import Cancelled
from core.noise.model import Noise
from core.recipe import Recipe
from gui.bridge import Bridge

LANE = "batch"


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

    @property
    def name(self) -> str:
        """The file's name."""
        return Path(self.source).name


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
        self._bridge = bridge
        self._count = 0
        self._current: int | None = None  # number of the entry that is worked on
        self._job: Job | None = None
        self._loaded: Loaded | None = None
        self._result: Image | None = None
        self._next_work: Work | None = None  # what a paused entry goes on with
        self._device = "cpu"
        self._begun = 0.0
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
        if self._current in numbers:
            self._drop()
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
        if self._job is not None:
            self._bridge.hold(self._job, False)
        work, self._next_work = self._next_work, None
        if work is not None:
            self._submit(work)
        self._go_on()

    def pause(self) -> None:
        """Rest after the current step, keeping what was computed."""
        self.running = False
        self._begun = 0.0  # a pause is no time that work took
        if self._job is not None:
            self._bridge.hold(self._job, True)
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
        return total

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
        if self.running and self._current is None:
            waiting = [at for at, e in enumerate(self.entries) if e.stage is Stage.WAITING]
            if waiting:
                self._begin(waiting[0])
            else:
                self.running = False
        self.moved_on.emit()

    def _begin(self, at: int) -> None:
        entry = self.entries[at]
        self._current, self._begun = entry.number, time.monotonic()
        self._set(at, stage=Stage.OPENING, done=0.0, words="")
        self._submit(Load(self._item(entry)))

    def _item(self, entry: Entry) -> Item:
        how, to = entry.own or self.settings, self.target
        place = target_of(entry.source, to.folder, to.suffix)
        before = [e.source for e in self.entries if e.number < entry.number]
        others = sum(target_of(source, to.folder, to.suffix) == place for source in before)
        target = target_of(entry.source, to.folder, to.suffix, others)
        return Item(entry.source, target, how.recipe, how.noise, how.look, to.output, self.budget())

    def _submit(self, work: Work) -> None:
        if self.running:
            self._job = self._bridge.run(work, LANE, RANK, self._receive)
        else:
            self._next_work = work

    def _drop(self) -> None:
        """Forget the current entry; its job may still be about to end."""
        job, self._job, self._current = self._job, None, None
        self._loaded = self._result = self._next_work = None
        if job is not None:
            job.stop()
            self._bridge.hold(job, False)

    def _receive(self, event: Event) -> None:
        if event.job is not self._job:
            return  # of an entry that was taken out
        if isinstance(event, Finished):
            self._finished(event.error)
            return
        value, at = event.value, self._row()
        if isinstance(value, Progress):
            self._set(at, stage=STAGES.get(value.stage, Stage.DENOISING), done=value.done)
            if value.rate and self._loaded is not None:
                recipe = self._loaded.export.recipe
                self._bridge.rates.learn(recipe, value.rate, self._device)
        elif isinstance(value, Told):
            self._device = value.device or self._device
            self._bridge.told.emit(value)
        elif isinstance(value, Loaded):
            self._loaded = value
            self._set(at, megapixels=value.export.image.megapixels)
        elif isinstance(value, Image):
            self._result = value
        elif isinstance(value, Path):
            self._set(at, stage=Stage.DONE, done=1.0, target=str(value))
        self.moved_on.emit()

    def _finished(self, error: BaseException | None) -> None:
        """A Work has ended: the next of the three, or the next entry."""
        self._job = None
        at, work = self._row(), None
        entry = self.entries[at]
        if error is not None:
            why = "Cancelled." if isinstance(error, Cancelled) else sentence(error)
            self._set(at, stage=Stage.FAILED, done=0.0, words=why)
        elif entry.stage is Stage.DONE:
            if self._begun and entry.megapixels and self._loaded is not None:
                spent = time.monotonic() - self._begun
                self._speed[0] += entry.megapixels
                self._speed[1] += spent
                recipe = self._loaded.export.recipe
                self._bridge.rates.learn_file(recipe, entry.megapixels, spent)
        elif self._loaded is not None:
            export = self._loaded.export
            work = Denoise(export) if self._result is None else Write(export, self._result)
        if work is not None:
            self._submit(work)
            return
        self._drop()
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

    def _row(self) -> int:
        return next(at for at, e in enumerate(self.entries) if e.number == self._current)

    def _set(self, at: int, **changes: object) -> None:
        self.entries[at] = replace(self.entries[at], **changes)  # type: ignore[arg-type]
        self.changed.emit(at)
