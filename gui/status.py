"""The status line: what is said, what runs, how fast, how long, Cancel; zoom and pointer."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStatusBar,
    QStyleOption,
)

from core.job import Progress, Told
from gui.rates import device_words, duration

STAGES = {
    "prepare": "Preparing",
    "load": "Loading engine",
    "denoise": "Denoising",
    "tune": "Finding settings",
    "learn": "Learning from the image",
    "write": "Writing",
}
TASKS = {
    "Open": "Opening",
    "Export": "Export",
    "MeasureNoise": "Measuring the noise",
    "Judge": "Measuring what denoising did",
    "LoadMethods": "Loading the methods",
    "Warm": "Loading the engine",
    "GetReady": "Getting ready",
    "ShowBefore": "Showing the picture",
}
STATES = {"proxy": "proxy: coarse preview", "partial": "computing", "full": "real pixels", "": ""}


def task(work: object) -> str:
    """What a Work does, as the beginning of a sentence."""
    return TASKS.get(type(work).__name__, "Denoising")


class Sentence(QLabel):
    """A line that ends in an ellipsis where there is no room for all of it."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt: as much as there is room for."""
        option = QStyleOption()
        option.initFrom(self)
        words = self.fontMetrics().elidedText(
            self.text(), Qt.TextElideMode.ElideRight, self.contentsRect().width()
        )
        painter = QPainter(self)
        left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        self.style().drawItemText(
            painter, self.contentsRect(), left, option.palette, True, words, self.foregroundRole()
        )
        painter.end()


class Status(QStatusBar):
    """Speaks in sentences; never opens a dialog."""

    def __init__(self, cancel: Callable[[], object]) -> None:
        super().__init__()
        self._words, self._rate = Sentence(), QLabel()
        self._words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._state, self._pointer = QLabel(), QLabel()
        self._pointer.setContentsMargins(12, 0, 0, 0)
        self._device, self._cost = QLabel("CPU"), QLabel()
        self._device.setToolTip("Nothing was computed yet.")
        self._aside: set[str] = set()  # what was said of the devices that failed
        self._bar = QProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setFixedWidth(140)
        self._bar.setTextVisible(False)
        self._cancel = QPushButton("Cancel")
        self._cancel.setToolTip("Stop what is running  (Esc)")
        self._cancel.clicked.connect(lambda: cancel())
        self._begin: float | None = None
        self._expected: float | None = None  # seconds, before anything was measured
        self.addWidget(self._words, 1)
        parts = (self._rate, self._bar, self._cancel, self._state, self._device, self._cost)
        for part in (*parts, self._pointer):
            self.addPermanentWidget(part)
        self._bar.hide()
        self._cancel.hide()

    def say(self, words: str, alarm: bool = False) -> None:
        """One sentence for the user; stays until the next."""
        self._words.setText(words)
        self._words.setToolTip(words)
        self._dress(self._words, alarm)

    @staticmethod
    def _dress(label: QLabel, alarm: bool) -> None:
        label.setProperty("role", "alarm" if alarm else "")
        label.style().polish(label)

    @property
    def words(self) -> str:
        """What was said last."""
        return self._words.text()

    def show_progress(self, progress: object, what: str) -> None:
        """A Progress, or None when nothing runs."""
        running = isinstance(progress, Progress)
        self._bar.setVisible(running)
        self._cancel.setVisible(running)
        if not isinstance(progress, Progress):
            self._begin = None
            return
        now = time.monotonic()
        self._begin = self._begin or now
        self._bar.setValue(round(progress.done * 1000))
        left = self._left(now - self._begin, progress)
        words = f"{STAGES[progress.stage]}{' for export' if what == 'export' else ''}"
        if progress.rate:
            words += f", {progress.rate:.1f} MP/s"
        if left is not None and left > 1:
            words += f", {duration(left)} left"
        self._rate.setText(words)

    def _left(self, spent: float, progress: Progress) -> float | None:
        """From what was done so far; before, from what the machine is known to need."""
        if progress.done > 0.05:
            return spent * (1 - progress.done) / progress.done
        return None if self._expected is None else max(self._expected - spent, 0.0)

    def expect(self, seconds: float | None, words: str = "") -> None:
        """How long what comes next takes, if that is known; `words` say it of the whole image."""
        self._expected = seconds
        self._cost.setText(words)

    def show_device(self, told: Told) -> None:
        """Where it computes, and why there; an alarm where a device had to be set aside."""
        if told.device:
            words = device_words(told.device)
            self._device.setText(f"▲ {words}" if told.aside else words)
        self._device.setToolTip(told.text)
        self._dress(self._device, bool(told.aside))
        for failed in set(told.aside) - self._aside:
            self.say(f"{failed}. {device_words(told.device)} goes on instead.", alarm=True)
            self._aside.add(failed)

    @property
    def device(self) -> tuple[str, str]:
        """Where it computes, and why there."""
        return self._device.text(), self._device.toolTip()

    def show_state(self, state: str, scale: float) -> None:
        """How good the visible pixels are, and the zoom."""
        if self._begin is None:
            self._rate.setText("")
        self._state.setText("   ".join(w for w in (STATES[state], f"{scale:.0%}") if w and scale))

    def show_pointer(self, words: str) -> None:
        """Place and value under the pointer."""
        self._pointer.setText(words)
