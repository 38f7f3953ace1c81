"""The further methods of cubes: as good as their papers ask on all noises, whatever the tiles."""

from __future__ import annotations

import numpy as np
import pytest

from core.cache import Cache
from core.desk import Desk
from core.image import Array, Image
from core.method import Method
from core.noise.model import PoissonGaussian
from core.ops import tv, wavelet
from core.recipe import Recipe, Step
from core.registry import load
from core.render import Renderer, assemble
from core.tiles import Region
from resources.samples import spectral

EDGE, BANDS = 72, 48
NOISE = PoissonGaussian((0.0,), (0.1,))


@pytest.fixture(scope="module")
def clean() -> Array:
    found = spectral.truth(EDGE, EDGE, BANDS)
    return found / found.max()


def denoised(method: Method, pixels: Array, tile: int = 0) -> Array:
    image, desk = Image(pixels, "byx", "cube"), Desk(cache=Cache(1 << 26), threads=1, tile=tile)
    renderer = Renderer(image, NOISE, Recipe((Step(method),)), desk)
    return assemble(renderer, Region.whole(*pixels.shape[-2:]))


def decibels(found: Array, truth: Array) -> float:
    return float(np.mean(-10 * np.log10(np.mean((found - truth) ** 2, (1, 2), dtype=float))))


@pytest.mark.parametrize(("name", "more"), [("otvca", 2.7), ("wsrrr", 2.6), ("hyres", 1.6)])
def test_ahead_of_the_true_subspace_on_all_noises(clean: Array, name: str, more: float) -> None:
    method = load().methods[name]()
    found, noisy = clean, clean
    harder: dict[spectral.NoiseKind, float] = {"iid": 0.0, "noniid": 0.0, "mixed": 1.0}
    for kind, extra in harder.items():
        noisy, sigmas = spectral.noisy(clean, kind, 2)
        flat = (noisy.reshape(BANDS, -1) / sigmas[:, None]).astype(float)
        true = np.linalg.svd(clean.reshape(BANDS, -1).astype(float), full_matrices=False)[0][:, :6]
        share = np.linalg.lstsq(true / sigmas[:, None], flat, rcond=None)[0]
        known = decibels((true @ share).reshape(clean.shape), clean)
        found = denoised(method, noisy)
        assert decibels(found, clean) > known + more + extra
    np.testing.assert_allclose(denoised(method, noisy, 32), found, rtol=0, atol=3e-5)


def test_wavelets_give_back_what_they_got_and_know_noise() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((1, 150, 170)).astype(np.float32)
    nothing = np.zeros((1, wavelet.LEVELS, wavelet.BANDS))
    inner = np.s_[:, wavelet.REACH : -wavelet.REACH, wavelet.REACH : -wavelet.REACH]
    same = wavelet.shrink(noise, nothing, lambda: None)
    np.testing.assert_allclose(same[inner], noise[inner], atol=1e-5)
    limits = wavelet.thresholds(wavelet.histogram(noise, lambda: None))
    assert (limits[:, :2] > 2).all()
    assert wavelet.shrink(noise, limits, lambda: None)[inner].std() < 0.1
    scene = 40 * np.sin(np.arange(170) / 2, dtype=np.float32) + noise
    assert wavelet.thresholds(wavelet.histogram(scene, lambda: None))[0, 0, 1] < 1


def test_total_variation_is_as_strong_as_the_picture_allows() -> None:
    rng = np.random.default_rng(0)
    steps = 8.0 * (np.arange(96) // 24 % 2) * np.ones((96, 1))
    clean = np.stack([steps, 30 * rng.standard_normal((96, 96))]).astype(np.float32)
    noisy = clean + rng.standard_normal(clean.shape, np.float32)
    weights = tv.weights([noisy], lambda: None)
    assert weights[0] > 0.6 > weights[1] == min(tv.WEIGHTS)
    rest = tv.denoise(noisy, weights.tolist(), lambda: None) - clean
    assert rest[0].std() < 0.2
