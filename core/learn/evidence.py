"""The evidence lower bound: a network that also says how far it may be from the truth.

The error of a pixel is normal with a variance that nobody knows; a priori it is inverse gamma, and
the network gives the scale of its posterior, which is inverse gamma, too. After Chen et al.,
"Joint demosaicking and denoising in the wild: the case of training under ground truth
uncertainty", AAAI 2021, with this difference: there the variance is that of the noise, which here
the noise model knows; here it is that of what the network leaves.
"""

from __future__ import annotations

import math

import torch

PRIOR, POSTERIOR = 1.0, 1.5  # shapes: one observation adds a half
FAR = 5.0  # deviations: errors beyond count as so many


def bound(error: torch.Tensor, deviation: torch.Tensor, least: torch.Tensor) -> torch.Tensor:
    """Minus the lower bound of the log likelihood of each error, same shape.

    `deviation`: what is told, above 0: the root of the variance's mean a posteriori; `least`: a
    priori, as strong as one observation. For errors of one variance the best deviation is the root
    of that variance plus least squared.
    """
    scale = deviation.square() * (POSTERIOR - 1)
    known = least.square() * (POSTERIOR - 1)
    weight = POSTERIOR / scale  # mean of 1 / variance
    digamma = float(torch.digamma(torch.tensor(POSTERIOR)))
    data = 0.5 * (math.log(2 * math.pi) + scale.log() - digamma + weight * error.square())
    return data + divergence(scale, known)


def divergence(scale: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
    """Kullback and Leibler's, of the posterior from the prior, by their scales."""
    digamma = float(torch.digamma(torch.tensor(POSTERIOR)))
    fixed = (POSTERIOR - PRIOR) * digamma - math.lgamma(POSTERIOR) + math.lgamma(PRIOR)
    return fixed + PRIOR * (scale.log() - prior.log()) + POSTERIOR * (prior - scale) / scale


def loss(error: torch.Tensor, deviation: torch.Tensor, least: torch.Tensor) -> torch.Tensor:
    """`bound` for training: each pixel counts as much as its deviation, the error only teaches
    that (beta-NLL: Seitzer et al., ICLR 2022), and an outlier as FAR deviations."""
    weight = deviation.detach()
    known = error.detach().abs().minimum(FAR * weight)
    return weight * bound(known, deviation, least)
