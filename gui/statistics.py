"""What denoising did to the visible region: noise, SNR, mean, histograms, what was taken away."""

from __future__ import annotations

import math
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.image import Array
from core.measure import ChannelStatistics, Statistics
from core.structure import ONLY_NOISE, SOME, STRUCTURE, UNKNOWN
from gui import theme
from gui.numbers import text
from gui.plots import Curve, Plot, Raster, Sketch, channel_color, mark, steps
from gui.turns import Turns

ICONS = {
    ONLY_NOISE: "circle-check",
    SOME: "info",
    STRUCTURE: "triangle-alert",
    UNKNOWN: "circle-help",
}
BEFORE = "Filled: before. Line: after."
LIMIT = 0.1  # correlations shown black (-) and white (+)


class Notice(QFrame):
    """An icon and a sentence in a frame: for a verdict, or for what must not be missed."""

    def __init__(self) -> None:
        super().__init__()
        self._icon, self.words = QLabel(), QLabel()
        self.words.setWordWrap(True)
        line = QHBoxLayout(self)
        line.setContentsMargins(8, 6, 8, 6)
        line.setSpacing(8)
        line.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(self.words, 1)

    def set_value(self, icon: str, words: str, alarm: bool) -> None:
        """Show a sentence; an empty one hides the frame."""
        look = theme.colors()
        self.setVisible(bool(words))
        self.words.setText(words)
        color = look.alarm if alarm else look.text
        self._icon.setPixmap(theme.pixmap(icon, 16, self.devicePixelRatioF(), color))
        self.setProperty("role", "alarm" if alarm else "card")
        self.style().polish(self)


