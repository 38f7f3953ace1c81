"""Developed photographs: pairs whose noise is what a camera's own work and JPEG leave of it.

White noise is smeared as demosaicing does it, more in colour than in brightness, made stronger at
some brightness than at others, smoothed again where a camera finds nothing, sharpened, rounded and
compressed. The guide is how strong that noise is, in the number that `core.noise.developed` tells.
Everything is drawn from ranges; no camera is meant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from core.develop.demosaic import as_f32
from core.image import Array
from core.learn.patches import BENT, FLAT, KEPT
from core.learn.train import EDGE, Training
from core.noise.spectrum import EDGE as EIGHT
from core.noise.spectrum import cosines
from core.ops.planes import basis

WIDE = 448  # pixels along a picture: enough to measure
POOL, USED = 24, 64  # pictures that are cut up together, for so many batches
NOISIEST = 25 / 255  # root mean square of the noise
CLEAN = 0.03  # share of pictures without noise
WIDTHS = 0.3, 5.0  # pixels, of colour noise: cameras smooth it most, and files hold it at half size
SPREAD = 0.1  # of what is measured, as a logarithm
KNOTS = 6  # of the curve of noise by brightness
OPPONENT = basis((0, 1, 2))[0].astype(np.float32)  # rows: luma, two of chroma


class Developed:
    """Batches from pictures that were spoiled as a whole."""

    def __init__(self, pictures: Sequence[Array], seed: int) -> None:
        self._pictures = [p for p in pictures if min(p.shape[1:]) >= EDGE]
        if not self._pictures:
            raise ValueError(f"There is no photograph of at least {EDGE} x {EDGE} pixels.")
        self._share = np.array([min(p.shape[1] * p.shape[2], 4 * WIDE**2) for p in self._pictures])
        self._seed, self._at, self._pool = seed, -1, list[tuple[Array, Array, Array]]()

    def batch(self, step: int, count: int) -> tuple[Array, Array, Array, Array]:
        """See Pairs.batch: in 0..1; sigma is the root mean square of a picture's noise."""
        if step // USED != self._at:
            self._at = step // USED
            rng = np.random.default_rng((self._seed, self._at, 0))
            self._pool = [spoiled(self._picture(rng), rng) for _ in range(POOL)]
        rng = np.random.default_rng((self._seed, step, 1))
        taken = [self._pool[at % POOL] for at in range(count)]
        patches = [_patch(noisy, clean, rng) for noisy, clean, _ in taken]
        noisy, clean = (np.stack(each) for each in zip(*patches, strict=True))
        guides = np.stack([guide for _, _, guide in taken])
        sigma = np.array([np.sqrt(np.mean((n - c) ** 2)) for n, c, _ in taken], np.float32)
        return noisy, clean, guides, sigma.reshape(-1, 1, 1, 1)

    def _picture(self, rng: np.random.Generator) -> Array:
        picture: Array = self._pictures[
            rng.choice(len(self._share), p=self._share / self._share.sum())
        ]
        edges = [min(int(size), WIDE) for size in picture.shape[1:]]
        y, x = (
            int(rng.integers(int(s) - e + 1)) for s, e in zip(picture.shape[1:], edges, strict=True)
        )
        found = picture[:, y : y + edges[0], x : x + edges[1]] * np.float32(1 / 255)
        if rng.random() < BENT:
            found = found ** np.float32(np.exp(0.3 * rng.standard_normal()))
        return found


