"""The network for developed photographs: its files, what it does to their noise, its training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from core.cache import Cache
from core.desk import Desk
from core.image import Array, Image, Levels
from core.learn import weights
from core.learn.developed import Developed, spoiled
from core.learn.train import EDGE
from core.method import Method
from core.noise.correlated import Correlated
from core.noise.spectrum import of_pulse
from core.ops.unet import Shape
from core.recipe import Recipe, Step
from core.registry import load
from core.render import Renderer, assemble
from core.tiles import Region
from plugins.methods.finished import ALIGN, CARD, NAME, Finished


def scene(height: int = 136, width: int = 150) -> Array:
    """A soft picture with edges, (3, H, W) in 0..1."""
    y, x = np.mgrid[:height, :width] / 40.0
    grey = 0.3 + 0.1 * np.sin(3 * x + y) + 0.2 * ((x + y) % 2 > 1)
    return np.stack([grey, 0.9 * grey, 0.7 * grey + 0.05 * (y > 1.5)]).astype(np.float32)


def cleaned(image: Image, method: Method, noise: Correlated, tile: int = 0) -> Array:
    desk = Desk(cache=Cache(0), threads=1, tile=tile)
    desk.roster.pin_precision("float32")
    renderer = Renderer(image, noise, Recipe((Step(method),)), desk)
    return assemble(renderer, Region.whole(image.height, image.width))


def rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


@pytest.fixture(scope="module")
def pair() -> tuple[Image, Array, Correlated]:
    """Soft noise of 6, coarser in colour, rounded to bytes; the truth; the model."""
    import cv2

    torch.set_num_threads(1)
    rng = np.random.default_rng(2)
    clean = 255 * scene()
    planes = [cv2.GaussianBlur(rng.standard_normal(clean.shape[1:]), (0, 0), w)
              for w in (0.6, 2.0, 2.0)]  # fmt: skip
    luma, red, blue = (s * p / p.std() for s, p in zip((6, 3, 3), planes, strict=True))
    noisy = clean + np.stack([luma + red, luma - red - blue, luma + blue])
    image = Image(np.rint(noisy.clip(0, 255)).astype(np.uint8), "cyx", "display", Levels(white=255))
    return image, clean, Correlated((0.0,), (6.0,), (of_pulse(0.6),))


def test_the_card_belongs_to_the_file() -> None:
    file, sha256 = CARD.weights(NAME)
    assert weights.digest(file) == sha256
    shape = Shape(**CARD.networks[NAME].shape)
    assert shape.align == ALIGN
    assert shape.reach <= Finished().needs(Image(np.zeros((8, 8), np.float32))).halo
    assert (CARD.folder / "CREDITS.md").exists()


def test_soft_and_coarse_noise_goes(pair: tuple[Image, Array, Correlated]) -> None:
    """And nearer to the truth than the DCT alone comes."""
    image, clean, noise = pair
    before = rms(image.pixels[...] - clean)
    found = rms(cleaned(image, Finished(), noise) - clean)
    dct: Any = load().methods["dct"]
    assert found < 0.65 * before
    assert found < rms(cleaned(image, dct(), noise) - clean)


def test_tiles_do_not_show(pair: tuple[Image, Array, Correlated]) -> None:
    image, _, noise = pair
    whole, parts = (cleaned(image, Finished(), noise, tile) for tile in (0, 48))
    assert np.abs(whole - parts).max() < 2e-3 * 6


def test_strength_and_chroma_are_obeyed(pair: tuple[Image, Array, Correlated]) -> None:
    image, _, noise = pair
    before = image.pixels[...].astype(np.float32)
    removed = [rms(cleaned(image, Finished(strength=s), noise) - before) for s in (0.3, 1.0, 1.5)]
    assert removed == sorted(removed)
    grey = cleaned(image, Finished(chroma=0.0), noise) - before
    assert rms(grey - grey.mean(0)) < 0.02
    assert rms(grey.mean(0)) > 3


def test_a_grey_picture_stays_one_plane(pair: tuple[Image, Array, Correlated]) -> None:
    truth = pair[1][0]
    rng = np.random.default_rng(4)
    image = Image((truth + 8 * rng.standard_normal(truth.shape)).astype(np.float32), "yx")
    assert rms(cleaned(image, Finished(), Correlated((0.0,), (8.0,))) - truth) < 0.45 * 8


def test_pairs_follow_from_seed_and_number() -> None:
    """As strong as was asked for, in bytes, with the guide near the coarse noise."""
    picture = (255 * scene(170, 180)).astype(np.uint8)
    one, other = (Developed([picture], 3) for _ in range(2))
    other.batch(70, 4)
    for a, b in zip(one.batch(2, 8), other.batch(2, 8), strict=True):
        np.testing.assert_array_equal(a, b)
    noisy, clean, guide, sigma = one.batch(2, 8)
    assert noisy.shape == clean.shape == (8, 3, EDGE, EDGE)
    assert guide.shape == sigma.shape == (8, 1, 1, 1)
    np.testing.assert_allclose(noisy * 255, np.rint(noisy * 255), atol=1e-3)
    made, truth, told = spoiled(scene(), np.random.default_rng(0), 10 / 255)
    assert 6 < 255 * rms(made - truth) < 11
    assert 4 < 255 * float(told.squeeze()) < 40
    with pytest.raises(ValueError, match="at least"):
        Developed([picture[:, :30]], 0)
