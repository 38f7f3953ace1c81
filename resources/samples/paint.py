"""What the scene is drawn with: a canvas in linear light, textures, shading, strokes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Rgb = tuple[float, float, float]


class Canvas:
    """Linear sRGB being painted; x runs from 0 to 1.5, y from 0 to 1 downwards."""

    def __init__(self, height: int, width: int) -> None:
        self.unit = 1 / height
        self.rgb = np.zeros((height, width, 3), np.float32)

    def cut(self, x0: float, y0: float, x1: float, y1: float) -> tuple[Floats, Floats, Floats]:
        """A view of the box, and its x (1, w) and y (h, 1)."""
        height, width, _ = self.rgb.shape
        left, right = (int(np.clip(round(v / self.unit), 0, width)) for v in (x0, x1))
        top, bottom = (int(np.clip(round(v / self.unit), 0, height)) for v in (y0, y1))
        x = ((np.arange(left, right, dtype=np.float32) + 0.5) * self.unit)[None]
        y = ((np.arange(top, bottom, dtype=np.float32) + 0.5) * self.unit)[:, None]
        return self.rgb[top:bottom, left:right], x, y

    def inside(self, distance: Floats) -> Floats:
        """Coverage from a signed distance that is negative inside."""
        return np.clip(0.5 - distance / self.unit, 0, 1)


def mix(under: Floats, color: Any, cover: Floats) -> None:
    """Paint `color` over a view, in place."""
    under += cover[..., None] * (np.asarray(color, np.float32) - under)


class Texture:
    """Smooth value noise from a lattice that repeats every 64 cells; mean 0, range about -1..1."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._lattice = rng.uniform(-1, 1, (64, 64)).astype(np.float32)

    def at(self, x: Floats, y: Floats) -> Floats:
        """One octave, at lattice coordinates."""
        ix, iy = np.floor(x).astype(int), np.floor(y).astype(int)
        fx, fy = x - ix, y - iy
        fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
        cells = self._lattice
        a, b = cells[iy % 64, ix % 64], cells[iy % 64, (ix + 1) % 64]
        c, d = cells[(iy + 1) % 64, ix % 64], cells[(iy + 1) % 64, (ix + 1) % 64]
        return (a + fx * (b - a)) * (1 - fy) + (c + fx * (d - c)) * fy

    def cloud(self, x: Floats, y: Floats, octaves: int = 4) -> Floats:
        """Octaves of halving strength."""
        parts = [self.at(x * 2**n + 7 * n, y * 2**n + 3 * n) / 2**n for n in range(octaves)]
        return np.sum(parts, 0)


def shade(normal: tuple[Floats, Floats, Floats], color: Any, gloss: float, shine: float) -> Floats:
    """Light of a rounded thing: window light from the upper left, candle light from the right."""
    nx, ny, nz = normal
    cool = np.clip(-0.55 * nx - 0.60 * ny + 0.58 * nz, 0, None)
    warm = np.clip(0.80 * nx - 0.25 * ny + 0.50 * nz, 0, None)
    light = np.stack([0.10 + 0.75 * cool + 0.55 * warm, 0.11 + 0.80 * cool + 0.33 * warm,
                      0.13 + 0.88 * cool + 0.16 * warm], -1)  # fmt: skip
    halfway = np.clip(-0.34 * nx - 0.42 * ny + 0.84 * nz, 0, 1)
    return np.asarray(color) * light + (gloss * halfway**shine)[..., None]


def stroke(canvas: Canvas, points: Any, width: float, color: Rgb, taper: float = 1.0) -> None:
    """A curve through `points` (x, y); its width ends as `taper` of its beginning."""
    line = np.asarray(points, float)
    t = np.linspace(0, len(line) - 1, 24 * len(line))
    curve = np.stack([np.interp(t, range(len(line)), line[:, i]) for i in (0, 1)], -1)
    kernel = np.ones(17) / 17  # corners become bends
    padded = np.concatenate([np.repeat(curve[:1], 8, 0), curve, np.repeat(curve[-1:], 8, 0)])
    curve = np.stack([np.convolve(padded[:, i], kernel, "valid") for i in (0, 1)], -1)
    for n, (a, b) in enumerate(pairwise(curve)):
        w = width * (1 + (taper - 1) * n / len(curve))
        low, high = np.minimum(a, b) - 2 * w - 0.002, np.maximum(a, b) + 2 * w + 0.002
        rgb, x, y = canvas.cut(low[0], low[1], high[0], high[1])
        d = b - a
        along = np.clip(((x - a[0]) * d[0] + (y - a[1]) * d[1]) / max(float(d @ d), 1e-12), 0, 1)
        side = np.hypot(x - a[0] - along * d[0], y - a[1] - along * d[1])
        mix(rgb, np.asarray(color) * (1.15 - 0.3 * n / len(curve)), canvas.inside(side - w / 2))
