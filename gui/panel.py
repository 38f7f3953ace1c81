"""The settings of any method, drawn from its declaration; above them Amount and the chooser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.method import Control, Method
from gui import theme
from gui.controls import Combo
from gui.inputs import InputRows
from gui.mask_bar import MaskButton
from gui.rows import LessonRow, NumberRow, Row, Section, row
from gui.step_list import StepList

AMOUNT = Control(
    "amount",
    "Amount",
    "float",
    100.0,
    0.0,
    100.0,
    "%",
    "Blends the denoised picture with the original. Immediate: nothing is computed again.",
)
LOWEST = 124  # logical pixels that settings keep, however many steps there are


def about(method: type[Method]) -> str:
    """A method's tooltip: when to use it, what it assumes of the noise, the paper, the card."""
    doc = (method.__doc__ or "").strip().partition("\n")[0]
    lines = (
        doc,
        method.assumption and f"Assumes: {method.assumption}",
        method.paper and f"Paper: {method.paper}",
        method.card.words if method.card else "",
    )
    return "\n".join(line for line in lines if line)


class MethodPanel(QWidget):
    """Steps; amount, mask, method and settings of the one in hand, which set_recipe_step tells.

    Says what the user changes; chain.py does it.
    """

    methodEdited = Signal(object, bool)  # a method instance; False while a slider is held
    amountEdited = Signal(float, bool)  # 0..1
    tuneWanted = Signal()  # settings for this picture, as marks on the sliders
    learnWanted = Signal()  # the method in hand is to learn from this picture
    settingsBuilt = Signal()  # rows of another method

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, Row] = {}
        self.method: Method | None = None
        self._methods: dict[str, type[Method]] = {}
        self._first = 0  # so many of them are for what is open
        self._left: dict[str, Method] = {}  # settings of methods that the user left
        self._suggested: dict[str, float] = {}
        self._advanced = False  # stays as the user folded it
        self.amount = NumberRow(AMOUNT)
        self.amount.label.setProperty("role", "heading")
        self.amount.edited.connect(lambda value, final: self.amountEdited.emit(value / 100, final))
        card = QFrame()
        card.setProperty("role", "card")
        inside = QVBoxLayout(card)
        inside.setContentsMargins(10, 8, 10, 8)
        inside.addWidget(self.amount)
        self.steps, self.inputs, self.where = StepList(), InputRows(), MaskButton()
        line = QHBoxLayout()
        label = QLabel("Where")
        label.setProperty("role", "heading")
        line.addWidget(label, 2)
        line.addWidget(self.where, 3)
        inside.addLayout(line)
        self.chooser = Combo()
        self.chooser.setAccessibleName("Method")
        self.chooser.activated.connect(self._choose)
        self.auto = QToolButton()
        self.auto.setText("Auto")
        self.auto.setToolTip(
            "Choose method and settings for this picture, and how long it may take"
        )
        self.auto.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.assumption = QLabel()
        self.assumption.setWordWrap(True)
        self.assumption.setProperty("role", "soft")
        self.tune = QPushButton(theme.icon("sliders-horizontal", 15), "")
        self.tune.setToolTip(
            "Find the strength that leaves the least error in this picture, and mark it on the\n"
            "sliders: nothing is changed before you take it  (U, then Shift+U)"
        )
        self.tune.clicked.connect(self.tuneWanted)
        self.tune.hide()
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._area.setMinimumHeight(LOWEST)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(10, 10, 10, 6)
        whole.setSpacing(8)
        whole.addWidget(self.steps)
        whole.addWidget(card)
        method = QHBoxLayout()
        method.setSpacing(6)
        method.addWidget(self.chooser, 1)
        method.addWidget(self.auto)
        method.addWidget(self.tune)
        whole.addLayout(method)
        whole.addWidget(self.assumption)
        whole.addWidget(self.inputs)
        whole.addWidget(self._area, 1)
        self._settings = QWidget()
        page = QWidget()
        self._page = QVBoxLayout(page)
        self._page.setContentsMargins(0, 0, 0, 0)
        self._page.setSpacing(4)
        self._page.addWidget(self._settings)
        self._page.addStretch()
        self._area.setWidget(page)

    def set_methods(
        self, methods: Mapping[str, type[Method]], others: Mapping[str, type[Method]] | None = None
    ) -> None:
        """The methods to choose from, by id, in this order; after a line, the others."""
        groups = [dict(methods), dict(others or {})]
        known = groups[0] | groups[1]
        if list(known) == list(self._methods) and self._first == len(groups[0]):
            return
        self._methods, self._first = known, len(groups[0])
        self.chooser.clear()
        for name, method in known.items():
            if 0 < self._first == self.chooser.count():
                self.chooser.insertSeparator(self._first)
            self.chooser.addItem(method.title or name, name)
            self.chooser.setItemData(
                self.chooser.count() - 1, about(method), Qt.ItemDataRole.ToolTipRole
            )
        self.steps.set_methods(groups)
        self._show_method(rebuild=not self.rows)

    def set_recipe_step(self, method: Method | None, amount: float = 1.0) -> None:
        """Show a method's settings and the blend (0..1). A slider that is held stays as it is."""
        rebuild = type(method) is not type(self.method)
        self.method = method
        if rebuild:
            self._suggested = {}
        if not self.amount.held:
            self.amount.set_value(round(amount * 100, 4))
        self._show_method(rebuild)

    def set_tuning(self, words: str, able: bool) -> None:
        """What the button says that suggests settings; none: there is nothing to suggest."""
        self.tune.setVisible(bool(words))
        self.tune.setText(words)
        self.tune.setEnabled(able)

    def set_suggestion(self, name: str, value: float | None) -> None:
        """Mark a value on a setting's slider (`amount`: 0..100); the setting itself stays."""
        target = self.amount if name == AMOUNT.name else self.rows.get(name)
        if value is not None:
            self._suggested[name] = value
        if isinstance(target, NumberRow):
            target.set_suggestion(value)

    def _choose(self, at: int) -> None:
        name = self.chooser.itemData(at)
        if self.method is not None and type(self.method) is self._methods[name]:
            return
        if self.method is not None:
            self._left[self._name_of(self.method)] = self.method
        self.set_recipe_step(self._left.get(name) or self._methods[name](), self.amount.value / 100)
        self.methodEdited.emit(self.method, True)

    def _name_of(self, method: Method | None) -> str:
        kinds = {kind: name for name, kind in self._methods.items()}
        return kinds.get(type(method), "")  # type: ignore[arg-type]

    def _show_method(self, rebuild: bool) -> None:
        method = self.method
        self.chooser.setCurrentIndex(self.chooser.findData(self._name_of(method)))
        self.chooser.setToolTip(about(type(method)) if method else "")
        words = type(method).assumption if method else ""
        self.assumption.setText(f"Assumes: {words}")
        # of a chain it is in the tooltip only: its settings need the room
        self.assumption.setVisible(bool(words) and self.steps.list.count() < 2)
        if rebuild:
            self._build()
        values = method.settings() if method else {}
        for name, one in self.rows.items():
            if not one.held:
                one.set_value(values[name])

    def _build(self) -> None:
        controls = type(self.method).controls() if self.method else ()
        self.rows = {control.name: row(control) for control in controls}
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        basic = [control for control in controls if not control.advanced]
        advanced = [control for control in controls if control.advanced]
        for title, group in (("Basic", basic), ("Advanced", advanced)):
            if group:
                column.addWidget(self._section(title, group))
        self._page.replaceWidget(self._settings, inside)
        inside.show()
        self._settings.hide()
        self._settings.deleteLater()
        self._settings = inside
        self.settingsBuilt.emit()

    def _section(self, title: str, group: list[Control]) -> Section:
        advanced = title == "Advanced"
        section = Section(title, opened=not advanced or self._advanced)
        if advanced:
            section.head.toggled.connect(self._remember_fold)
        for control in group:
            one = self.rows[control.name]
            one.edited.connect(
                lambda value, final, name=control.name: self._edit(name, value, final)
            )
            if isinstance(one, LessonRow):
                one.wanted.connect(self.learnWanted)
            section.add(one)
        return section

    def _remember_fold(self, opened: bool) -> None:
        self._advanced = opened

    def _edit(self, name: str, value: Any, final: bool) -> None:
        assert self.method is not None
        self.method = replace(self.method, **{name: value})  # type: ignore[type-var]
        self.methodEdited.emit(self.method, final)
