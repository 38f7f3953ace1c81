"""Clips: playing in real time, before and after in step, frames denoised ahead, keys of all stacks.

While a clip plays, the frames come from here (core/clip.py) and the bridge rests. Each is taken
from the file and the cache when it is due; none is kept as a picture.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QVBoxLayout

from core.clip import ComputeAhead, Frame, Ready, Seen, ShowFrame, frame_times
from core.engine import Event, Finished, Job
from core.image import Image
from core.tiles import Span
from gui.player import Player
from gui.session import State
from gui.slices import SliceRow
from gui.turns import Turns

if TYPE_CHECKING:
    from gui.playbar import PlayBar
    from gui.window import Window

TICK = 4  # ms between looks at the clock
FAR = 1_000_000  # steps to the ends
TOLD = 250  # ms between words about the rate
PANS = {"left": "Left", "right": "Right"}  # commands that give their arrow to stacks
STEPS = {"previous": "Left", "next": "Right", "first": "Home", "last": "End"}


class Clips(QObject):
    """Everything of the window that matters for what has a time axis; keys for all stacks."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._window, self._session = window, window.session
        self._viewer, self._bridge = window.viewer, window.bridge
        self.bar: PlayBar | None = None
        self.player: Player | None = None
        self._said = True  # does the file say when frames were taken?
        self._flying: Job | None = None  # the frame that is on its way
        self._ahead: Job | None = None
        self._asked: tuple[Seen, tuple[int, int]] | None = None  # what is computed ahead
        self.ready: set[int] = set()
        self._space = False
        self._turns = Turns(self)
        self._tick = QTimer(self, interval=TICK)
        self._tick.setTimerType(Qt.TimerType.PreciseTimer)
        self._tick.timeout.connect(self._look)
        self._tell = QTimer(self, interval=TOLD)
        self._tell.timeout.connect(self._show_rate)
        self._session.changed.connect(self._show)
        self._viewer.installEventFilter(self)

    def calls(self) -> dict[str, Callable[..., object]]:
        """What the commands of the menu Slices do."""
        step = self._step
        return {
            "previous": lambda: step(-1), "next": lambda: step(1),
            "first": lambda: step(-FAR), "last": lambda: step(FAR),
            "play": self.toggle, "loop_start": lambda: self._loop(0),
            "loop_end": lambda: self._loop(1), "loop_all": lambda: self._loop(None),
        }  # fmt: skip

    # Playing

    def toggle(self) -> None:
        """Play, or stop."""
        if self.player is None:
            return
        if self.player.playing:
            self.stop()
            return
        self._session.look_at(playing=True)
        self.player.play(self._at)
        self._compute_ahead()
        self._tick.start()
        self._tell.start()
        self._show_bar()

    def stop(self) -> None:
        """Stay at the frame that is shown; frames ahead go on being denoised."""
        if self.player is not None and self.player.playing:
            self.player.pause()
            self._tick.stop()
            self._tell.stop()
            self._session.look_at(playing=False)
            self._show_bar()

    def set_speed(self, speed: float) -> None:
        """Times the clip's own."""
        if self.player is not None:
            self.player.set_speed(speed)
            self._show_bar()

    def _look(self) -> None:
        """Is a frame due? One at a time is on its way, so that none queue up."""
        if self.player is None or self._flying is not None:
            return
        at, seen = self.player.due(), self._seen
        if at is not None and seen is not None:
            front = self._front(at)
            visible = replace(self._session.state.view.visible, front=front)
            self._session.look_at(front=front, visible=visible)
            work = ShowFrame(seen, at, front)
            self._flying = self._bridge.run(work, "play", -2, self._receive)

    def _receive(self, event: Event) -> None:
        if isinstance(event, Finished):
            if event.job is self._flying:
                self._flying = None
            return
        d, frame = self._session.document, event.value
        work = event.job.work
        if not isinstance(frame, Frame) or not isinstance(work, ShowFrame) or d is None:
            return
        if d.image is not work.seen.image or frame.area.front != self._session.state.view.front:
            return
        viewer = self._viewer
        viewer.turn()
        viewer.put("before", frame.level, frame.area, frame.before)
        if frame.after is not None:
            viewer.put("after", frame.level, frame.area, frame.after)
        elif work.seen.key(frame.area.front) == self._key(frame.at):
            self.ready.discard(frame.at)  # the cache needed the room
        if self.player is not None:
            self.player.shown()
        self._show_marks()

    # Frames ahead

    def _compute_ahead(self) -> None:
        """Denoise the loop from here on, unless that is what is done already."""
        seen, player = self._seen, self.player
        if seen is None or player is None:
            return
        first, last = player.loop
        asked = replace(seen, look=seen.look.stored), player.loop
        running = self._ahead is not None and not self._ahead.stopped
        every = len(self.ready.intersection(range(first, last + 1))) == last - first + 1
        if asked == self._asked and (running or every):
            return
        if self._asked is None or asked[0] != self._asked[0]:
            self.ready = set()
        self._asked = asked
        at = min(max(self._at, first), last)
        order = [*range(at, last + 1), *range(first, at)]
        work = ComputeAhead(seen, tuple((each, self._front(each)) for each in order))
        self._ahead = self._bridge.run(work, "ahead", 8, self._hear)
        self._show_marks()

    def _hear(self, event: Event) -> None:
        if isinstance(event, Finished):
            if event.job is self._ahead:
                self._ahead = None
        elif isinstance(event.value, Ready) and event.job is self._ahead:
            self.ready.add(event.value.at)
            self._show_marks()

    @property
    def _seen(self) -> Seen | None:
        d, wanted = self._session.document, self._viewer.wanted()
        if d is None or not wanted:
            return None
        region, level = wanted[0]
        return Seen(d.image, d.noise, d.recipe, d.look, replace(region, front=()), level)

    def _key(self, at: int) -> object:
        seen = self._seen
        return seen.key(self._front(at)) if seen is not None else None

    # What is shown

    def _show(self, old: State, new: State) -> None:
        d, before = new.document, old.document
        if d is None or before is None or before.image is not d.image:
            self._leave()
            self._turns.add(self._change_image)
            return
        if d != before or (old.view.level, _place(old)) != (new.view.level, _place(new)):
            self._renew()

    def _renew(self) -> None:
        """Other settings, or another part of the picture: what was denoised ahead is not that."""
        player = self.player
        if player is not None and self._asked is not None:
            if player.playing:
                self._compute_ahead()
            else:
                self._forget()

    def _forget(self) -> None:
        seen, asked = self._seen, self._asked
        if seen and asked and replace(seen, look=seen.look.stored) == asked[0]:
            return
        if self._ahead is not None:
            self._ahead.stop()
        self._ahead, self._asked, self.ready = None, None, set()
        self._show_marks()

    def _leave(self) -> None:
        self._tick.stop()
        self._tell.stop()
        for job in (self._flying, self._ahead):
            if job is not None:
                job.stop()
        self._flying = self._ahead = self.player = self._asked = None
        self.ready = set()

    def _change_image(self) -> None:
        d = self._session.document
        image = d.image if d is not None else None
        self._share_keys(bool(image is not None and image.stack))
        moves = image is not None and _frames(image) > 1
        if moves and image is not None:
            times, self._said = frame_times(image)
            self.player = Player(times.tolist(), time.monotonic)
            if self.bar is None:
                self._build()
            self._show_bar()
            self._show_marks()
        if self.bar is not None:
            self.bar.setVisible(moves)
        self._window.quality.set_moving(moves)

    def _build(self) -> None:
        from gui.playbar import PlayBar  # not needed for the first paint

        self.bar = PlayBar()
        self.bar.toggled.connect(self.toggle)
        self.bar.speedWanted.connect(self.set_speed)
        self.bar.startWanted.connect(lambda: self._loop(0))
        self.bar.endWanted.connect(lambda: self._loop(1))
        self.bar.wholeWanted.connect(lambda: self._loop(None))
        centre = self._window.centralWidget()
        column = centre.layout() if centre is not None else None
        assert isinstance(column, QVBoxLayout)
        column.insertWidget(column.indexOf(self._window.slices), self.bar)

    def _show_bar(self) -> None:
        if self.bar is not None and self.player is not None:
            self.bar.set_playing(self.player.playing)
            self.bar.set_speed(self.player.speed)
            self._show_rate()

    def _show_rate(self) -> None:
        player = self.player
        if self.bar is not None and player is not None:
            shown = player.measured if player.playing else 0.0
            self.bar.show_rate(shown, player.rate, player.dropped, self._said)

    def _show_marks(self) -> None:
        """Which frames are denoised: a line under the slider; brackets around the loop."""
        d, player, row = self._session.document, self.player, self._row
        if self.bar is None or player is None or row is None or d is None:
            return
        first, last = player.loop
        steps = max(len(player.times) - 1, 1)
        spans: list[tuple[float, float]] = []
        for at in sorted(self.ready):
            low, high = max(at - 0.5, 0) / steps, min(at + 0.5, steps) / steps
            joined = bool(spans) and low - spans[-1][1] < 1e-9
            spans[-1:] = [(spans[-1][0], high)] if joined else [*spans[-1:], (low, high)]
        row.slider.set_done(tuple(spans))
        whole = (first, last) == (0, len(player.times) - 1)
        row.slider.set_range(None if whole else (first / steps, last / steps))
        ready = len(self.ready.intersection(range(first, last + 1)))
        self.bar.show_ready(ready, last - first + 1, bool(d.recipe.steps))

    # Stepping and loop

    def _step(self, by: int) -> None:
        self.stop()
        self._window.slices.step(by)

    def _loop(self, end: int | None) -> None:
        player = self.player
        if player is None:
            return
        first, last = player.loop
        if end is None:
            first, last = 0, len(player.times) - 1
        elif end == 0:
            first, last = self._at, last if last > self._at else len(player.times) - 1
        else:
            first, last = first if first < self._at else 0, self._at
        player.set_loop(first, last)
        if player.playing:
            self._compute_ahead()
        self._show_marks()

    @property
    def _row(self) -> SliceRow | None:
        d = self._session.document
        rows = self._window.slices.rows
        at = d.image.stack.find("t") if d is not None else -1
        return rows[at] if 0 <= at < len(rows) else None

    @property
    def _at(self) -> int:
        d, front = self._session.document, self._session.state.view.front
        return front[d.image.stack.index("t")][0] if d is not None and front else 0

    def _front(self, at: int) -> tuple[Span, ...]:
        d, view = self._session.document, self._session.state.view
        return view.front_at(d.image.stack, "t", at) if d is not None else ()

    def _share_keys(self, stack: bool) -> None:
        """Left and Right go through a stack; a picture is panned with them."""
        actions = self._window.actions_by_id
        for name, key in PANS.items():
            actions[name].setShortcuts(
                _keys(f"Shift+{key}") if stack else _keys(key, f"Shift+{key}")
            )
        for name, key in STEPS.items():
            actions[name].setShortcuts(_keys(key) if stack else _keys())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Qt: Space that is let go without a drag plays; held, it pans as ever."""
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Space:
            if event.type() == QEvent.Type.KeyPress and not event.isAutoRepeat():
                self._space = True
            elif event.type() == QEvent.Type.KeyRelease and not event.isAutoRepeat():
                if self._space:
                    self.toggle()
                self._space = False
        elif event.type() == QEvent.Type.MouseButtonPress:
            self._space = False
        return super().eventFilter(watched, event)


def _keys(*names: str) -> list[QKeySequence]:
    return [QKeySequence(name) for name in names]


def _frames(image: Image) -> int:
    return image.pixels.shape[image.axes.index("t")] if "t" in image.axes else 1


def _place(state: State) -> tuple[int, int, int, int]:
    seen = state.view.visible
    return seen.y0, seen.x0, seen.y1, seen.x1
