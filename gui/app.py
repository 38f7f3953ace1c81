"""The program: a window at once, and what fills it after its first paint."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSettings, Qt
from PySide6.QtWidgets import QApplication

from gui import theme
from gui.recent import Recent
from gui.window import Window

if TYPE_CHECKING:
    from core.roster import Roster


def build(settings: QSettings, memory: Path, roster: Roster | None = None) -> Window:
    """The window with all that is in it (see compose.furnish)."""
    from gui.compose import furnish

    window = Window(Recent(settings).paths())
    furnish(window, settings, memory, roster)
    return window


def run(argv: Sequence[str]) -> int:
    """Open the window on the files named; returns the exit code."""
    sys.setswitchinterval(0.0005)  # a painting main thread asks for the GIL often
    app = QApplication(list(argv))
    app.setOrganizationName("Sordino")
    app.setApplicationName("Sordino")
    app.setDesktopFileName("sordino")
    theme.apply(app)
    settings = QSettings()
    window = Window(Recent(settings).paths())

    def begin() -> None:
        from gui.compose import furnish  # numpy and all of core
        from gui.files import folder

        furnish(window, settings, folder("images"))
        window.begin([arg for arg in argv[1:] if arg[:1] != "-"])

    window.start.painted.connect(begin, Qt.ConnectionType.QueuedConnection)
    window.show()
    return app.exec()
