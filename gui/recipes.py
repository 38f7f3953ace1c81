"""Recipes of the window: copied, pasted, saved, loaded, kept as presets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QInputDialog, QMenu, QWidget

from core.image import Image
from core.method import Method
from core.recipe import BadRecipe, files, parse, to_json
from gui.files import folder
from gui.inputs import Fetch
from gui.session import Document, Origin, Session


class Recipes:
    """The document's recipe as text, and back; `say(words, alarm)` tells how it went."""

    def __init__(
        self, parent: QWidget, session: Session, fetch: Fetch, say: Callable[..., None]
    ) -> None:
        self._parent, self._session, self._fetch, self._say = parent, session, fetch, say
        self.methods: Mapping[str, type[Method]] = {}

    def text(self) -> str:
        """The recipe as a file holds it; with the noise model where that is locked."""
        d = self._session.document
        if d is None:
            return ""
        try:
            return json.dumps(to_json(d.recipe, d.noise if d.locked else None), indent=1)
        except ValueError as error:  # an image that has no file
            self._say(f"The recipe cannot be kept: {error}.", True)
            return ""

    def use(self, text: str) -> None:
        """Take a recipe over, one undo step; first the images that it names are opened."""
        try:
            data = json.loads(text)
        except (json.JSONDecodeError, RecursionError):
            data = None  # parse() finds the words for it
        document = self._session.document
        paths = files(data)
        if not paths:
            self._take(text, {})
        elif document is not None:
            self._fetch.get(paths, partial(self._fetched, document, text))

    def _fetched(self, before: Document, text: str, images: dict[str, Image]) -> None:
        now = self._session.document
        if now is not None and now.image is before.image:  # else it was meant for another picture
            self._take(text, images)

    def _take(self, text: str, images: Mapping[str, Image]) -> None:
        try:
            recipe, noise = parse(text, self.methods, images.__getitem__ if images else None)
            if (d := self._session.document) is not None and recipe.active.steps:
                recipe.ready(d.image)
        except BadRecipe as error:
            self._say(str(error), True)
            return
        if noise is None:
            self._session.edit(recipe=recipe)
        else:
            self._session.edit(recipe=recipe, noise=noise, origin=Origin.FILE, locked=True)

    def copy(self) -> None:
        """To the clipboard, as text."""
        if text := self.text():
            QGuiApplication.clipboard().setText(text)
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
        text = self.text()
        if not text:
            return
        try:
            path.write_text(text, "utf-8")
            self._say(f"Written: {path}")
        except OSError as error:
            self._say(f"{path.name} could not be written: {error.strerror}.", True)

    def read(self, path: Path) -> None:
        """Use the recipe in a file."""
        try:
            self.use(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError):
            self._say(f"{path.name} could not be read.", True)
