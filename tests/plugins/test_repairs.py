"""Defects with known truth: hot and dead pixels, banding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.desk import Desk
from core.image import Array, Cfa, Image, Levels
from core.noise.model import PoissonGaussian
from core.noise.simulate import sensor
from core.recipe import Recipe, Step
from core.render import Renderer, assemble
from core.tiles import Region

BAYER = Cfa(((0, 1), (1, 2)))
GAIN, READ, BLACK, WHITE = 2.0, 8.0, 512.0, 16383.0
NOISE = PoissonGaussian((GAIN,) * 3, (READ,) * 3)


@pytest.fixture(scope="module")
def desk() -> Any:
    found = Desk(threads=1)
    yield found
    found.close()


def repaired(desk: Desk, name: str, image: Image, **settings: Any) -> Array:
    method = desk.registry.methods[name].make(settings)
    renderer = Renderer(image, NOISE, Recipe((Step(method),)), desk)
    return assemble(renderer, Region.whole(image.height, image.width))


def dark() -> Array:
    """As wide as sensors are, and dark, where banding is seen."""
    return picture(160, 1600) / 8


def picture(height: int = 240, width: int = 320) -> Array:
    """Shading, edges, thin lines and points as a lens makes them, above black."""
    y, x = np.mgrid[:height, :width].astype(float)
    found = 300 + 2 * x + 400 * ((x + y) % 90 > 45)
    found[:, 100] += 600
    found[150] += 600
    for cy, cx in ((30, 40), (77, 201), (200, 251)):
        found += 3000 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 1.0**2))
    return found


def mosaic(values: Array) -> Image:
    pixels = np.clip(np.round(values), 0, WHITE).astype(np.uint16)
    return Image(pixels, "yx", "mosaic", Levels(((BLACK,),), WHITE), BAYER)


def test_hot_and_dead_pixels_go_and_nothing_else(desk: Desk) -> None:
    rng = np.random.default_rng(1)
    noisy = sensor(picture(), GAIN, READ, rng, black=BLACK, white=WHITE)
    bad = np.zeros(noisy.shape, bool)
    bad[tuple(rng.integers(4, n - 4, 150) for n in noisy.shape)] = True
    harmed = noisy.copy()
    harmed[bad] += rng.uniform(600, 4000, np.count_nonzero(bad))
    dead = tuple(rng.integers(4, n - 4, 40) for n in noisy.shape)
    harmed[dead] = BLACK
    bad[dead] = True
    found = repaired(desk, "hotpixels", mosaic(harmed))
    stored = np.asarray(mosaic(harmed).pixels[...], np.float32)
    touched = np.abs(found - stored) > 0.5
    plain = bad & (np.abs(harmed - noisy) > 12 * NOISE.sigma(picture(), 0))
    assert np.mean(touched[plain]) > 0.93
    assert np.count_nonzero(touched & ~bad) < 10
    error = np.abs(found - noisy)[plain & touched]
    assert np.median(error) < 2.5 * np.median(NOISE.sigma(picture(), 0))


def test_clipped_sites_and_pairs(desk: Desk) -> None:
    """Clipped sites stay as they are; two hot pixels side by side are found."""
    harmed = np.full((64, 64), 1000.0)
    harmed[20, 20] = WHITE
    harmed[40, 40] = harmed[40, 42] = 6000.0
    found = repaired(desk, "hotpixels", mosaic(harmed))
    assert found[20, 20] >= WHITE
    assert found[40, 40] == pytest.approx(1000, abs=1) == found[40, 42]


@pytest.mark.parametrize("along", ["rows", "columns"])
def test_banding_goes(desk: Desk, along: str) -> None:
    rng = np.random.default_rng(2)
    clean = dark()
    bands = rng.normal(0, 6, (len(clean), 1))
    if along == "columns":
        clean, bands = np.ascontiguousarray(clean.T), bands.T
    image = mosaic(sensor(clean + bands, GAIN, READ, rng, black=BLACK, white=WHITE))
    found = repaired(desk, "banding", image, along=along)
    axis = 1 if along == "rows" else 0
    before = (np.asarray(image.pixels, np.float32) - BLACK - clean).mean(axis)
    after = (found - BLACK - clean).mean(axis)
    assert after.std() < 0.6 * before.std()
    assert abs(after.mean() - before.mean()) < 0.5


def test_what_has_no_banding_stays(desk: Desk) -> None:
    rng = np.random.default_rng(3)
    image = mosaic(sensor(dark(), GAIN, READ, rng, black=BLACK, white=WHITE))
    found = repaired(desk, "banding", image)
    assert np.std(found - image.pixels) < 0.07 * float(NOISE.sigma(np.full(1, 90.0), 0)[0])
