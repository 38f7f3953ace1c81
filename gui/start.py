"""The start page: open, drop, samples, recent files."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QIcon, QImage, QPaintEvent, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

import resources
from gui import theme

KINDS = """Drop a file or a folder here:
photographs (RAW, DNG, TIFF, PNG, JPEG, EXR), hyperspectral cubes (ENVI, MATLAB, HDF5, GeoTIFF),
scans (DICOM, NIfTI, NRRD), ultrasound clips and echoes, stacks (OME-TIFF, FITS, NumPy)"""


TILE = QSize(144, 96)  # of a sample's picture


class StartPage(QWidget):
    """Shown while no image is open."""

    openWanted = Signal()
    pathWanted = Signal(str)
    painted = Signal()  # once, at the first paint

    def __init__(self, samples: list[Path], recent: list[str]) -> None:
        super().__init__()
        self._seen = False
        mark = QLabel()
        mark.setPixmap(QPixmap(str(resources.path("icons/sordino.svg"))).scaled(
            QSize(88, 88), Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        ))  # fmt: skip
        title = QLabel("Sordino")
        font = title.font()
        font.setPointSizeF(font.pointSizeF() * 2.2)
        title.setFont(font)
        hint = QLabel(KINDS)
        hint.setProperty("role", "soft")
        hint.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        button = QPushButton(theme.icon("folder-open"), "Open…  (Ctrl+O)")
        button.clicked.connect(self.openWanted)
        column = QVBoxLayout(self)
        column.addStretch(2)
        for widget in (mark, title, hint):
            column.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addSpacing(14)
        column.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addSpacing(22)
        self.tiles: dict[Path, QToolButton] = {}
        self._tiles(column, samples)
        self._row(column, "Opened last", recent[:5])
        column.addStretch(3)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._seen:
            self._seen = True
            self.painted.emit()
            QTimer.singleShot(0, self._fill)

    def _tiles(self, column: QVBoxLayout, samples: list[Path]) -> None:
        """A picture and a title each: read when the page has been seen, so that it is soon."""
        head = QLabel("Samples (synthetic, made for Sordino)")
        head.setProperty("role", "soft")
        column.addWidget(head, 0, Qt.AlignmentFlag.AlignHCenter)
        place = QWidget()  # never what keeps the window wide
        place.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._grid = QGridLayout(place)
        self._grid.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        for path in samples:
            one = QToolButton()
            one.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            one.setIconSize(TILE)
            one.setFixedSize(TILE + QSize(14, 3 * one.fontMetrics().height()))
            one.setText(path.name)
            one.setToolTip(str(path))
            one.clicked.connect(lambda _=False, p=str(path): self.pathWanted.emit(p))
            self.tiles[path] = one
        self._arrange(len(samples))
        column.addWidget(place)
        column.addSpacing(10)

    def _arrange(self, columns: int) -> None:
        """So many tiles beside each other."""
        for at, tile in enumerate(self.tiles.values()):
            self._grid.addWidget(tile, at // columns, at % columns)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Qt: tiles in one row where there is room, else in rows of equal length."""
        super().resizeEvent(event)
        count, wide = len(self.tiles), TILE.width() + 14 + self._grid.horizontalSpacing()
        able = [n for n in range(count, 0, -1) if count % n == 0 and n * wide < self.width()]
        if count:
            self._arrange(able[0] if able else 1)

    def _fill(self) -> None:
        for path, tile in self.tiles.items():
            picture = QImage(str(resources.picture_of(path)))
            if not picture.isNull():
                tile.setIcon(QIcon(QPixmap.fromImage(picture)))
                tile.setText(picture.text("Description") or path.name)
                tile.setAccessibleName(tile.text().replace("\n", ", "))

    def _row(self, column: QVBoxLayout, words: str, paths: list[str]) -> None:
        if not paths:
            return
        head = QLabel(words)
        head.setProperty("role", "soft")
        column.addWidget(head, 0, Qt.AlignmentFlag.AlignHCenter)
        line = QHBoxLayout()
        line.addStretch()
        for path in paths:
            one = QPushButton(Path(path).name)
            one.setToolTip(path)
            one.clicked.connect(lambda _, p=path: self.pathWanted.emit(p))
            line.addWidget(one)
        line.addStretch()
        column.addLayout(line)
        column.addSpacing(10)
