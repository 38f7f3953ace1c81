"""Which bands of a cube are shown as red, green and blue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from core.image import Image

SEEN = (640.0, 550.0, 460.0)  # nm of red, green and blue
INFRARED = (860.0, 650.0, 550.0)  # vegetation shows red
SHORTWAVE = (2200.0, 1650.0, 860.0)  # minerals, water, burnt land
NEAR = 50.0  # nm that a band may lie away from them
NANOMETERS = {"nm": 1.0, "nanometers": 1.0, "nanometer": 1.0, "nanometres": 1.0, "um": 1e3,
              "µm": 1e3, "μm": 1e3, "micrometers": 1e3, "micrometer": 1e3, "micrometres": 1e3,
              "microns": 1e3, "m": 1e9, "a": 0.1, "angstroms": 0.1}  # fmt: skip


def chosen(image: Image) -> tuple[int, ...]:
    """The bands to show: three, or one in grey, counted from 0; none where it is no cube.

    Those the file names in meta["default_bands"]; else those next to what the eye sees, without
    bad ones (0 in meta["bbl"]); else the one in the middle.
    """
    if image.axes != "byx":
        return ()
    count = image.pixels.shape[0]
    if named := default_bands(image):
        return named
    able = usable(image)
    return nearest(image, SEEN) or ((able or [count // 2])[len(able) // 2],)


def default_bands(image: Image) -> tuple[int, ...]:
    """The bands that the file wants to be shown, counted from 0; none where it names none."""
    named = cast("Sequence[Any]", image.meta.get("default_bands") or ())
    count = image.pixels.shape[0]
    fit = len(named) in (1, 3) and all(0 <= int(band) < count for band in named)
    return tuple(int(band) for band in named) if fit else ()


def usable(image: Image) -> list[int]:
    """All bands that the file does not call bad."""
    count = image.pixels.shape[image.axes.index("b")]
    good = cast("Sequence[Any]", image.meta.get("bbl") or ())
    return [band for band in range(count) if len(good) != count or good[band]]


def nearest(image: Image, lengths: Sequence[float]) -> tuple[int, ...]:
    """The bands next to three wavelengths in nm; none where one of them lies too far away."""
    waves, able = nanometers(image), usable(image)
    if waves is None or not able:
        return ()
    near = [int(np.argmin(np.abs(waves[able] - one))) for one in lengths]
    apart = [abs(waves[able][at] - one) for at, one in zip(near, lengths, strict=True)]
    fits = len(set(near)) == 3 and max(apart) <= NEAR
    return tuple(able[at] for at in near) if fits else ()


def nanometers(image: Image) -> np.ndarray[Any, Any] | None:
    """Wavelength of each band in nm; None where the file does not say them.

    Where the unit is not known, those below 100 are taken for µm.
    """
    waves = image.coords.get("b")
    if "b" not in image.axes or waves is None:
        return None
    values = np.asarray(waves, float)
    if values.shape != (image.pixels.shape[image.axes.index("b")],) or not values.size:
        return None
    unit = str(image.coords.get("units", {}).get("b", "")).strip().lower()
    guess = 1e3 if float(values.max()) < 100 else 1.0
    return values * NANOMETERS.get(unit, guess)
