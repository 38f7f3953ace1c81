"""The start page: open, drop, samples, recent files."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QPaintEvent, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

import resources
from gui import theme

KINDS = """Drop a file or a folder here:
photographs (RAW, DNG, TIFF, PNG, JPEG, EXR), hyperspectral cubes (ENVI, MATLAB, HDF5, GeoTIFF),
scans (DICOM, NIfTI, NRRD), ultrasound clips and echoes, stacks (OME-TIFF, FITS, NumPy)"""


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
        self._row(column, "Samples (synthetic, made for Sordino)", [str(s) for s in samples])
        self._row(column, "Opened last", recent[:5])
        column.addStretch(3)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._seen:
            self._seen = True
            self.painted.emit()

    def _row(self, column: QVBoxLayout, words: str, paths: list[str]) -> None:
        if not paths:
            return
        head = QLabel(words)
        head.setProperty("role", "soft")
        column.addWidget(head, 0, Qt.AlignmentFlag.AlignHCenter)
        line = QHBoxLayout()
        line.addStretch()
        for path in paths:
            one = QPushButton(Path(path).stem.replace("_", " ") if "Samples" in words else
                              Path(path).name)  # fmt: skip
            one.setToolTip(path)
            one.clicked.connect(lambda _, p=path: self.pathWanted.emit(p))
            line.addWidget(one)
        line.addStretch()
        column.addLayout(line)
        column.addSpacing(10)
