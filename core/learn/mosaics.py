"""Mosaics: pairs for a network that denoises and demosaics, from developed photographs.

What a camera saw is made from them backwards: linear light, less saturated colours, a lens's blur;
then its square root, where a sensor's noise is even. White balance makes the noise of red and blue
larger than green's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from core.develop.demosaic import as_f32
from core.image import Array, Cfa
from core.learn import evidence
from core.learn.patches import Patches
from core.learn.train import EDGE, Batch, Training
from core.ops import sites

RGGB = Cfa(((0, 1), (1, 2)))
XTRANS = Cfa(((1, 2, 1, 1, 0, 1), (0, 1, 0, 2, 1, 2), (1, 2, 1, 1, 0, 1),
              (1, 0, 1, 1, 2, 1), (2, 1, 2, 0, 1, 0), (1, 0, 1, 1, 2, 1)))  # fmt: skip
RIM = 13  # around a patch, for the interpolation
WIDE = EDGE + 2 * RIM  # a multiple of both periods
NOISIEST = 75 / 255  # of the square root of white
EXTRAS = 1 + 3  # besides the colours' noise: that of the measured sample, deviations of the colours
SAMPLE, TINY = 0.5 / 255, 0.05 / 255  # added to deviations
SAMPLES, DOUBTS = 0.5, 0.1  # shares of the loss
DOUBT = 0.05  # of sigma: the least that is believed a priori
REDDEST = 1.7  # square root of the strongest white balance
# Of usual sensors: how much of each colour's light the filters of the others let through.
CROSSTALK = np.linalg.inv([[1.75, -0.60, -0.15], [-0.20, 1.50, -0.30], [0.0, -0.45, 1.45]])
PLAIN = np.eye(3)


def seen(picture: Array, mixing: Array, blur: float = 0.0) -> Array:
    """(3, H, W) of a developed photograph, 0..1, to the square root of a camera's light."""
    import cv2

    low = picture / np.float32(12.92)
    high = ((picture + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    linear: Array = np.where(picture <= 0.04045, low, high)
    light: Array = np.einsum("ck,kyx->cyx", mixing.astype(np.float32), linear)
    if blur:
        light = np.stack([as_f32(cv2.GaussianBlur(plane, (0, 0), blur)) for plane in light])
    return np.sqrt(np.maximum(light, 0)).astype(np.float32)


class Mosaics:
    """Batches of interpolated mosaics: even steps Bayer, odd ones X-Trans, in every phase."""

    def __init__(self, pictures: Sequence[Array], seed: int) -> None:
        self._patches, self._seed = Patches(pictures, WIDE, seed), seed

    def batch(self, step: int, count: int) -> tuple[Array, Array, Array, Array]:
        """See Pairs.batch: square roots of light, sigma that of green."""
        rng = np.random.default_rng((self._seed, step, 1))
        cfa = (RGGB, XTRANS)[step % 2].shifted(*(int(n) for n in rng.integers(6, size=2)))
        pictures = self._patches.batch(step, count)[1]
        clean = np.stack([self._camera(picture, rng) for picture in pictures])
        sigma = NOISIEST * rng.uniform(0, 1, count) ** 2
        ratio = rng.uniform(1, REDDEST, (count, 3)) * [1, 0, 1] + [0, 1, 0]
        sigmas = (sigma[:, None] * ratio).astype(np.float32)
        return mosaicked(clean, cfa, sigmas, rng)

    def _camera(self, picture: Array, rng: np.random.Generator) -> Array:
        mixing = PLAIN + rng.uniform() * (CROSSTALK - PLAIN)
        return seen(picture, mixing, max(0.0, float(rng.uniform(-0.8, 0.8))))


def mosaicked(
    clean: Array, cfa: Cfa, sigmas: Array, rng: np.random.Generator, rim: int = RIM
) -> tuple[Array, Array, Array, Array]:
    """Interpolated and clean (N, 3, H, W) without `rim`, guide, sigma of green (N, 1, 1, 1).

    All side by side make one mosaic, as one call for all is what takes least time.
    """
    count, _, height, width = clean.shape
    colors = cfa.colors(height, width)
    chosen = colors[None, None].astype(np.intp)
    exact = np.take_along_axis(clean, np.broadcast_to(chosen, (count, 1, height, width)), 1)[:, 0]
    noise = rng.standard_normal(exact.shape, np.float32)
    noisy = exact + sigmas[:, colors] * noise
    # Steps of the interpolation are made for noise of 1.
    unit = np.maximum(sigmas[:, 1], np.float32(1 / 255))[:, None, None]
    row = (noisy / unit).transpose(1, 0, 2).reshape(height, count * width)
    guess = sites.colours(row, cfa).reshape(3, height, count, width).transpose(2, 0, 1, 3)
    inner = slice(rim, height - rim), slice(rim, width - rim)
    phase, size = cfa.shifted(rim, rim), (height - 2 * rim, width - 2 * rim)
    guides = np.stack([sites.guide(phase, row, *size) for row in sigmas])
    given = (guess * unit[:, None])[(..., *inner)]
    return (
        np.ascontiguousarray(given),
        np.ascontiguousarray(clean[(..., *inner)]),
        guides,
        sigmas[:, 1].reshape(-1, 1, 1, 1),
    )


class Developing(Training):
    """Training on mosaics."""

    share = 3 / sites.GUIDES  # one colour at each site
    extras = EXTRAS

    def loss(self, batch: Batch, parts: torch.Tensor) -> torch.Tensor:
        """See Training.loss: the colours', that of the measured samples, that of the deviations."""
        noisy, clean, guide, sigma = batch
        noise, own, raw = parts[:, :3], parts[:, 3:4], parts[:, 4:]
        error = noisy - noise - clean
        colors = (error / (sigma + self.floor)).square().mean()
        sites_sigma = F.pixel_shuffle(guide, sites.CELL)  # 0 where a colour was not measured
        here = (sites_sigma > 0).float()
        left = (noisy - own - clean) / (sites_sigma + SAMPLE)
        samples = (here * left).square().sum() / here.sum().clamp_min(1)
        told = evidence.loss(error, raw.abs() + TINY, DOUBT * sigma + TINY)
        return colors + SAMPLES * samples + DOUBTS * (told / (sigma + self.floor)).mean()

    def pairs(self, pictures: Sequence[Array]) -> Mosaics:
        """See Training.pairs."""
        return Mosaics(pictures, self.run.seed)

    def spoiled(self, clean: Array, level: float, seed: int) -> tuple[Array, Array, Array]:
        """See Training.spoiled: Bayer and X-Trans by turns, in all phases."""
        cfa = (RGGB, XTRANS)[seed % 2].shifted(seed // 2, seed // 3)
        clean = seen(clean[0], CROSSTALK)[None]
        rng = np.random.default_rng(seed)
        sigmas = np.asarray([[1.3 * level, level, 1.2 * level]], np.float32)
        given, clean, guide, _ = mosaicked(clean, cfa, sigmas, rng, RIM - 1)
        return given, clean, guide
