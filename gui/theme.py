"""The look: Fusion, a neutral grey palette, a short style sheet, icons in the text's colour.

All greys have r = g = b, so that the frame around a photograph never tints what the eye sees. The
accent marks keyboard focus and selected text only.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFontDatabase,
    QIcon,
    QIconEngine,
    QPainter,
    QPalette,
    QPixmap,
    QPixmapCache,
)
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

import resources


@dataclass(frozen=True)
class Colors:
    """The colours of a variant, by what they are for."""

    window: str = "#2e2e2e"
    base: str = "#222222"  # fields, plots
    card: str = "#363636"  # what stands apart
    button: str = "#3e3e3e"
    hover: str = "#4a4a4a"
    edge: str = "#545454"  # borders
    strong: str = "#8a8a8a"  # borders that must be seen, filled part of sliders
    dim: str = "#808080"  # disabled
    soft: str = "#a8a8a8"  # second-rank text
    text: str = "#d6d6d6"
    bright: str = "#f4f4f4"
    accent: str = "#5a8fc0"  # keyboard focus
    select: str = "#4577a6"  # behind selected text
    alarm: str = "#e0934a"  # always beside a word and an icon


VARIANTS = {
    "dark": Colors(),
    "mid": Colors(
        window="#585858",
        base="#464646",
        card="#626262",
        button="#6c6c6c",
        hover="#787878",
        edge="#7c7c7c",
        strong="#b4b4b4",
        dim="#9c9c9c",
        soft="#cfcfcf",
        text="#f0f0f0",
        bright="#ffffff",
        accent="#9ccbf5",
        select="#2f6ea8",
        alarm="#ffb870",
    ),
}
# one hue a channel (Okabe and Ito's, lightened): plots add a symbol and a line style to it
CHANNELS = {"R": "#e8836b", "G": "#5fc9a4", "B": "#79b4ea", "Y": "#d6d6d6"}


def apply(app: QApplication, variant: str = "dark", font_scale: float = 1.0) -> None:
    """Dress the whole application; may be called again to change variant or font size."""
    look = VARIANTS[variant]
    app.setStyle("Fusion")
    app.setPalette(_palette(look))
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
    font.setPointSizeF(font.pointSizeF() * font_scale)
    app.setFont(font)
    words = asdict(look) | {"icons": resources.path("icons").as_posix()}
    sheet = resources.path("theme.qss").read_text(encoding="utf-8")
    app.setStyleSheet(re.sub(r"@(\w+)", lambda found: words[found[1]], sheet))
    app.setWindowIcon(QIcon(str(resources.path("icons/sordino.svg"))))


def colors() -> Colors:
    """The colours of the variant that the application wears now."""
    window = QApplication.palette().color(QPalette.ColorRole.Window).name()
    return next((look for look in VARIANTS.values() if look.window == window), VARIANTS["dark"])


class Ink(QIconEngine):
    """An SVG drawn in one colour when it is asked for, for the screen that asks."""

    def __init__(self, svg: str, size: int, normal: str, disabled: str) -> None:
        super().__init__()
        self._svg, self._size, self._normal, self._disabled = svg, size, normal, disabled

    def clone(self) -> QIconEngine:
        """Qt: another one of these."""
        return Ink(self._svg, self._size, self._normal, self._disabled)

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        """Qt: draw into a rectangle."""
        color = self._disabled if mode == QIcon.Mode.Disabled else self._normal
        svg = self._svg.replace("currentColor", color)
        QSvgRenderer(svg.encode()).render(painter, QRectF(rect))

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        """Qt: a picture for a screen of pixel ratio 1."""
        return self.scaledPixmap(size, mode, state, 1.0)

    def scaledPixmap(
        self, size: QSize, mode: QIcon.Mode, state: QIcon.State, scale: float
    ) -> QPixmap:
        """Qt: a picture of `size` logical pixels, for a screen of pixel ratio `scale`."""
        color = self._disabled if mode == QIcon.Mode.Disabled else self._normal
        key = f"{color} {self._size} {size.width()}x{size.height()} {scale} {self._svg}"
        found = QPixmap()
        if not QPixmapCache.find(key, found):
            found = QPixmap(size * scale)  # a smaller one would be blown up by Qt
            found.fill(Qt.GlobalColor.transparent)
            edge = round(min(size.width(), size.height(), self._size) * scale)
            box = QRect(0, 0, edge, edge)
            box.moveCenter(found.rect().center())
            painter = QPainter(found)
            self.paint(painter, box, mode, state)
            painter.end()
            found.setDevicePixelRatio(scale)
            QPixmapCache.insert(key, found)
        return found


def icon(name: str, size: int = 18, color: str = "") -> QIcon:
    """The icon resources/icons/<name>.svg in the text's colour (or `color`), dimmed when disabled.

    Raises KeyError for a name that does not exist.
    """
    file = resources.path(f"icons/{name}.svg")
    if not file.exists():
        raise KeyError(f"no icon {name!r}")
    look = colors()
    return QIcon(Ink(file.read_text(encoding="utf-8"), size, color or look.text, look.dim))


def pixmap(name: str, size: int, ratio: float, color: str = "") -> QPixmap:
    """The icon as a picture for a label on a screen of this pixel ratio."""
    return icon(name, size, color).pixmap(QSize(size, size), ratio)


def _palette(look: Colors) -> QPalette:
    role, off = QPalette.ColorRole, QPalette.ColorGroup.Disabled
    palette = QPalette(QColor(look.button), QColor(look.window))
    for where, color in {
        role.WindowText: look.text,
        role.Text: look.text,
        role.ButtonText: look.text,
        role.ToolTipText: look.text,
        role.BrightText: look.bright,
        role.PlaceholderText: look.dim,
        role.Base: look.base,
        role.AlternateBase: look.window,
        role.ToolTipBase: look.base,
        role.Highlight: look.select,
        role.HighlightedText: look.bright,
        role.Link: look.accent,
        role.Accent: look.select,
    }.items():
        palette.setColor(where, QColor(color))
    for where in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
        palette.setColor(off, where, QColor(look.dim))
    palette.setColor(off, role.Highlight, QColor(look.edge))
    return palette
