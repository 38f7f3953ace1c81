"""The dialog that takes in a network of others: its file, and what only the user knows of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from core.engine import Event, Finished, Job
from core.job import sentence
from core.learn.imported import DOMAINS, SUFFIXES, Foreign, Import, noise_range
from core.method import Cancelled
from core.registry import Registry
from gui.bridge import Bridge
from gui.controls import Combo

RANK = 5
HOW = (
    "The file is read and tried in a process of its own, kept as plain numbers, and becomes a"
    " method in the list. What it was trained for and under which licence you may use it is not in"
    " the file: its maker says it."
)
KINDS = f"Networks ({' '.join(f'*{suffix}' for suffix in SUFFIXES)})"


class WeightsDialog(QDialog):
    """Asks licence and noise range; the self-test has the last word."""

    def __init__(
        self, parent: QWidget, bridge: Bridge, path: Path, kept: Callable[[Foreign, Registry], None]
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Import a network")
        self.setMinimumWidth(520)
        self._bridge, self._path, self._kept = bridge, path, kept
        self._job: Job | None = None
        self.name, self.licence = QLineEdit(path.stem), QLineEdit()
        self.licence.setPlaceholderText("such as MIT, CC BY-NC 4.0, unknown")
        self.noise, self.domain = QLineEdit("0-50"), Combo()
        self.noise.setToolTip("Sigma of 255: one number, or the lowest and the highest")
        for key, words in DOMAINS.items():
            self.domain.addItem(words[:1].upper() + words[1:], key)
        self.state = QLabel(HOW)
        self.state.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setRange(0, 0)
        self.bar.setTextVisible(False)
        self.bar.hide()
        self.buttons = QDialogButtonBox()
        self.take = self.buttons.addButton("Import", QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        self.buttons.accepted.connect(self.begin)
        self.buttons.rejected.connect(self.reject)
        form = QFormLayout()
        rows = (("File", QLabel(path.name)), ("Name", self.name), ("Licence", self.licence),
                ("Noise it knows", self.noise), ("Trained on", self.domain))  # fmt: skip
        for label, widget in rows:
            widget.setAccessibleName(label)
            form.addRow(label, widget)
        whole = QVBoxLayout(self)
        whole.setSpacing(10)
        whole.addLayout(form)
        whole.addWidget(self.state)
        whole.addWidget(self.bar)
        whole.addWidget(self.buttons)
        self.finished.connect(lambda _: self._stop())

    @property
    def running(self) -> bool:
        """Is it being tried?"""
        return self._job is not None

    def begin(self) -> None:
        """Import it with what is typed."""
        try:
            low, high = noise_range(self.noise.text())
        except ValueError as error:
            self._say(f"Not yet: {error}.")
            return
        if not self.licence.text().strip():
            self._say('Not yet: name the licence of the weights, or "unknown".')
            self.licence.setFocus()
            return
        given = Foreign(
            self.name.text().strip(), self.licence.text(), low, high, self.domain.currentData()
        )
        self._say("It is read and tried.")
        self.take.setEnabled(False)
        self.bar.show()
        self._job = self._bridge.run(Import(self._path, given), "weights", RANK, self._hear)

    def _say(self, words: str) -> None:
        self.state.setText(words)

    def _stop(self) -> None:
        if self._job is not None:
            self._job.stop()
            self._job = None

    def _hear(self, event: Event) -> None:
        if event.job is not self._job:
            return
        if isinstance(event, Finished):
            self._job = None
            self.bar.hide()
            self.take.setEnabled(True)
            if event.error is not None and not isinstance(event.error, Cancelled):
                plain = isinstance(event.error, ValueError)
                self._say(f"Not yet: {event.error}." if plain else sentence(event.error))
        elif isinstance(event.value, tuple):
            self._kept(*event.value)
            self.accept()


def ask(parent: QWidget, folder: str) -> Path | None:
    """The file that the user chooses."""
    name, _ = QFileDialog.getOpenFileName(parent, "Import a network", folder, KINDS)
    return Path(name) if name else None
