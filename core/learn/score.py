"""Noise2Score: a network that learns from noisy images alone, whatever their noise.

What a sensor, photons or speckle gave is made an image with Gaussian noise of 1; of such images the
network learns the score, the slope of their log density, and Tweedie's formula turns that into the
denoised image, one formula for each law. K. Kim and J. C. Ye, NeurIPS 2021, with two differences.
There the score is that of the stored values; here it is that of the stabilised ones, so that one
network meets one kind of noise. There the score is learned by taking off ever fainter further noise
(AR-DAE: Lim et al., ICML 2020), whose gradients are ever noisier; here that noise is as strong as
what is there, and the network, which is told how strong, is asked for the score without it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from core.image import Array
from core.learn.patches import Pairs, Patches
from core.learn.train import EDGE, Training

FURTHER = 0.7, 1.2  # noise that is added to learn, of the noise that is there
DITHER = 0.7  # photons: less, and the counts would be seen as ripples of the density
LIFT = 2.5  # photons, before the square root, which is too steep where there are none
DARKEST = 0.02  # speckle is proportional to the signal: of no signal nothing can be learned
LEVELS = (5 / 255, 55 / 255), (0.005, 0.1), (30.0, 150.0)  # that are learned, law by law

Name = Literal["gaussian", "poisson", "gamma"]
NAMES: tuple[Name, ...] = ("gaussian", "poisson", "gamma")


@dataclass(frozen=True)
class Law:
    """How an image became noisy. `level`: sigma; the value of one photon; looks of speckle."""

    name: Name
    level: float

    def spoiled(self, clean: Array, random: np.random.Generator) -> Array:
        """The clean image with noise of this law, same shape."""
        if self.name == "gaussian":
            return clean + self.level * random.standard_normal(clean.shape)
        if self.name == "poisson":
            return self.level * random.poisson(clean / self.level)
        return clean * random.gamma(self.level, 1 / self.level, clean.shape)

    def stabilised(self, noisy: Array, random: np.random.Generator) -> Array:
        """With noise of 1, as good as Gaussian, float32; counts are dithered."""
        if self.name == "gaussian":
            found = noisy / self.level
        elif self.name == "poisson":
            counts = noisy / self.level + DITHER * random.standard_normal(noisy.shape)
            found = 2 * np.sqrt(np.maximum(counts + LIFT, DITHER**2))
        else:
            found = math.sqrt(self.level) * np.log(np.maximum(noisy, 1e-6))
        return found.astype(np.float32)

    def restored(self, value: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
        """Tweedie's formula: the expected clean image, from stabilised values and their score.

        Gaussian: the mean a posteriori. Photons: the same, less half of the variance a posteriori
        over the mean, as the score at a count stands for the step to the next one. Speckle: the
        harmonic mean.
        """
        if self.name == "gaussian":
            return self.level * (value + score)
        if self.name == "poisson":
            counts = value * value / 4 - LIFT
            slope = (2 * score / value - 2 / (value * value)).clamp(-3, 3)  # by counts, not roots
            return self.level * (counts + 0.5 + DITHER**2 * slope).clamp_min(0) * slope.exp()
        root = math.sqrt(self.level)
        return (value / root).exp() / (1 - score / root).clamp_min(0.2)

    def deviation(self, clean: torch.Tensor) -> torch.Tensor:
        """Of the noise, where the clean image is so."""
        if self.name == "gaussian":
            return torch.full_like(clean, self.level)
        if self.name == "poisson":
            return (self.level * clean).sqrt()
        return clean / math.sqrt(self.level)


def slope(net: torch.nn.Module, value: torch.Tensor) -> torch.Tensor:
    """The score of stabilised values (N, C, H, W) that a network tells (core.ops.unet.UNet)."""
    return net(value, torch.ones((1, 1, 1, 1), device=value.device)) - value


class Laws:
    """Pairs of noisy patches and of the same with further noise; each batch has one law and level.

    After R. Pang et al., CVPR 2021: with u of variance 1, v + a u has noise that v - u / a has not,
    where v has Gaussian noise of 1. Nothing of the clean patches goes into them but the noisy ones.
    """

    def __init__(self, pictures: Sequence[Array], seed: int) -> None:
        self._patches, self._seed = Patches(pictures, EDGE, seed), seed

    def law(self, step: int) -> Law:
        """Of a batch."""
        random = np.random.default_rng((self._seed, step, 2))
        index = int(random.integers(len(NAMES)))
        low, high = (math.log(level) for level in LEVELS[index])
        return Law(NAMES[index], math.exp(random.uniform(low, high)))

    def patches(self, step: int, count: int) -> tuple[Array, Array]:
        """Noisy and stabilised, and clean."""
        random, law = np.random.default_rng((self._seed, step, 3)), self.law(step)
        clean = self._patches.batch(step, count)[1] * np.float32(1 - DARKEST) + np.float32(DARKEST)
        return law.stabilised(law.spoiled(clean, random), random), clean

    def batch(self, step: int, count: int) -> tuple[Array, Array, Array, Array]:
        """See Pairs.batch: what takes the clean patches' place is noisy, too."""
        random = np.random.default_rng((self._seed, step, 4))
        value = self.patches(step, count)[0]
        share = random.uniform(*FURTHER, (count, 1, 1, 1)).astype(np.float32)
        further = random.standard_normal(value.shape, np.float32)
        guide, sigma = np.sqrt(1 + share**2), np.sqrt(1 + share**-2)
        return value + share * further, value - further / share, guide, sigma


class Alone(Training):
    """Learns the score from noisy images alone."""

    def pairs(self, pictures: Sequence[Array]) -> Pairs:
        """See Training.pairs."""
        return Laws(pictures, self.run.seed)
