"""Automatic: what is chosen for a picture, by its kind, its noise and the time the user allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from PySide6.QtCore import QObject, QSettings, QTimer

from core.choose import BUDGETS, choose
from core.image import Image
from core.method import Method
from core.noise.measured import Measured
from core.recipe import Recipe
from gui.session import Session, State

KEY, DEFAULT = "automatic/budget", "balanced"


class Automatic(QObject):
    """Chooses; once more when the noise becomes known, unless the user has changed anything."""

    def __init__(self, session: Session, settings: QSettings, say: Callable[[str], None]) -> None:
        super().__init__()
        self._session, self._settings, self._say = session, settings, say
        self.methods: Mapping[str, type[Method]] = {}
        self._chosen: Recipe | None = None  # for the open picture, before its noise was known
        session.changed.connect(self._on_change)

    @property
    def budget(self) -> str:
        """How much time a picture may take: a name of BUDGETS."""
        kept = str(self._settings.value(KEY, DEFAULT))
        return kept if kept in BUDGETS else DEFAULT

    def set_budget(self, budget: str) -> None:
        """Another one, for this picture at once and for all later ones."""
        self._settings.setValue(KEY, budget)
        if self._session.document is None:
            self._say(f"Automatic: {budget}.")
        else:
            self.again()

    def recipe(self, image: Image, measured: Measured | None = None) -> tuple[Recipe, str]:
        """What suits an image, and why."""
        return choose(self.methods, image, measured, self.budget)

    def guess(self, megapixels: float) -> Recipe:
        """What would be chosen for a file of which only the size is known."""
        blank = np.broadcast_to(np.uint16(0), (1, max(round(megapixels * 1e6), 1)))
        return self.recipe(Image(blank))[0]

    def begin(self, image: Image) -> tuple[Recipe, str]:
        """The same for a picture that is opened now."""
        self._chosen, why = self.recipe(image)
        return self._chosen, why

    def again(self) -> None:
        """Method and settings for the open picture: an edit."""
        d = self._session.document
        if d is not None and self.methods:
            recipe, why = self.recipe(d.image, d.measured)
            self._session.edit(recipe=recipe)
            self._say(why)

    def _on_change(self, old: State, new: State) -> None:
        a, b = old.document, new.document
        if a and b and a.image is b.image and a.noise is None and b.noise is not None:
            QTimer.singleShot(0, self._noise_known)  # all others hear of the noise first

    def _noise_known(self) -> None:
        d = self._session.document
        if d is None or d.measured is None or d.recipe != self._chosen or self._session.can_undo:
            return
        recipe, why = self.recipe(d.image, d.measured)
        if recipe != d.recipe:
            self._chosen = recipe
            self._session.take_recipe(recipe)
            self._say(why)
