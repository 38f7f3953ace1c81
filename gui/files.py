"""What is remembered between sessions: the settings of each image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import QStandardPaths

from core.image import Image
from core.method import Method
from core.noise.model import Noise
from core.recipe import BadRecipe, Recipe, files, parse, to_json


def folder(name: str) -> Path:
    """The user's own folder for presets or remembered settings; made when it is missing."""
    base = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.AppDataLocation)
    found = Path(base) / name
    found.mkdir(parents=True, exist_ok=True)
    return found


class Memory:
    """Recipe and typed noise model of every image that was edited, by the image's path."""

    def __init__(self, where: Path) -> None:
        self._where = where

    def _file(self, image: Image) -> Path:
        name = hashlib.blake2b(str(Path(image.path).resolve()).encode(), digest_size=16)
        return self._where / f"{name.hexdigest()}.json"

    def save(self, image: Image, recipe: Recipe, noise: Noise | None) -> None:
        """Keep; a full disk is no reason to bother the user."""
        if not image.path or not recipe.steps:
            return
        try:
            text = json.dumps(to_json(recipe, noise))
            self._file(image).write_text(text, "utf-8")
        except (OSError, ValueError):  # or an image of it has no file
            return

    def files(self, image: Image) -> tuple[str, ...]:
        """Further images that are needed for what was kept."""
        try:
            return files(json.loads(self._file(image).read_text("utf-8")))
        except (OSError, ValueError, RecursionError):
            return ()

    def load(
        self,
        image: Image,
        methods: Mapping[str, type[Method]],
        images: Mapping[str, Image] | None = None,
    ) -> tuple[Recipe, Noise | None] | None:
        """What was kept, if it can still be used; `images`: those of files()."""
        load = images.__getitem__ if images else None
        try:
            return parse(self._file(image).read_text("utf-8"), methods, load)
        except (OSError, UnicodeDecodeError, BadRecipe):
            return None
