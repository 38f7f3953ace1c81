"""Tuning: the estimated error follows the true one, and the settings found are near the best."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.cache import Cache
from core.desk import Desk
from core.image import Array, Cfa, Image, Levels
from core.method import Cancelled, Method
from core.noise.correlated import Correlated
from core.noise.model import LogSpeckle, Noise, PoissonGaussian, Rician
from core.noise.simulate import correlated, magnitude, sensor
from core.probe import REACH, Shaken, correlate, probes, veil
from core.recipe import BadRecipe, Recipe, Step
from core.render import Renderer, assemble
from core.tiles import Region
from core.tune import Tune, Tuned, seconds, tunable

SIDE = 160
BAYER = Cfa(((0, 1), (1, 2)))


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk(cache=Cache(0), threads=1)


def scene(side: int = SIDE) -> Array:
    """Slopes, edges and texture, 0..1."""
    y, x = np.mgrid[:side, :side] / side
    waves = 0.1 * np.sin(90 * x * y) + 0.08 * np.sin(110 * (x + y * y)) * (x > 0.5)
    return (0.2 + 0.4 * x + 0.3 * (y > 0.5) * (x < 0.7) + waves).astype(np.float32)


def recipe(desk: Desk, name: str, **settings: Any) -> Recipe:
    return Recipe((Step(desk.registry.methods[name](**settings)),))


def result(desk: Desk, image: Image, noise: Noise, steps: Recipe) -> Array:
    return assemble(Renderer(image, noise, steps, desk), Region.whole(image.height, image.width))


def estimated(desk: Desk, image: Image, noise: Noise, steps: Recipe) -> float:
    """The error of the whole picture over the noise's variance."""
    whole = [Region.whole(image.height, image.width)]
    plain = result(desk, image, noise, steps)
    (probe,) = found = probes(image, noise, whole, [plain])
    shaken = replace(image, pixels=Shaken.of(image, found, "probe"))
    error, count = probe.risk(plain, result(desk, shaken, noise, steps))
    return error / count


@pytest.mark.parametrize("strength", [0.6, 1.0, 1.6])
@pytest.mark.parametrize("kind", ["white", "mosaic", "magnitude"])
def test_estimate_follows_the_truth(desk: Desk, kind: str, strength: float) -> None:
    rng, clean = np.random.default_rng(2), scene()
    if kind == "mosaic":
        signal = clean * 4000
        noise: Noise = PoissonGaussian((8.0,) * 3, (20.0,) * 3)
        stored = np.clip(np.round(sensor(signal, 8, 20, rng) + 512), 0, 16383).astype(np.uint16)
        image = Image(stored, "yx", "mosaic", Levels(((512.0,),), 16383.0), BAYER)
        truth, sigma = signal + 512, np.sqrt(8 * signal + 400)
    elif kind == "magnitude":
        noise, truth = Rician(0.1), clean
        image = Image(magnitude(truth, 0.1, rng), "yx", "scan")
        sigma = noise.sigma(truth, 0)
    else:
        noise, truth = PoissonGaussian((0.0,), (0.1,)), clean
        image = Image(truth + 0.1 * rng.standard_normal(truth.shape).astype(np.float32))
        sigma = np.float32(0.1)
    steps = recipe(desk, "dct", strength=strength)
    true = np.mean(((result(desk, image, noise, steps) - truth) / sigma) ** 2)
    assert estimated(desk, image, noise, steps) == pytest.approx(true, rel=0.12, abs=0.02)


def test_estimate_of_correlated_noise(desk: Desk) -> None:
    """A probe with the noise's own correlation: a white one would be far off."""
    rng, clean = np.random.default_rng(4), 100 * scene(360)
    noisy = clean + 8 * correlated(clean.shape, (1.0, 1.6), rng)
    image, noise = Image(noisy.astype(np.float32), "yx", "clip"), LogSpeckle(8.0, (3.0, 5.0))
    steps = recipe(desk, "dct", strength=1.5)
    true = np.mean((result(desk, image, noise, steps) - clean) ** 2) / 64
    assert estimated(desk, image, noise, steps) == pytest.approx(true, rel=0.2)
    white = PoissonGaussian((0.0,), (8.0,))
    assert estimated(desk, image, white, steps) < 0.6 * true


def test_drawn_noise_has_the_correlation() -> None:
    alike = np.zeros((REACH + 1, 2 * REACH + 1))
    alike[0, REACH - 1 : REACH + 2] = 0.5, 1, 0.5
    drawn = correlate(np.random.default_rng(0).standard_normal((2, 200, 200)), alike)
    assert drawn.std() == pytest.approx(1, abs=0.02)
    assert np.mean(drawn[..., 1:] * drawn[..., :-1]) == pytest.approx(0.5, abs=0.02)
    assert np.mean(drawn[:, 1:] * drawn[:, :-1]) == pytest.approx(0, abs=0.02)


def tuned(desk: Desk, image: Image, noise: Noise, steps: Recipe, known: bool = True) -> Tuned:
    *_, found = Tune(image, noise, steps, known=known)(desk, lambda: False)
    assert isinstance(found, Tuned)
    return found


