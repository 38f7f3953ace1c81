"""Areas, noise texture and edges before and after: the figures of what is drawn in the picture."""

from __future__ import annotations

import math
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QTabWidget, QVBoxLayout, QWidget

from core.quality import Quality
from gui import theme
from gui.numbers import text
from gui.over_time import TimeStrip
from gui.plots import Curve, Plot, Sketch
from gui.statistics import Notice
from gui.turns import Turns

HINT = (
    "Draw what is to be measured: <b>R</b> an area in even tissue, <b>D</b> a second one as "
    "background, for the contrast-to-noise ratio; <b>W</b> a line across an edge. "
    "<b>Shift+R</b> clears all."
)
MOVING = " The line is also followed over time, as in M-mode."
OVER_TIME = 2  # its tab
NOTE = "Dotted: before. Line: after."
COARSER, WIDER = 0.75, 1.15  # ratios after to before that are worth a word


class QualityPanel(QWidget):
    """A page of the dock of measurements. `show_quality` is the only way in."""

    def __init__(self) -> None:
        super().__init__()
        self.hint, self.verdict = QLabel(HINT), Notice()
        self.hint.setWordWrap(True)
        self.hint.setProperty("role", "soft")
        self.cells: dict[tuple[str, str], QLabel] = {}
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(0, 1)
        turns = Turns(self)
        self.spectrum = Plot("Noise power spectrum", turns, "Draw an area of 16 pixels and more.")
        self.edge = Plot("Profile across the edge", turns, "Draw a line across an edge.")
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setDrawBase(False)
        for name, plot in (("Noise spectrum", self.spectrum), ("Edge", self.edge)):
            plot.fill_page()
            page, note = QWidget(), QLabel(NOTE)
            note.setProperty("role", "soft")
            column = QVBoxLayout(page)
            column.setContentsMargins(0, 6, 0, 0)
            column.addWidget(plot, 1)
            column.addWidget(note)
            self.tabs.addTab(page, name)
        self.strip = TimeStrip()
        self.tabs.addTab(self.strip, "Over time")
        self.set_moving(False)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(10, 10, 10, 8)
        whole.setSpacing(8)
        whole.addWidget(self.hint)
        whole.addWidget(self.verdict)
        whole.addLayout(self._grid)
        whole.addWidget(self.tabs, 1)
        whole.addStretch()
        self.show_quality(None)

    def set_library(self, library: Any) -> None:
        """What plots are drawn with is there."""
        self.spectrum.set_library(library)
        self.edge.set_library(library)

    def set_moving(self, on: bool) -> None:
        """Is it a clip, in which a line can be followed over time?"""
        self.tabs.setTabVisible(OVER_TIME, on)
        self.hint.setText(HINT + (MOVING if on else ""))

    def show_quality(self, found: Quality | None) -> None:
        """The figures of what is drawn; None: nothing is."""
        rows = lines(found) if found is not None else {}
        self._show_rows(rows)
        words = warning(found) if found is not None else ""
        self.verdict.set_value("triangle-alert", words, True)
        self.tabs.setVisible(found is not None)
        self.spectrum.draw(_spectrum(found) if found is not None else None)
        self.edge.draw(_edge(found) if found is not None else None)
        if found is not None and found.edge is not None and not found.areas:
            moving = self.tabs.isTabVisible(OVER_TIME)
            self.tabs.setCurrentIndex(OVER_TIME if moving else 1)

    def _show_rows(self, rows: dict[str, tuple[str, str]]) -> None:
        if list(rows) != [name for name, side in self.cells if side == "before"]:
            while item := self._grid.takeAt(0):
                if widget := item.widget():
                    widget.deleteLater()
            self.cells = {}
            for column, side in enumerate(("before", "after") if rows else (), 1):
                self._add(QLabel(side), 0, column, "soft")
            for at, name in enumerate(rows, 1):
                self._add(QLabel(name), at, 0, "soft")
                for column, side in enumerate(("before", "after"), 1):
                    self.cells[name, side] = self._add(QLabel(), at, column, "")
        for name, (before, after) in rows.items():
            self.cells[name, "before"].setText(before)
            self.cells[name, "after"].setText(after)

    def _add(self, label: QLabel, row: int, column: int, role: str) -> QLabel:
        label.setProperty("role", role)
        if column:
            label.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._grid.addWidget(label, row, column)
        return label


def lines(found: Quality) -> dict[str, tuple[str, str]]:
    """Names of figures, and their words before and after."""
    rows: dict[str, tuple[float, float]] = {}
    several = len(found.areas) > 1
    for letter, (before, after) in zip("AB", found.areas, strict=False):
        name = f" {letter}" if several else ""
        unit = f", {found.unit}" if found.unit else ""
        rows[f"Mean{name}{unit}"] = before.mean, after.mean
        rows[f"σ{name}{unit}"] = before.std, after.std
    for letter, both in zip("AB", found.speckle, strict=False):
        rows[f"Speckle SNR{f' {letter}' if several else ''}"] = both
    if found.cnr is not None:
        rows["CNR of A and B" if found.speckle else "CNR of A over B"] = found.cnr
    if found.gcnr is not None:
        rows["gCNR, 0 to 1"] = found.gcnr
    if one := found.spectrum:
        rows[f"Mean noise frequency, 1/{found.length}"] = one.mean_before, one.mean_after
    if edge := found.edge:
        rows[f"Edge 10–90 %, {found.length}"] = edge.rise_before, edge.rise_after
    return {
        name: (text(pair[0], zeros=True), text(pair[1], zeros=True)) for name, pair in rows.items()
    }


def warning(found: Quality) -> str:
    """What looks better than it is; empty where nothing does."""
    words: list[str] = []
    one, edge = found.spectrum, found.edge
    if one and one.mean_after < COARSER * one.mean_before:
        words.append("The noise that is left is coarser than it was: it may look like texture.")
    if edge and math.isfinite(edge.rise_before) and edge.rise_after > WIDER * edge.rise_before:
        words.append("The edge is wider than it was: detail was lost.")
    return " ".join(words)


def _pair(x: Any, before: Any, after: Any) -> tuple[Curve, Curve]:
    look = theme.colors()
    return Curve(x, before, look.soft, 1.5, dotted=True), Curve(x, after, look.bright, 2.0)


def _spectrum(found: Quality) -> Sketch | None:
    if (one := found.spectrum) is None:
        return None
    top = float(max(one.before.max(), one.after.max()))
    return Sketch(
        _pair(one.frequency, one.before, one.after),
        ("Frequency", f"1/{found.length}"),
        ("Power", f"{found.unit and f'{found.unit}² '}{found.length}²"),
        reach=(float(one.frequency[-1]), 1.05 * top),
    )


def _edge(found: Quality) -> Sketch | None:
    if (edge := found.edge) is None:
        return None
    curves = _pair(edge.distance, edge.before, edge.after)
    return Sketch(curves, ("Across the edge", found.length), ("Value", found.unit))
