"""Medians of many numbers, several times faster than numpy.median."""

from __future__ import annotations

import numpy as np

from core.image import Array


def median(values: Array, axis: int = -1) -> Array:
    """Medians along an axis of an array without NaN, in its type; of an even count a mean of two.

    numpy.median asks for three ranks, one of them to find NaN; one rank lets numpy use vectors.
    """
    last = np.ascontiguousarray(np.moveaxis(values, axis, -1))
    half = last.shape[-1] // 2
    parts = np.partition(last, half, -1)
    upper = parts[..., half]
    if last.shape[-1] % 2:
        return upper
    return (upper + parts[..., :half].max(-1)) / 2
