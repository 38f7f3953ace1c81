"""Help: the list of shortcuts, and what this program is."""

from __future__ import annotations

from PySide6.QtWidgets import QMessageBox, QWidget

from core import __version__
from gui import actions

HELD = (
    ("Blink before/after, held", "B"),
    ("Loupe, held", "L"),
    ("Pan with the mouse, held", "Space"),
    ("Next, previous slice, band or frame", "Right, Left; PageUp, PageDown; Alt+wheel"),
    ("First, last slice, band or frame", "Home, End"),
    ("Pan where there are slices", "Shift+arrows"),
    ("Play or stop a clip", "Space, not held"),
)


def keys(parent: QWidget) -> None:
    """All shortcuts."""
    from gui.queue_panel import COMMANDS  # made after the first paint

    found = [
        (command.text.rstrip("…"), ", ".join(command.keys))
        for parts in actions.MENUS.values()
        for part in parts
        for command in part
        if command.keys
    ]
    found += [*HELD, *((f"In the queue: {words}", keys) for _, _, keys, words in COMMANDS)]
    rows = "".join(f"<tr><td>{a}</td><td>&nbsp;&nbsp;<b>{b}</b></td></tr>" for a, b in found)
    QMessageBox.information(parent, "Keyboard shortcuts", f"<table>{rows}</table>")


def about(parent: QWidget) -> None:
    """Name, version, licence."""
    words = f"<b>Sordino {__version__}</b><br>Interactive image denoising.<br>Apache-2.0"
    QMessageBox.about(parent, "About Sordino", words)
