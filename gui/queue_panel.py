"""The queue: many files, denoised one after the other while the window stays usable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent, QKeySequence
from PySide6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.format import Output, suffix_of
from gui import theme
from gui.batch import Batch, Settings, Stage, Target
from gui.controls import Combo
from gui.queue_list import FileList
from gui.rates import duration

AUTOMATIC, CURRENT = "Automatic for each file", "As the open picture"
BESIDE = "Beside each file"
COMMANDS = (  # name, icon, keys, what it does
    ("up", "chevron-up", "Alt+Up", "Move up"),
    ("down", "chevron-down", "Alt+Down", "Move down"),
    ("remove", "trash-2", "Delete", "Remove from the queue"),
    ("retry", "rotate-ccw", "Ctrl+Shift+R", "Retry all that failed"),
    ("clear", "check-check", "Ctrl+Shift+D", "Clear what is done"),
)


class QueuePanel(QWidget):
    """Shows a Batch. `current()` gives the settings of the open picture, None without one."""

    def __init__(self, batch: Batch, current: Callable[[], Settings | None]) -> None:
        super().__init__()
        self.batch, self._current = batch, current
        self._suffixes: Callable[[], Iterable[str]] = list  # of files that can be opened
        self.list = FileList(batch)
        self.commands = self._commands()
        self.add = QPushButton(theme.icon("plus", 15), "Add files…")
        self.add.setToolTip("Choose files; or drop files and folders on the list")
        self.add.clicked.connect(self._ask)
        self.start = QPushButton()
        self.start.setToolTip("The open picture stays first: the queue works when it has nothing")
        self.start.clicked.connect(self._toggle)
        self.how, self.suffix = Combo(), Combo()
        self.how.addItems([AUTOMATIC, CURRENT])
        self.how.setAccessibleName("Settings")
        self.suffix.setAccessibleName("Format")
        self.folder = QPushButton(BESIDE)
        self.folder.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.folder.setAccessibleName("Folder")
        self.folder.clicked.connect(self._ask_folder)
        self.beside = QToolButton()
        self.beside.setIcon(theme.icon("x", 13))
        self.beside.setToolTip("Beside each file again")
        self.beside.clicked.connect(lambda: self.set_folder(""))
        self.replace = QCheckBox("Replace files of the same name")
        self.bar, self.words = QProgressBar(), QLabel()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.words.setProperty("role", "soft")
        self.words.setWordWrap(True)
        self._lay_out()
        self.setAcceptDrops(True)
        self.set_folder("")
        batch.moved_on.connect(self._show)
        batch.listed.connect(self._show)
        self.list.selected.connect(self._show)
        self._show()

    def _commands(self) -> dict[str, QAction]:
        calls: dict[str, Callable[[], object]] = {
            "up": lambda: self.batch.move(self.list.numbers, -1),
            "down": lambda: self.batch.move(self.list.numbers, 1),
            "remove": lambda: self.batch.remove(self.list.numbers),
            "retry": self._retry,
            "clear": self.batch.clear_done,
        }
        found: dict[str, QAction] = {}
        for name, icon, keys, words in COMMANDS:
            action = QAction(theme.icon(icon, 15), words, self.list)
            action.setShortcut(QKeySequence(keys))
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
            action.setToolTip(f"{words}  ({keys})")
            action.triggered.connect(lambda _, call=calls[name]: call())
            self.list.addAction(action)
            found[name] = action
        return found

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(6)
        top.addWidget(self.add)
        top.addWidget(self.start)
        top.addStretch()
        for action in self.commands.values():
            button = QToolButton()
            button.setDefaultAction(action)
            button.setProperty("flat", True)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            top.addWidget(button)
        place = QHBoxLayout()
        place.setSpacing(4)
        place.addWidget(self.folder, 1)
        place.addWidget(self.beside)
        self.card = QFrame()
        self.card.setProperty("role", "card")
        form = QFormLayout(self.card)
        form.setContentsMargins(10, 8, 10, 8)
        form.addRow("Settings", self.how)
        form.addRow("Folder", place)
        form.addRow("Format", self.suffix)
        form.addRow("", self.replace)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(10, 10, 10, 8)
        whole.setSpacing(8)
        whole.addLayout(top)
        whole.addWidget(self.list, 1)
        whole.addWidget(self.bar)
        whole.addWidget(self.words)
        whole.addWidget(self.card)

    # What the window tells

    def set_suffixes(self, readable: Sequence[str], writable: Sequence[str]) -> None:
        """Suffixes of files that can be opened and written."""
        self._suffixes = lambda: readable
        self.suffix.clear()
        self.suffix.addItems(list(writable))
        self.suffix.setCurrentText(self.batch.target.suffix)

    def set_folder(self, folder: str) -> None:
        """Where results go; "" is beside each file."""
        self._folder = folder
        self.folder.setText(Path(folder).name or folder if folder else BESIDE)
        self.folder.setToolTip(folder or "Results lie beside their sources")
        self.beside.setVisible(bool(folder))

    def add_paths(self, paths: Iterable[str]) -> int:
        """Put files in, and all files of a known kind in folders; returns how many."""
        found: list[str] = []
        for path in map(Path, paths):
            inside = sorted(path.iterdir()) if path.is_dir() else [path]
            known = tuple(self._suffixes())
            found += [str(p) for p in inside if p == path or suffix_of(p).lower() in known]
        return self.batch.add(found)

    # What the user does

    def _ask(self) -> None:
        known = " ".join(f"*{s} *{s.upper()}" for s in self._suffixes())
        paths, _ = QFileDialog.getOpenFileNames(
            self, "Add to the queue", "", f"Images ({known});;All files (*)"
        )
        self.add_paths(paths)

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the results", self._folder)
        if folder:
            self.set_folder(folder)

    def _retry(self) -> None:
        """Once the queue is through: at once."""
        through = not self.batch.count(Stage.WAITING)
        self.batch.retry()
        if through and not self.batch.running:
            self._toggle()

    def _toggle(self) -> None:
        if self.batch.running:
            self.batch.pause()
            return
        current = self._current() if self.how.currentText() == CURRENT else None
        self.batch.settings = current or Settings()
        output = Output(overwrite=self.replace.isChecked())
        self.batch.target = Target(self._folder, self.suffix.currentText(), output)
        self.batch.start()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Qt: files may come."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Qt: files have come."""
        urls = event.mimeData().urls()
        self.add_paths(url.toLocalFile() for url in urls if url.isLocalFile())
        event.acceptProposedAction()

    # What is shown

    def _show(self) -> None:
        batch, chosen = self.batch, bool(self.list.numbers)
        waiting = len(batch.entries) - batch.count(Stage.DONE, Stage.FAILED)
        self.start.setEnabled(batch.running or waiting > 0)
        self.start.setText("Pause" if batch.running else "Start")
        self.start.setIcon(theme.icon("pause" if batch.running else "play", 15))
        self.card.setVisible(not batch.running)  # more room for the list, whose top stays
        for name in ("up", "down", "remove"):
            self.commands[name].setEnabled(chosen)
        self.commands["retry"].setEnabled(batch.count(Stage.FAILED) > 0)
        self.commands["clear"].setEnabled(batch.count(Stage.DONE) > 0)
        self.bar.setValue(round(1000 * batch.progress()))
        self.bar.setVisible(bool(batch.entries))
        self.words.setText(summary(batch))


def summary(batch: Batch) -> str:
    """`2 of 5 done, 1 failed, about 3 min left`."""
    if not batch.entries:
        return ""
    words = [f"{batch.count(Stage.DONE)} of {len(batch.entries)} done"]
    if failed := batch.count(Stage.FAILED):
        words.append(f"{failed} failed")
    if len(batch.entries) > batch.count(Stage.DONE, Stage.FAILED):
        seconds = batch.seconds_left()
        if seconds is not None:
            words.append(f"about {duration(seconds)} left")
        elif batch.running:
            words.append("time left: known after the first")
    return ", ".join(words)
