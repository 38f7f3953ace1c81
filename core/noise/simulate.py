"""Physically motivated sensor noise with known parameters: for samples, tests and benchmarks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.image import Cfa

Floats = NDArray[np.floating[Any]]


def sensor(
    signal: Floats,
    gain: float,
    read: float,
    rng: np.random.Generator,
    row: float = 0.0,
    quantise: float = 0.0,
    tukey_lambda: float | None = None,
    black: float | None = None,
    white: float | None = None,
) -> NDArray[np.float32]:
    """What a sensor would store for a noise-free `signal` above black, shape (..., H, W).

    `gain` stored units per electron (0: no shot noise); `read` standard deviation of the read
    noise, Gaussian or, with `tukey_lambda` (> -0.5), of the heavy-tailed Tukey lambda family;
    `row` sigma of one offset per row; `quantise` the step values are rounded to (0: none). `black`
    is added, and what then falls below 0 is clipped; `white` clips from above. Nothing is clipped
    where neither is given. Model: K. Wei et al., IEEE TPAMI 44(11), 2021.
    """
    if min(gain, read, row, quantise) < 0:
        raise ValueError("gain, noise and step must not be negative")
    out = np.array(signal, np.float64)
    if gain > 0:
        out = rng.poisson(np.maximum(out, 0) / gain) * gain + np.minimum(out, 0)
    if read > 0:
        out += read * _read_noise(out.shape, tukey_lambda, rng)
    if row > 0:
        out += row * rng.standard_normal((*out.shape[:-1], 1))
    if black is not None:
        out += black
    if quantise > 0:
        out = np.round(out / quantise) * quantise
    if black is not None or white is not None:
        out = np.clip(out, None if black is None else 0, white)
    return out.astype(np.float32)


def mosaic(rgb_linear: Floats, cfa: Cfa) -> NDArray[np.float32]:
    """Each site keeps its filter's colour: (C, H, W) linear channels in, (H, W) mosaic out."""
    if rgb_linear.ndim != 3 or len(rgb_linear) < len(cfa.names):
        raise ValueError(f"a mosaic of {cfa.names} needs an array of shape (C, H, W)")
    sites = cfa.colors(*rgb_linear.shape[1:])[None]
    return np.take_along_axis(rgb_linear, sites.astype(np.intp), axis=0)[0].astype(np.float32)


def _read_noise(
    shape: tuple[int, ...], shape_lambda: float | None, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Noise of standard deviation 1: Gaussian, or Tukey lambda by its quantile function."""
    if shape_lambda is None:
        return rng.standard_normal(shape)
    if shape_lambda <= -0.5:
        raise ValueError("the Tukey lambda must be above -0.5, or the noise has no variance")
    u = rng.uniform(np.finfo(np.float64).tiny, 1, shape)
    if abs(shape_lambda) < 1e-6:  # the limit: logistic
        return np.log(u / (1 - u)) * (math.sqrt(3) / math.pi)
    power = shape_lambda
    spread = 1 / (1 + 2 * power) - math.gamma(power + 1) ** 2 / math.gamma(2 * power + 2)
    sigma = math.sqrt(2 * spread) / abs(power)
    return (u**power - (1 - u) ** power) / (power * sigma)
