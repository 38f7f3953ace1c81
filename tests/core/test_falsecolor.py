"""Cubes are shown in three bands, before and after, or one in grey."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.cache import Cache
from core.desk import Desk
from core.develop import BandMap, Look, develop, export_rgb, region_pixels, settle, thumbnail
from core.develop.bandmap import angle
from core.develop.falsecolor import chosen
from core.files import open_image
from core.image import Array, Image
from core.method import Method
from core.recipe import Recipe, Step
from core.registry import load
from core.render import Renderer, assemble
from core.show import ShowAfter, ShowBefore, Shown
from core.tiles import Region
from tests.core.bench import NOISE
from tests.core.probes import Local

RNG = np.random.default_rng(0)
REGISTRY = load()


def cube(count: int = 12, **more: Any) -> Image:
    pixels = RNG.normal(50, 5, (count, 70, 90)).astype(np.float32)
    pixels += 10 * np.arange(count, dtype=np.float32)[:, None, None]
    return Image(pixels, "byx", "cube", **more)


def waves(low: float, high: float, unit: str, count: int = 12) -> dict[str, Any]:
    return {"b": np.linspace(low, high, count), "units": {"b": unit}}


@pytest.mark.parametrize(
    ("more", "bands"),
    [
        ({"meta": {"default_bands": [5, 3, 1]}}, (5, 3, 1)),
        ({"meta": {"default_bands": [5]}}, (5,)),
        ({"meta": {"default_bands": [50, 3, 1]}}, (6,)),
        ({}, (6,)),
        ({"coords": waves(400, 950, "nm")}, (5, 3, 1)),
        ({"coords": waves(0.4, 0.95, "Micrometers")}, (5, 3, 1)),
        ({"coords": waves(0.4, 0.95, "as in source")}, (5, 3, 1)),
        ({"coords": waves(400, 950, "")}, (5, 3, 1)),
        ({"coords": waves(1000, 2500, "nm")}, (6,)),
        ({"coords": waves(400, 950, "nm"), "meta": {"bbl": [1] * 5 + [0] + [1] * 6}}, (4, 3, 1)),
        ({"meta": {"bbl": [0] * 6 + [1] * 6}}, (9,)),
        ({"meta": {"bbl": [0] * 12}}, (6,)),
    ],
)
def test_which_bands(more: dict[str, Any], bands: tuple[int, ...]) -> None:
    image = cube(**more)
    assert chosen(image) == bands
    look = settle(image, Look())
    assert look.bands == bands
    assert look.stored.bands == bands
    assert settle(image, replace(look, bands=(0,))).bands == (0,)
    assert settle(Image(np.zeros((4, 5, 6)), "zyx", "scan"), Look()).bands is None


def test_three_bands_become_colours() -> None:
    image, region = cube(), Region(5, 6, 40, 50)
    look = settle(image, Look(bands=(9, 4, 1)))
    store = develop(region_pixels(image.pixels, image, region, 1, look), image, region, 1, look)
    for channel, band in enumerate((9, 4, 1)):
        one = replace(look, bands=(band,))
        grey = develop(region_pixels(image.pixels, image, region, 1, one), image, region, 1, one)
        assert np.array_equal(store[..., channel], grey[..., 0])
    assert store[..., 0].mean() > store[..., 1].mean() > store[..., 2].mean()
    picture = export_rgb(image, look)
    assert picture.shape == (70, 90, 3)
    assert picture[..., 0].mean() > picture[..., 2].mean()
    assert thumbnail(image, 64, look).shape == (50, 64, 3)


def test_a_region_that_names_a_band_shows_that_band() -> None:
    image, region = cube(), Region(0, 0, 20, 20, ((7, 8),))
    look = settle(image, Look(bands=(9, 4, 1)))
    store = develop(region_pixels(image.pixels, image, region, 1, look), image, region, 1, look)
    one = replace(look, bands=(7,))
    plain = replace(region, front=())
    expected = develop(region_pixels(image.pixels, image, plain, 1, one), image, plain, 1, one)
    assert np.array_equal(store, expected)


def put_together(pieces: Any, image: Image) -> Array:
    out = np.zeros((image.height, image.width, 3), np.uint16)
    for shown in pieces:
        if isinstance(shown, Shown):
            out[shown.region.slices] = shown.store
    return out


@pytest.mark.parametrize("bands", [(9, 4, 1), (4,)])
@pytest.mark.parametrize(
    "method",
    [
        REGISTRY.methods["fast"](),
        Local(tile=40),
        Local(tile=40, axes_="byx"),  # all bands at once
        Local(tile=40, axes_="byx", depth=4, reach=2),
    ],
    ids=str,
)
def test_before_and_after(bands: tuple[int, ...], method: Method) -> None:
    image = cube()
    look, whole = settle(image, Look(bands=bands)), Region.whole(70, 90)
    desk = Desk(cache=Cache(1 << 26), threads=2)
    before = put_together(ShowBefore(image, whole, 1, look)(desk, lambda: False), image)
    pixels = region_pixels(image.pixels, image, whole, 1, look)
    assert np.array_equal(before, develop(pixels, image, whole, 1, look))
    recipe = Recipe((Step(method),))
    work = ShowAfter(image, NOISE, recipe, whole, 1, look)
    after = put_together(work(desk, lambda: False), image)
    renderer = Renderer(image, NOISE, recipe, desk, lambda: False)
    parts = [assemble(renderer, replace(whole, front=((band, band + 1),))) for band in bands]
    expected = develop(np.concatenate(parts), image, whole, 1, look)
    assert np.array_equal(after, expected)
    assert not np.array_equal(after, before)


GREY = BandMap("mix", "sums", tuple(range(12)), ((0.1,) * 6 + (-0.05,) * 6,), (3.0,))
ANGLE = BandMap("angle", "angle", (1, 2, 3, 7, 8), ((50.0, 60.0, 70.0, 80.0, 90.0),))
CHANGE = BandMap("change", "change", tuple(range(2, 12)))


@pytest.mark.parametrize("shown", [GREY, ANGLE, CHANGE], ids=lambda shown: shown.kind)
@pytest.mark.parametrize("method", [Local(tile=40), Local(tile=40, axes_="byx", depth=4, reach=2)])
def test_maps_of_all_bands_are_computed_from_what_is_denoised(
    shown: BandMap, method: Method
) -> None:
    image, whole = cube(), Region.whole(70, 90)
    look = Look(map=shown, window=(0.0, 60.0), extent=(-100.0, 200.0))
    desk, recipe = Desk(cache=Cache(1 << 26), threads=2), Recipe((Step(method),))
    before = put_together(ShowBefore(image, whole, 1, look)(desk, lambda: False), image)
    after = put_together(
        ShowAfter(image, NOISE, recipe, whole, 1, look)(desk, lambda: False), image
    )
    denoised = assemble(Renderer(image, NOISE, recipe, desk), whole)
    bands = list(shown.bands)
    own = np.asarray(image.pixels)[bands]
    for store, pixels in ((before, own), (after, denoised[bands])):
        (plane,) = shown.planes(pixels, own)
        values = (store[..., 0] - 4096.0) / (65535 - 4096) * 300 - 100
        assert np.abs(values - plane).max() < 0.005
    assert not np.array_equal(before, after)
    assert before.max() == before.min() if shown.kind == "change" else before.std() > 10
    assert look.stored.map is shown


def test_a_band_that_is_named_is_shown_instead_of_a_map() -> None:
    image, region = cube(), Region(0, 0, 20, 20, ((7, 8),))
    look = settle(image, Look())
    mapped = replace(look, map=GREY)
    pixels = region_pixels(image.pixels, image, region, 1, mapped)
    store = develop(pixels, image, region, 1, mapped)
    assert np.array_equal(store, develop(pixels, image, region, 1, look))


def test_a_small_spectral_angle_is_exact() -> None:
    one = np.ones((8, 1, 1), np.float32)
    other = one.copy()
    other[0] += 1e-4
    expected = np.degrees(np.arctan(1e-4 * np.sqrt(7) / 8))
    assert angle(one, other)[0, 0] == pytest.approx(expected, rel=0.01)
    assert np.isnan(angle(one, 0 * one)).all()


def test_a_piece_shows_all_its_bands_or_is_not_shown() -> None:
    image = cube()
    look = settle(image, Look(bands=(9, 4, 1)))
    recipe = Recipe((Step(REGISTRY.methods["fast"]()),))
    desk = Desk(cache=Cache(0), threads=1, tile=48)
    work = ShowAfter(image, NOISE, recipe, Region.whole(70, 90), 1, look)
    final = put_together(work(desk, lambda: False), image)
    for shown in work(desk, lambda: False):
        if isinstance(shown, Shown):
            inner = final[shown.region.slices]
            assert np.mean(shown.store == inner) > 0.9  # seams come again with their neighbour


def test_a_real_cube(shared_data: Path) -> None:
    image = open_image(REGISTRY, shared_data / "hsi" / "salton_sea_roi.mat")
    look = settle(image, Look())
    lengths = image.coords["b"][list(look.bands or ())]
    assert np.allclose(lengths, [0.64, 0.55, 0.46], atol=0.01)
    assert len(np.unique(thumbnail(image, 56, look).reshape(-1, 3), axis=0)) > 500
