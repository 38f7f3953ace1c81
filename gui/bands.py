"""Bands: the strip under a cube: what is shown of it, which bands are red, green and blue."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QSpinBox, QWidget

from core.develop import STRETCHED, Look
from core.develop.falsecolor import INFRARED, SEEN, SHORTWAVE, default_bands, nearest
from core.image import Image
from gui import theme
from gui.controls import Combo
from gui.places import places

COLOURS, OWN, ONE = "colours", "own", "band"
EIGEN, EIGENS, SHARE, ANGLE, CHANGE = "eigen", "eigens", "share", "angle", "change"
MODES = {
    OWN: "Colours: own bands",
    ONE: "One band",
    EIGENS: "Eigen-images as colours",
    EIGEN: "Eigen-image",
    CHANGE: "Spectral angle before – after",
    ANGLE: "Spectral angle to the target",
    SHARE: "Share of the target",
}
PRESETS = {"Colours: visible range": SEEN, "Colours: near infrared": INFRARED,
           "Colours: short-wave infrared": SHORTWAVE}  # fmt: skip
DEFAULT = "Colours: as the file says"


@dataclass(frozen=True)
class Wanted:
    """What the user wants to see: a mode, and its bands or eigen-images, counted from 0."""

    mode: str
    numbers: tuple[int, ...] = ()
    stretch: bool = True


def presets(image: Image) -> dict[str, tuple[int, ...]]:
    """Ready choices of bands by name."""
    found = {name: nearest(image, lengths) for name, lengths in PRESETS.items()}
    return {name: bands for name, bands in ({DEFAULT: default_bands(image)} | found).items()
            if len(bands) == 3}  # fmt: skip


def shown(look: Look, front: object) -> Wanted:
    """What a look shows."""
    if front:
        return Wanted(ONE, (), look.map is not None)
    if look.map is None or look.map.name == STRETCHED:
        return Wanted(OWN, look.bands or (0,), look.map is not None)
    if look.map.kind != "mix":
        return Wanted(ANGLE if look.map.kind == "angle" else CHANGE)
    if look.map.name.startswith("Eigen"):
        numbers = tuple(int(word) - 1 for word in look.map.name.split(" ", 1)[1].split(", "))
        return Wanted(EIGENS if len(numbers) == 3 else EIGEN, numbers)
    return Wanted(SHARE)


class Bands(QWidget):
    """One line of controls. `wanted` tells what the user chose."""

    wanted = Signal(object)  # Wanted

    def __init__(self) -> None:
        super().__init__()
        self._presets: dict[str, tuple[int, ...]] = {}
        self._places: list[str] = []
        self._value = Wanted(OWN)
        self.mode, self.stretch = Combo(), QCheckBox("Stretch each band")
        self.mode.setAccessibleName("What is shown of the cube")
        self.mode.setMinimumContentsLength(26)
        self.stretch.setToolTip("Show each band between its own 2nd and 98th percentile")
        self.numbers = [QSpinBox() for _ in range(3)]
        self.lengths = [QLabel() for _ in range(3)]
        self._marks = [QLabel() for _ in range(3)]
        line = QHBoxLayout(self)
        line.setContentsMargins(12, 4, 12, 0)
        line.setSpacing(6)
        line.addWidget(self.mode)
        for at, (letter, number) in enumerate(zip("RGB", self.numbers, strict=True)):
            color = theme.CHANNELS[letter]
            self._marks[at].setText(f'<b style="color:{color}">{letter}</b>')
            number.setAccessibleName(f"Band shown {('red', 'green', 'blue')[at]}")
            number.setKeyboardTracking(False)
            number.valueChanged.connect(self._choose)
            self.lengths[at].setProperty("role", "soft")
            for part in (self._marks[at], number, self.lengths[at]):
                line.addWidget(part)
        line.addWidget(self.stretch)
        line.addStretch(1)
        self.mode.activated.connect(lambda at: self._mode(str(self.mode.itemData(at))))
        self.stretch.clicked.connect(lambda _: self._choose())

    def set_image(self, image: Image) -> None:
        """The bands of another cube."""
        self._presets, self._places = presets(image), places(image, "b")
        with QSignalBlocker(self.mode):
            self.mode.clear()
            for name in self._presets:
                self.mode.addItem(name, name)
            for mode, name in MODES.items():
                self.mode.addItem(name, mode)
        self._count = image.pixels.shape[0]

    def set_value(self, value: Wanted, target: bool) -> None:
        """Show what is shown; `target`: there is a spectrum that is guarded. Silent."""
        self._value = value
        named = [name for name, bands in self._presets.items() if bands == value.numbers]
        kept = self.mode.currentData()  # own bands that are those of a preset stay own bands
        mode = named[0] if value.mode == OWN and named and kept != OWN else value.mode
        with QSignalBlocker(self.mode):
            self.mode.setCurrentIndex(max(self.mode.findData(mode), 0))
            for each in (SHARE, ANGLE):
                self._allow(each, target)
        fields = {OWN: len(value.numbers), EIGENS: 3, EIGEN: 1}.get(value.mode, 0)
        for at, number in enumerate(self.numbers):
            used = at < fields
            number.setVisible(used)
            self._marks[at].setVisible(used and fields == 3)
            self.lengths[at].setVisible(used and value.mode == OWN and bool(self._places))
            if used and at < len(value.numbers):
                with QSignalBlocker(number):
                    number.setRange(1, self._count)
                    number.setValue(value.numbers[at] + 1)
                if self._places:
                    self.lengths[at].setText(self._places[value.numbers[at]].split("  ")[0])
        self.stretch.setVisible(value.mode == OWN)
        self.stretch.setChecked(value.stretch)

    def _allow(self, mode: str, on: bool) -> None:
        item = self.mode.model().item(self.mode.findData(mode))  # type: ignore[attr-defined]
        item.setEnabled(on)
        item.setToolTip("" if on else "Choose a target in the dock Spectrum first")

    def _mode(self, mode: str) -> None:
        if mode in self._presets:
            self.wanted.emit(Wanted(OWN, self._presets[mode], self.stretch.isChecked()))
        elif mode == OWN:
            bands = self._value.numbers if self._value.mode == OWN else ()
            middle = tuple(self._count * at // 4 for at in (3, 2, 1))
            wide = bands if len(bands) == 3 else middle
            self.wanted.emit(Wanted(OWN, wide, self.stretch.isChecked()))
        else:
            self.wanted.emit(Wanted(mode, {EIGENS: (0, 1, 2), EIGEN: (0,)}.get(mode, ())))

    def _choose(self) -> None:
        used = [number for number in self.numbers if not number.isHidden()]
        if self._value.mode == OWN:  # a band was changed: from now on they are the user's own
            self.mode.setCurrentIndex(self.mode.findData(OWN))
        numbers = tuple(number.value() - 1 for number in used)
        self.wanted.emit(Wanted(self._value.mode, numbers, self.stretch.isChecked()))