@pytest.mark.parametrize("known", [True, False])
def test_near_the_best_strength(desk: Desk, known: bool) -> None:
    rng, clean = np.random.default_rng(7), scene()
    image = Image(clean + 0.1 * rng.standard_normal(clean.shape).astype(np.float32))
    noise = PoissonGaussian((0.0,), (0.1,))
    grid = [float(x) for x in np.geomspace(0.5, 2, 9)]

    def decibels(method: Method) -> float:
        found = result(desk, image, noise, Recipe((Step(method),)))
        return float(-10 * np.log10(np.mean((found - clean) ** 2)))

    kind = desk.registry.methods["dct"]
    best = max(decibels(kind.make({"strength": x})) for x in grid)
    found = tuned(desk, image, noise, recipe(desk, "dct", strength=2.5, scales=1), known)
    assert decibels(found.method) > best - 0.15
    assert found.settings.keys() == {"strength", "chroma", "scales"}
    assert found.settings["scales"] in (1, 2, 3)
    assert found.words.startswith("Suggested")


def test_named_values_are_tried_and_what_is_not_tuned_stays(desk: Desk) -> None:
    """In flat areas a small window is clearly worse than a wide one."""
    rng = np.random.default_rng(3)
    clean = np.kron(rng.uniform(40, 160, (4, 4)), np.ones((48, 48)))
    noisy = (clean + 8 * rng.standard_normal(clean.shape)).astype(np.float32)
    image, noise = Image(noisy), PoissonGaussian((0.0,), (8.0,))
    steps = recipe(desk, "local", radius=2, filter="Lee")
    found = tuned(desk, image, noise, steps)
    assert found.settings.keys() == {"strength", "filter", "radius"}
    assert found.settings["radius"] in (4, 6, 8, 11)
    assert f"radius {found.settings['radius']}" in found.words

    def error(method: Method) -> float:
        return rms(result(desk, image, noise, Recipe((Step(method),))) - clean)

    kind = desk.registry.methods["local"]
    assert error(found.method) < 1.02 * min(error(kind()), error(kind.make({"radius": 4})))
    kept = tuned(desk, image, noise, recipe(desk, "nlm", search=7))
    assert kept.method.settings()["search"] == 7


def rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def test_what_the_model_has_wrong_is_found_by_hiding(desk: Desk) -> None:
    rng, clean = np.random.default_rng(9), scene()
    image = Image(clean + 0.1 * rng.standard_normal(clean.shape).astype(np.float32))
    low = PoissonGaussian((0.0,), (0.06,))
    found = tuned(desk, image, low, recipe(desk, "dct"), known=False)
    assert found.settings["strength"] == pytest.approx(0.1 / 0.06, rel=0.25)


def test_shaken_pixels_are_cut_like_any() -> None:
    rng = np.random.default_rng(1)
    image = Image(rng.integers(0, 999, (3, 40, 50)).astype(np.uint16), "zyx", "scan")
    regions = [Region(5, 6, 25, 36, ((1, 2),)), Region(20, 0, 40, 9, ((0, 3),))]
    changes = veil(image, PoissonGaussian((0.0,), (5.0,)), regions)
    whole = np.asarray(image.pixels, np.float32)
    for region, change in zip(regions, changes, strict=True):
        whole[region.index("zyx")] += change.delta
    shaken = Shaken.of(image, changes, "veil")
    assert np.any(whole != image.pixels)
    keys: list[Any] = [
        (...,), (1, slice(3, 30), slice(10, 40)), (slice(None), slice(4, 33, 3), slice(7, None, 2)),
        (Ellipsis, slice(0, 12)), 2,
    ]  # fmt: skip
    for key in keys:
        np.testing.assert_array_equal(shaken[key], whole[key])
    assert replace(image, pixels=shaken).id != image.id


def test_cancelled_at_once(desk: Desk) -> None:
    work: Iterator[Any] = Tune(
        Image(scene()), PoissonGaussian((0.0,), (0.1,)), recipe(desk, "dct")
    )(desk, lambda: True)
    with pytest.raises(Cancelled):
        list(work)


def test_nothing_to_tune(desk: Desk) -> None:
    methods = desk.registry.methods
    image = Image(scene())
    with pytest.raises(BadRecipe, match="no strength"):
        tuned(desk, image, PoissonGaussian((0.0,), (0.1,)), recipe(desk, "mppca"))
    with pytest.raises(BadRecipe, match="no noise"):
        tuned(desk, image, PoissonGaussian((0.0,), (0.0,)), recipe(desk, "fast"))
    photo = replace(image, kind="display")
    with pytest.raises(BadRecipe, match="by eye"):
        tuned(desk, photo, Correlated((0.0,), (0.1,)), recipe(desk, "fast"))
    assert not tunable(methods["rf"])
    usual = {"fast", "dct", "nlm", "blockmatch", "unet", "mosaic", "dct3d", "speckle", "subspace"}
    assert usual <= {name for name, kind in methods.items() if tunable(kind)}
    assert all(0 < seconds(kind(), image, 2) < 200 for kind in methods.values())
