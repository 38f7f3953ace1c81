"""Which of a file's variables is the cube, and which of its axes is which."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.format import UnreadableFile

BAND = {"b", "band", "bands", "wl", "wavelength", "wavelengths", "lambda", "wave", "spectral",
        "channel", "channels", "frequency"}  # fmt: skip
ROW = {"y", "lat", "latitude", "line", "lines", "row", "rows", "northing", "downtrack", "height"}
COLUMN = {"x", "lon", "longitude", "sample", "samples", "col", "cols", "column", "columns",
          "easting", "crosstrack", "width"}  # fmt: skip
LETTERS = {**dict.fromkeys(BAND, "b"), **dict.fromkeys(ROW, "y"), **dict.fromkeys(COLUMN, "x")}
LISTS = {
    "wavelength": ("wavelength", "wavelengths", "wl", "lambda", "wave", "band_centers", "centers"),
    "fwhm": ("fwhm",),
    "bbl": ("bbl", "good_wavelengths", "good_bands"),
}
MOST = 1 << 16  # bands
USUAL = 1000  # bands, at most


@dataclass(frozen=True)
class Variable:
    """A numeric array in a file, by its header."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    dims: tuple[str, ...] = ()  # names of the axes, where the file has them

    @property
    def kept(self) -> tuple[int, ...]:
        """The axes with more than one entry."""
        return tuple(axis for axis, size in enumerate(self.shape) if size != 1)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the axes with more than one entry."""
        return tuple(self.shape[axis] for axis in self.kept)

    @property
    def word(self) -> str:
        """The last part of the name, in small letters."""
        return self.name.rpartition("/")[2].lower()


def choose(found: Sequence[Variable], name: str) -> Variable:
    """The largest array of three dimensions, pictures (uint8, 3 or 4 colours) last; else of two.

    Dimensions of one entry do not count. Raises UnreadableFile.
    """
    numbers = [one for one in found if np.dtype(one.dtype).kind in "iufb" and 0 not in one.shape]
    cubes = [one for one in numbers if len(one.sizes) == 3]
    flat = [one for one in numbers if len(one.sizes) == 2]
    if not cubes and not flat:
        raise UnreadableFile(
            f"{name} holds no array of two or three dimensions with real numbers: save the cube"
            " as one."
        )

    def rank(one: Variable) -> tuple[bool, int]:
        picture = one.dtype == "uint8" and (one.sizes[-1] in (3, 4) or one.sizes[0] in (3, 4))
        return not picture, math.prod(one.shape)

    return max(cubes, key=rank) if cubes else max(flat, key=lambda one: math.prod(one.shape))


def order(chosen: Variable, found: Sequence[Variable]) -> str:
    """A letter for each axis of more than one entry, of b, y, x.

    The bands are on the axis that is named so; else on the only one that is as long as a list of
    wavelengths in the file; else on the one that differs where two are equally long; else on the
    last one that is no longer than 1000, or the last. Rows come before columns.
    """
    if len(chosen.sizes) == 2:
        return "yx"
    named = [LETTERS.get(chosen.dims[axis].lower(), "") for axis in chosen.kept] if chosen.dims \
        else [""] * 3  # fmt: skip
    if sorted(named) == ["b", "x", "y"]:
        return "".join(named)
    sizes = chosen.sizes
    band = named.index("b") if named.count("b") == 1 else None
    if {"y", "x"} <= set(named):
        band = next(axis for axis in range(3) if named[axis] not in ("y", "x"))
    if band is None:
        lengths = {math.prod(one.shape) for one in found if one.word in LISTS["wavelength"]}
        able = [axis for axis in range(3) if sizes[axis] in lengths]
        band = able[0] if len(able) == 1 else None
    if band is None:
        odd = [axis for axis in range(3) if sizes.count(sizes[axis]) == 1]
        short = [axis for axis in range(3) if sizes[axis] <= USUAL] or [2]
        band = odd[0] if len(odd) == 1 else short[-1]
    letters = [""] * 3
    letters[band] = "b"
    first, second = (axis for axis in range(3) if axis != band)
    turned = named[first] == "x" or named[second] == "y"
    letters[first], letters[second] = "xy" if turned else "yx"
    return "".join(letters)


def bands(
    found: Sequence[Variable], count: int, load: Callable[[Variable], Any]
) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Lists with a number for each band: meta, coords, and the name of that of wavelengths."""
    meta: dict[str, Any] = {}
    coords: dict[str, Any] = {}
    source = ""
    for what, names in LISTS.items():
        able = [one for one in found if one.word in names and math.prod(one.shape) == count <= MOST]
        if not able:
            continue
        values = np.asarray(load(able[0]), np.float64).reshape(-1)
        if not np.isfinite(values).all():
            continue
        if what == "wavelength":
            coords, source = {"b": values, "units": {"b": _unit(values)}}, able[0].name
        else:
            meta[what] = [int(v) for v in values] if what == "bbl" else values.tolist()
    return meta, coords, source


def _unit(values: Any) -> str:
    """Of wavelengths whose file does not say it: optical ones lie between 0.2 and 20 µm."""
    top = float(values.max())
    return "um" if top < 100 else "nm" if top < 100_000 else ""
