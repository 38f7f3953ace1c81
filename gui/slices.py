"""Slices: which slice of a stack is looked at; a slider for each axis besides c, y, x."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSpinBox, QVBoxLayout, QWidget

from core.image import Image
from core.tiles import Span
from gui.controls import Track
from gui.places import places
from gui.session import stack_sizes

NAMES = {"z": "Depth", "t": "Time", "b": "Band", "q": "Index"}


class SliceRow(QWidget):
    """One axis: its letter, a slider, the slice's number (from 1) and how many there are."""

    moved = Signal(int)  # from 0; -1: the colours of several

    def __init__(self, axis: str, count: int) -> None:
        super().__init__()
        self.count = count
        name = NAMES.get(axis, "Axis")
        tip = f"{name}: which slice along {axis}  (Left, Right, PageUp, PageDown, Alt+wheel)"
        self.setToolTip(tip)
        label = QLabel(axis)
        label.setProperty("role", "heading")
        self.slider, self.number = Track(), QSpinBox()
        self.slider.setAccessibleName(f"{name}, axis {axis}")
        self.number.setAccessibleName(f"Number of the slice along {axis}")
        self.number.setRange(1, count)
        self.number.setSuffix(f" / {count}")
        self.number.setKeyboardTracking(False)
        self.place = QLabel()
        self._places: list[str] = []
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(8)
        for part in (label, self.slider, self.place, self.number):
            line.addWidget(part, int(part is self.slider))
        self.slider.dragged.connect(lambda at: self.moved.emit(round(at * (count - 1))))
        self.slider.stepped.connect(self.step)
        self.number.valueChanged.connect(lambda number: self.moved.emit(number - 1))

    @property
    def value(self) -> int:
        """The slice, from 0; -1 where several are shown as colours."""
        return self.number.value() - 1

    def set_places(self, words: list[str]) -> None:
        """Where each slice lies: shown beside the slider."""
        self._places = words
        metrics = self.place.fontMetrics()
        self.place.setMinimumWidth(max(map(metrics.horizontalAdvance, words), default=0))
        self.place.setVisible(bool(words))

    def set_value(self, at: int) -> None:
        """Show a slice (-1: colours of several); silent."""
        with QSignalBlocker(self.number):
            if at < 0:
                self.number.setRange(0, self.count)
                self.number.setSpecialValueText(f"colours / {self.count}")
            self.number.setValue(at + 1)
        self.slider.set_position(at / max(self.count - 1, 1) if at >= 0 else None)
        self.place.setText(self._places[at] if 0 <= at < len(self._places) else "")

    def step(self, by: int) -> None:
        """Some slices on, or back; stops at the ends."""
        self.moved.emit(min(max(self.value + by, 0), self.count - 1))


class Slices(QWidget):
    """The rows of a stack; hidden for a picture. `moved` tells the front of a Region."""

    moved = Signal(object)  # tuple of Spans

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[SliceRow] = []
        self._active = 0  # the row that was moved last: what keys and wheel move
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(12, 6, 12, 6)
        self._column.setSpacing(4)
        self.hide()

    def set_image(self, image: Image | None) -> None:
        """The axes of another image."""
        for row in self.rows:
            row.hide()
            row.deleteLater()
        sizes = [] if image is None else stack_sizes(image)
        axes = "" if image is None else image.stack
        self.rows = [SliceRow(axis, size) for axis, size in zip(axes, sizes, strict=True)]
        self._active = max(len(self.rows) - 1, 0)
        for at, row in enumerate(self.rows):
            self._column.addWidget(row)
            row.set_places(places(image, axes[at]) if image is not None else [])
            row.moved.connect(lambda value, at=at: self._move(at, value))
        self.setVisible(bool(self.rows))

    def set_front(self, front: Sequence[Span]) -> None:
        """Show which slice is looked at (none: colours of several bands); silent."""
        for row, (at, _) in zip(self.rows, front or [(-1, 0)] * len(self.rows), strict=False):
            row.set_value(at)

    @property
    def active(self) -> SliceRow | None:
        """The row that keys and wheel move."""
        return self.rows[self._active] if self.rows else None

    def step(self, by: int) -> None:
        """Some slices on along the axis that was moved last."""
        if self.rows:
            self.rows[self._active].step(by)

    def _move(self, at: int, value: int) -> None:
        self._active = at
        values = [max(row.value, 0) for row in self.rows]
        values[at] = value
        self.moved.emit(tuple((each, each + 1) for each in values) if value >= 0 else ())
