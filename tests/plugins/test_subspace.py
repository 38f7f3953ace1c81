"""The spectral subspace: ahead on all three noises, whatever the tiles, gaps and bad bands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.cache import Cache
from core.choose import choose
from core.desk import Desk
from core.image import Array, Image
from core.noise.model import PoissonGaussian
from core.recipe import Recipe, Step
from core.registry import load
from core.render import Renderer, assemble
from core.tiles import Region
from plugins.methods.subspace import Subspace
from resources.samples import spectral

EDGE, BANDS = 72, 48
NOISE = PoissonGaussian((0.0,), (0.1,))


@pytest.fixture(scope="module")
def clean() -> Array:
    found = spectral.truth(EDGE, EDGE, BANDS)
    return found / found.max()


def denoised(
    pixels: Array,
    tile: int = 0,
    threads: int = 1,
    fill: bool = False,
    amount: float = 1,
    **more: Any,
) -> Array:
    image = Image(pixels, "byx", "cube", **more)
    desk, step = (
        Desk(cache=Cache(1 << 26), threads=threads, tile=tile),
        Step(Subspace(fill=fill), amount),
    )
    renderer = Renderer(image, NOISE, Recipe((step,)), desk)
    return assemble(renderer, Region.whole(*pixels.shape[-2:]))


def decibels(found: Array, truth: Array) -> float:
    """Mean over bands, peak 1."""
    return float(np.mean(-10 * np.log10(np.mean((found - truth) ** 2, (1, 2), dtype=float))))


@pytest.mark.parametrize(("kind", "more"), [("iid", 3.8), ("noniid", 3.7), ("mixed", 5.3)])
def test_ahead_of_the_true_subspace(clean: Array, kind: spectral.NoiseKind, more: float) -> None:
    noisy, sigmas = spectral.noisy(clean, kind, 2)
    flat = (noisy.reshape(BANDS, -1) / sigmas[:, None]).astype(float)
    true = np.linalg.svd(clean.reshape(BANDS, -1).astype(float), full_matrices=False)[0][:, :6]
    share = np.linalg.lstsq(true / sigmas[:, None], flat, rcond=None)[0]
    projected = (true @ share).reshape(clean.shape)
    assert decibels(denoised(noisy), clean) > decibels(projected, clean) + more


def test_another_tile_and_threads_give_the_same(clean: Array) -> None:
    noisy, _ = spectral.noisy(clean, "mixed", 2)
    whole = denoised(noisy)
    for tile, threads in ((32, 2), (40, 1)):
        found = denoised(noisy, tile, threads)
        np.testing.assert_allclose(found, whole, rtol=0, atol=2e-5)


def test_lost_samples_do_not_spread(clean: Array) -> None:
    noisy, _ = spectral.noisy(clean, "noniid", 2)
    before = decibels(denoised(noisy), clean)
    lost = np.zeros(noisy.shape, bool)
    lost[7] = lost[3:30, 20:24, 10:40] = lost[:, 50, 50] = True
    found = denoised(np.where(lost, np.float32(np.nan), noisy))
    np.testing.assert_array_equal(np.isnan(found), lost)
    known = np.delete(np.where(lost, clean, found), 7, 0)
    assert decibels(known, np.delete(clean, 7, 0)) > before - 0.6


def test_gaps_are_filled_from_other_bands_and_near_pixels(clean: Array) -> None:
    noisy, _ = spectral.noisy(clean, "noniid", 2)
    whole = denoised(noisy)
    lost = np.random.default_rng(0).random(noisy.shape) < 0.03
    lost[3:9, :, 50] = lost[:, 20:24, 10:40] = lost[:, 60] = True
    given = np.where(lost, np.float32(np.nan), noisy)
    found = denoised(given, fill=True)
    assert np.isfinite(found).all()
    nothing = lost.all(0)
    for part, loss in ((lost & ~nothing, 1.5), (~lost, 1.5), (lost & nothing, 16)):
        errors = [np.mean(np.square(each - clean)[part]) for each in (found, whole)]
        assert 10 * np.log10(errors[0] / errors[1]) < loss
    np.testing.assert_allclose(denoised(given, 40, 2, fill=True), found, rtol=0, atol=3e-5)
    np.testing.assert_array_equal(denoised(given, fill=True, amount=0.0), given)
    nothing_at_all = np.full((9, 20, 20), np.nan, np.float32)
    assert np.isnan(denoised(nothing_at_all, fill=True)).all()


def test_bad_bands_stay_and_do_no_harm(clean: Array) -> None:
    noisy, _ = spectral.noisy(clean, "noniid", 2)
    before = decibels(denoised(noisy)[:40], clean[:40])
    noisy[40:] = 30 * np.random.default_rng(1).standard_normal(noisy[40:].shape)
    found = denoised(noisy, meta={"bbl": [1] * 40 + [0] * 8})
    np.testing.assert_allclose(found[40:], noisy[40:], rtol=1e-5, atol=1e-5)
    assert decibels(found[:40], clean[:40]) > before - 0.8


def test_stripes_go_and_the_scene_stays(clean: Array) -> None:
    noisy, _ = spectral.noisy(clean, "iid", 2)
    striped = noisy.copy()
    striped[5, :, ::7] += 0.08  # far below the noise of one sample
    striped[9, 30] = 0
    found = denoised(striped)
    rest = (found - clean)[5].mean(0)
    assert abs(rest[::7].mean() - np.delete(rest, np.s_[::7]).mean()) < 0.01
    assert np.abs((found - clean)[9, 30]).mean() < 0.05


def test_chosen_for_cubes(clean: Array) -> None:
    image = Image(clean, "byx", "cube")
    recipe, why = choose(load().methods, image)
    assert isinstance(recipe.steps[0].method, Subspace)
    assert why.endswith(".")
    assert not isinstance(
        choose(load().methods, replace(image, kind="array"))[0].steps[0].method, Subspace
    )
