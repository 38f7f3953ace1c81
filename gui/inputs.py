"""Further images of a step: a row each to choose their file; and how such files are opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from core.engine import Event, Finished, Yielded
from core.image import Image
from core.job import Open, Opened, sentence
from core.method import Cancelled
from core.recipe import Step
from gui import theme
from gui.bridge import Bridge

Then = Callable[[dict[str, Image]], None]


class Fetch(QObject):
    """Opens files one after the other; a newer request takes the place of an older one."""

    def __init__(self, bridge: Bridge, say: Callable[..., None]) -> None:
        super().__init__()
        self._bridge, self._say = bridge, say
        self._turn = 0

    def get(
        self, paths: Sequence[str], then: Then, otherwise: Callable[[], None] = lambda: None
    ) -> None:
        """`then` gets the images by path; what cannot be opened is said, and `otherwise` called."""
        self._turn += 1
        self._next(self._turn, list(paths), {}, then, otherwise)

    def _next(
        self,
        turn: int,
        paths: list[str],
        found: dict[str, Image],
        then: Then,
        otherwise: Callable[[], None],
    ) -> None:
        if turn != self._turn:
            return
        if not paths:
            then(found)
            return
        path, *rest = paths
        self._say(f"Opening {Path(path).name} …")

        def receive(event: Event) -> None:
            if isinstance(event, Yielded) and isinstance(event.value, Opened):
                found[path] = event.value.image
            elif isinstance(event, Finished) and event.error is None:
                self._say("")
                self._next(turn, rest, found, then, otherwise)
            elif isinstance(event, Finished) and turn == self._turn:
                if not isinstance(event.error, Cancelled) and event.error is not None:
                    self._say(sentence(event.error), True)
                otherwise()

        self._bridge.run(Open(path), "further images", 0, receive)


class InputRows(QWidget):
    """A row for each image that a method asks for."""

    wanted = Signal(str)  # choose a file for this name
    cleared = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.buttons: dict[str, QPushButton] = {}
        self._shown: tuple[object, ...] = ()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(4)

    def set_step(self, step: Step | None) -> None:
        """Show which files a step has, and which it lacks."""
        names = (*step.method.inputs, *step.method.series) if step else ()
        rows = {name: [i.path for i in step.series(name)] for name in names} if step else {}
        many = step.method.series if step else ()
        shown = tuple((name, *paths) for name, paths in rows.items())
        if shown != self._shown:
            self._shown = shown
            self._build(rows, many)
        self.setVisible(bool(names))

    def _build(self, rows: dict[str, list[str]], many: Sequence[str]) -> None:
        while (item := self._column.takeAt(0)) is not None:
            if widget := item.widget():
                widget.hide()
                widget.deleteLater()
        self.buttons = {}
        for name, paths in rows.items():
            row = QWidget()
            line = QHBoxLayout(row)
            line.setContentsMargins(0, 0, 0, 0)
            line.setSpacing(4)
            title, series = name.replace("_", " "), name in many
            what = title if series else f"{title} image"
            label = QLabel(f"Further {what}" if series else what.capitalize())
            words = (
                f"{len(paths)} files" if len(paths) > 1 else "".join(Path(p).name for p in paths)
            )
            button = QPushButton(words or ("Choose files…" if series else "Choose a file…"))
            button.setAccessibleName(label.text())
            needs = "Without them the step changes nothing" if series else (
                f"The method needs the {what} to work")  # fmt: skip
            button.setToolTip("\n".join(paths) or needs)
            button.clicked.connect(partial(self.wanted.emit, name))
            line.addWidget(label, 2)
            line.addWidget(button, 3)
            if paths:
                clear = QToolButton()
                clear.setIcon(theme.icon("x", 13))
                clear.setProperty("flat", True)
                clear.setAccessibleName(f"Without the {what}")
                then = "changes nothing" if series else "is switched off"
                clear.setToolTip(f"Without the {what}: the step {then}")
                clear.clicked.connect(partial(self.cleared.emit, name))
                line.addWidget(clear)
            elif not series:
                label.setProperty("role", "alarm")
            self.buttons[name] = button
            self._column.addWidget(row)
