"""How the image is shown: exposure, white balance, tone, window. View-only: nothing is denoised."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QGridLayout, QLabel, QVBoxLayout, QWidget

from core.develop import Look, balance, temperature
from core.image import Color, Image
from core.method import Control
from gui import compression, windowing
from gui.controls import Combo
from gui.monitor import AUTOMATIC, SRGB, Monitor
from gui.rows import Row, row

EXPOSURE = Control("exposure", "Exposure", "float", 0.0, -5.0, 5.0, "EV", "Brightness of the view.")
KELVIN = Control(
    "kelvin", "Temperature", "float", 5000.0, 2000.0, 15000.0, "K", "Colour of the light.", True
)
TINT = Control("tint", "Tint", "float", 0.0, -100.0, 100.0, "", "Green to magenta.")
LIGHTS = Control(
    "wb", "White balance", "choice", "as shot", choices=("as shot", "daylight", "custom"),
    help="As the camera set it, for daylight, or your own.",
)  # fmt: skip
HIGHLIGHTS = Control(
    "highlights", "Highlights", "choice", "clip", choices=("clip", "recover"),
    help="Clip at white, or rebuild what one channel still has.",
)  # fmt: skip
TONE = Control(
    "tone", "Tone curve", "choice", "srgb", choices=("srgb", "bt709", "filmic"),
    help="From linear light to the screen.",
)  # fmt: skip


WINDOW = ("preset", "level", "width", "inverted")  # rows of scans: see windowing
CHOOSE = "choose"  # the entry that opens a file dialog


class ScreenRow(QWidget):
    """Which colour profile the screen has; under it the one in use. Remembered, no undo step."""

    def __init__(self, monitor: Monitor) -> None:
        super().__init__()
        self._monitor = monitor
        label, self.box, self.note = QLabel("Screen profile"), Combo(), QLabel()
        self.box.setAccessibleName("Screen profile")
        self.note.setProperty("role", "soft")
        self.note.setWordWrap(True)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(4)
        grid.addWidget(label, 0, 0)
        grid.addWidget(self.box, 0, 1)
        grid.addWidget(self.note, 1, 0, 1, 2)
        grid.setColumnStretch(0, 2)
        grid.setColumnStretch(1, 3)
        self.box.activated.connect(lambda at: self._choose(self.box.itemData(at)))
        monitor.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        choice, words = self._monitor.choice, self._monitor.words
        self.box.clear()
        self.box.addItem("Automatic", AUTOMATIC)
        self.box.addItem("sRGB", SRGB)
        if choice not in (AUTOMATIC, SRGB):
            self.box.addItem(Path(choice).name, choice)
        self.box.addItem("Choose a file…", CHOOSE)
        self.box.setCurrentIndex(self.box.findData(choice))
        self.note.setText(f"Painted for {words}")
        self.setToolTip(f"Colours are painted for {words}. Exports do not depend on it.")

    def _choose(self, choice: str) -> None:
        if choice == CHOOSE:
            kinds = "Colour profiles (*.icc *.icm *.ICC *.ICM);;All files (*)"
            choice, _ = QFileDialog.getOpenFileName(self, "Screen profile", "", kinds)
        if choice:
            self._monitor.choose(choice)
        else:
            self._show()  # thought better of it


class LookPanel(QWidget):
    """Shows a Look, tells of changes. Built anew for each kind of image."""

    edited = Signal(object, bool)  # Look, final

    def __init__(self, monitor: Monitor) -> None:
        super().__init__()
        self._image: Image | None = None
        self._look = Look()
        self.rows: dict[str, Row] = {}
        self.screen_row = ScreenRow(monitor)
        whole, self._lines = QVBoxLayout(self), QVBoxLayout()
        whole.setContentsMargins(10, 10, 10, 6)
        whole.setSpacing(16)
        whole.addLayout(self._lines)
        whole.addWidget(self.screen_row)
        whole.addStretch()
        self._lines.setSpacing(8)

    def set_image(self, image: Image | None, look: Look) -> None:
        """The rows that this kind of image has; `look`: the one it was opened with."""
        self._image, self._look = image, look
        while self._lines.count():
            item = self._lines.takeAt(0)
            gone = item.widget() if item else None
            if gone is not None:
                gone.deleteLater()
        self.rows = {}
        if image is None:
            return
        for control in _controls(image, look):
            made = row(control)
            made.edited.connect(lambda v, final, n=control.name: self._edit(n, v, final))
            self.rows[control.name] = made
            self._lines.addWidget(made)
        if image.color is not None:
            note = QLabel(f"Camera white balance: {image.color.wb_source}")
            note.setProperty("role", "soft")
            self._lines.addWidget(note)

    def set_look(self, look: Look) -> None:
        """Show a look; silent."""
        self._look = look
        for name, each in self.rows.items():
            if not each.held:
                each.set_value(self._value(name, look))

    def _value(self, name: str, look: Look) -> object:
        color = self._image.color if self._image else None
        if name in ("kelvin", "tint") and color is not None:
            return _light(color, look.wb or color.wb)[name == "tint"]
        if name == "wb" and color is not None:
            known = {None: "as shot", color.daylight: "daylight", color.wb: "as shot"}
            return known.get(look.wb, "custom")
        if name in ("low", "high") and look.window is not None:
            return look.window[name == "high"]
        if name in compression.ROWS:
            return compression.value(name, look)
        if name in WINDOW and self._image is not None:
            return windowing.value(name, self._image, look)
        return getattr(look, name)

    def _edit(self, name: str, value: object, final: bool) -> None:
        look = self._look
        color = self._image.color if self._image else None
        if name == "wb" and color is not None:
            wb = {"as shot": color.wb, "daylight": color.daylight}.get(str(value), look.wb)
            look = replace(look, wb=wb)
        elif name in ("kelvin", "tint") and color is not None:
            kelvin, tint = (float(self.rows[n].value) for n in ("kelvin", "tint"))
            look = replace(look, wb=balance(color, kelvin, tint))
        elif name in ("low", "high") and look.window is not None:
            low, high = look.window
            window = (low, float(value)) if name == "high" else (float(value), high)  # type: ignore[arg-type]
            if (window[0] < window[1]) == (low < high):  # a window turned round stays so
                look = replace(look, window=window)
        elif name in compression.ROWS:
            look = compression.edited(name, float(value), look)  # type: ignore[arg-type]
        elif name in WINDOW and self._image is not None:
            look = windowing.edited(name, value, self._image, look)
        else:
            look = replace(look, **{name: value})
        self._look = look
        self.edited.emit(look, final)
        for other in ("wb", "kelvin", "tint"):
            if other in self.rows and other != name and not self.rows[other].held:
                self.rows[other].set_value(self._value(other, look))


@lru_cache(maxsize=16)  # a search of 40 steps, asked for again at each move of any slider here
def _light(color: Color, wb: tuple[float, float, float]) -> tuple[float, float]:
    """Temperature and tint of a white balance, within the sliders."""
    kelvin, tint = temperature(color, wb)
    return float(round(min(max(kelvin, 2000), 15000))), round(min(max(tint, -100.0), 100.0), 1)


def _controls(image: Image, look: Look) -> list[Control]:
    if image.kind in ("mosaic", "linear") and image.color is not None:
        kelvin, tint = _light(image.color, image.color.wb)
        light = [LIGHTS, replace(KELVIN, default=kelvin), replace(TINT, default=tint)]
        return [EXPOSURE, *light, HIGHLIGHTS, TONE]
    if image.kind in ("mosaic", "linear"):
        return [EXPOSURE, TONE]
    if image.kind == "display":
        return [EXPOSURE]
    if image.kind == "rf":
        return [compression.RANGE, compression.GAIN]
    return windowing.controls(image, look) if image.kind == "scan" else _window(look)


def _window(look: Look) -> list[Control]:
    """Rows for the two ends of a plain array's window."""
    low, high = look.extent or (0.0, 1.0)
    black, white = look.window or (low, high)
    ends = (("low", "Shown black", black), ("high", "Shown white", white))
    return [
        Control(name, label, "float", value, low, high, "", f"Stored value {label.lower()}.")
        for name, label, value in ends
    ]
