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


def magnitude(
    signal: Floats, scale: float, rng: np.random.Generator, coils: int = 1, averages: int = 1
) -> NDArray[np.float32]:
    """What an MR scanner stores for a true `signal`, any shape: Rician, or noncentral chi.

    Complex noise of `scale` per part in each of `coils` receivers, the root of the sum of squares,
    the mean of `averages` such images. For `signal` given as the root of the sum over the coils.
    Model: H. Gudbjartsson and S. Patz, Magn. Reson. Med. 34, 1995.
    """
    if scale < 0 or coils < 1 or averages < 1:
        raise ValueError("the noise is not negative, coils and averages are at least 1")
    total = np.zeros(np.shape(signal), np.float64)
    for _ in range(averages):
        squares = np.square(signal + scale * rng.standard_normal(total.shape))
        squares += scale**2 * rng.chisquare(2 * coils - 1, total.shape)
        total += np.sqrt(squares)
    return (total / averages).astype(np.float32)


def speckle(
    signal: Floats,
    looks: float,
    rng: np.random.Generator,
    envelope: bool = False,
    size: tuple[float, float] = (0.0, 0.0),
) -> NDArray[np.float32]:
    """Intensities (or envelopes) of mean `signal`, shape (..., H, W), under speckle of `looks`.

    `size` is the standard deviation in pixels, along y and x, of the Gaussian pulse that correlates
    it; then `looks` is a whole number. Model: J. Goodman, J. Opt. Soc. Am. 66, 1976.
    """
    if looks <= 0 or min(size) < 0 or (max(size) > 0 and looks != int(looks)):
        raise ValueError("looks are more than 0, and whole where the speckle is correlated")
    shape = np.shape(signal)
    if max(size) > 0:
        power = np.zeros(shape, np.float64)
        for _ in range(2 * int(looks)):
            power += np.square(correlated(shape, size, rng)) / (2 * looks)
    else:
        power = rng.gamma(looks, 1 / looks, shape)
    if envelope:
        power = np.sqrt(power) / math.exp(math.lgamma(looks + 0.5) - math.lgamma(looks))
        power *= math.sqrt(looks)
    return (np.asarray(signal, np.float64) * power).astype(np.float32)


def log_speckle(
    signal: Floats,
    scale: float,
    rng: np.random.Generator,
    size: tuple[float, float] = (0.0, 0.0),
) -> NDArray[np.float32]:
    """B-mode: log-compressed envelopes of mean `signal`, (..., H, W), standard deviation `scale`.

    Fully developed (Rayleigh) speckle, correlated by a pulse of `size`; see `speckle`.
    """
    factor = speckle(np.ones(np.shape(signal)), 1, rng, True, size).astype(np.float64)
    logs = np.log(np.maximum(factor, 1e-30)) + 0.5772156649 / 2 + math.log(math.sqrt(math.pi) / 2)
    return (signal + scale * logs * (math.sqrt(24) / math.pi)).astype(np.float32)


def cube(
    signal: Floats,
    sigma: Floats,
    rng: np.random.Generator,
    stripes: float = 0.0,
    impulses: float = 0.0,
    dead: int = 0,
) -> NDArray[np.float32]:
    """Bands (B, H, W) with Gaussian noise of a `sigma` each, (B,).

    In every third band `stripes` is the standard deviation, in sigmas, of offsets of a tenth of
    the columns; a share `impulses` of its pixels takes any value of the band; `dead` columns are 0.
    """
    out = np.array(signal, np.float64)
    bands, height, width = out.shape
    levels = np.broadcast_to(np.asarray(sigma, np.float64), (bands,))
    out += levels[:, None, None] * rng.standard_normal(out.shape)
    for band in range(0, bands, 3):
        columns = rng.permutation(width)
        if stripes > 0:
            hit = columns[: max(width // 10, 1)]
            out[band][:, hit] += stripes * levels[band] * rng.standard_normal(len(hit))
        if impulses > 0:
            hit = rng.random((height, width)) < impulses
            low, high = out[band].min(), out[band].max()
            out[band][hit] = rng.uniform(low, high, np.count_nonzero(hit))
        if dead > 0:
            out[band][:, columns[-dead:]] = 0
    return out.astype(np.float32)


def correlated(
    shape: tuple[int, ...], size: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Gaussian noise of variance 1, (..., H, W), smoothed by a Gaussian pulse of `size` (y, x).

    Around the edges, too: it is periodic.
    """
    reply = [
        np.exp(-2 * (math.pi * s * np.fft.fftfreq(n)) ** 2)
        for n, s in zip(shape[-2:], size, strict=True)
    ]
    gain = reply[0][:, None] * reply[1][None, :]
    waves = np.fft.ifft2(np.fft.fft2(rng.standard_normal(shape)) * gain).real
    return waves / math.sqrt(float(np.mean(gain**2)))
