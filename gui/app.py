"""Composition root: builds every object and wires them, in one visible function."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QSettings, QTimer
from PySide6.QtWidgets import QApplication

from core.places import cache_folder
from core.roster import Roster
from gui import theme
from gui.background import Background
from gui.bridge import Bridge
from gui.files import Memory, Recent, folder
from gui.machine import Machine
from gui.monitor import Monitor
from gui.rates import Rates
from gui.session import Session
from gui.viewer import Viewer
from gui.window import Window


def build(settings: QSettings, memory: Path, roster: Roster | None = None) -> Window:
    """The whole program behind one window. Close the window to end its threads.

    `roster`: devices instead of those of this machine.
    """
    session = Session()
    viewer = Viewer()
    machine = Machine(settings)
    desk = machine.desk(roster or Roster(folder=cache_folder()))
    bridge = Bridge(session, viewer, desk, Rates(settings))
    background = Background(bridge, viewer, machine)
    recent, kept, monitor = Recent(settings), Memory(memory), Monitor(settings)
    return Window(session, viewer, bridge, background, recent, kept, monitor)


def run(argv: Sequence[str]) -> int:
    """Open the window on the files named; returns the exit code."""
    sys.setswitchinterval(0.0005)  # a painting main thread asks for the GIL often
    app = QApplication(list(argv))
    app.setOrganizationName("Sordino")
    app.setApplicationName("Sordino")
    app.setDesktopFileName("sordino")
    theme.apply(app)
    window = build(QSettings(), folder("images"))
    window.show()
    QTimer.singleShot(0, lambda: window.begin([arg for arg in argv[1:] if arg[:1] != "-"]))
    return app.exec()
