"""Echoes shown as B-mode: envelope and logarithm. A matter of the view, as all of develop is.

Pixels of kind "rf" are echoes as they came in, along y (depth): a wave, or its two parts I and Q as
channels. What the eye wants is the wave's strength, in decibels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.image import Array, Image

F32 = NDArray[np.float32]
HALO = 64  # samples of depth that the analytic signal needs above and below: some twenty waves
FAINT = 1e-30  # magnitude: no logarithm of nothing
ROOM = (-200.0, 40.0)  # dB around the strongest echo that a store holds


def echoes(image: Image) -> bool:
    """Is it to be shown as B-mode?"""
    return image.kind == "rf"


def quadrature(image: Image) -> bool:
    """Are its two channels I and Q?"""
    return "c" in image.axes and image.pixels.shape[image.axes.index("c")] == 2


def depth_halo(image: Image) -> int:
    """Rows that develop needs above and below a region of it."""
    return HALO if echoes(image) and not quadrature(image) else 0


def strength(rf: Array, axis: int = -2) -> F32:
    """Magnitude of the analytic signal along `axis`, which is depth; the shape of `rf`, float32.

    The analytic signal has no negative frequencies: its imaginary part is the Hilbert transform.
    """
    wave = _finite(rf)
    length = wave.shape[axis]
    spectrum = np.fft.rfft(wave, axis=axis)
    spectrum *= -1j
    ends = np.moveaxis(spectrum, axis, 0)
    ends[0] = 0  # what does not swing has no quarter-wave shift
    if length % 2 == 0:
        ends[-1] = 0
    shifted = np.fft.irfft(spectrum, length, axis=axis)
    return np.hypot(wave, shifted).astype(np.float32)


def magnitude(iq: Array) -> F32:
    """Of (2, ..., y, x) pixels, I and Q: (..., y, x), float32."""
    parts = _finite(iq)
    return np.hypot(parts[0], parts[1])


def decibels(strength: Array) -> F32:
    """20 log10 of a magnitude."""
    return 20 * np.log10(np.maximum(strength, np.float32(FAINT)))


def faded(rf: Array) -> F32:
    """(y, x) waves that fade in and out over the halo, so that no edge rings into the region."""
    wave = _finite(rf).copy()
    ramp = np.sin(np.linspace(0, np.pi / 2, HALO, dtype=np.float32))[:, None] ** 2
    wave[:HALO] *= ramp
    wave[-HALO:] *= ramp[::-1]
    return wave


def detected(pixels: Array, image: Image) -> F32:
    """The strength of echoes, (y, x): of (y, x) waves or (2, y, x) I and Q."""
    return magnitude(pixels) if quadrature(image) else strength(pixels)


def strongest(image: Image, most: int = 1_000_000) -> float:
    """dB of the strongest echoes: the top thousandth of samples from all over the image."""
    shape, axes = image.pixels.shape, image.axes
    few = [slice(None) if a == "c" else slice(0, 1) if n < 3 else slice(n // 2, n // 2 + 1)
           for a, n in zip(axes[:-2], shape[:-2], strict=True)]  # fmt: skip
    step = max(-(-shape[-1] * shape[-2] // most), 1)
    picked = np.asarray(image.samples[(*few, slice(None), slice(None, None, step))])
    picked = picked.reshape((2, *shape[-2:-1], -1) if quadrature(image) else (shape[-2], -1))
    found = detected(picked, image)
    return float(decibels(np.percentile(found, 99.9, keepdims=True)).max())


def window(top: float, dynamic_range: float, gain: float) -> tuple[float, float]:
    """dB shown black and white: `gain` lifts all echoes, `dynamic_range` lies between the two."""
    return top - gain - max(dynamic_range, 1.0), top - gain


def compression(shown: tuple[float, float], extent: tuple[float, float]) -> tuple[float, float]:
    """Dynamic range and gain of a window in dB, as `window` takes them."""
    low, high = sorted(shown)
    return high - low, extent[0] - ROOM[0] - high


def _finite(values: Array) -> F32:
    return np.nan_to_num(np.asarray(values, np.float32), posinf=0.0, neginf=0.0)
