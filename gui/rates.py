"""How long things take on this machine: measured, kept for the next session."""

from __future__ import annotations

import math

from PySide6.QtCore import QSettings

from core.recipe import Recipe

FILES = "seconds per megapixel/files"


class Rates:
    """Seconds per megapixel (samples) of each recipe's methods, and the device that took them."""

    def __init__(self, settings: QSettings) -> None:
        self._settings = settings

    def learn(self, recipe: Recipe, rate: float, device: str = "cpu", partly: bool = False) -> None:
        """Megapixels per second that were just measured.

        `partly`: on a small proxy, or with a core left to others: the machine is at least as fast.
        """
        known = self._known(recipe)
        if partly and known and known[0] * rate <= 1:
            return
        if recipe.active.steps and rate > 0 and math.isfinite(rate):
            self._settings.setValue(_key(recipe), f"{1 / rate:.4g} {device}")

    def seconds(self, recipe: Recipe, megapixels: float) -> float | None:
        """About how long so many will take; None while nobody has measured."""
        known = self._known(recipe)
        return known[0] * megapixels if known else None

    def learn_file(self, recipe: Recipe, megapixels: float, seconds: float) -> None:
        """How long a whole file took: what is not denoising is opening, measuring, writing."""
        rest = seconds - (self.seconds(recipe, megapixels) or 0.0)
        if megapixels > 0:
            self._settings.setValue(FILES, f"{max(rest, 0.0) / megapixels:.4g}")

    def file(self, recipe: Recipe, megapixels: float) -> float | None:
        """About how long a whole file will take, opened, denoised and written."""
        seconds = self.seconds(recipe, megapixels)
        if seconds is None:
            return None
        try:
            return seconds + megapixels * float(str(self._settings.value(FILES, "0")))
        except ValueError:
            return seconds

    def words(self, recipe: Recipe, megapixels: float) -> str:
        """`about 40 s on CPU`, or nothing."""
        known = self._known(recipe)
        if not known or not recipe.active.steps:
            return ""
        return f"about {duration(known[0] * megapixels)} on {device_words(known[1])}"

    def _known(self, recipe: Recipe) -> tuple[float, str] | None:
        if not recipe.active.steps:
            return 0.0, "cpu"
        number, _, device = str(self._settings.value(_key(recipe), "")).partition(" ")
        try:
            found = float(number)
        except ValueError:
            return None
        return (found, device or "cpu") if 0 < found < math.inf else None


def _key(recipe: Recipe) -> str:
    return "seconds per megapixel/" + "+".join(step.method.id() for step in recipe.active.steps)


def device_words(name: str) -> str:
    """`CPU`, `CUDA:0`: a device as people write it."""
    return name.upper()


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min`, `1 h 20 min`: as exact as a guess can be."""
    if seconds < 1:
        return f"{max(seconds, 0.1):.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
