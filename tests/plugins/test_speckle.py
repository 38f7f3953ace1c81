"""What the ultrasound methods reach on synthetic echoes, and what they must not do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core import contrast
from core.cache import Cache
from core.desk import Desk
from core.image import Array, Image
from core.measure import rmse
from core.noise.model import LogSpeckle, PoissonGaussian
from core.recipe import Recipe, Step
from core.registry import load
from core.render import Renderer, assemble
from core.tiles import Region
from resources.samples import echoes

METHODS = load().methods
STEPS = 5.57 * 255 / echoes.RANGE  # of grey: standard deviation of speckle
TISSUE, LESION = (slice(80, 115), slice(100, 140)), (slice(40, 68), slice(50, 80))


@pytest.fixture(scope="module")
def flat() -> echoes.Echoes:
    return echoes.scan(echoes.even, 200, 240, 1)[0]


def render(method: Any, noisy: Array, axes: str = "yx") -> Array:
    image = Image(noisy.astype(np.float32), axes, "clip")
    desk = Desk(cache=Cache(1 << 27), threads=1)
    renderer = Renderer(image, LogSpeckle(STEPS), Recipe((Step(method),)), desk)
    return assemble(renderer, Region.whole(image.height, image.width))


def test_speckle_goes_and_edges_stay(flat: echoes.Echoes) -> None:
    noisy, truth = echoes.grey(flat.decibels), echoes.grey(flat.expected)
    found = render(METHODS["speckle"](), noisy)
    assert rmse(found, truth) < 0.28 * rmse(noisy, truth)
    before, after = (contrast.linear(v, echoes.RANGE / 255) for v in (noisy, found))
    assert contrast.cnr(after[TISSUE], after[LESION]) > 3 * contrast.cnr(
        before[TISSUE], before[LESION]
    )
    assert contrast.gcnr(found[TISSUE], found[LESION]) > 0.95
    assert contrast.edge_preservation(truth, found) > 0.35
    assert abs(found.mean() - noisy.mean()) < 0.02 * STEPS


@pytest.mark.parametrize("name", ["Lee", "Kuan", "Frost", "Enhanced Lee"])
def test_local_statistics(flat: echoes.Echoes, name: Any) -> None:
    noisy, truth = echoes.grey(flat.decibels), echoes.grey(flat.expected)
    found = render(METHODS["local"](filter=name), noisy)
    assert rmse(found, truth) < 0.45 * rmse(noisy, truth)
    smaller = render(METHODS["local"](filter=name, radius=3), noisy)
    assert rmse(smaller, truth) < 0.65 * rmse(noisy, truth)


def test_lee_is_its_formula() -> None:
    rng = np.random.default_rng(1)
    noisy = (rng.normal(0, 1, (40, 50)) + np.linspace(0, 9, 50)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(noisy, 2, "symmetric"), (5, 5))
    mean, variance = windows.mean((2, 3)), windows.var((2, 3))
    share = np.maximum(variance - 1, 0) / variance
    method = METHODS["local"](filter="Lee", radius=2)
    image = Image(noisy)
    renderer = Renderer(image, LogSpeckle(1.0), Recipe((Step(method),)), Desk(cache=Cache(1 << 20)))
    found = assemble(renderer, Region.whole(40, 50))[2:-2, 2:-2]
    wanted = (mean + share * (noisy - mean))[2:-2, 2:-2]
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def moving(renewed: float) -> tuple[Array, Array]:
    """Six frames of tissue that is pressed and sheared, and their truth."""
    seen = echoes.scan(
        echoes.textured, 120, 136, 7, 6, echoes.breathing, echoes.TARGETS, renewed=renewed
    )
    return tuple(
        np.stack([echoes.grey(getattr(one, what)) for one in seen])
        for what in ("decibels", "expected")
    )


def test_neighbouring_frames_help_where_speckle_changes() -> None:
    noisy, truth = moving(0.4)
    alone = rmse(render(METHODS["clip"](frames=0), noisy, "tyx"), truth)
    assert rmse(render(METHODS["clip"](), noisy, "tyx"), truth) < 0.95 * alone
    temporal = render(METHODS["clip"](within=False, frames=5), noisy, "tyx")
    assert rmse(temporal, truth) < 0.6 * rmse(noisy, truth)


def test_one_frame_is_cleaned_as_by_speckle(flat: echoes.Echoes) -> None:
    noisy = echoes.grey(flat.decibels)
    np.testing.assert_allclose(
        render(METHODS["clip"](), noisy), render(METHODS["speckle"](search=10), noisy), atol=1e-3
    )


def test_motion_is_followed() -> None:
    from core.ops import clip

    rng = np.random.default_rng(2)
    field = np.repeat(np.repeat(rng.normal(0, 1, (50, 50)), 3, 0), 3, 1).astype(np.float32)
    one, other = field[10:130, 10:130].copy(), field[14:134, 5:125].copy()
    found = clip.motion(clip.halved(one), clip.halved(other), one, other)
    inner = found[2:-2, 2:-2].reshape(-1, 2)
    assert np.mean((inner == (-4, 5)).all(1)) > 0.95


def test_tiles_of_a_clip_agree() -> None:
    noisy, _ = moving(0.2)
    image = Image(noisy.astype(np.float32), "tyx", "clip")
    found: list[Array] = []
    for tile in (0, 64):
        desk = Desk(cache=Cache(1 << 27), threads=1, tile=tile)
        step = Recipe((Step(METHODS["clip"](frames=1)),))
        renderer = Renderer(image, LogSpeckle(STEPS), step, desk)
        found.append(assemble(renderer, Region.whole(image.height, image.width)))
    np.testing.assert_allclose(found[0], found[1], atol=2e-3)


@pytest.mark.parametrize("pair", [False, True], ids=["rf", "iq"])
def test_echoes_before_detection(pair: bool) -> None:
    probes = [echoes.Probe(floor=floor) for floor in (-12.0, -200.0)]
    seen = [echoes.scan(echoes.textured, 160, 128, 5, probe=probe)[0] for probe in probes]
    if pair:
        noisy, clean = (np.stack([one.iq.real, one.iq.imag]) for one in seen)
        image = Image(noisy, "cyx", "rf", meta={"complex": True})
    else:
        noisy, clean = (one.rf() for one in seen)
        image = Image(noisy, "yx", "rf")
    desk = Desk(cache=Cache(1 << 27), threads=1)
    renderer = Renderer(
        image, PoissonGaussian((0.0,), (0.1,)), Recipe((Step(METHODS["rf"]()),)), desk
    )
    found = assemble(renderer, Region.whole(image.height, image.width))
    assert rmse(found, clean) < 0.55 * rmse(noisy, clean)
