"""The dock of a cube's spectra: under the pointer and of areas, before, after, what was removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.cube import CubeStatistics, Spectra, spectral_angle
from core.image import Array
from core.library import Spectrum
from core.spectra import Guarded
from gui import theme
from gui.controls import Combo
from gui.numbers import text
from gui.plots import Curve, Mark, Plot, Sketch
from gui.statistics import Notice
from gui.turns import Turns

COLORS = ("#d6d6d6", "#79b4ea", "#5fc9a4", "#c79be8", "#e8d36b", "#e8836b")
TARGET = "#e0934a"
SNR, NOISE = "SNR", "Noise σ"


@dataclass(frozen=True, eq=False)
class Axis:
    """Where the bands lie, and in what the image counts."""

    x: Array
    unit: str  # "nm", or "" for band numbers
    values: str  # unit of the values
    good: Array  # False: a bad band
    shown: tuple[tuple[int, str], ...] = ()  # bands on screen, each with its colour

    @property
    def name(self) -> tuple[str, str]:
        """Of the axis."""
        return ("Wavelength", "nm") if self.unit else ("Band", "")


@dataclass(frozen=True, eq=False)
class Line:
    """A spectrum to be drawn."""

    name: str
    color: str
    spectra: Spectra


class SpectrumPanel(QWidget):
    """Shows values; buttons tell what the user wants."""

    pinWanted = Signal()
    clearWanted = Signal()
    saveWanted = Signal()
    compareWanted = Signal()
    targetWanted = Signal()
    libraryWanted = Signal()
    releaseWanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        turns = Turns(self)
        nothing = "Move the pointer over the picture, or draw an area."
        self.spectra = Plot("Spectra before and after", turns, nothing)
        self.removed = Plot("Spectra of what was removed", turns, "Denoise to compare.")
        self.quality = Plot("Signal-to-noise ratio of each band", turns, "Measuring …")
        self.legend, self.words, self.removed_words = QLabel(), QLabel(), QLabel()
        self.kind = Combo()
        self.kind.addItems([SNR, NOISE])
        self.kind.setAccessibleName("What is shown of each band")
        self.kind.activated.connect(lambda _: self._draw_quality())
        self.alarm = Notice()
        self._axis: Axis | None = None
        self._statistics: CubeStatistics | None = None
        self._build()
        self.alarm.hide()

    def _build(self) -> None:
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        self.buttons: dict[str, QToolButton] = {}
        for name, words, tip, signal in (
            ("pin", "Keep", "Keep the spectrum of the drawn area, or of the pixel under the pointer"
             "  (K)", self.pinWanted),
            ("clear", "Clear", "Let go of the spectra that were kept", self.clearWanted),
            ("compare", "Load…", "Show spectra of a file: CSV or an ENVI spectral library",
             self.compareWanted),
            ("save", "Save CSV…", "Save the spectra before, after and removed", self.saveWanted),
            ("target", "Protect this", "Watch that denoising keeps the spectrum of the drawn area,"
             " or of the pixel under the pointer  (T)", self.targetWanted),
            ("library", "Protect from file…", "Watch that denoising keeps a spectrum of a file",
             self.libraryWanted),
            ("release", "Stop protecting", "No target any more", self.releaseWanted),
        ):  # fmt: skip
            button = self.buttons[name] = QToolButton()
            button.setText(words)
            button.setToolTip(tip)
            button.clicked.connect(signal)
            buttons.addWidget(button)
        buttons.addStretch(1)
        note = QLabel("dotted: before   line: after   °: angle between the two")
        note.setProperty("role", "soft")
        buttons.addWidget(note)
        columns = QHBoxLayout()
        columns.setSpacing(10)
        self.legend.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        for plot, head, stretch in (
            (self.spectra, self.legend, 5),
            (self.removed, self.removed_words, 3),
            (self.quality, self.kind, 3),
        ):
            column = QVBoxLayout()
            column.setSpacing(2)
            if isinstance(head, QLabel):
                head.setTextFormat(Qt.TextFormat.RichText)
                head.setFixedHeight(self.kind.sizeHint().height())
            line = QHBoxLayout()
            line.addWidget(head, 1 if isinstance(head, QLabel) else 0)
            if head is self.kind:
                self.words.setProperty("role", "soft")
                line.addWidget(self.words, 1)
            column.addLayout(line)
            column.addWidget(plot, 1)
            columns.addLayout(column, stretch)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(10, 6, 10, 6)
        whole.setSpacing(4)
        whole.addLayout(buttons)
        whole.addWidget(self.alarm)
        whole.addLayout(columns, 1)

    def set_library(self, library: Any) -> None:
        """What plots are drawn with is there."""
        for plot in (self.spectra, self.removed, self.quality):
            plot.set_library(library)

    def set_axis(self, axis: Axis) -> None:
        """The bands, and which of them are on screen."""
        self._axis = axis
        self._draw_quality()

    def show_lines(
        self, lines: list[Line], compared: list[Spectrum], target: Spectrum | None
    ) -> None:
        """Spectra of the image, of files beside them, and the one that is guarded."""
        axis = self._axis
        self.buttons["release"].setEnabled(target is not None)
        self.buttons["save"].setEnabled(bool(lines))
        if axis is None:
            return
        marks: list[Mark] = []
        removed: list[Mark] = []
        words: list[str] = []
        for line in lines:
            before, after = line.spectra.before, line.spectra.after
            marks.append(self._curve(before, line.color, 1.0, dotted=after is not None))
            if after is not None:
                marks.append(self._curve(after, line.color, 2.0))
                removed.append(self._curve(before - after, line.color, 1.5))
            turn = spectral_angle(line.spectra)
            angle = f" {text(turn, '°', 2)}" if np.isfinite(turn) else ""
            words.append(f'<span style="color:{line.color}">━</span> {line.name}{angle}')
        level = _level(lines)
        for at, one in enumerate(compared):
            color = COLORS[-1 - at % 3]
            y = _scaled(np.asarray(one.y), level)
            marks.append(self._curve(y, color, 1.2, dotted=True))
            words.append(f'<span style="color:{color}">┅</span> {one.name}')
        if target is not None:
            y = _scaled(np.asarray(target.y), level)
            marks.append(self._curve(y, TARGET, 1.5, dotted=True))
            words.append(f'<span style="color:{TARGET}">┅</span> target: {target.name}')
        marks += self._bands(marks)
        y_axis = ("Value", axis.values)
        self.spectra.draw(Sketch(tuple(marks), axis.name, y_axis) if marks else None)
        self.removed.draw(self._removed_sketch(removed, axis) if removed else None)
        self.legend.setText(" &nbsp; ".join(words))
        self.legend.setToolTip("The angle is the spectral angle between before and after.")
        self.removed_words.setText("Removed: before − after" + (
            " <small>· grey: ± noise σ</small>" if self._statistics else ""))  # fmt: skip

    def show_statistics(self, found: CubeStatistics | None, title: str = "") -> None:
        """Noise and SNR of each band of a region."""
        self._statistics = found
        self.words.setText(title)
        self.words.setToolTip(title)
        self._draw_quality()

    def show_guarded(self, guarded: Guarded | None) -> None:
        """The guard's verdict on the target; None: nothing can be told."""
        if guarded is None:
            words = "The target cannot be told from the background here: show more of the image,"
            self.alarm.set_value("circle-help", f"{words} or choose another spectrum.", False)
        else:
            icon = "triangle-alert" if guarded.alarm else "circle-check"
            kept = f" Kept: {guarded.kept:.1%} ± {guarded.error:.1%}." if guarded.holding else ""
            head = "<b>The target was not kept.</b> " if guarded.alarm else "<b>Target kept.</b> "
            self.alarm.set_value(icon, head + guarded.why + kept, guarded.alarm)

    def _draw_quality(self) -> None:
        found, axis = self._statistics, self._axis
        if found is None or axis is None:
            self.quality.draw(None)
            return
        if self.kind.currentText() == SNR:
            before, after = (_decibels(snr) for snr in found.snr)
            pair, name = (before, after), ("Mean over noise", "dB")
        else:
            pair, name = (found.noise_before, found.noise_after), ("Noise σ", axis.values)
        marks: list[Mark] = [
            self._curve(pair[0], COLORS[0], 1.0, dotted=True),
            self._curve(pair[1], COLORS[0], 2.0),
        ]
        marks += self._bands(marks)
        self.quality.draw(Sketch(tuple(marks), axis.name, name))

    def _removed_sketch(self, removed: list[Mark], axis: Axis) -> Sketch:
        marks = list(removed)
        if self._statistics is not None:
            sigma, grey = self._statistics.noise_before, theme.colors().dim
            marks = [self._curve(way * sigma, grey, 1.0, dotted=True) for way in (1, -1)] + marks
        zero = Curve(axis.x[[0, -1]], np.zeros(2), theme.colors().edge, 1.0)
        return Sketch((zero, *marks), axis.name, ("Removed", axis.values))

    def _curve(self, y: Array, color: str, width: float, dotted: bool = False) -> Curve:
        axis = self._axis
        assert axis is not None
        return Curve(axis.x, np.where(axis.good, y, np.nan), color, width, dotted)

    def _bands(self, marks: list[Mark]) -> list[Mark]:
        """Lines where the bands lie that are on screen."""
        axis = self._axis
        values = [one.y[np.isfinite(one.y)] for one in marks if isinstance(one, Curve)]
        values = [one for one in values if one.size]
        if axis is None or not values:
            return []
        ends = np.array([min(v.min() for v in values), max(v.max() for v in values)])
        return [Curve(np.repeat(axis.x[band], 2), ends, color, 1.0) for band, color in axis.shown]


def _decibels(snr: Array) -> Array:
    """Ratios of amplitudes; NaN where there is no signal. After denoising they span decades."""
    return 20 * np.log10(np.where(snr > 0, snr, np.nan))


def _level(lines: list[Line]) -> float:
    """Mean of the first spectrum: what spectra of files are scaled to."""
    return float(np.nanmean(lines[0].spectra.before)) if lines else 1.0


def _scaled(y: Array, level: float) -> Array:
    """A spectrum of another unit (reflectance beside counts) brought to a level."""
    mean = float(np.nanmean(y))
    near = 0.1 < mean / level < 10 if level and mean else True
    return y if near else y * (level / mean)
