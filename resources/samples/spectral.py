"""A hyperspectral cube that never was: six materials seen from above, of known truth and noise.

Fields in rows, a river, roads of a pixel, roofs, trees: every pixel is a mixture of six spectra
under uneven light, so the cube has rank 6 exactly. It serves as a sample and for benchmarks. The
three noises are those the field compares by: equal in all bands, unequal, and unequal with
impulses, stripes and dead lines (as in W. He et al., IEEE TGRS 54(1), 2016).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.format import Output
from core.image import Image
from core.noise import simulate
from resources.samples.paint import Texture

Floats = NDArray[np.floating[Any]]
NoiseKind = Literal["iid", "noniid", "mixed"]

NAME = "aerial_cube"
EDGE, BANDS, SCALE = 64, 64, 10_000  # pixels, bands, stored number of reflectance 1
FINE = 3  # samples per pixel and direction
WATER, SOIL, PLANT, ROOF, CONCRETE, ASPHALT = range(6)
FIELDS, HOUSES, TREES, TARGETS = 16, 26, 90, 10
_KNOTS = (400, 550, 680, 750, 900, 1300, 1650, 2200, 2500)  # nanometres
_SPECTRA = (
    (0.10, 0.09, 0.05, 0.03, 0.02, 0.01, 0.01, 0.01, 0.01),
    (0.08, 0.15, 0.22, 0.26, 0.30, 0.40, 0.45, 0.42, 0.38),
    (0.04, 0.11, 0.05, 0.42, 0.52, 0.48, 0.32, 0.16, 0.10),
    (0.06, 0.10, 0.36, 0.42, 0.38, 0.52, 0.58, 0.55, 0.50),
    (0.25, 0.33, 0.37, 0.39, 0.41, 0.45, 0.47, 0.42, 0.36),
    (0.08, 0.10, 0.11, 0.12, 0.13, 0.16, 0.18, 0.20, 0.19),
)
_DIPS = (  # centre, width, depth: of each material
    ((500, 60, 0.1),),
    ((870, 70, 0.10), (1420, 40, 0.15), (1920, 50, 0.22), (2210, 30, 0.12)),
    ((970, 30, 0.06), (1200, 40, 0.10), (1450, 60, 0.45), (1940, 70, 0.55)),
    ((860, 80, 0.12), (1920, 50, 0.08)),
    ((1410, 40, 0.08), (1920, 60, 0.15), (2340, 35, 0.20)),
    ((1700, 30, 0.04), (2310, 40, 0.12)),
)


def wavelengths(bands: int) -> NDArray[np.float64]:
    """Band centres in nanometres."""
    return np.linspace(420, 2450, bands)


def spectra(bands: int) -> NDArray[np.float64]:
    """Reflectance of the six materials, shape (6, bands)."""
    nm = wavelengths(bands)
    fine = np.arange(300, 2600, 5.0)
    soft = np.exp(-0.5 * (np.arange(-200, 201, 5.0) / 35) ** 2)
    found: list[Any] = []
    for values, dips in zip(_SPECTRA, _DIPS, strict=True):
        line = np.pad(np.interp(fine, _KNOTS, values), len(soft) // 2, mode="edge")
        line = np.convolve(line, soft / soft.sum(), "valid")
        for centre, width, depth in dips:
            line = line * (1 - depth * np.exp(-0.5 * ((fine - centre) / width) ** 2))
        found.append(np.interp(nm, fine, line))
    return np.stack(found)


class _Ground:
    """Abundances being laid, one material over the other; lengths in pixels."""

    def __init__(self, height: int, width: int) -> None:
        at = [(np.arange(n * FINE, dtype=np.float32) + 0.5) / FINE for n in (height, width)]
        self.y, self.x = at[0][:, None], at[1][None]
        self.share = np.zeros((6, height * FINE, width * FINE), np.float32)
        self.light = np.ones(self.share.shape[1:], np.float32)

    def lay(self, material: int, distance: Floats, share: Any = 1.0) -> None:
        """Cover where a signed distance is negative, with `share` of a material."""
        cover = np.clip(0.5 - distance * FINE, 0, 1) * share
        self.share *= 1 - cover
        self.share[material] += cover

    def pixels(self) -> NDArray[np.float32]:
        """Mean over each pixel of abundance times light, shape (6, height, width)."""
        lit = self.share * self.light
        height, width = (n // FINE for n in lit.shape[1:])
        return lit.reshape(6, height, FINE, width, FINE).mean((2, 4))


def _fields(ground: _Ground, texture: Texture, rng: np.random.Generator, size: float) -> None:
    """Irregular fields of soil and crop, sown in rows of two to eight pixels."""
    x, y = ground.x, ground.y
    warp = 0.05 * size * texture.cloud(x / size * 5, y / size * 5, 3)
    nearest = np.full(warp.shape, np.inf, np.float32)
    plants = np.zeros(warp.shape, np.float32)
    for fx, fy in rng.uniform(-0.1, 1.1, (FIELDS, 2)):
        far = np.hypot(x + warp - fx * x.max(), y - warp - fy * y.max())
        angle, period = rng.uniform(0, np.pi), rng.uniform(2.2, 8)
        rows = np.cos(2 * np.pi / period * (x * np.cos(angle) + y * np.sin(angle)))
        crop = rng.uniform(0.1, 0.8) + rng.uniform(0, 0.3) * rows
        closer = far < nearest
        plants, nearest = np.where(closer, crop, plants), np.minimum(far, nearest)
    patches = 0.15 * texture.cloud(x / size * 30, y / size * 30, 5)
    plants = np.clip(plants + patches, 0, 1)
    ground.share[SOIL], ground.share[PLANT] = 1 - plants, plants


def _lines(ground: _Ground, texture: Texture, size: float) -> None:
    """A river with banks, roads of one to two pixels, a path that is thinner than a pixel."""
    x, y = ground.x, ground.y
    bend = 0.25 * size * texture.cloud(y / size * 2.0, 0 * y + 3.3, 3)
    bank = abs(x - 0.30 * size - bend) - 0.045 * size * (
        1 + 0.4 * texture.at(y / size * 9, 5 + 0 * y)
    )
    ground.lay(SOIL, bank - 1.2, 0.8)
    ground.lay(WATER, bank, 0.92 + 0.06 * texture.cloud(x / 3, y / 3, 2))
    for slope, offset, wide, material in (
        (0.35, 0.22, 1.8, ASPHALT), (-0.6, 1.05, 1.1, ASPHALT), (0.1, 0.72, 0.6, CONCRETE),
        (3.0, -1.6, 1.3, ASPHALT), (0.2, 0.48, 0.7, SOIL),
    ):  # fmt: skip
        bow = 0.02 * size * np.sin(5 * x / size + 9 * offset)
        off = (y - offset * size - slope * x - bow) / np.hypot(1, slope)
        ground.lay(material, abs(off) - wide / 2)


def _things(ground: _Ground, rng: np.random.Generator, size: float) -> None:
    """Roofs with shadows, trees, and targets that fill less than a pixel."""
    x, y = ground.x, ground.y
    height, width = float(y.max()), float(x.max())
    for n in range(HOUSES):
        cx, cy = rng.uniform(0.45, 0.98) * width, rng.uniform(0.05, 0.95) * height
        a, b = rng.uniform(0.008, 0.03, 2) * size + 0.8
        turn = rng.uniform(0, np.pi)
        u = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)
        v = (y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)
        shade = np.maximum(abs(u - 1) - a, abs(v - 1) - b)
        roof = np.maximum(abs(u) - a, abs(v) - b)
        ground.light *= 1 - 0.5 * np.clip(0.5 - shade * FINE, 0, 1)
        covered = np.clip(0.5 - roof * FINE, 0, 1)
        ground.light += covered * (np.where(v > 0, 1.0, 0.78) - ground.light)
        ground.lay(ROOF if n % 3 else CONCRETE, roof)
    for cx, cy, r in zip(*rng.uniform(0, 1, (3, TREES)), strict=True):
        far = np.hypot(x - cx * width, y - cy * height) - (0.7 + 1.8 * r)
        ground.lay(PLANT, far, 0.95)
        ground.light *= 1 - 0.25 * np.clip(0.5 - (far + 0.6) * FINE, 0, 1)
    for cx, cy in rng.uniform(0.03, 0.97, (TARGETS, 2)):
        ground.lay(ROOF, np.hypot(x - cx * width, y - cy * height) - 0.45)


def truth(height: int, width: int, bands: int) -> NDArray[np.float32]:
    """The noise-free cube, reflectance, shape (bands, height, width). Always the same."""
    rng = np.random.default_rng(606)
    texture, ground = Texture(rng), _Ground(height, width)
    size = float(max(height, width))
    relief = texture.cloud(ground.x / size * 4, ground.y / size * 4, 6)
    ground.light *= 1 + 0.16 * relief
    _fields(ground, texture, rng, size)
    _lines(ground, texture, size)
    _things(ground, rng, size)
    return np.tensordot(spectra(bands).T, ground.pixels(), 1).astype(np.float32)


def noisy(
    clean: Floats, kind: NoiseKind, seed: int, sigma: float = 0.1
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """A cube (bands, height, width) with noise, not clipped, and the Gaussian sigma of each band.

    `iid`: `sigma` everywhere. `noniid`: half to 2.2 times of it, by band. `mixed`: besides, in
    every third band a tenth of the columns are stripes, a tenth of the samples impulses, and one of
    16 columns is dead; see core.noise.simulate.cube.
    """
    rng = np.random.default_rng(seed)
    bands, width = clean.shape[0], clean.shape[2]
    sigmas = np.full(bands, sigma) if kind == "iid" else sigma * rng.uniform(0.5, 2.2, bands)
    if kind != "mixed":
        return simulate.cube(clean, sigmas, rng), sigmas
    return simulate.cube(clean, sigmas, rng, 1.5, 0.1, max(width // 16, 1)), sigmas


def cube(edge: int = EDGE, bands: int = BANDS, seed: int = 3) -> tuple[Image, NDArray[np.float32]]:
    """The sample, whole numbers with `mixed` noise, and its truth in the same units."""
    clean = truth(edge, edge, bands)
    made, _ = noisy(clean, "mixed", seed, 0.05)
    meta: dict[str, Any] = {
        "scale": (1 / SCALE, 0.0, "reflectance"),
        "default_bands": [int(np.argmin(abs(wavelengths(bands) - nm))) for nm in (650, 550, 470)],
    }
    coords = {"b": wavelengths(bands), "units": {"b": "Nanometers"}}
    pixels = np.rint(made * SCALE).astype(np.int16)
    return Image(pixels, "byx", "cube", coords=coords, meta=meta), clean * SCALE


def make(folder: Path, clean: bool = False, edge: int = EDGE) -> Path:
    """Write the cube into `folder`; `clean` adds its truth (.npy, float32, stored units)."""
    from plugins.formats.envi import Envi

    image, known = cube(edge)
    path = folder / f"{NAME}.hdr"
    Envi().write(path, image, image, Output())  # no note: nothing was denoised
    text = path.read_text(encoding="utf-8")
    said = "{Synthetic cube made by Sordino's resources/samples/make.py; no sensor}"
    path.write_text(text.replace("{Written by Sordino}", said), encoding="utf-8")
    if clean:
        np.save(folder / f"{NAME}_truth.npy", known)
    return path
