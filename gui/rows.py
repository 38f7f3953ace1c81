"""One row a setting: a number with its slider, a switch, a choice; and the section that folds them.

All are driven by values: `set_value` shows one and is silent; `edited(value, final)` tells what the
user did, with final False while a slider is held.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.method import Control
from gui import theme
from gui.controls import Combo, NumberEdit, Track
from gui.numbers import Scale, text

NAMES = {"srgb": "sRGB", "bt709": "BT.709"}  # words that are not spelt as others


class Row(QWidget):
    """One setting: label, value, and an arrow that resets it once it was changed."""

    edited = Signal(object, bool)
    resettable = True  # has it that arrow?

    def __init__(self, control: Control) -> None:
        super().__init__()
        self.control = control
        self.value: Any = control.default
        self.setToolTip(control.help)
        self.setStatusTip(control.help)
        self.label = QLabel(control.label)
        self.label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.reset = QToolButton()
        self.reset.setProperty("flat", True)
        self.reset.setFixedSize(22, 22)
        self.reset.setIcon(theme.icon("rotate-ccw", 13))
        self.reset.setAccessibleName(f"Reset {control.label}")
        self.reset.setToolTip(f"Back to {self.words(control.default)}")
        self.reset.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        policy = self.reset.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.reset.setSizePolicy(policy)
        self.reset.hide()
        self.reset.clicked.connect(self.restore)

    @property
    def held(self) -> bool:
        """Is the user dragging it right now?"""
        return False

    def words(self, value: Any) -> str:
        """A value as the user reads it."""
        return str(value)

    def set_value(self, value: Any) -> None:
        """Show a value; silent."""
        self.value = value
        self.reset.setVisible(self.resettable and value != self.control.default)

    def restore(self) -> None:
        """Back to the default, as if the user had set it."""
        self.change(self.control.default)

    def change(self, value: Any, final: bool = True) -> None:
        """What the user wants: shown at once and told, unless nothing changes."""
        if value != self.value:
            self.set_value(value)
            self.edited.emit(value, final)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.restore()


class NumberRow(Row):
    """Label left, typed value with its unit right, a slider under both, or `inline` between."""

    def __init__(self, control: Control, inline: bool = False) -> None:
        super().__init__(control)
        self.scale = Scale(control)
        self.suggestion: float | None = None
        self._moved = False
        self.edit = NumberEdit(control)
        self.slider = Track()
        self.slider.setAccessibleName(control.label)
        self.slider.setAccessibleDescription(control.help)
        self.slider.set_origin(self.scale.position(min(max(0.0, self.scale.low), self.scale.high)))
        self.hint = QToolButton()
        self.hint.setProperty("pill", True)
        self.hint.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.hint.hide()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(4)
        grid.setVerticalSpacing(1)
        grid.addWidget(self.label, 0, 0)  # in the order of the Tab key
        grid.addWidget(self.edit, 0, 3)
        grid.addWidget(self.hint, 0, 1)
        if inline:
            self.label.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
            self.edit.setFixedWidth(self.fontMetrics().horizontalAdvance("1000 px") + 22)
            grid.addWidget(self.slider, 0, 2)
            grid.setColumnStretch(2, 1)
            self.resettable = False  # by double click only
        else:
            grid.addWidget(self.slider, 1, 0, 1, 4)
            grid.addWidget(self.reset, 0, 2)
            grid.setColumnStretch(0, 1)
        self.edit.edited.connect(lambda value: self.change(control.parse(value)))
        self.edit.stepped.connect(self._step)
        self.slider.stepped.connect(self._step)
        self.slider.dragged.connect(self._drag)
        self.slider.released.connect(self._release)
        self.slider.resetWanted.connect(self.restore)
        self.hint.clicked.connect(lambda: self.change(self.suggestion))
        self.set_value(control.default)

    @property
    def held(self) -> bool:
        """Is the user dragging it right now?"""
        return self.slider.isSliderDown()

    def words(self, value: Any) -> str:
        """A value as the user reads it."""
        return text(value, self.control.unit, 4)

    def set_value(self, value: Any) -> None:
        """Show a value; silent."""
        super().set_value(value)
        self.edit.set_value(value)
        self.slider.set_position(self.scale.position(value))
        self._show_hint()

    def set_suggestion(self, value: float | None) -> None:
        """Mark a value on the slider and offer it; None takes the mark away. Changes nothing."""
        self.suggestion = None if value is None else self.scale.snap(value)
        self.slider.set_mark(None if value is None else self.scale.position(value))
        self._show_hint()

    def _show_hint(self) -> None:
        wanted = self.suggestion is not None and self.suggestion != self.value
        if wanted:
            words = text(self.suggestion or 0.0, "", 3)
            self.hint.setText(f"use {words}")
            self.hint.setToolTip(f"Suggested for this picture: {self.words(self.suggestion)}")
        self.hint.setVisible(wanted)

    def _step(self, steps: int) -> None:
        self.change(self.scale.step(self.value, steps))

    def _drag(self, position: float) -> None:
        value = self.scale.value(position)
        self._moved |= value != self.value
        self.change(value, final=False)

    def _release(self) -> None:
        if self._moved:
            self.edited.emit(self.value, True)
        self._moved = False


class SwitchRow(Row):
    """A check box with its label."""

    def __init__(self, control: Control) -> None:
        super().__init__(control)
        self.box = QCheckBox(control.label)
        self.box.setAccessibleDescription(control.help)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.box)
        line.addStretch()
        line.addWidget(self.reset)
        self.label.setParent(self)  # the box has the words
        self.label.hide()
        self.box.clicked.connect(lambda on: self.change(on))
        self.set_value(control.default)

    def words(self, value: Any) -> str:
        """A value as the user reads it."""
        return "on" if value else "off"

    def set_value(self, value: Any) -> None:
        """Show a value; silent."""
        super().set_value(value)
        self.box.setChecked(value)


class ChoiceRow(Row):
    """Label left, a drop-down list right."""

    def __init__(self, control: Control) -> None:
        super().__init__(control)
        self.box = Combo()
        self.box.setAccessibleName(control.label)
        for choice in control.choices:
            self.box.addItem(self.words(choice), choice)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        line.addWidget(self.label, 2)
        line.addWidget(self.box, 3)
        line.insertWidget(1, self.reset)  # before the list, but after it for the Tab key
        self.box.activated.connect(lambda at: self.change(self.box.itemData(at)))
        self.set_value(control.default)

    def words(self, value: Any) -> str:
        """A value as the user reads it."""
        plain = str(value).replace("_", " ")
        return NAMES.get(plain, plain[:1].upper() + plain[1:])

    def set_value(self, value: Any) -> None:
        """Show a value; silent."""
        super().set_value(value)
        self.box.setCurrentIndex(self.control.choices.index(value))


class LessonRow(Row):
    """A button that has the method learn from the image; under it what it has learned."""

    wanted = Signal()  # learn, or be content with what there is

    def __init__(self, control: Control) -> None:
        super().__init__(control)
        self.button = QPushButton(theme.icon("activity", 15), "")
        self.button.setAccessibleDescription(control.help)
        self.button.clicked.connect(self.wanted)
        self.found = QLabel()
        self.found.setWordWrap(True)
        self.found.setProperty("role", "soft")
        self.label.setParent(self)  # the button has the words
        self.label.hide()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        grid.addWidget(self.button, 0, 0)
        grid.addWidget(self.reset, 0, 1)
        grid.addWidget(self.found, 1, 0, 1, 2)
        grid.setColumnStretch(0, 1)
        self.reset.setToolTip("Forget what was learned")
        policy = self.reset.sizePolicy()
        policy.setRetainSizeWhenHidden(False)
        self.reset.setSizePolicy(policy)
        self.set_value(control.default)
        self.show_state("Learn from this image", False, "")

    def show_state(self, button: str, able: bool, found: str) -> None:
        """What the button says, whether it can be pressed, and what is said of learning."""
        self.button.setText(button)
        self.button.setEnabled(able)
        self.found.setText(found)
        self.found.setVisible(bool(found))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Only the arrow forgets: learning takes seconds."""


def row(control: Control) -> Row:
    """The widget for a setting."""
    kinds: dict[str, type[Row]] = {"bool": SwitchRow, "choice": ChoiceRow, "lesson": LessonRow}
    return kinds.get(control.type, NumberRow)(control)


class Section(QWidget):
    """A heading that folds what is under it away."""

    def __init__(self, title: str, opened: bool = True) -> None:
        super().__init__()
        self.head = QToolButton()
        self.head.setText(title)
        self.head.setCheckable(True)
        self.head.setChecked(opened)
        self.head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.head.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.head.setProperty("section", True)
        self.head.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.head.toggled.connect(self._fold)
        self.body = QWidget()
        self.rows = QVBoxLayout(self.body)
        self.rows.setContentsMargins(2, 6, 2, 8)
        self.rows.setSpacing(7)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self.head)
        whole.addWidget(self.body)
        self._fold(opened)

    def add(self, widget: QWidget) -> None:
        """Put a widget under the heading."""
        self.rows.addWidget(widget)

    def _fold(self, opened: bool) -> None:
        self.body.setVisible(opened)
        self.head.setIcon(theme.icon("chevron-down" if opened else "chevron-right", 14))
