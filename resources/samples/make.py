"""Makes the sample DNGs. They are SYNTHETIC: a rendered scene with physically simulated noise.

    python resources/samples/make.py [FOLDER] [--truth]

A landscape at dusk is rendered in linear light (layered ridges in haze, a lake, a moon that clips,
stars, wires, reeds, a colour chart), seen through a CFA, and given the noise of a sensor at a high
ISO (core.noise.simulate). Seeds are fixed; `--truth` also writes the noise-free mosaics.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.format import Output
from core.image import Cfa, Color, Image, Levels
from core.noise.simulate import mosaic, sensor
from plugins.formats.raw import Raw

F32 = NDArray[np.float32]
HEIGHT, WIDTH, FINE = 800, 1200, 3  # pixels; rendered at FINE times the size, then averaged
BLACK, WHITE = 1024.0, 16383.0
WB = (2.0, 1.0, 1.6)  # as shot: the camera sees red and blue weaker than green
XTRANS = ("GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG")
BAYER = ("RG", "GB")
CHART = (
    (0.17, 0.08, 0.05), (0.53, 0.29, 0.21), (0.11, 0.19, 0.33), (0.09, 0.15, 0.05),
    (0.22, 0.21, 0.42), (0.13, 0.51, 0.40), (0.68, 0.20, 0.03), (0.06, 0.10, 0.38),
    (0.51, 0.09, 0.11), (0.10, 0.04, 0.14), (0.33, 0.50, 0.05), (0.75, 0.35, 0.03),
    (0.88, 0.88, 0.86), (0.57, 0.57, 0.57), (0.35, 0.35, 0.35), (0.19, 0.19, 0.19),
    (0.09, 0.09, 0.09), (0.03, 0.03, 0.03),
)  # fmt: skip


def ridge(x: F32, seed: int, rough: float) -> F32:
    """A mountain line: sums of sines with falling amplitude, about -1..1."""
    rng = np.random.default_rng(seed)
    line = np.zeros_like(x)
    for octave in range(9):
        wave, phase = 1.7**octave * rng.uniform(0.8, 1.3), rng.uniform(0, 2 * np.pi)
        line += np.sin(2 * np.pi * wave * x + phase) * rough**octave
    return line / np.abs(line).max()


def scene(height: int, width: int, fine: int) -> F32:
    """The scene in linear sRGB, (3, height, width), 1 = white."""
    h, w = height * fine, width * fine
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    y, x = y / h, x / h  # units of the picture's height
    shore = 0.66
    mirrored = np.where(y > shore, 2 * shore - y, y)
    rng = np.random.default_rng(7)
    ripple = np.sin(900 * (y - shore) / (0.25 + 3 * (y - shore)) + 6 * np.sin(9 * x + 40 * y))
    water = (y > shore).astype(np.float32)
    mirrored += water * 0.012 * ripple * (y - shore) * 6
    picture = _sky(mirrored, x, rng, fine)
    for number, (base, size, shade) in enumerate(
        ((0.50, 0.09, 0.55), (0.56, 0.07, 0.32), (0.62, 0.045, 0.14))
    ):
        line = base - size * ridge(x[0] / 1.5, 11 + number, 0.52)[None, :]
        hazy = np.clip((mirrored - line) / 0.2, 0, 1)[None] * 0.10
        tint = np.array([0.36, 0.42, 0.55], np.float32)[:, None, None] * shade
        inside = mirrored > line
        picture = np.where(inside[None], tint * 0.55 + hazy * tint * 4, picture)
    picture *= 1 - 0.35 * water
    picture = _near(picture, y, x, rng, fine)
    small = picture.reshape(3, height, fine, width, fine).mean((2, 4))
    return np.maximum(small, 0.0005).astype(np.float32)


def _sky(y: F32, x: F32, rng: np.random.Generator, fine: int) -> F32:
    """Afterglow above the horizon, a moon with its halo, stars."""
    up = np.clip(1 - y / 0.6, 0, 1)
    low, high = np.array([0.95, 0.42, 0.16]), np.array([0.035, 0.075, 0.20])
    glow = np.exp(-((1 - up) * 0 + up * 4.2))[None]
    sky = low[:, None, None] * glow * 0.8 + high[:, None, None] * (0.35 + up[None])
    apart = np.hypot(x - 1.12, y - 0.20)
    sky = sky + 0.10 * np.exp(-apart / 0.07)[None] * np.array([1.0, 0.95, 0.8])[:, None, None]
    sky = np.where(apart[None] < 0.035, 2.2, sky)  # brighter than the sensor can hold
    for star in range(90):
        sy, sx = rng.uniform(0.0, 0.30), rng.uniform(0.0, 1.5)
        size, light = rng.uniform(0.0006, 0.0013), rng.uniform(0.2, 1.2)
        py, px = int(sy * y.shape[0]), int(sx * y.shape[0])
        reach = 3 * fine
        part = (slice(max(py - reach, 0), py + reach), slice(max(px - reach, 0), px + reach))
        spot = np.exp(-((y[part] - sy) ** 2 + (x[part] - sx) ** 2) / (2 * size**2))
        sky[(slice(None), *part)] += light * spot * (1 if star % 3 else 0.8)
    return sky.astype(np.float32)


def _near(picture: F32, y: F32, x: F32, rng: np.random.Generator, fine: int) -> F32:
    """Lit windows, wires, a colour chart on the bank, reeds."""
    for _ in range(16):
        wy, wx = rng.uniform(0.632, 0.650), rng.uniform(0.1, 0.9)
        lit = (np.abs(y - wy) < 0.0022) & (np.abs(x - wx) < 0.0016)
        picture = np.where(lit[None], np.array([1.1, 0.62, 0.2])[:, None, None], picture)
    for wire in range(4):
        sag = 0.06 + 0.016 * wire + 0.05 * (x / 0.75 - 1) ** 2 + 0.02 * wire * x
        picture = np.where((np.abs(y - sag) < 0.0007)[None], 0.012, picture)
    ground = 0.90 - 0.02 * ridge(x[0] / 1.5, 31, 0.6)[None, :]
    grain = rng.normal(size=(y.shape[0] // 2 + 1, y.shape[1] // 2 + 1)).astype(np.float32)
    grain = np.kron(grain, np.ones((2, 2), np.float32))[: y.shape[0], : y.shape[1]]
    soil = np.array([0.075, 0.085, 0.04])[:, None, None] * (1 + 0.35 * grain[None])
    picture = np.where((y > ground)[None], soil, picture)
    for number, color in enumerate(CHART):
        cy, cx = 0.715 + 0.062 * (number // 6), 0.115 + 0.062 * (number % 6)
        frame = (np.abs(y - cy) < 0.031) & (np.abs(x - cx) < 0.031)
        patch = (np.abs(y - cy) < 0.026) & (np.abs(x - cx) < 0.026)
        picture = np.where(frame[None], 0.02, picture)
        picture = np.where(patch[None], 0.75 * np.array(color)[:, None, None], picture)
    for _ in range(150):
        foot, top = rng.uniform(0.62, 1.5), rng.uniform(0.70, 0.92)
        bend, thick = rng.normal(0, 0.12), rng.uniform(0.0007, 0.0022)
        left, right = (int((foot + s * 0.12) * y.shape[0]) for s in (-1, 1))
        rows = slice(int(top * y.shape[0]), y.shape[0])
        cols = slice(max(left, 0), max(min(right, y.shape[1]), 0))
        yy, xx = y[rows, cols], x[rows, cols]
        rise = np.clip((1 - yy) / (1 - top), 0, 1)
        blade = np.abs(xx - foot - bend * rise**2) < thick * (1.2 - rise)
        shade = rng.uniform(0.4, 1.4) * np.array([0.07, 0.10, 0.03])[:, None, None]
        picture[:, rows, cols] = np.where(blade[None], shade, picture[:, rows, cols])
    return picture


def camera(gain: float, pattern: tuple[str, ...], name: str, iso: int, rgb: F32, seed: int) -> Any:
    """The noisy and the noise-free Image that a synthetic camera makes of the scene."""
    cfa = Cfa(tuple(tuple("RGB".index(c) for c in row) for row in pattern))
    weak = np.array([1 / WB[0], 1.0, 1 / WB[2]], np.float32)[:, None, None]
    signal = mosaic(rgb * weak, cfa) * (WHITE - BLACK)
    read = {48.0: 90.0, 24.0: 40.0}[gain]
    exif = {
        "make": "Sordino", "model": name, "iso": iso, "exposure": 1 / 60, "aperture": 2.8,
        "focal_length": 35.0, "description": "Synthetic picture, made by Sordino",
    }  # fmt: skip
    color = Color(wb=WB, daylight=WB, matrix=((1, 0, 0), (0, 1, 0), (0, 0, 1)))
    rng = np.random.default_rng(seed)
    noisy = sensor(signal, gain, read, rng, black=BLACK, white=WHITE)
    found = []
    for values in (noisy, np.minimum(signal + BLACK, WHITE)):
        stored = np.clip(np.rint(values), 0, 65535).astype(np.uint16)
        levels = Levels(((BLACK,),), WHITE)
        found.append(Image(stored, "yx", "mosaic", levels, cfa, color, meta={"exif": exif}))
    return found


def make(folder: Path, truth: bool = False, height: int = HEIGHT, width: int = WIDTH) -> list[Path]:
    """Write the samples; returns their paths."""
    rgb = scene(height, width, FINE)
    written = []
    for name, gain, pattern, iso, seed in (
        ("bayer_iso12800", 48.0, BAYER, 12800, 1),
        ("xtrans_iso6400", 24.0, XTRANS, 6400, 2),
    ):
        title = f"Synthetic {'Bayer' if pattern is BAYER else 'X-Trans'}"
        noisy, clean = camera(gain, pattern, title, iso, rgb, seed)
        for image, suffix in ((noisy, ""), (clean, "_truth"))[: 2 if truth else 1]:
            path = folder / f"{name}{suffix}.dng"
            Raw().write(path, image, image, Output())
            written.append(path)
    return written


if __name__ == "__main__":
    named = [Path(arg) for arg in sys.argv[1:] if not arg.startswith("-")]
    for done in make(named[0] if named else Path(__file__).parent, "--truth" in sys.argv):
        print(f"{done.name}: synthetic, {done.stat().st_size / 1e6:.2f} MB")
