"""The files of the queue as a list: each with its state, its progress, and why it failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from gui import theme
from gui.batch import Batch, Entry, Stage
from gui.rates import device_words, duration

Index = QModelIndex | QPersistentModelIndex
ENTRY = Qt.ItemDataRole.UserRole
NONE = QModelIndex()
ROOM = 8  # logical pixels around the words
ICONS = {
    Stage.WAITING: "square",
    Stage.DONE: "circle-check",
    Stage.FAILED: "triangle-alert",
}
WRAP = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop


def state(entry: Entry, batch: Batch) -> str:
    """An entry's state as words: `waiting, about 12 s`, `denoising 45 %`."""
    if entry.stage is Stage.WAITING:
        seconds = batch.seconds(entry)
        return entry.stage.value if seconds is None else f"about {duration(seconds)}"
    words = entry.stage.value
    if entry.stage is Stage.DENOISING:
        words = f"{words} {entry.done:.0%}"
        words += f" on {device_words(entry.device)}" if entry.device else ""
    running = batch.running or entry.stage in (Stage.DONE, Stage.FAILED)
    return words if running else f"paused, {words}"


def details(entry: Entry) -> str:
    """The second line: the reason of a failure, else how large, with which settings, where to."""
    if entry.stage is Stage.FAILED:
        return entry.words
    size = f"{entry.megapixels:.1f} MP" if entry.megapixels else ""
    own = "settings of its own" if entry.own else ""
    written = f"written: {Path(entry.target).name}" if entry.target else ""
    return "   ".join(each for each in (size, own, written) if each)


class Files(QAbstractListModel):
    """The entries of a Batch, a row each."""

    def __init__(self, batch: Batch) -> None:
        super().__init__()
        self._batch = batch
        batch.changed.connect(self._changed)

    def rowCount(self, parent: Index = NONE) -> int:
        """Qt: how many."""
        return 0 if parent.isValid() else len(self._batch.entries)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Qt: an entry, or words about it for tooltips and screen readers."""
        entry = self._batch.entries[index.row()]
        if role == ENTRY:
            return entry
        if role == Qt.ItemDataRole.DisplayRole:
            return entry.name
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join(w for w in (entry.source, entry.target, entry.words) if w)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{entry.name}, {state(entry, self._batch)}. {details(entry)}"
        return None

    def reset_entries(self) -> None:
        """The entries are others, or in another order."""
        self.beginResetModel()
        self.endResetModel()

    def _changed(self, row: int) -> None:
        self.dataChanged.emit(self.index(row), self.index(row))


class Painter(QStyledItemDelegate):
    """Two lines and a thin bar; a failure's reason takes the lines it needs."""

    def __init__(self, batch: Batch, view: QListView) -> None:
        super().__init__(view)
        self._batch, self._view = batch, view

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Qt: as high as its words, at the list's width."""
        width = self._view.viewport().width()
        return QSize(width, self._height(index.data(ENTRY), width))

    def paint(self, painter: QPainter, option: Any, index: Index) -> None:
        """Qt: one entry."""
        entry: Entry = index.data(ENTRY)
        look, box = theme.colors(), option.rect
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.fillRect(box, QColor(look.select if chosen else look.base))
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QColor(look.accent))
            painter.drawRect(box.adjusted(0, 0, -1, -1))
        self._words(painter, entry, box.adjusted(ROOM, ROOM - 2, -ROOM, 0), chosen)
        track = QRect(box.left() + ROOM, box.bottom() - 4, box.width() - 2 * ROOM, 3)
        if entry.stage not in (Stage.WAITING, Stage.DONE, Stage.FAILED):
            painter.fillRect(track, QColor(look.edge))
            track.setWidth(round(track.width() * entry.done))
            painter.fillRect(track, QColor(look.bright if chosen else look.text))
        else:
            painter.fillRect(box.left(), box.bottom(), box.width(), 1, QColor(look.card))
        painter.restore()

    def _words(self, painter: QPainter, entry: Entry, box: QRect, chosen: bool) -> None:
        look, big, small = theme.colors(), self._font(1.0), self._font(0.9)
        metrics, line = QFontMetrics(big), QFontMetrics(big).height()
        failed = entry.stage is Stage.FAILED
        soft = look.bright if chosen else look.soft
        alarm = look.bright if chosen else look.alarm
        words = state(entry, self._batch)
        wide = metrics.horizontalAdvance(words)
        icon = ICONS.get(entry.stage)
        left = 0
        if icon and entry.stage is not Stage.WAITING:
            ratio = self._view.devicePixelRatioF()
            ink = alarm if failed else soft
            painter.drawPixmap(box.left(), box.top() + 1, theme.pixmap(icon, 14, ratio, ink))
            left = 20
        painter.setFont(big)
        painter.setPen(QColor(alarm if failed else soft))
        top = box.topLeft()
        right = QRect(box.right() - wide, box.top(), wide + 1, line)
        painter.drawText(right, Qt.AlignmentFlag.AlignRight, words)
        painter.setPen(QColor(look.bright if chosen else look.text))
        room = box.width() - wide - left - 10
        name = metrics.elidedText(entry.name, Qt.TextElideMode.ElideMiddle, room)
        painter.drawText(QRect(top + QPoint(left, 0), QSize(room, line)), WRAP, name)
        painter.setFont(small)
        painter.setPen(QColor(soft))
        below = box.adjusted(0, line + 2, 0, 0)
        painter.drawText(below, WRAP, details(entry))

    def _font(self, scale: float) -> QFont:
        font = QFont(self._view.font())
        font.setPointSizeF(font.pointSizeF() * scale)
        return font

    def _height(self, entry: Entry, width: int) -> int:
        small = QFontMetrics(self._font(0.9))
        space = QRect(0, 0, max(width - 2 * ROOM, 40), 1000)
        words = small.boundingRect(space, WRAP, details(entry) or " ")
        return QFontMetrics(self._font(1.0)).height() + words.height() + 2 * ROOM + 2