class Table(QWidget):
    """A line a quantity, a column a channel; units in the first column."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: dict[tuple[str, str], QLabel] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(0, 1)

    def set_value(self, values: dict[str, dict[str, str]]) -> None:
        """Show words by line and channel."""
        names = list(next(iter(values.values()), {}))
        if {(line, name) for line in values for name in names} != set(self.cells):
            self._build(list(values), names)
        for line, row in values.items():
            for name, words in row.items():
                cell = self.cells[line, name]
                cell.setText(words)
                cell.setStyleSheet("font-weight: bold" if words.startswith("▲") else "")

    def _build(self, lines: list[str], names: list[str]) -> None:
        while item := self._grid.takeAt(0):
            if widget := item.widget():
                widget.deleteLater()
        self.cells = {}
        for column, name in enumerate(names, 1):
            head = QLabel(mark(name))
            head.setAlignment(Qt.AlignmentFlag.AlignRight)
            self._grid.addWidget(head, 0, column)
        for at, line in enumerate(lines, 1):
            label = QLabel(line)
            label.setProperty("role", "soft")
            self._grid.addWidget(label, at, 0)
            for column, name in enumerate(names, 1):
                cell = QLabel()
                cell.setAlignment(Qt.AlignmentFlag.AlignRight)
                cell.setMinimumWidth(cell.fontMetrics().horizontalAdvance("−00.0×"))
                self._grid.addWidget(cell, at, column)
                self.cells[line, name] = cell


def lines(one: ChannelStatistics, unit: str) -> dict[str, str]:
    """A channel's numbers as words, by the line of the table; units are in the line's name."""
    ratio = one.sigma_before / one.sigma_after if one.sigma_after else math.inf
    of = f", {unit}" if unit else ""
    shift = text(one.shift, "", 2)
    return {
        f"Noise σ before{of}": text(one.sigma_before, zeros=True),
        f"Noise σ after{of}": text(one.sigma_after, zeros=True),
        "Noise reduced by": f"{text(ratio, zeros=True)}×",
        "SNR before, dB": _decibel(one.snr_before),
        "SNR after, dB": _decibel(one.snr_after),
        f"Mean shift{of}": f"▲ {shift}" if one.shift_alarm else shift,
        **({f"Noise's lift taken off{of}": text(one.lift, "", 2)} if one.lift else {}),
        f"Removed σ{of}": text(one.residual_std, zeros=True),
        f"Expected σ{of}": text(one.expected_std, zeros=True),
    }


def alarm(statistics: Statistics) -> str:
    """The sentence about means that moved; empty when none did."""
    moved = [one for one in statistics.channels if one.shift_alarm]
    if not moved:
        return ""
    parts = ", ".join(
        f"{one.name} by {text(one.shift_percent, '%', 2)} of the range" for one in moved
    )
    return f"The mean has moved: {parts}. A denoiser should leave it where it was."


class StatisticsPanel(QWidget):
    """The dock of the statistics. `show_statistics` is the only way in."""

    def __init__(self) -> None:
        super().__init__()
        self.title = QLabel()
        self.title.setWordWrap(True)
        self.title.setProperty("role", "heading")
        self.copy = QToolButton()
        self.copy.setProperty("flat", True)
        self.copy.setIcon(theme.icon("copy", 15))
        self.copy.setToolTip("Copy the numbers as a table")
        self.copy.setAccessibleName("Copy the numbers")
        self.copy.clicked.connect(self._copy)
        head = QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(self.copy, 0, Qt.AlignmentFlag.AlignTop)
        self.alarm, self.verdict, self.table = Notice(), Notice(), Table()
        self.tabs = self._tabs()
        whole = QVBoxLayout(self)
        whole.setContentsMargins(10, 10, 10, 8)
        whole.setSpacing(8)
        whole.addLayout(head)
        for part in (self.alarm, self.verdict, self.table):
            whole.addWidget(part)
        whole.addWidget(self.tabs, 1)
        whole.addStretch()
        self.show_statistics(None, "")

    def _tabs(self) -> QTabWidget:
        nothing = "Denoise to compare."
        turns = Turns(self)
        self.histogram = Plot("Histogram before and after", turns, nothing)
        self.residual = Plot("Histogram of what was removed", turns, nothing)
        self.lags = Plot("Autocorrelation of what was removed", turns, nothing)
        self.lag_words = _soft("")
        tabs = QTabWidget()
        tabs.setDocumentMode(True)
        tabs.tabBar().setDrawBase(False)
        notes = (BEFORE, "Bars: what was removed. Line: what pure noise would give.")
        for name, plot, note in (
            ("Histogram", self.histogram, notes[0]),
            ("Removed", self.residual, notes[1]),
            ("Structure", self.lags, None),
        ):
            plot.fill_page()
            page = QWidget()
            column = QVBoxLayout(page)
            column.setContentsMargins(0, 6, 0, 0)
            column.setSpacing(4)
            column.addWidget(plot, 1)
            column.addWidget(self.lag_words if note is None else _soft(note))
            tabs.addTab(page, name)
        return tabs

    def set_library(self, library: Any) -> None:
        """What plots are drawn with is there."""
        for plot in (self.histogram, self.residual, self.lags):
            plot.set_library(library)

    def show_statistics(self, statistics: Statistics | None, title: str, unit: str = "DN") -> None:
        """Show the figures of a region (`title` names it) in `unit`; None: there are none yet."""
        self.title.setText(title if statistics else title or "Nothing to compare yet")
        for part in (self.copy, self.table, self.tabs):
            part.setVisible(statistics is not None)
        if statistics is None:
            self.alarm.set_value("triangle-alert", "", True)
            self.verdict.set_value("info", "", False)
            return
        self.alarm.set_value("triangle-alert", alarm(statistics), True)
        words = f"<b>{statistics.verdict[:1].upper()}{statistics.verdict[1:]}.</b> {statistics.why}"
        bad = statistics.verdict == STRUCTURE
        self.verdict.set_value(ICONS.get(statistics.verdict, "info"), words, bad)
        columns = {one.name: lines(one, unit) for one in statistics.channels}
        names = list(next(iter(columns.values()), {}))
        self.table.set_value({line: {c: columns[c][line] for c in columns} for line in names})
        self._plots(statistics, unit)

    def _plots(self, statistics: Statistics, unit: str) -> None:
        self.histogram.draw(_histograms(statistics, unit))
        self.residual.draw(_residuals(statistics))
        self.lags.draw(_correlations(statistics))
        self.lag_words.setText(
            f"Autocorrelation of what was removed, black −{LIMIT} to white +{LIMIT}. "
            "Light patches or streaks around the centre are structure."
        )

    def _copy(self) -> None:
        cells = self.table.cells
        names = list(dict.fromkeys(name for _, name in cells))
        found = ["\t".join(["", *names])]
        for line in dict.fromkeys(line for line, _ in cells):
            found.append("\t".join([line, *(cells[line, name].text() for name in names)]))
        QGuiApplication.clipboard().setText("\n".join(found))


def _soft(words: str) -> QLabel:
    label = QLabel(words)
    label.setWordWrap(True)
    label.setProperty("role", "soft")
    return label


def _decibel(value: float) -> str:
    return f"{value:.1f}".replace("-", "−") if math.isfinite(value) else text(value)


def _percent(counts: Array) -> Array:
    return counts / max(float(counts.sum()), 1.0) * 100


def _histograms(statistics: Statistics, unit: str) -> Sketch:
    marks = [
        steps(one.histogram.edges, _percent(one.histogram.before), channel_color(one.name),
              width=0.0, fill=0.31)
        for one in statistics.channels
    ]  # fmt: skip
    marks += [  # the lines above all fills
        steps(one.histogram.edges, _percent(one.histogram.after), channel_color(one.name),
              width=1.5)
        for one in statistics.channels
    ]  # fmt: skip
    return Sketch(tuple(marks), ("Stored value", unit), ("Pixels", "%"))


def _residuals(statistics: Statistics) -> Sketch:
    fill = 0.2 if len(statistics.channels) > 1 else 0.35
    marks = [
        steps(one.residual.edges, _percent(one.residual.counts), channel_color(one.name),
              width=1.0, fill=fill)
        for one in statistics.channels
    ]  # fmt: skip
    if statistics.channels:
        first = statistics.channels[0].residual
        middle = (first.edges[1:] + first.edges[:-1]) / 2
        marks.append(Curve(middle, _percent(first.expected), theme.colors().bright))
    return Sketch(tuple(marks), ("Removed", "σ of the noise"), ("Pixels", "%"))


def _correlations(statistics: Statistics) -> Sketch | None:
    if statistics.autocorrelation is None:
        return None
    raster = Raster(statistics.autocorrelation, statistics.lag, LIMIT)
    return Sketch((raster,), ("Apart across", "px"), ("Apart down", "px"))
