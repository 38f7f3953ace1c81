"""Files as the window sees them: recent ones, what to export, settings remembered per image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import QSettings, QStandardPaths
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

from core.format import Output
from core.image import Image
from core.method import Method
from core.noise.model import PoissonGaussian
from core.recipe import BadRecipe, Recipe, parse, to_json

RECENT = 10


def folder(name: str) -> Path:
    """The user's own folder for presets or remembered settings; made when it is missing."""
    base = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.AppDataLocation)
    found = Path(base) / name
    found.mkdir(parents=True, exist_ok=True)
    return found


class Recent:
    """The files opened last, newest first."""

    def __init__(self, settings: QSettings) -> None:
        self._settings = settings

    def paths(self) -> list[str]:
        """Those that still exist."""
        saved = self._settings.value("recent", [])
        found = [saved] if isinstance(saved, str) else saved if isinstance(saved, list) else []
        return [path for path in found if Path(path).exists()][:RECENT]

    def add(self, path: str) -> None:
        """To the top."""
        rest = [other for other in self.paths() if other != path]
        self._settings.setValue("recent", [path, *rest][:RECENT])


class Memory:
    """Recipe and typed noise model of every image that was edited, by the image's path."""

    def __init__(self, where: Path) -> None:
        self._where = where

    def _file(self, image: Image) -> Path:
        name = hashlib.blake2b(str(Path(image.path).resolve()).encode(), digest_size=16)
        return self._where / f"{name.hexdigest()}.json"

    def save(self, image: Image, recipe: Recipe, noise: PoissonGaussian | None) -> None:
        """Keep; a full disk is no reason to bother the user."""
        if not image.path or not recipe.steps:
            return
        try:
            text = json.dumps(to_json(recipe, noise))
            self._file(image).write_text(text, "utf-8")
        except OSError:
            return

    def load(
        self, image: Image, methods: Mapping[str, type[Method]]
    ) -> tuple[Recipe, PoissonGaussian | None] | None:
        """What was kept, if it can still be used."""
        try:
            return parse(self._file(image).read_text("utf-8"), methods)
        except (OSError, UnicodeDecodeError, BadRecipe):
            return None


class ExportDialog(QDialog):
    """Where and how to write."""

    def __init__(self, parent: QWidget, image: Image, suffixes: list[str], start: Path) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export")
        self._image = image
        self.name = QLineEdit(str(start))
        self.name.setMinimumWidth(420)
        self.name.setAccessibleName("File")
        browse = QPushButton("Browse…")
        browse.clicked.connect(self._browse)
        line = QHBoxLayout()
        line.addWidget(self.name, 1)
        line.addWidget(browse)
        self.kind = QComboBox()
        self.kind.addItems(suffixes)
        self.kind.setCurrentText(start.suffix.lower())
        self.kind.currentTextChanged.connect(self._set_suffix)
        self.bits = QComboBox()
        self.bits.addItems(["16 bit", "8 bit"])
        self.quality = QSpinBox()
        self.quality.setRange(50, 100)
        self.quality.setValue(95)
        self.compress = QCheckBox("Lossless compression")
        self.compress.setChecked(True)
        self.strip = QCheckBox("Leave out GPS position, serial numbers and owner")
        self.overwrite = QCheckBox("Replace a file of this name")
        self.hint = QLabel()
        self.hint.setProperty("role", "soft")
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form = QFormLayout(self)
        form.addRow("File", line)
        form.addRow("Format", self.kind)
        form.addRow("Depth", self.bits)
        form.addRow("JPEG quality", self.quality)
        form.addRow("", self.compress)
        form.addRow("", self.strip)
        form.addRow("", self.overwrite)
        form.addRow("", self.hint)
        form.addRow(buttons)
        self._set_suffix(self.kind.currentText())

    @property
    def path(self) -> str:
        """The file to write."""
        return self.name.text().strip()

    @property
    def output(self) -> Output:
        """What was chosen."""
        return Output(
            bits=16 if self.bits.currentIndex() == 0 else 8,
            quality=self.quality.value(),
            compress=self.compress.isChecked(),
            strip=self.strip.isChecked(),
            overwrite=self.overwrite.isChecked(),
        )

    def _browse(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Export", self.path, options=QFileDialog.Option.DontConfirmOverwrite
        )
        if name:
            self.name.setText(name)
            if Path(name).suffix.lower() in [
                self.kind.itemText(i) for i in range(self.kind.count())
            ]:
                self.kind.setCurrentText(Path(name).suffix.lower())
            else:
                self._set_suffix(self.kind.currentText())

    def _set_suffix(self, suffix: str) -> None:
        path = Path(self.path)
        self.name.setText(str(path.with_suffix(suffix)))
        jpeg, raw = suffix in (".jpg", ".jpeg"), suffix in (".dng", ".npy", ".npz")
        self.quality.setEnabled(jpeg)
        self.bits.setEnabled(not jpeg and not raw)
        self.compress.setEnabled(not jpeg)
        size = self._image.megapixels * {".dng": 1.2, ".npy": 4.0}.get(suffix, 0.6 if jpeg else 3.0)
        self.hint.setText(f"About {size:.0f} MB. The source file is never changed.")
