"""Precision: the numbers in which a method is computed here, chosen by timing and comparing them.

bfloat16 keeps 8 bits of each number: half the memory, and on processors that have it up to twice
as fast. Elsewhere it is emulated and slower, so that nothing but a trial tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.image import Array

FULL = "float32"
NAMES = FULL, "bfloat16", "float16"
EDGE = 256  # of the tile that is tried
SPAN = 10.0  # its values, in standard deviations of the noise: a picture with noise of 25 in 255
TOLERANCE = SPAN / 255  # that two precisions may differ at most, of the noise's standard deviation


@dataclass(frozen=True)
class Finding:
    """The precision to use on a device, and why, as a clause ("": there was no choice)."""

    name: str = FULL
    why: str = ""


def sample(planes: int, deep: tuple[int, ...] = (), edge: int = EDGE) -> Array:
    """(1, planes, *deep, edge, edge) of waves and edges in white noise of standard deviation 1."""
    y, x = np.mgrid[:edge, :edge].astype(np.float32)
    waves = 0.5 + 0.25 * np.sin(x * x / (4 * edge)) + 0.25 * ((x // 32 + y // 32) % 2)
    noise = np.random.default_rng(0).standard_normal((1, planes, *deep, edge, edge), np.float32)
    return np.ascontiguousarray(noise + np.float32(SPAN) * waves, np.float32)


def judged(
    seconds: Mapping[str, float], results: Mapping[str, Array], megapixels: float
) -> Finding:
    """The fastest precision whose result is that of float32 but for TOLERANCE."""
    apart = {name: float(np.abs(each - results[FULL]).max()) for name, each in results.items()}
    good = [name for name in results if np.isfinite(apart[name]) and apart[name] < TOLERANCE]
    best = min(good, key=lambda name: seconds[name])
    words = [f"{best} {seconds[best] / megapixels:.2g} s per megapixel"]
    for name in sorted(set(results) - {best}, key=lambda name: seconds[name]):
        far = "" if name in good else " but too far off"
        words.append(f"{name} {seconds[name] / megapixels:.2g} s{far}")
    return Finding(best, ", ".join(words))


def computing(device: str, name: str) -> AbstractContextManager[Any]:
    """Within it torch computes in that precision what it may; float32 is how it is anyway."""
    if name == FULL:
        return nullcontext()
    import torch

    return torch.autocast(torch.device(device).type, getattr(torch, name))


Attempt = Callable[[str], Array]  # the sample tile, denoised in a precision

__all__ = ["FULL", "NAMES", "Attempt", "Finding", "computing", "judged", "sample"]
