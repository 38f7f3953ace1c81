"""Pictures that are made of many bands of a cube: eigen-images, a target's share, spectral angles.

A BandMap is a way to look, as false colour is: it is part of a Look and computed from whatever
pixels are shown, those before and those after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.image import Array

F32 = NDArray[np.float32]
Window = tuple[float, float] | None


@dataclass(frozen=True)
class BandMap:
    """One or three planes of a cube's bands.

    "mix": sums of `bands` times `weights` (a row a plane) plus `offsets`. "angle": the spectral
    angle to the spectrum in `weights`, in degrees. "change": the angle between a pixel as it is
    shown and the same pixel before, in degrees (0 for before itself). The spectral angle mapper is
    Kruse et al., Remote Sensing of Environment 44, 1993.
    """

    kind: Literal["mix", "angle", "change"]
    name: str
    bands: tuple[int, ...]  # that take part, ascending
    weights: tuple[tuple[float, ...], ...] = ()
    offsets: tuple[float, ...] = ()
    unit: str = ""
    back: tuple[Window, Window] = (None, None)  # window and extent of the look without it

    def planes(self, pixels: Array, own: Array) -> list[F32]:
        """Planes (h, w) of pixels (bands, h, w); `own`: the same place of the image before."""
        values = np.asarray(pixels, np.float32)
        if self.kind == "mix":
            rows = np.asarray(self.weights, np.float32)
            mixed = np.tensordot(rows, values, 1)
            return [
                plane + np.float32(more) for plane, more in zip(mixed, self.offsets, strict=True)
            ]
        if self.kind == "angle":
            other = np.asarray(self.weights[0], np.float32)[:, None, None]
        else:
            other = np.asarray(own, np.float32)
        return [angle(values, other)]


def angle(one: Array, other: Array) -> F32:
    """Spectral angle in degrees between spectra along axis 0; NaN where one has no length.

    From the difference of unit spectra, which keeps small angles exact where an arc cosine of
    float32 cannot tell anything below 0.02 degrees.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        a = one / np.sqrt(np.sum(np.square(one, dtype=np.float64), 0))
        b = other / np.sqrt(np.sum(np.square(other, dtype=np.float64), 0))
        half = np.sqrt(np.sum(np.square(a - b), 0)) / 2
    return np.degrees(2 * np.arcsin(np.minimum(half, 1))).astype(np.float32)
