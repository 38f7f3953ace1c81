"""Prediction across bands: what it takes away without knowing the noise, and what it leaves."""

from __future__ import annotations

import numpy as np
import pytest

from core.cache import Cache
from core.desk import Desk
from core.image import Array, Image
from core.noise.model import PoissonGaussian
from core.recipe import Recipe, Step
from core.render import Renderer, assemble
from core.tiles import Region
from plugins.methods.across import Across, predictors

BANDS = 20
UNKNOWN = PoissonGaussian((0.0,), (1.0,))


def cube() -> Array:
    """Spectra mixed from three, (BANDS, 64, 72), values about 0 to 60."""
    y, x = np.mgrid[:64, :72] / 16.0
    maps = np.stack([2 + np.sin(x * y), (x > 2) * 1.5 + y, 1 + np.cos(3 * x)])
    spectra = np.random.default_rng(0).uniform(0, 6, (BANDS, 3))
    return np.einsum("bk,kyx->byx", spectra, maps).astype(np.float32)


def denoised(pixels: Array, axes: str, **settings: str) -> Array:
    image, desk = Image(pixels, axes), Desk(cache=Cache(1 << 26), threads=1)
    step = Step(Across.make(settings))
    renderer = Renderer(image, UNKNOWN, Recipe((step,)), desk)
    return assemble(renderer, Region.whole(*pixels.shape[-2:]))


def rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


@pytest.mark.parametrize("axes", ["byx", "qyx", "tyx"])
@pytest.mark.parametrize("sigma", [0.5, 5.0])
def test_noise_of_any_strength_goes(axes: str, sigma: float) -> None:
    """The noise model says 1, whatever it is."""
    clean = cube()
    noisy = clean + np.float32(sigma) * np.random.default_rng(1).standard_normal(
        clean.shape, np.float32
    )
    assert rms(denoised(noisy, axes) - clean) < 0.6 * sigma


def test_slices_come_one_at_a_time_and_share_what_is_learned() -> None:
    clean = np.stack([cube(), cube()[:, ::-1]], 1)
    noisy = clean + np.random.default_rng(1).standard_normal(clean.shape, np.float32)
    assert rms(denoised(noisy, "qzyx") - clean) < 0.6


def test_own_value_helps_where_the_noise_is_known() -> None:
    """One band has what no other has: it is lost without its own value, and mostly kept with it."""
    clean = cube()
    clean[7] = 40 * (np.indices((64, 72)).sum(0) % 12 < 6)
    noisy = clean + np.random.default_rng(1).standard_normal(clean.shape, np.float32)
    alone, mixed = (denoised(noisy, "byx", own=own)[7] - clean[7] for own in ("none", "measured"))
    assert rms(alone) > 5
    assert rms(mixed) < 1.1


def test_no_band_predicts_itself() -> None:
    values = np.random.default_rng(2).standard_normal((8, 500))
    found = predictors(np.cov(values), "none")
    np.testing.assert_allclose(np.diag(found), 0, atol=1e-6)


def test_few_bands_and_gaps_stay_as_they_are() -> None:
    few = cube()[:2]
    np.testing.assert_array_equal(denoised(few, "byx"), few)
    gaps = cube()
    gaps[:, 10:20, 10:20] = np.nan
    found = denoised(gaps, "byx")
    assert np.isnan(found[:, 12:18, 12:18]).all() and np.isfinite(found[:, 30:, 30:]).all()
