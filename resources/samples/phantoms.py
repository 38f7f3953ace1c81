"""Bodies that never were: a head as T1-weighted MR shows it, a belly as CT does, free of noise.

Tissue has texture, and there are folds, vessels and lesions down to a voxel: what flat discs lack,
and what a denoiser takes away first. numpy alone, a seed decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Shape = tuple[int, int, int]  # slices, rows, columns


def field(
    shape: Shape, wave: float, rng: np.random.Generator, stretch: Sequence[float] = (1, 1, 1)
) -> F32:
    """Smooth random texture of mean 0 and standard deviation 1, waves of about `wave` voxels.

    `stretch` makes them longer along z, y and x.
    """
    waves = np.meshgrid(*(np.fft.fftfreq(n) * s for n, s in zip(shape[:2], stretch, strict=False)),
                        np.fft.rfftfreq(shape[2]) * stretch[2], indexing="ij")  # fmt: skip
    frequency = np.sqrt(sum(w * w for w in waves)) * wave
    shaped = np.fft.rfftn(rng.standard_normal(shape)) * np.exp(-4 * (frequency - 1) ** 2)
    found = np.fft.irfftn(shaped, shape, (0, 1, 2))
    return ((found - found.mean()) / found.std()).astype(np.float32)


def softened(volume: F32, width: float) -> F32:
    """Seen through a scanner's blur, a Gaussian of this standard deviation in voxels."""
    z, y, x = (np.fft.fftfreq(n) for n in volume.shape)
    square = z[:, None, None] ** 2 + y[:, None] ** 2 + x[: volume.shape[2] // 2 + 1] ** 2
    blur = np.exp(-2 * (np.pi * width) ** 2 * square)
    return np.fft.irfftn(np.fft.rfftn(volume) * blur, volume.shape, (0, 1, 2)).astype(np.float32)


def _places(shape: Shape) -> tuple[F32, F32, F32]:
    """z, y and x from -1 to 1 along each axis."""
    z, y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    return z[:, None, None], y[None, :, None], x[None, None, :]


def vessels(
    volume: F32, count: int, value: float, where: NDArray[np.bool_], rng: np.random.Generator
) -> None:
    """Winding tubes, half a voxel to one and a half thick, of a value, inside `where`."""
    starts = np.argwhere(where)
    if not len(starts):
        return
    near = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    last = np.array(volume.shape) - 1
    for _ in range(count):
        at = starts[rng.integers(len(starts))].astype(float)
        way = rng.standard_normal(3)
        radius = rng.uniform(0.5, 1.5)
        for _ in range(60):
            way += 0.4 * rng.standard_normal(3)
            way /= np.linalg.norm(way)
            at += 0.7 * way
            cells = np.clip(np.rint(at).astype(int) + near, 0, last)
            z, y, x = cells.T
            if not where[tuple(np.clip(np.rint(at).astype(int), 0, last))]:
                break
            share = np.clip(radius + 0.5 - np.linalg.norm(cells - at, axis=1), 0, 1)
            volume[z, y, x] += share.astype(np.float32) * (value - volume[z, y, x])
            radius = max(radius - 0.008, 0.5)


def brain(shape: Shape, seed: int = 0) -> F32:
    """A T1-weighted head, values 0 to about 1000: folded cortex, nuclei, vessels, scalp."""
    rng = np.random.default_rng(seed)
    z, y, x = _places(shape)
    radius = np.sqrt((x / 0.80) ** 2 + (y / 0.92) ** 2 + (z / 1.25) ** 2)
    folds = field(shape, 13, rng) + 0.5 * field(shape, 7, rng)
    grey, white = radius + 0.035 * folds < 0.93, radius + 0.085 * folds < 0.80
    skull, scalp, head = radius < 1.03, radius < 1.09, radius < 1.12
    out = np.zeros(shape, np.float32)
    out[head], out[scalp], out[skull] = 420, 860, 70
    out[radius < 0.97] = 190
    out[grey] = 500
    out[white] = 720
    wave = 0.05 * field(shape, 20, rng)
    horns = (np.abs(x) - 0.14 - 0.1 * np.abs(y)) ** 2 / 0.09**2 + (y + 0.05) ** 2 / 0.42**2
    nuclei = (np.abs(x) - 0.33) ** 2 / 0.13**2 + (y + 0.02) ** 2 / 0.24**2 + z**2 / 0.5**2
    out[(nuclei + wave < 1) & white] = 590
    out[(horns + z**2 / 0.6**2 + wave < 1) & white] = 170
    out[(np.abs(x) < 0.012) & (radius < 0.97) & (y < -0.1)] = 230  # between the halves
    vessels(out, 90, 930, grey, rng)
    vessels(out, 40, 330, white, rng)
    tissue = grey & (out > 300)
    fibres = field(shape, 4, rng, (1, 3, 1)) + field(shape, 3, rng, (2, 1, 1))
    out += tissue * (9 * fibres + 10 * field(shape, 9, rng))
    out += (scalp & ~skull) * 45 * field(shape, 5, rng)
    shade = 1 + 0.10 * x - 0.07 * y * y + 0.05 * z
    return np.maximum(softened(out * shade, 0.55), 0)


def belly(shape: Shape, seed: int = 0) -> F32:
    """A CT slab of the upper abdomen in Hounsfield units, contrast in the portal phase."""
    rng = np.random.default_rng(seed)
    z, y, x = _places(shape)
    bend = 0.03 * field(shape, 60, rng)

    def inside(cx: float, cy: float, rx: float, ry: float) -> NDArray[np.bool_]:
        return ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + bend + 0 * z < 1

    out = np.full(shape, -1000, np.float32)
    body, fat, wall = inside(0, 0, 0.9, 0.68), inside(0, 0, 0.885, 0.665), inside(0, 0, 0.78, 0.56)
    hollow = inside(0, 0, 0.72, 0.50)
    out[body], out[fat], out[wall], out[hollow] = 15, -105, 58, -95
    out += fat * 9 * field(shape, 7, rng) + (wall & ~hollow) * 11 * field(shape, 5, rng, (1, 1, 4))
    liver = inside(-0.33, -0.06, 0.37, 0.42) & hollow
    out[liver] = 108
    out += liver * (4 * field(shape, 4, rng) + 5 * field(shape, 11, rng))
    for size in (0.055, 0.035, 0.022, 0.014, 0.045, 0.018):
        cx, cy = -0.33 + 0.25 * rng.uniform(-1, 1), -0.06 + 0.28 * rng.uniform(-1, 1)
        lesion = ((x - cx) ** 2 + (y - cy) ** 2) / size**2 + (z - rng.uniform(-0.5, 0.5)) ** 2 / 0.4
        out[(lesion < 1) & liver] = rng.choice([60, 75, 88])
    vessels(out, 60, 175, liver, rng)
    out[inside(0.46, -0.02, 0.18, 0.26) & hollow] = 122
    for side in (-1, 1):
        kidney = inside(side * 0.38, 0.33, 0.14, 0.15) & hollow
        out[kidney] = 185
        out[inside(side * 0.37, 0.33, 0.075, 0.085) & kidney] = 120
    bowel = inside(0.12, -0.25, 0.16, 0.15) & hollow
    out[bowel] = 45
    out[inside(0.12, -0.25, 0.135, 0.125) & bowel] = 12
    out[inside(0.12, -0.30, 0.10, 0.06) & bowel] = -850
    out[inside(0.06, 0.12, 0.055, 0.055)] = 215
    out[inside(0.10, 0.14, 0.014, 0.010)] = 720  # lime in the aorta's wall
    bone, marrow = inside(0, 0.36, 0.15, 0.13), inside(0, 0.36, 0.13, 0.11)
    out[bone], out[marrow] = 560, 190
    out += marrow * 55 * field(shape, 3, rng)
    out[inside(0, 0.53, 0.025, 0.09)] = 480
    for angle in np.linspace(-2.9, 2.9, 14):
        cx, cy = 0.75 * np.sin(angle), -0.53 * np.cos(angle)
        out[inside(cx + 0.02 * rng.standard_normal(), cy, 0.045, 0.022)] = 520
    vessels(out, 50, 130, hollow & ~liver & (out < 0), rng)
    return softened(out, 0.6)


WATER = 0.0192  # linear attenuation per millimetre


def low_dose(
    truth: F32, photons: float, pixel: float, angles: int, rng: np.random.Generator
) -> F32:
    """A CT scan of `truth` (slices, rows, columns; Hounsfield units) with few photons.

    Poisson noise of `photons` per ray before the body, in parallel projections of every slice;
    filtered back projection (ramp and cosine window) makes it correlated and stronger in the middle
    and along the bones. `pixel` in millimetres. The truth itself is not blurred.
    """
    import cv2

    _, height, width = truth.shape
    edge = int(np.ceil(np.hypot(height, width)))
    ramp = np.abs(np.fft.rfftfreq(2 * edge)) * np.cos(np.pi * np.fft.rfftfreq(2 * edge))
    body = np.maximum(truth / 1000 + 1, 0) * np.float32(WATER * pixel)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    y, x = (y - (height - 1) / 2).ravel(), (x - (width - 1) / 2).ravel()
    noise: NDArray[Any] = np.zeros((len(truth), height * width), np.float32)
    for turn in np.arange(angles) * np.pi / angles:
        matrix = cv2.getRotationMatrix2D(
            ((width - 1) / 2, (height - 1) / 2), float(np.degrees(turn)), 1.0
        )
        matrix[:, 2] += (edge - width) / 2, (edge - height) / 2
        rays = np.stack([cv2.warpAffine(part, matrix, (edge, edge)).sum(0) for part in body])
        counts = np.maximum(rng.poisson(photons * np.exp(-rays)), 0.5)
        error = -np.log(counts / photons) - rays
        shaped = np.fft.irfft(np.fft.rfft(error, 2 * edge) * ramp, 2 * edge)[:, :edge]
        at = np.cos(turn) * x + np.sin(turn) * y + (edge - 1) / 2
        cell = np.clip(at.astype(np.int32), 0, edge - 2)
        share = (at - cell).astype(np.float32)
        shaped = shaped.astype(np.float32)
        noise += shaped[:, cell] * (1 - share) + shaped[:, cell + 1] * share
    scale = np.pi / angles / (WATER * pixel) * 1000
    return truth + (noise * np.float32(scale)).reshape(truth.shape)