def _patch(noisy: Array, clean: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """The same part of both, turned and mirrored."""
    while True:
        y, x = (int(rng.integers(int(size) - EDGE + 1)) for size in noisy.shape[1:])
        part = clean[:, y : y + EDGE, x : x + EDGE]
        if rng.random() < 2 * KEPT or float(np.std(part)) * 255 >= FLAT:
            break
    turns, mirrored = int(rng.integers(4)), bool(rng.random() < 0.5)

    def cut(picture: Array) -> Array:
        found: Array = np.rot90(picture[:, y : y + EDGE, x : x + EDGE], turns, (1, 2))
        return np.ascontiguousarray(found[:, :, ::-1] if mirrored else found)

    return cut(noisy), cut(clean)


def spoiled(
    picture: Array, rng: np.random.Generator, level: float | None = None
) -> tuple[Array, Array, Array]:
    """Noisy and clean (3, H, W) and the guide (1, 1, 1) of a picture in 0..1.

    `level`: of its noise; None: drawn, as all else is.
    """
    clean = _soft(picture, max(0.0, float(rng.uniform(-0.3, 1.8))))
    if level is None:
        level = NOISIEST * float(rng.uniform()) ** 2 * (rng.random() >= CLEAN)
    grey = rng.random() < 0.05
    if grey:
        clean = np.repeat(clean.mean(0, keepdims=True), 3, 0)
    noise = _noise(clean, level, rng, grey)
    if rng.random() < 0.25:  # sharpened: the picture and its noise
        amount, width = np.float32(rng.uniform(0.1, 1.0)), float(rng.uniform(0.6, 1.5))
        clean, noise = (each + amount * (each - _soft(each, width)) for each in (clean, noise))
        noise *= np.float32(level / max(float(np.sqrt(np.mean(noise**2))), 1e-9))
    stored = np.rint(255 * np.clip(clean + noise, 0, 1)).astype(np.uint8)
    if rng.random() < 0.7:
        quality = round(100 - 20 * float(rng.uniform()) ** 2)
        stored = _compressed(stored, quality, bool(rng.random() < 0.5))
    return (
        stored * np.float32(1 / 255),
        clean,
        guide(stored * np.float32(1 / 255) - clean, rng),
    )


def guide(noise: Array, rng: np.random.Generator) -> Array:
    """How strong noise (3, H, W) is, nearly: white noise that is as strong at two half waves a
    block of its luma, which is what `core.noise.developed` tells. (1, 1, 1)."""
    luma = noise.sum(0) / np.float32(3**0.5)
    height, width = (size // EIGHT * EIGHT for size in luma.shape)
    blocks = luma[:height, :width].reshape(height // EIGHT, EIGHT, width // EIGHT, EIGHT)
    basis = cosines().astype(np.float32)
    power = np.square(np.einsum("ky,aybx,lx->abkl", basis, blocks, basis)).mean((0, 1))
    at = np.arange(EIGHT)
    two = np.rint(np.hypot(at[:, None], at)) == 2
    level = np.sqrt(power[two].mean()) * np.exp(SPREAD * rng.standard_normal())
    return np.full((1, 1, 1), level, np.float32)


def _noise(clean: Array, level: float, rng: np.random.Generator, grey: bool) -> Array:
    """Noise (3, H, W) of root mean square `level`."""
    shape = clean.shape[1:]
    least, most = (math.log(width) for width in WIDTHS)
    wide = math.exp(rng.uniform(least, most))
    widths = rng.uniform(-0.1, 0.8), wide, wide
    strengths = 1.0, *(rng.uniform(0.1, 0.9, 2) * (not grey))
    planes = [_grain(shape, float(w), rng) * np.float32(s)
              for w, s in zip(widths, strengths, strict=True)]  # fmt: skip
    if rng.random() < 0.15:
        coarse, share = float(rng.uniform(1.0, 3.0)), np.float32(rng.uniform(0, 0.4))
        planes = [p + share * np.float32(s) * _grain(shape, coarse, rng)
                  for p, s in zip(planes, strengths, strict=True)]  # fmt: skip
    noise: Array = np.einsum("pc,pyx->cyx", OPPONENT, np.stack(planes))
    luma: Array = clean.mean(0)
    places: list[float] = np.linspace(0, 1, KNOTS).tolist()
    curve: list[float] = np.exp(0.15 * rng.standard_normal(KNOTS)).tolist()
    noise = noise * np.interp(luma, places, curve).astype(np.float32)
    if rng.random() < 0.1:
        noise = _calmed(luma, noise, rng)
    return noise * np.float32(level / max(float(np.sqrt(np.mean(noise**2))), 1e-9))


def _calmed(luma: Array, noise: Array, rng: np.random.Generator) -> Array:
    """Noise that is smoothed where the picture is flat, as cameras do it."""
    spread = float(np.sqrt(np.mean(noise**2))) * 0.02 + float(rng.uniform(0.005, 0.04))
    detail = np.square(luma - _soft(luma[None], 2.0)[0])[None]
    busy = _soft(detail, 2.0)
    keep = busy / (busy + np.float32(spread**2))
    weak = np.float32(rng.uniform(0.4, 1.2))  # 1: coarse noise stays as strong, fine noise goes
    return keep * noise + (1 - keep) * weak * _soft(noise, float(rng.uniform(0.5, 1.5)))


def _grain(shape: tuple[int, ...], width: float, rng: np.random.Generator) -> Array:
    """Noise of deviation 1 as wide as a Gaussian of `width` pixels, (H, W)."""
    grain = _soft(rng.standard_normal((1, *shape), np.float32), width)[0]
    return grain / np.float32(np.std(grain))


def _soft(planes: Array, width: float) -> Array:
    if width < 0.2:
        return planes
    return np.stack([as_f32(cv2.GaussianBlur(plane, (0, 0), width)) for plane in planes])


def _compressed(stored: Array, quality: int, halved: bool) -> Array:
    """Bytes (3, H, W) through a JPEG file; `halved`: its colours at half the size."""
    kind = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420 if halved else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, kind]
    _, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(stored.transpose(1, 2, 0)[..., ::-1]), settings
    )
    found: Any = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    return np.ascontiguousarray(found.transpose(2, 0, 1))


class Finishing(Training):
    """Training on developed photographs."""

    levels = 4 / 255, 8 / 255, 16 / 255
    floor = 4 / 255

    def pairs(self, pictures: Sequence[Array]) -> Developed:
        """See Training.pairs."""
        return Developed(pictures, self.run.seed)

    def spoiled(self, clean: Array, level: float, seed: int) -> tuple[Array, Array, Array]:
        """See Training.spoiled."""
        noisy, truth, found = spoiled(clean[0], np.random.default_rng(seed), level)
        return noisy[None], truth[None], found[None]
