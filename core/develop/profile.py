"""Colour spaces by matrix and curves: what a file's numbers mean, and what a screen shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Triple = tuple[float, float, float]
IDENTITY: tuple[Triple, Triple, Triple] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
POINTS = 4097  # of a curve given by a formula


@dataclass(frozen=True)
class Curve:
    """Encoded value to linear light, both 0..1; never falls.

    `samples` is float32 at even steps of the encoded value, as bytes: they compare and hash fast.
    """

    samples: bytes

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Curve:
        """From two samples or more; dips are filled, what lies beyond 0..1 is cut."""
        rising = np.maximum.accumulate(np.clip(values, 0, 1))
        return cls(rising.astype(np.float32).tobytes())

    @classmethod
    def gamma(cls, exponent: float) -> Curve:
        """light = value ** exponent."""
        return cls.of(np.linspace(0, 1, POINTS) ** exponent)

    @cached_property
    def table(self) -> F64:
        """The samples."""
        return np.frombuffer(self.samples, np.float32).astype(np.float64)

    def decode(self, x: F64) -> F64:
        """Encoded values to light."""
        return np.interp(x, np.linspace(0, 1, len(self.table)), self.table)

    def encode(self, y: F64) -> F64:
        """Light to encoded values; where the curve is level, the lowest: black stays black."""
        light, first = np.unique(self.table, return_index=True)
        return np.interp(y, light, first / (len(self.table) - 1))


@dataclass(frozen=True)
class Profile:
    """What RGB numbers mean: linear sRGB to the space's linear RGB, then a curve per channel."""

    matrix: tuple[Triple, Triple, Triple] = IDENTITY
    curves: tuple[Curve, ...] = ()  # none: sRGB's; one for all; or three
    name: str = field(default="sRGB", compare=False)

    @cached_property
    def to_srgb(self) -> F64:
        """3x3, its linear RGB to linear sRGB."""
        return np.linalg.inv(np.asarray(self.matrix, float))


def decoded(curves: tuple[Curve, ...], x: F64) -> list[F64]:
    """Encoded values to light, by each curve of a Profile (one array where all are alike)."""
    return [curve.decode(x) for curve in curves] or [srgb_decode(x)]


def encoded(curves: tuple[Curve, ...], light: list[F64]) -> list[F64]:
    """Light of one or three channels to encoded values, by each curve of a Profile."""
    if not curves:
        return [srgb_encode(y) for y in light]
    count = max(len(curves), len(light))
    pairs = zip(curves * (count // len(curves)), light * (count // len(light)), strict=True)
    return [curve.encode(y) for curve, y in pairs]


def srgb_encode(x: F64) -> F64:
    """Linear light 0..1 to sRGB values 0..1 (IEC 61966-2-1)."""
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)


def srgb_decode(x: F64) -> F64:
    """The inverse of `srgb_encode`."""
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
