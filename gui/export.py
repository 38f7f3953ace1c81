"""The export dialog: where and how to write, how large and how long it will be."""

from __future__ import annotations

from pathlib import Path

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

from core.anatomy import medical
from core.byproducts import TITLES, What
from core.format import Output, suffix_of, with_suffix
from core.image import Image
from gui.statistics import Notice

NAMES = {None: "-sordino", "residual": "-removed", "noise": "-noise"}  # endings of files


class ExportDialog(QDialog):
    """Where and how to write. `time` says how long that will take, if anything is known."""

    def __init__(
        self,
        parent: QWidget,
        image: Image,
        suffixes: list[str],
        start: Path,
        time: str = "",
        plain: list[str] | None = None,
    ) -> None:
        """`suffixes` are those that hold the image, `plain` those for its by-products."""
        super().__init__(parent)
        self.setWindowTitle("Export")
        self._image, self._time = image, time
        self._suffixes, self._plain = suffixes, plain or []
        self.what = QComboBox()
        self.what.addItem("The denoised image", None)
        for what, title in TITLES.items() if plain else ():
            self.what.addItem(title.capitalize(), what)
        self.what.currentIndexChanged.connect(self._set_what)
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
        self.kind.setCurrentText(suffix_of(start).lower())
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
        if medical(image):
            self.strip.setText("Empty names, numbers and institutions")
        self.burnt = Notice()
        self.burnt.set_value("triangle-alert", str(image.meta.get("burnt_in") or ""), True)
        self.hint = QLabel()
        self.hint.setProperty("role", "soft")
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form = QFormLayout(self)
        if plain:
            form.addRow("What", self.what)
        form.addRow("File", line)
        form.addRow("Format", self.kind)
        form.addRow("Depth", self.bits)
        form.addRow("JPEG quality", self.quality)
        form.addRow("", self.compress)
        form.addRow("", self.strip)
        form.addRow("", self.overwrite)
        form.addRow("", self.hint)
        form.addRow(self.burnt)
        form.addRow(buttons)
        self._set_suffix(self.kind.currentText())

    @property
    def byproduct(self) -> What | None:
        """What is to be written instead of the denoised image."""
        return self.what.currentData()

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

    def _set_what(self) -> None:
        """Other formats, and a name that says what it is."""
        now, old = self.kind.currentText(), Path(self.path)
        found = self._plain if self.byproduct else self._suffixes
        self.kind.clear()
        self.kind.addItems(found)
        self.kind.setCurrentText(now if now in found else ".tif" if ".tif" in found else found[0])
        stem = old.name.removesuffix(suffix_of(old))
        for _, ending in NAMES.items():
            stem = stem.removesuffix(ending)
        name = f"{stem}{NAMES[self.byproduct]}{self.kind.currentText()}"
        self.name.setText(str(old.with_name(name)))

    def _browse(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Export", self.path, options=QFileDialog.Option.DontConfirmOverwrite
        )
        if name:
            self.name.setText(name)
            suffix = suffix_of(Path(name)).lower()
            if suffix in [self.kind.itemText(i) for i in range(self.kind.count())]:
                self.kind.setCurrentText(suffix)
            else:
                self._set_suffix(self.kind.currentText())

    def _set_suffix(self, suffix: str) -> None:
        self.name.setText(str(with_suffix(Path(self.path), suffix)))
        jpeg, raw = suffix in (".jpg", ".jpeg"), suffix in (".dng", ".npy", ".npz")
        self.quality.setEnabled(jpeg)
        self.bits.setEnabled(not jpeg and not raw)
        self.compress.setEnabled(not jpeg)
        size = self._image.megapixels * {".dng": 1.2, ".npy": 4.0}.get(suffix, 0.6 if jpeg else 3.0)
        time = f", {self._time}" if self._time else ""
        self.hint.setText(f"About {size:.0f} MB{time}. The source file is never changed.")
