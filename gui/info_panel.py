"""What the file says of itself; who the patient is only where the user wants to see it."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from core.image import Image
from gui import theme
from gui.statistics import Notice

LONGEST = 26  # letters of a word that fit into a line
SWITCH = "Show who the patient is  (Ctrl+I)"


class InfoPanel(QWidget):
    """A table of names and values, made when it is seen."""

    identifiersWanted = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._image: Image | None = None
        self._named, self._stale = False, True
        self.switch, self.words, self.warning = QCheckBox(SWITCH), QLabel(), Notice()
        self.switch.setToolTip("Names, numbers and dates stay hidden otherwise, in the title, too.")
        self.switch.clicked.connect(self.identifiersWanted)
        self.words.setWordWrap(True)
        self.words.setTextFormat(Qt.TextFormat.RichText)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.words.setAlignment(Qt.AlignmentFlag.AlignTop)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(10, 10, 10, 8)
        whole.addWidget(self.warning)
        whole.addWidget(self.switch)
        whole.addWidget(self.words, 1)
        self.switch.hide()
        self.warning.hide()

    def show_image(self, image: Image | None, named: bool) -> None:
        """Another image; `named`: is it shown who the patient is?"""
        self._image, self._named, self._stale = image, named, True
        self.switch.setChecked(named)
        self.switch.setVisible(bool(image and image.meta.get("identifiers")))
        said = [str(one) for one in image.meta.get("warnings", ())] if image else []
        self.warning.set_value("triangle-alert", "\n".join(said), True)
        if self.isVisible():
            self._fill()

    def showEvent(self, event: QShowEvent) -> None:
        """Qt: what changed while it was hidden."""
        super().showEvent(event)
        self._fill()

    def _fill(self) -> None:
        if self._stale:
            soft = theme.colors().soft
            rows = lines(self._image, self._named) if self._image is not None else {}
            self.words.setText(
                "<table cellspacing=3>"
                + "".join(
                    f'<tr><td style="color:{soft}">{escape(name)}</td><td>{_cut(value)}</td></tr>'
                    for name, value in rows.items()
                )
                + "</table>"
            )
            self._stale = False


def lines(image: Image, named: bool) -> dict[str, str]:
    """Names and values to be shown."""
    sizes = " × ".join(str(size) for size in image.pixels.shape)
    rows = {
        "File": Path(image.path).name,
        "Kind": image.kind,
        "Size": f"{sizes}  ({' '.join(image.axes)})",
        "Numbers": str(image.pixels.dtype),
    }
    spacing = image.coords.get("spacing") or {}
    known = [(axis, spacing[axis]) for axis in "xyz" if spacing.get(axis)]
    if known:
        rows["Voxel"] = " × ".join(f"{edge:.3g}" for _, edge in known) + " mm"
    found = dict(image.meta.get("dicom") or {})
    if named:
        found |= dict(image.meta.get("identifiers") or {})
    rows |= {_spaced(str(name)): str(value).replace("\\", ", ") for name, value in found.items()}
    return rows


def _spaced(name: str) -> str:
    """`SliceThickness` as `Slice thickness`; KVP stays."""
    words = re.sub(r"(?<=[a-z])[A-Z](?![A-Z])", lambda found: f" {found[0].lower()}", name)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", words)


def _cut(value: str) -> str:
    """As HTML; words that are too long for a line, such as UIDs, in pieces."""
    return " ".join(
        "<br>".join(escape(word[at : at + LONGEST]) for at in range(0, len(word), LONGEST))
        for word in value.split(" ")
    )
