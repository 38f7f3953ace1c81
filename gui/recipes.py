"""Recipes of the window: copied, pasted, saved, loaded, kept as presets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QInputDialog, QMenu, QWidget

from core.method import Method
from core.recipe import BadRecipe, parse, to_json
from gui.files import folder
from gui.session import Origin, Session


class Recipes:
    """The document's recipe as text, and back; `say(words, alarm)` tells how it went."""

    def __init__(self, parent: QWidget, session: Session, say: Callable[..., None]) -> None:
        self._parent, self._session, self._say = parent, session, say
        self.methods: Mapping[str, type[Method]] = {}

    def text(self) -> str:
        """The recipe as a file holds it; with the noise model where that is locked."""
        d = self._session.document
        if d is None:
            return ""
        return json.dumps(to_json(d.recipe, d.noise if d.locked else None), indent=1)

    def use(self, text: str) -> None:
        """Take a recipe over, one undo step."""
        try:
            recipe, noise = parse(text, self.methods)
        except BadRecipe as error:
            self._say(str(error), True)
            return
        if noise is None:
            self._session.edit(recipe=recipe)
        else:
            self._session.edit(recipe=recipe, noise=noise, origin=Origin.FILE, locked=True)

    def copy(self) -> None:
        """To the clipboard, as text."""
        QGuiApplication.clipboard().setText(self.text())
        self._say("Settings copied.")

    def paste(self) -> None:
        """From the clipboard."""
        self.use(QGuiApplication.clipboard().text())

    def save(self) -> None:
        """Ask for a name and write."""
        path, _ = QFileDialog.getSaveFileName(self._parent, "Save recipe", "", "Recipes (*.json)")
        if path:
            self.write(Path(path).with_suffix(".json"))

    def load(self) -> None:
        """Ask for a file and read."""
        path, _ = QFileDialog.getOpenFileName(self._parent, "Load recipe", "", "Recipes (*.json)")
        if path:
            self.read(Path(path))

    def save_preset(self) -> None:
        """Ask for a name and keep as a preset."""
        name, ok = QInputDialog.getText(self._parent, "Save as preset", "Name")
        safe = "".join(c for c in name if c.isalnum() or c in " -_").strip()
        if ok and safe:
            self.write(folder("presets") / f"{safe}.json")

    def fill(self, menu: QMenu) -> None:
        """An entry for every preset."""
        menu.clear()
        for path in sorted(folder("presets").glob("*.json")):
            menu.addAction(path.stem, partial(self.read, path))

    def write(self, path: Path) -> None:
        """Write the recipe to a file."""
        try:
            path.write_text(self.text(), "utf-8")
            self._say(f"Written: {path}")
        except OSError as error:
            self._say(f"{path.name} could not be written: {error.strerror}.", True)

    def read(self, path: Path) -> None:
        """Use the recipe in a file."""
        try:
            self.use(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError):
            self._say(f"{path.name} could not be read.", True)
