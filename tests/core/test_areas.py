"""What of a scanner's screen may be changed."""

from __future__ import annotations

import numpy as np
import pytest

from core import areas
from core.cache import Cache
from core.desk import Desk
from core.develop import proxy
from core.image import Image
from core.noise.model import PoissonGaussian
from core.recipe import Recipe, Step
from core.registry import load
from core.render import Renderer, assemble
from core.tiles import Region

METHODS = load().methods
TISSUE = {"box": (10, 0, 90, 70), "what": "tissue"}
FLOW = {"box": (30, 20, 50, 40), "what": "colour flow"}


def screen(regions: list[dict[str, object]], axes: str = "yx") -> Image:
    rng = np.random.default_rng(1)
    shape = (100, 90) if axes == "yx" else (3, 100, 90)
    pixels = rng.normal(100, 20, shape).astype(np.uint8)
    return Image(pixels, axes, "clip", meta={"regions": regions})


def free(image: Image) -> np.ndarray:
    found = areas.worked(image, Region.whole(image.height, image.width))
    assert found is not None
    return found


def test_tissue_without_what_lies_over_it() -> None:
    found = free(screen([TISSUE, FLOW]))
    assert found.sum() == 80 * 70 - 20 * 20
    assert found[10, 0]
    assert not found[9, 0]
    assert not found[30, 20]
    assert found[29, 20]


@pytest.mark.parametrize("regions", [[], [FLOW], [{"box": (0, 0, 500, 500), "what": "tissue"}],
                                     [{"box": (200, 0, 300, 50), "what": "tissue"}]])  # fmt: skip
def test_all_of_it_where_no_tissue_is_named(regions: list[dict[str, object]]) -> None:
    assert areas.worked(screen(regions), Region.whole(100, 90)) is None


@pytest.mark.parametrize("axes", ["yx", "tyx", "cyx"])
def test_what_is_outside_keeps_its_bits(axes: str) -> None:
    image = screen([TISSUE, FLOW], axes)
    desk = Desk(cache=Cache(1 << 26), threads=1, tile=48)
    recipe = Recipe((Step(METHODS["nlm"]()), Step(METHODS["fast"](), amount=0.5)))
    found = assemble(
        Renderer(image, PoissonGaussian((0.0,), (20.0,)), recipe, desk), Region.whole(100, 90)
    )
    inside = free(image)
    np.testing.assert_array_equal(found[..., ~inside], image.pixels[..., ~inside])
    assert found[..., inside].std() < 0.7 * image.pixels[..., inside].std()


def test_the_same_pixels_elsewhere_are_not_taken_from_the_cache() -> None:
    desk = Desk(cache=Cache(1 << 26), threads=1)
    noise, recipe = PoissonGaussian((0.0,), (20.0,)), Recipe((Step(METHODS["fast"]()),))
    one, other = screen([TISSUE]), screen([])
    assert one.id == other.id
    for image in (one, other, one):
        found = assemble(Renderer(image, noise, recipe, desk), Region.whole(100, 90))
        assert np.array_equal(found[:10], image.pixels[:10]) == (image is one)


def test_a_proxy_has_them_smaller() -> None:
    pixels = np.zeros((2400, 3000), np.uint8)
    box = {"box": (400, 0, 2000, 1500), "what": "tissue"}
    small = proxy(Image(pixels, "yx", "clip", meta={"regions": [box]}), 2)
    assert small.meta["regions"][0]["box"] == (200, 0, 1000, 750)


def test_noise_is_measured_in_the_largest() -> None:
    image = screen([{"box": (0, 0, 20, 20), "what": "tissue"}, TISSUE])
    assert areas.largest(image) == Region(10, 0, 90, 70)
    assert areas.largest(screen([FLOW])) is None
