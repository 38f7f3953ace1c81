"""The steps of a recipe: a line each, in the order in which they are done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.method import Method
from core.recipe import Step
from gui import theme

Index = QModelIndex | QPersistentModelIndex
ROW = 26  # logical pixels
MOST = 5  # lines that are seen at once
BOX = 26  # logical pixels that the box to switch a step takes
NOTES = Qt.ItemDataRole.UserRole
ON, OFF = Qt.CheckState.Checked, Qt.CheckState.Unchecked


def notes(step: Step) -> str:
    """What is said of a step at the end of its line: `mask · 80 %`."""
    parts = [f"needs {', '.join(step.missing)}"] if step.missing else []
    parts += ["mask"] if step.mask else []
    parts += [f"{100 * step.amount:.3g} %"] if step.amount != 1 else []
    return "  ·  ".join(parts)


class Line(QStyledItemDelegate):
    """Paints a line: what it is at the left, cut off where its notes at the right begin."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        super().initStyleOption(option, index)
        metrics, said = QFontMetrics(option.font), index.data(NOTES) or ""
        room = option.rect.width() - BOX - (metrics.horizontalAdvance(said) + 24 if said else 6)
        option.text = metrics.elidedText(option.text, Qt.TextElideMode.ElideRight, max(room, 40))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        super().paint(painter, option, index)
        painter.save()
        painter.setFont(option.font)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        ink = (
            theme.colors().bright if chosen else index.data(Qt.ItemDataRole.ForegroundRole).color()
        )
        painter.setPen(ink)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(option.rect.adjusted(0, 0, -8, 0), right, index.data(NOTES) or "")
        painter.restore()


