"""Where along its axis a slice lies, in words: a wavelength, a time, a depth."""

from __future__ import annotations

import numpy as np

from core.develop import nanometers
from core.image import Image


def places(image: Image, axis: str) -> list[str]:
    """Words for each slice along an axis; empty where the file does not say where they lie."""
    if axis == "b":
        waves = nanometers(image)
        if waves is None:
            return []
        digits = 1 if len(waves) > 1 and abs(waves[1] - waves[0]) < 3 else 0
        bad = _bad(image)
        return [
            f"{value:.{digits}f} nm{'  (bad band)' if at in bad else ''}"
            for at, value in enumerate(waves)
        ]
    values = image.coords.get(axis)
    count = image.pixels.shape[image.axes.index(axis)]
    if axis not in "tz" or values is None or len(values) != count:
        return []
    if axis == "t":
        return [f"{value:.3f} s" for value in np.asarray(values, float)]
    return [f"{value:.1f} mm" for value in np.asarray(values, float)]


def _bad(image: Image) -> set[int]:
    good = image.meta.get("bbl") or ()
    fits = len(good) == image.pixels.shape[image.axes.index("b")]
    return {at for at, one in enumerate(good) if not one} if fits else set()
