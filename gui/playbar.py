"""The strip under a clip: play, speed, loop, how fast it is played, how much is denoised."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QWidget

from gui import theme
from gui.controls import Combo

SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)


class PlayBar(QWidget):
    """Shows values; tells what the user wants."""

    toggled = Signal()
    speedWanted = Signal(float)
    startWanted = Signal()
    endWanted = Signal()
    wholeWanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.play, self.speed = QToolButton(), Combo()
        self.rate, self.ready = QLabel(), QLabel()
        self.play.setFixedWidth(34)
        self.play.setToolTip("Play or stop  (Space, P)")
        self.play.setAccessibleName("Play or stop")
        self.speed.setAccessibleName("Speed")
        self.speed.setMinimumContentsLength(6)
        self.speed.setSizePolicy(self.play.sizePolicy())
        for speed in SPEEDS:
            self.speed.addItem(f"{speed:g} ×", speed)
        line = QHBoxLayout(self)
        line.setContentsMargins(12, 4, 12, 0)
        line.setSpacing(6)
        line.addWidget(self.play)
        line.addWidget(self.speed)
        for words, tip, signal in (
            ("Loop from here", "Begin the loop at this frame  (Ctrl+Left)", self.startWanted),
            ("Loop to here", "End the loop at this frame  (Ctrl+Right)", self.endWanted),
            ("Whole clip", "No loop range  (Ctrl+Up)", self.wholeWanted),
        ):
            button = QToolButton()
            button.setText(words)
            button.setToolTip(tip)
            button.clicked.connect(signal)
            line.addWidget(button)
        line.addSpacing(8)
        line.addWidget(self.rate)
        line.addStretch(1)
        self.ready.setProperty("role", "soft")
        line.addWidget(self.ready)
        self.play.clicked.connect(self.toggled)
        self.speed.activated.connect(lambda at: self.speedWanted.emit(self.speed.itemData(at)))
        self.set_playing(False)
        self.set_speed(1.0)

    def set_playing(self, on: bool) -> None:
        """What the button does next."""
        self.play.setIcon(theme.icon("pause" if on else "play", 16))

    def set_speed(self, speed: float) -> None:
        """One of SPEEDS; silent."""
        self.speed.setCurrentIndex(SPEEDS.index(speed))

    def show_rate(self, measured: float, wanted: float, dropped: int, said: bool) -> None:
        """Frames a second shown and wanted; `said`: the file says when frames were taken."""
        of = f"{wanted:.3g} frame{'' if wanted == 1 else 's'}/s" + (
            "" if said else " (assumed: the file does not say)"
        )
        lost = f", {dropped} dropped" if dropped else ""
        self.rate.setText(f"{measured:.3g} of {of}{lost}" if measured else of)

    def show_ready(self, ready: int, count: int, denoises: bool) -> None:
        """How many frames are denoised of those in the loop."""
        done = "all frames" if ready >= count else f"{ready} of {count} frames"
        words = f"after: {done} ready" if ready else "after: denoised while playing"
        self.ready.setText(words if denoises else "nothing is denoised")
