"""Which bands of a cube are shown as red, green and blue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from core.image import Image

SEEN = (640.0, 550.0, 460.0)  # nm of red, green and blue
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
    named = cast("Sequence[Any]", image.meta.get("default_bands") or ())
    if len(named) in (1, 3) and all(0 <= int(band) < count for band in named):
        return tuple(int(band) for band in named)
    good = cast("Sequence[Any]", image.meta.get("bbl") or ())
    able = [band for band in range(count) if len(good) != count or good[band]]
    waves = image.coords.get("b")
    if able and waves is not None and len(waves) == count:
        lengths = _nanometers(np.asarray(waves, float)[able], image)
        near = [int(np.argmin(np.abs(lengths - one))) for one in SEEN]
        apart = [abs(lengths[at] - one) for at, one in zip(near, SEEN, strict=True)]
        if len(set(near)) == 3 and max(apart) <= NEAR:
            return tuple(able[at] for at in near)
    return ((able or [count // 2])[len(able) // 2],)


def _nanometers(values: np.ndarray[Any, Any], image: Image) -> np.ndarray[Any, Any]:
    """Wavelengths in nm; where the unit is not known, those below 100 are taken for µm."""
    unit = str(image.coords.get("units", {}).get("b", "")).strip().lower()
    guess = 1e3 if float(values.max()) < 100 else 1.0
    return values * NANOMETERS.get(unit, guess)
