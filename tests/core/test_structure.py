"""The verdict on what was removed: silent about noise, loud about outlines."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from core.image import Cfa, Image, Levels
from core.measure import Statistics, statistics
from core.noise.measured import Pattern
from core.noise.model import PoissonGaussian
from core.structure import ONLY_NOISE, SOME, STRUCTURE, outlines
from core.tiles import Region

SHAPE = (200, 220)


def scene(seed: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Discs over slow waves, 20 to 220."""
    rng = np.random.default_rng(seed + 1000)
    y, x = np.mgrid[: shape[0], : shape[1]]
    found = 100 + 40 * np.sin(x / rng.uniform(3, 30)) * np.cos(y / rng.uniform(3, 30))
    for _ in range(20):
        cy, cx, radius = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(4, 50)
        found = np.where((y - cy) ** 2 + (x - cx) ** 2 < radius**2, rng.uniform(20, 220), found)
    return found.astype(np.float32)


def judged(
    noisy: np.ndarray, after: np.ndarray, read: float, pattern: Pattern | None = None,
    gain: float = 0.0, cfa: Cfa | None = None,
) -> Statistics:  # fmt: skip
    image = Image(noisy, "yx", "mosaic" if cfa else "array", Levels(), cfa)
    noise = PoissonGaussian((gain,) * 3, (read,) * 3)
    return statistics(noisy, after, image, Region.whole(*noisy.shape), noise, pattern)


def test_noise_is_no_outline_in_99_of_100_pictures() -> None:
    """The threshold's promise: white noise taken from pictures that are left as they were."""
    alarms = 0
    for seed in range(100):
        noise = np.random.default_rng(seed).normal(0, 1, SHAPE).astype(np.float32)
        alarms += any(outlines(noise, scene(seed) / np.float32(8) + noise))
    assert alarms <= 1


@pytest.mark.parametrize("kind", ["grey", "photons", "bayer"])
def test_noise_of_every_kind_is_only_noise(kind: str) -> None:
    gain, read = (1.0, 2.0) if kind == "photons" else (0.0, 8.0)
    cfa = Cfa(((0, 1), (1, 2))) if kind == "bayer" else None
    for seed in range(3):
        clean = scene(seed)
        sigma = np.sqrt(gain * clean + read**2)
        noisy = clean + np.random.default_rng(seed).normal(0, 1, SHAPE).astype(np.float32) * sigma
        found = judged(noisy.astype(np.float32), clean, read, None, gain, cfa)
        assert found.verdict == ONLY_NOISE, (seed, found.why)


def test_outlines_far_below_the_noise_are_found() -> None:
    """Edges less steep than they were: the loss is half of the noise's sigma, next to edges."""
    for seed in range(3):
        clean = scene(seed, (400, 420))
        lost = np.clip(clean - ndimage.gaussian_filter(clean, 1.0), -4, 4)
        noisy = clean + np.random.default_rng(seed).normal(0, 8, clean.shape).astype(np.float32)
        found = judged(noisy, clean - lost.astype(np.float32), 8.0)
        assert found.verdict in (SOME, STRUCTURE), seed
        assert "outlines" in found.why
        blurred = ndimage.gaussian_filter(noisy, 1.0)
        assert judged(noisy, blurred, 8.0).verdict == STRUCTURE


def test_correlated_noise_is_no_structure_where_it_is_known() -> None:
    rng, clean = np.random.default_rng(3), scene(3)
    kernel = np.array([1, 2, 1]) / np.sqrt(6)
    grain = ndimage.convolve1d(ndimage.convolve1d(rng.normal(0, 8, SHAPE), kernel, 0), kernel, 1)
    noisy = (clean + grain).astype(np.float32)
    line = np.array([1, 2 / 3, 1 / 6, 0, 0])
    pattern = Pattern(tuple(tuple(float(v) for v in row) for row in np.outer(line, line)))
    assert judged(noisy, clean, 8.0).verdict == STRUCTURE
    assert judged(noisy, clean, 8.0, pattern).verdict == ONLY_NOISE
