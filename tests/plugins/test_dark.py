"""Dark frames: glow, fixed pattern and hot pixels go, light and its noise stay."""

from __future__ import annotations

import numpy as np
import pytest

from core.cache import Cache
from core.desk import Desk
from core.image import Array, Cfa, Image, Levels
from core.noise.model import PoissonGaussian
from core.recipe import Recipe, Step
from core.registry import load
from core.render import Renderer, assemble
from core.tiles import Region

METHODS = load().methods
NOISE = PoissonGaussian((2.0,) * 3, (6.0,) * 3)
BAYER = Cfa(((0, 1), (1, 2)))
BLACK, WHITE, EDGE = 500.0, 16000.0, 160


def raw(light: Array, seed: int) -> Image:
    """What a sensor with a pattern of its own gives, noise included."""
    pattern = np.random.default_rng(99)
    y, x = np.mgrid[:EDGE, :EDGE]
    glow = 400 * np.exp(-((y - 10) ** 2 + (x - 150) ** 2) / 3000)
    fixed = glow + pattern.normal(0, 25, (EDGE, EDGE))
    hot = pattern.random((EDGE, EDGE)) < 0.003
    fixed[hot] += pattern.uniform(500, 5000, int(hot.sum()))
    rng = np.random.default_rng(seed)
    values = rng.poisson(light / 2) * 2 + fixed + rng.normal(0, 6, light.shape)
    pixels = np.clip(np.round(BLACK + values), 0, WHITE).astype(np.uint16)
    return Image(pixels, "yx", "mosaic", Levels(((BLACK,),), WHITE), BAYER)


def stored(image: Image) -> Array:
    return np.asarray(image.pixels, np.float64)


@pytest.fixture(scope="module")
def light() -> Array:
    found = np.full((EDGE, EDGE), 1500.0)
    found[40:120, 60:100] = 6000
    found[130:150, 20:60] = 20_000  # beyond white
    return found


def done(picture: Image, frames: list[Image], *after: str, **settings: float) -> Array:
    step = Step(METHODS["dark"](**settings)).with_series("frames", frames)
    steps = (step, *(Step(METHODS[name]()) for name in after))
    renderer = Renderer(picture, NOISE, Recipe(steps), Desk(cache=Cache(1 << 24), threads=1))
    return assemble(renderer, Region.whole(EDGE, EDGE))


def error(found: Array, light: Array) -> float:
    seen = light < 15_000
    return float(np.sqrt(np.mean((found - BLACK - light)[seen] ** 2)))


def test_what_is_there_without_light_goes(light: Array) -> None:
    picture = raw(light, 0)
    frames = [raw(0 * light, seed) for seed in range(1, 6)]
    plain, one, five = (error(done(picture, frames[:n]), light) for n in (0, 1, 5))
    noise = error(stored(raw(light, 0)) - stored(raw(0 * light, 7)) + BLACK, light)
    assert plain > 2.5 * noise
    assert one == pytest.approx(noise, rel=0.05)
    assert five < one
    shift = (done(picture, frames) - BLACK - light)[light < 15_000].mean()
    assert abs(shift) < 1.5


def test_clipped_sites_stay_clipped(light: Array) -> None:
    found = done(raw(light, 0), [raw(0 * light, 1)])
    assert found[light > 15_000].min() >= WHITE


def test_without_frames_nothing_changes_and_time_scales(light: Array) -> None:
    picture, frame = raw(light, 0), raw(0 * light, 1)
    np.testing.assert_array_equal(done(picture, []), picture.pixels)
    half = done(picture, [frame], amount=0.5)
    seen = light < 15_000
    wanted = stored(picture) - 0.5 * (stored(frame) - BLACK)
    np.testing.assert_allclose(half[seen], wanted[seen], atol=0.01)


def test_following_steps_know_of_the_frames_noise(light: Array) -> None:
    picture, frames = raw(light, 0), [raw(0 * light, seed) for seed in (1, 2, 3, 4)]
    recipe = Recipe((Step(METHODS["dark"]()).with_series("frames", frames),
                     Step(METHODS["dct"]())))  # fmt: skip
    left = Renderer(picture, NOISE, recipe, Desk(cache=Cache(0))).noises[1]
    assert isinstance(left, PoissonGaussian)
    assert left.of(0) == pytest.approx((2.0, 6 * 1.25**0.5))
    assert error(done(picture, frames, "dct"), light) < 0.5 * error(done(picture, frames), light)