class FileList(QListView):
    """Select with mouse or keys; says when another file is selected."""

    selected = Signal()

    def __init__(self, batch: Batch) -> None:
        super().__init__()
        self._batch = batch
        self._files = Files(batch)
        self._numbers: list[int] = []  # of the entries that are selected
        self._words: dict[int, str] = {}  # that rows were laid out for
        self.setModel(self._files)
        self.setItemDelegate(Painter(batch, self))
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.setAccessibleName("Queue")
        self.setMinimumHeight(90)
        self.selectionModel().selectionChanged.connect(self._select)
        batch.listed.connect(self._relist)
        batch.changed.connect(self._grow)

    @property
    def numbers(self) -> list[int]:
        """Of the entries that are selected, in the order of the list."""
        return [e.number for e in self._batch.entries if e.number in self._numbers]

    def _select(self) -> None:
        rows = [index.row() for index in self.selectionModel().selectedIndexes()]
        self._numbers = [self._batch.entries[row].number for row in rows]
        self.selected.emit()

    def _relist(self) -> None:
        """Other entries, or another order: what was selected stays, or its neighbour is."""
        numbers, row = self._numbers, self.currentIndex().row()
        self._files.reset_entries()
        entries = self._batch.entries
        kept = [at for at, entry in enumerate(entries) if entry.number in numbers]
        if not kept and numbers and entries:
            kept = [min(max(row, 0), len(entries) - 1)]
        chosen = self.selectionModel()
        for at in kept:
            chosen.select(self._files.index(at), chosen.SelectionFlag.Select)
        if kept:
            chosen.setCurrentIndex(self._files.index(kept[0]), chosen.SelectionFlag.NoUpdate)
        else:
            self._select()

    def _grow(self, row: int) -> None:
        """A reason may need more lines than the row has; what begins is brought into sight."""
        entry = self._batch.entries[row]
        if entry.stage is Stage.OPENING:
            self.scrollTo(self._files.index(row))
        if self._words.get(entry.number, "") != entry.words:
            self._words[entry.number] = entry.words
            self.scheduleDelayedItemsLayout()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt: what to do, while there is nothing."""
        super().paintEvent(event)
        if not self._batch.entries:
            painter = QPainter(self.viewport())
            painter.setPen(QColor(theme.colors().soft))
            box = self.viewport().rect().adjusted(12, 12, -12, -12)
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(box, flags, "Drop files or a folder here, or add files.")
