"""Slices: which slice of a stack is looked at; a slider for each axis besides c, y, x."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSpinBox, QVBoxLayout, QWidget

from core.image import Image
from core.planes import planes
from core.tiles import Span
from gui.controls import Track
from gui.places import places
from gui.session import stack_sizes

NAMES = {"z": "Depth", "t": "Time", "b": "Band", "q": "Index", "y": "Row", "x": "Column"}


class SliceRow(QWidget):
    """One axis: its letter, a slider, the slice's number (from 1) and how many there are."""

    moved = Signal(int)  # from 0; -1: the colours of several

    def __init__(self, axis: str, count: int, plane: str = "") -> None:
        super().__init__()
        self.count = count
        name = plane or NAMES.get(axis, "Axis")
        tip = f"{name}: which slice along {axis}  (Left, Right, PageUp, PageDown, Alt+wheel)"
        self.setToolTip(tip)
        label = QLabel(plane or axis)
        label.setMinimumWidth(70 if plane else 0)
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
    """The rows of a stack; hidden for a picture. `moved` tells the front of a Region.

    A volume has further rows, for the slices of the planes across y and x, while those are shown.
    """

    moved = Signal(object)  # tuple of Spans
    crossed = Signal(str, int)  # another slice across y or x

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[SliceRow] = []
        self.cross: dict[str, SliceRow] = {}  # across y and x
        self._active: int | str = 0  # the row that was moved last: what keys and wheel move
        self._axes = ""
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(12, 6, 12, 6)
        self._column.setSpacing(4)
        self.hide()

    def set_image(self, image: Image | None) -> None:
        """The axes of another image."""
        for row in [*self.rows, *self.cross.values()]:
            row.hide()
            row.deleteLater()
        sizes = [] if image is None else stack_sizes(image)
        axes = "" if image is None else image.stack
        found = {plane.across: plane for plane in planes(image)} if image is not None else {}
        names = {across: plane.name for across, plane in found.items()}
        self.rows = [
            SliceRow(axis, size, names.get(axis, ""))
            for axis, size in zip(axes, sizes, strict=True)
        ]
        self._active, self._axes = max(len(self.rows) - 1, 0), axes
        self.cross = {}
        for at, row in enumerate(self.rows):
            self._column.addWidget(row)
            row.set_places(places(image, axes[at]) if image is not None else [])
            row.moved.connect(lambda value, at=at: self._move(at, value))
        for plane in list(found.values())[1:]:
            row = self.cross[plane.across] = SliceRow(plane.across, plane.count, plane.name)
            self._column.addWidget(row)
            row.moved.connect(lambda value, axis=plane.across: self.crossed.emit(axis, value))
            row.hide()
        self.setVisible(bool(self.rows))

    def show_planes(self, shown: str, active: str) -> None:
        """Rows for the planes on screen; keys and wheel move that of the active one."""
        for axis, row in self.cross.items():
            row.setVisible(axis in shown)
        if "z" in self._axes:
            deep = self._axes.index("z")
            self.rows[deep].setVisible("z" in shown)
            self._active = deep if active == "z" else active

    def set_cross(self, at: Mapping[str, int]) -> None:
        """Show which slices across y and x are looked at; silent."""
        for axis, row in self.cross.items():
            row.set_value(at[axis])

    def set_front(self, front: Sequence[Span]) -> None:
        """Show which slice is looked at (none: colours of several bands); silent."""
        for row, (at, _) in zip(self.rows, front or [(-1, 0)] * len(self.rows), strict=False):
            row.set_value(at)

    @property
    def active(self) -> SliceRow | None:
        """The row that keys and wheel move."""
        if isinstance(self._active, str):
            return self.cross[self._active]
        return self.rows[self._active] if self.rows else None

    def step(self, by: int) -> None:
        """Some slices on along the axis that was moved last."""
        if row := self.active:
            row.step(by)

    def _move(self, at: int, value: int) -> None:
        self._active = at
        values = [max(row.value, 0) for row in self.rows]
        values[at] = value
        self.moved.emit(tuple((each, each + 1) for each in values) if value >= 0 else ())
