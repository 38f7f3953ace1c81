"""MP-PCA: the noise it measures, what it keeps, its maps, the floor of magnitudes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.cache import Cache
from core.desk import Desk
from core.files import open_image
from core.image import Array, Image
from core.method import Cancelled, Context
from core.noise.model import Noise, PoissonGaussian, Rician
from core.noise.simulate import magnitude
from core.ops import mppca
from core.ops.volume import Extent
from core.recipe import Recipe, Step
from core.registry import load
from core.render import Renderer, Tile
from core.tiles import Region
from plugins.methods.mppca import MpPca

VOLUMES = 30
UNKNOWN = PoissonGaussian((0.0,), (1.0,))


def series(depth: int = 6, height: int = 30, width: int = 26, floor: float = 40) -> Array:
    """Diffusion of one fibre per voxel in VOLUMES directions, (M, D, H, W)."""
    z, y, x = np.mgrid[:depth, :height, :width] / 24.0
    rng = np.random.default_rng(1)
    ways = rng.standard_normal((VOLUMES, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    fibre = np.stack([np.cos(2 * x + y), np.sin(2 * x + y), 0.4 * np.cos(3 * z)])
    fibre /= np.linalg.norm(fibre, axis=0)
    weight = np.r_[0, 0, np.ones(VOLUMES - 2)][:, None, None, None]
    along = np.einsum("mk,kzyx->mzyx", ways, fibre) ** 2
    bright = floor + 300 * (1 + np.sin(5 * x) * np.cos(4 * y)) + 150 * (x > y)
    return (bright * np.exp(-weight * (0.3 + 1.5 * along))).astype(np.float32)


def layers(image: Image, noise: Noise = UNKNOWN, tile: int = 0) -> dict[str, Array]:
    desk = Desk(cache=Cache(1 << 27), threads=1, tile=tile)
    renderer = Renderer(image, noise, Recipe((Step(MpPca()),)), desk)
    found: dict[str, Array] = {}
    for each in renderer.tiles(Region.whole(image.height, image.width)):
        if isinstance(each, Tile):
            for name, part in {"image": each.after, **each.layers}.items():
                whole = found.setdefault(name, np.zeros(image.pixels.shape, np.float32))
                whole[(..., *each.region.slices)] = part
    return found


def rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


@pytest.mark.parametrize(("rows", "columns"), [(20, 125), (64, 125), (60, 27)])
def test_pure_noise_is_measured_and_removed(rows: int, columns: int) -> None:
    """The largest eigenvalue of noise lies beyond its edge now and then: mostly nothing is left."""
    given = 3 * np.random.default_rng(0).standard_normal((100, rows, columns))
    clean, sigma, rank = mppca.shrink(given)
    assert sigma.mean() == pytest.approx(3, rel=0.01)
    assert rank.mean() < 0.4
    assert rms(clean) < 0.05 * 3


def test_rank_of_strong_signals_is_found() -> None:
    rng = np.random.default_rng(2)
    signal = 20 * rng.standard_normal((80, 40, 5)) @ rng.standard_normal((80, 5, 100))
    clean, sigma, rank = mppca.shrink(signal + rng.standard_normal((80, 40, 100)))
    assert sigma.mean() == pytest.approx(1, rel=0.01)
    assert abs(rank.mean() - 5) < 0.3
    # of noise what lies in the space of the signal stays: 5 (40 + 100 - 5) of 4000 degrees
    assert rms(clean - signal) == pytest.approx((5 * 135 / 4000) ** 0.5, rel=0.03)


def test_series_gets_clean_with_its_maps_whatever_the_noise_model_says() -> None:
    clean = series()
    sigma = np.linspace(12, 24, clean.shape[-1], dtype=np.float32)  # varies over the volume
    noisy = clean + sigma * np.random.default_rng(3).standard_normal(clean.shape).astype(np.float32)
    found = layers(Image(noisy, "qzyx", "scan"))
    assert rms(found["image"] - clean) < 0.42 * rms(noisy - clean)
    assert np.abs(found["sigma"].mean((0, 1, 2)) / sigma - 1).max() < 0.1
    assert 1 < found["rank"].mean() < 8
    assert np.ptp(found["sigma"], 0).max() == 0
    tiled = layers(Image(noisy, "qzyx", "scan"), tile=12)
    np.testing.assert_allclose(tiled["image"], found["image"], atol=0.01)
    as_times = layers(Image(noisy, "tzyx", "scan"))
    np.testing.assert_array_equal(as_times["image"], found["image"])


def test_floor_of_magnitudes_is_taken_off_where_the_model_knows_it() -> None:
    clean = series(floor=0) * 0.2
    noisy = magnitude(clean, 20.0, np.random.default_rng(4))
    image, dark = Image(noisy, "qzyx", "scan"), clean < 30
    kept = layers(image)["image"] - clean
    freed = layers(image, Rician(20.0))["image"] - clean
    assert kept[dark].mean() > 8
    assert abs(freed[dark].mean()) < 0.6 * kept[dark].mean()


def test_constant_and_noise_free_series_stay() -> None:
    clean = series(3, 9, 9)
    np.testing.assert_allclose(layers(Image(clean, "qzyx"))["image"], clean, rtol=1e-3)
    flat = np.full((8, 2, 7, 7), 5, np.float32)
    np.testing.assert_allclose(layers(Image(flat, "qzyx"))["image"], flat, rtol=1e-5)


def test_what_is_no_series_comes_back() -> None:
    few = np.random.default_rng(0).standard_normal((4, 3, 9, 9)).astype(np.float32)
    np.testing.assert_array_equal(layers(Image(few, "qzyx"))["image"], few)
    with pytest.raises(Cancelled):
        tile = np.zeros((1, 1, 12, 3, 9, 9), np.float32)
        MpPca().run(tile, Extent((3, 9, 9), 1.0), Context(cancelled=lambda: True))


def test_a_real_series(shared_data: Path) -> None:
    """64 directions, 10x10x10 voxels: the residual is as strong as the noise, and mostly white."""
    image = open_image(load(), shared_data / "medical" / "dwi" / "small_64D.nii")
    found = layers(image)
    residual = np.asarray(image.pixels[...], np.float32) - found["image"]
    sigma = found["sigma"].mean()
    assert 5 < sigma < 40
    assert 0.8 < rms(residual) / rms(found["sigma"]) < 1.05
    assert found["rank"].mean() < 20
