"""The dialog of the machine: which device computes and why, how much memory and disk to take."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QButtonGroup,
    QDialog,
    QDialogButtonBox,
    QFrame,
    QGridLayout,
    QLabel,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from core.devices import CPU, Device
from core.method import Control, Method
from core.roster import Row
from gui.background import Background
from gui.machine import Machine
from gui.numbers import text
from gui.rows import NumberRow

AUTOMATIC = ""  # the name of no device


class DeviceTable(QFrame):
    """A line a device: whether it is used, why not, how fast its methods were."""

    def __init__(self, background: Background) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self._background = background
        self.methods: Mapping[str, type[Method]] = {}
        self.choices: dict[str, QRadioButton] = {}
        self.states: dict[str, QLabel] = {}
        self.tests: dict[str, QPushButton] = {}
        self._group = QButtonGroup(self)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(10, 8, 10, 8)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(1, 1)

    def show_rows(self, rows: tuple[Row, ...]) -> None:
        """The devices as the roster knows them."""
        names = [AUTOMATIC, *(row.device.name for row in rows)]
        if names != list(self.choices):
            self._build(rows)
        for row in rows:
            self._show(row)
        chosen = self._background.machine.device
        self.choices[chosen if chosen in self.choices else AUTOMATIC].setChecked(True)

    def show_looking(self, on: bool) -> None:
        """While devices are tested none can be tested."""
        for button in self.tests.values():
            button.setEnabled(not on)

    def _show(self, row: Row) -> None:
        state = self.states[row.device.name]
        words = "Ready" if row.usable else row.why[:1].upper() + row.why[1:]
        figures = [
            f"{self._title(method)} {text(seconds, 's', 2)}"
            for method, seconds in sorted(row.figures.items(), key=lambda item: item[1])
        ]
        if figures:
            words += f". A megapixel takes: {', '.join(figures)}"
        elif row.usable:
            words += ". Not timed: timing happens where there is a choice"
        state.setText(f"{words}.")
        state.setProperty("role", "soft" if row.usable else "warning")
        state.style().polish(state)

    def _title(self, method: str) -> str:
        found = self.methods.get(method)
        return found.title if found is not None else method

    def _build(self, rows: tuple[Row, ...]) -> None:
        while item := self._grid.takeAt(0):
            if widget := item.widget():
                widget.hide()
                widget.deleteLater()
        self.choices, self.states, self.tests = {}, {}, {}
        self._choice(AUTOMATIC, "Automatic: the faster for each method", 0)
        for at, row in enumerate(rows):
            name, line = row.device.name, 1 + 2 * at
            title = "" if row.device.title.upper() == row.device.label else f"  {row.device.title}"
            self._choice(name, f"{row.device.label}{title}", line)
            state = self.states[name] = QLabel()
            state.setWordWrap(True)
            state.setIndent(24)
            self._grid.addWidget(state, line + 1, 0, 1, 3)
            if row.device.torch == "cpu" and not row.device.fault:
                continue  # it needs no test
            button = self.tests[name] = QPushButton("Test again")
            button.setAccessibleName(f"Test {row.device.label} again")
            button.clicked.connect(lambda _, name=name: self._background.again(name))
            button.setEnabled(not self._background.busy)
            self._grid.addWidget(button, line, 2)

    def _choice(self, name: str, words: str, line: int) -> None:
        button = self.choices[name] = QRadioButton(words)
        button.clicked.connect(lambda _, name=name: self._background.choose(name))
        self._group.addButton(button)
        self._grid.addWidget(button, line, 0, 1, 2)


class MemoryRows(QWidget):
    """A number a device: how much of its memory may be taken."""

    def __init__(self, background: Background) -> None:
        super().__init__()
        self._background = background
        self.rows: dict[str, NumberRow] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        self._add(CPU)

    def show_rows(self, rows: tuple[Row, ...]) -> None:
        """The devices as the roster knows them; those that are gone keep their number unseen."""
        for row in rows:
            if row.device.name not in self.rows:
                self._add(row.device)
        here = {CPU.name, *(row.device.name for row in rows)}
        for name, number in self.rows.items():
            number.setVisible(name in here)

    def _add(self, device: Device) -> None:
        machine, own = self._background.machine, device.name != CPU.name
        label = f"Memory of {device.label}, at most" if own else "Memory of this machine, at most"
        help = "Most of what is free there" if own else "Half of what is free at the start"
        ends, value = machine.memory_ends(device), machine.memory_on(device)
        number = _limit_row(
            f"memory {device.name}", label, f"{help}, unless you choose.", ends, value
        )
        number.edited.connect(lambda value, final: self._allow(device, value, final))
        self.rows[device.name] = number
        self._column.addWidget(number)

    def _allow(self, device: Device, value: float, final: bool) -> None:
        if final:
            self._background.machine.allow_on(device, value)
            self._background.allow()


class DevicesDialog(QDialog):
    """Not modal: what is changed here is seen in the picture at once."""

    def __init__(
        self, parent: QWidget, background: Background, methods: Mapping[str, type[Method]]
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Devices and memory")
        self._background, machine = background, background.machine
        self.table = DeviceTable(background)
        self.table.methods = methods
        self.state = _soft("")
        self.memory, self.disk = MemoryRows(background), _disk_row(machine)
        self.disk.edited.connect(self._allow_disk)
        close = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        close.rejected.connect(self.close)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(16, 14, 16, 12)
        whole.setSpacing(8)
        for part in (
            _heading("Devices"), self.table, self.state, _heading("Memory"), self.memory,
            _soft("Of this machine: tiles that were computed, tiles in work, results; of other "
                  "devices: tiles in work. Less is slower; the picture is the same."),
            self.disk,
            _soft("What was dear to compute and does not fit into memory. "
                  "It is removed when the window is closed."),
        ):  # fmt: skip
            whole.addWidget(part)
        whole.addStretch()
        whole.addWidget(close)
        self.setMinimumWidth(520)
        background.devices_changed.connect(self._show_rows)
        background.looking.connect(self._looking)
        self._show_rows(background.rows)
        self._looking(background.busy)
        close.setFocus()

    def _looking(self, on: bool) -> None:
        self.table.show_looking(on)
        count = len(self._background.rows)
        words = "Looking for devices and testing them …" if on else ""
        if not on and count == 1:
            words = "PyTorch finds no other device here."
        self.state.setText(words)
        self.state.setVisible(bool(words))

    def _show_rows(self, rows: tuple[Row, ...]) -> None:
        self.table.show_rows(rows)
        self.memory.show_rows(rows)

    def _allow_disk(self, value: float, final: bool) -> None:
        if final:
            self._background.machine.disk = value
            self._background.allow()


def _disk_row(machine: Machine) -> NumberRow:
    help = "Temporary files, in the folder that the system has for them. 0: none."
    ends = machine.disk_default, 0.0, machine.disk_most
    return _limit_row("disk", "Temporary disk space, at most", help, ends, machine.disk)


def _limit_row(
    name: str, label: str, help: str, ends: tuple[float, float, float], value: float
) -> NumberRow:
    """A number of GB; `ends` are its default, least and most."""
    row = NumberRow(Control(name, label, "float", *ends, "GB", help))
    row.set_value(value)
    return row


def _heading(words: str) -> QLabel:
    label = QLabel(words)
    label.setProperty("role", "heading")
    return label


def _soft(words: str) -> QLabel:
    label = QLabel(words)
    label.setProperty("role", "soft")
    label.setWordWrap(True)
    label.setAlignment(Qt.AlignmentFlag.AlignLeft)
    return label