class Lines(QListWidget):
    """The list itself: drag a line, or Alt and arrows, to another place; space switches it off."""

    moved = Signal(int, int)  # from, to
    keyed = Signal(str)  # a command: add, duplicate, remove

    KEYS = {Qt.Key.Key_Delete: "remove", Qt.Key.Key_Insert: "add"}

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Steps")
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setUniformItemSizes(True)
        self.setItemDelegate(Line(self))
        self._from, self._to = -1, -1  # of a line that is dragged
        self._start = QPointF()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        self._from, self._to = self.indexAt(event.position().toPoint()).row(), -1
        self._start = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        far = abs(event.position().y() - self._start.y()) >= QApplication.startDragDistance()
        if self._from < 0 or not event.buttons() or not (far or self._to >= 0):
            return
        line = (event.position().y() + self.verticalScrollBar().value()) / ROW
        self._to = min(max(round(line), 0), self.count())
        self.setCursor(Qt.CursorShape.ClosedHandCursor)
        self.viewport().update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        to, self._to = self._to, -1
        self.unsetCursor()
        self.viewport().update()
        if to < 0:
            super().mouseReleaseEvent(event)
            return
        self.setState(self.State.NoState)
        target = to - (to > self._from)
        if target != self._from:
            self.moved.emit(self._from, target)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, row = Qt.Key(event.key()), self.currentRow()
        alt = event.modifiers() == Qt.KeyboardModifier.AltModifier
        by = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(key, 0)
        if alt and by:
            if 0 <= row + by < self.count():
                self.moved.emit(row, row + by)
        elif key in self.KEYS:
            self.keyed.emit(self.KEYS[key])
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt: and where a dragged line would go."""
        super().paintEvent(event)
        if self._to >= 0:
            painter = QPainter(self.viewport())
            y = self._to * ROW - self.verticalScrollBar().value()
            room = self.viewport()
            y = min(max(y - 1, 0), room.height() - 2)
            painter.fillRect(2, y, room.width() - 4, 2, QColor(theme.colors().bright))

    def sizeHint(self) -> QSize:
        return QSize(100, 0)


class StepList(QWidget):
    """Shows a recipe's steps; says what the user wants of them. Space and keys work, too."""

    chosen = Signal(int)
    switched = Signal(int, bool)
    moved = Signal(int, int)
    added = Signal(str)  # a method's id
    duplicated = Signal()
    removed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.list, self._menu = Lines(), QMenu(self)
        self._menu.setToolTipsVisible(True)
        heading = QLabel("Steps")
        heading.setProperty("role", "heading")
        top = QHBoxLayout()
        top.setSpacing(0)
        top.addWidget(heading, 1)
        self.buttons = {
            "add": self._button("plus", "Add a step  (Ctrl+T)", None),
            "duplicate": self._button("copy", "Duplicate  (Ctrl+D)", self.duplicated.emit),
            "up": self._button("chevron-up", "Earlier  (Ctrl+Shift+PgUp)", self._earlier),
            "down": self._button("chevron-down", "Later  (Ctrl+Shift+PgDown)", self._later),
            "remove": self._button("trash-2", "Remove the step  (Ctrl+Del)", self.removed.emit),
        }
        self.buttons["add"].setMenu(self._menu)
        self.buttons["add"].setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        for button in self.buttons.values():
            top.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addLayout(top)
        column.addWidget(self.list)
        self.list.currentRowChanged.connect(lambda row: row >= 0 and self.chosen.emit(row))
        self.list.itemChanged.connect(self._switch)
        self.list.moved.connect(self.moved)
        self.list.keyed.connect(self._command)

    def _button(self, icon: str, tip: str, call: Callable[[], object] | None) -> QToolButton:
        button = QToolButton()
        button.setIcon(theme.icon(icon, 15))
        button.setToolTip(tip)
        button.setAccessibleName(tip.partition("  ")[0])
        button.setProperty("flat", True)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        if call is not None:
            button.clicked.connect(lambda: call())
        return button

    def set_methods(self, groups: Sequence[Mapping[str, type[Method]]]) -> None:
        """What a new step may be, with a line between the groups."""
        self._menu.clear()
        for methods in groups:
            for name, method in methods.items():
                action = self._menu.addAction(method.title or name, partial(self.added.emit, name))
                action.setToolTip((method.__doc__ or "").strip().partition("\n")[0])
            self._menu.addSeparator()

    def set_steps(self, steps: Sequence[Step], at: int) -> None:
        """Show these, one of them in hand; silent."""
        was = self.list.blockSignals(True)
        while self.list.count() > len(steps):
            self.list.takeItem(self.list.count() - 1)
        while self.list.count() < len(steps):
            item = QListWidgetItem()
            item.setSizeHint(QSize(0, ROW))
            self.list.addItem(item)
        for row, step in enumerate(steps):
            item = self.list.item(row)
            name, said = step.method.title or step.method.id(), notes(step)
            item.setText(f"{row + 1}  {name}")
            item.setData(NOTES, said)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{name} {said}".rstrip())
            item.setCheckState(ON if step.enabled else OFF)
            item.setForeground(QColor(self._ink(step)))
            off = "" if step.enabled else "Switched off. "
            item.setToolTip(f"{off}Space or the box switches it, drag moves it.")
        self.list.setCurrentRow(at)
        self.list.blockSignals(was)
        self.list.setFixedHeight(max(min(len(steps), MOST), 1) * ROW + 2 * self.list.frameWidth())
        self.buttons["up"].setEnabled(at > 0)
        self.buttons["down"].setEnabled(0 <= at < len(steps) - 1)
        for name in ("duplicate", "remove"):
            self.buttons[name].setEnabled(at >= 0)

    @staticmethod
    def _ink(step: Step) -> str:
        look = theme.colors()
        if step.missing:
            return look.alarm
        return look.text if step.enabled else look.dim

    def ask(self) -> None:
        """The menu of methods, for a new step."""
        self.buttons["add"].showMenu()

    def _earlier(self) -> None:
        self.moved.emit(self.list.currentRow(), self.list.currentRow() - 1)

    def _later(self) -> None:
        self.moved.emit(self.list.currentRow(), self.list.currentRow() + 1)

    def _switch(self, item: QListWidgetItem) -> None:
        self.switched.emit(self.list.row(item), item.checkState() == ON)

    def _command(self, name: str) -> None:
        if name == "add":
            self.ask()
        else:
            self.removed.emit()
