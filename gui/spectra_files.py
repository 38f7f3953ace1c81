"""Spectra from files and to files: the dialogs of the dock Spectrum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFileDialog, QInputDialog

from core.cube import LoadLibrary, title
from core.engine import Work
from core.format import UnreadableFile
from core.image import Image
from core.library import Spectrum, bands, onto, written
from gui.spectrum import Line

if TYPE_CHECKING:
    from gui.window import Window

KINDS = "Spectra (*.csv *.txt *.tsv *.sli *.hdr);;All files (*)"
Run = Callable[[Work, str, Callable[[object], None]], None]


class SpectraFiles:
    """`run` computes a Work behind the picture and hands on what it yields."""

    def __init__(self, window: Window, run: Run) -> None:
        self._window, self._run = window, run

    def load(self, image: Image | None, then: Callable[[Spectrum], None]) -> None:
        """Ask for a file and one of its spectra; brought onto the bands of the image."""
        path, _ = QFileDialog.getOpenFileName(self._window, "Load spectra", "", KINDS)
        if path and image is not None:
            self._run(LoadLibrary(path), "library", lambda found: self._choose(found, image, then))

    def save(self, image: Image | None, lines: Sequence[Line]) -> None:
        """Ask where to, then write a table: before, after and removed of each."""
        kinds = "CSV (*.csv)"
        path, _ = QFileDialog.getSaveFileName(self._window, "Save spectra", "spectra.csv", kinds)
        if not path or image is None:
            return
        x, unit = bands(image)
        table: list[Spectrum] = []
        for line in lines:
            found, name = line.spectra, title(line.spectra.region)
            parts = [("before", found.before)]
            if found.after is not None:
                parts += [("after", found.after), ("removed", found.before - found.after)]
            table += [
                Spectrum(f"{name} {what}", tuple(x.tolist()), tuple(y.tolist()), unit)
                for what, y in parts
            ]
        try:
            Path(path).write_text(written(table), "utf-8")
        except OSError as error:
            self._window.status.say(f"{path} cannot be written: {error.strerror}.", True)
        else:
            self._window.status.say(f"Written: {path}")

    def _choose(self, found: object, image: Image, then: Callable[[Spectrum], None]) -> None:
        if not isinstance(found, tuple) or not found:
            return
        chosen: Spectrum = found[0]
        if len(found) > 1:
            names = [f"{at + 1}  {one.name}" for at, one in enumerate(found)]
            word, good = QInputDialog.getItem(
                self._window, "Spectra", "Which spectrum?", names, 0, False
            )
            if not good:
                return
            chosen = found[names.index(word)]
        try:
            then(onto(chosen, image))
        except UnreadableFile as error:
            self._window.status.say(str(error), True)
