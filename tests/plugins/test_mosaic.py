"""The network for RAW: its files, phases and colours, what it does to flat and clipped parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.cache import Cache
from core.desk import Desk
from core.develop import Look, develop, region_pixels
from core.format import Output
from core.image import Array, Cfa, Color, Image, Levels
from core.job import Export, denoised
from core.learn import weights
from core.learn.mosaics import RGGB, XTRANS
from core.noise.model import PoissonGaussian
from core.noise.simulate import mosaic, sensor
from core.ops.unet import Shape
from core.recipe import Recipe, Step
from core.render import Renderer, Tile
from core.show import ShowAfter, Shown
from core.tiles import Region
from plugins.methods.mosaic import CARD, LAYERS, NAME, REACH, Developed

GAIN, READ, BLACK, WHITE = 20.0, 40.0, 600.0, 15520.0
NOISE = PoissonGaussian((GAIN,) * 3, (READ,) * 3)
COLOR = Color(wb=(2.0, 1.0, 1.5))
PHASES = [RGGB, RGGB.shifted(1, 0), RGGB.shifted(0, 1), RGGB.shifted(1, 1), XTRANS,
          XTRANS.shifted(1, 2)]  # fmt: skip


def scene(height: int = 72, width: int = 96) -> Array:
    """Camera RGB: a grey ramp, edges, and a coloured patch, (3, H, W) in 0..1."""
    y, x = np.mgrid[:height, :width] / 32.0
    grey = 0.1 + 0.15 * x / 3 + 0.3 * ((x + y) % 2 > 1)
    rgb = np.stack([grey, grey * (1 - 0.5 * (y > 1.5)), grey])
    return (rgb / np.asarray(COLOR.wb)[:, None, None]).astype(np.float64)


def image(camera: Array, cfa: Cfa) -> Image:
    signal = mosaic(camera, cfa) * (WHITE - BLACK)
    rng = np.random.default_rng(1)
    noisy = sensor(signal, GAIN, READ, rng, quantise=1, black=BLACK, white=WHITE)
    levels = Levels(((BLACK,),), WHITE)
    return Image(noisy.astype(np.uint16), "yx", "mosaic", levels, cfa, COLOR)


def desk(tile: int = 0) -> Desk:
    made = Desk(cache=Cache(0), threads=1, tile=tile)
    made.roster.pin_precision("float32")
    return made


def result(given: Image, colors: bool, tile: int = 0, strength: float = 1.0) -> Image:
    recipe = Recipe((Step(Developed(strength=strength)),))
    *_, found = denoised(given, NOISE, recipe, desk(tile), lambda: False, colors)
    assert isinstance(found, Image)
    return found


def rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def test_the_card_belongs_to_the_file() -> None:
    file, sha256 = CARD.weights(NAME)
    assert weights.digest(file) == sha256
    assert Shape(**CARD.networks[NAME].shape).reach < REACH
    assert (CARD.folder / "CREDITS.md").exists()


@pytest.mark.parametrize("cfa", PHASES, ids=lambda c: str(c.pattern[0]))
def test_all_phases_give_the_scene_in_colours_and_as_a_mosaic(cfa: Cfa) -> None:
    camera = scene()
    given, truth = image(camera, cfa), camera * (WHITE - BLACK)
    colors = result(given, True)
    assert (colors.kind, colors.axes, colors.cfa) == ("linear", "cyx", None)
    assert colors.levels.white == WHITE - BLACK
    before = rms(np.asarray(given.pixels, np.float64) - BLACK - mosaic(truth, cfa))
    assert rms(np.asarray(colors.pixels) - truth) < 0.8 * before
    again = result(given, False)
    assert again.kind == "mosaic"
    assert rms(np.asarray(again.pixels) - BLACK - mosaic(truth, cfa)) < 0.75 * before


def test_tiles_do_not_show() -> None:
    given = image(scene(100, 140), XTRANS)
    whole, parts = (np.asarray(result(given, True, tile).pixels) for tile in (0, 48))
    assert np.abs(whole - parts).max() < 2e-3 * (WHITE - BLACK)


def test_noise_on_grey_becomes_flat_and_stays_grey() -> None:
    flat = np.full((3, 96, 96), 0.1) / np.asarray(COLOR.wb)[:, None, None]
    found = np.asarray(result(image(flat, RGGB), True).pixels)[:, 16:-16, 16:-16]
    truth = flat[:, 16:-16, 16:-16] * (WHITE - BLACK)
    sigma = np.sqrt(GAIN * truth + READ**2)
    assert (found.std((1, 2)) < 0.15 * sigma.max((1, 2))).all()
    assert (np.abs(found.mean((1, 2)) - truth.mean((1, 2))) < 0.05 * sigma.max((1, 2))).all()


def test_clipped_stays_clipped_in_all_colours_that_are() -> None:
    camera = scene()
    camera[:, 20:50, 30:60] = 1.2
    found = np.asarray(result(image(camera, RGGB), True).pixels)
    assert (found[:, 26:44, 36:54] >= WHITE - BLACK).all()


@pytest.mark.parametrize("cfa", [RGGB, XTRANS], ids=["bayer", "xtrans"])
def test_it_says_how_far_it_may_be_off(cfa: Cfa) -> None:
    """A layer that the window offers: as large as the errors are, and where they are."""
    camera = scene()
    given, recipe = image(camera, cfa), Recipe((Step(Developed()),))
    work = Renderer(given, NOISE, recipe, desk())
    (tile,) = (each for each in work.tiles(Region.whole(72, 96)) if isinstance(each, Tile))
    assert tuple(tile.layers) == LAYERS[1:]
    told = tile.layers["uncertainty"]
    assert (told > 0).all()
    colors = np.stack([tile.layers[name] for name in LAYERS[1:4]])
    error = np.sqrt(np.square(colors - camera * (WHITE - BLACK)).mean(0))
    assert 0.6 < rms(error) / rms(told) < 1.6
    sure = told < np.median(told)
    assert rms(error[sure]) < 0.6 * rms(error[~sure])
    *_, shown = (
        each
        for each in ShowAfter(given, NOISE, recipe, Region.whole(72, 96), 1, Look(),
                              layer="uncertainty")(desk(), lambda: False)
        if isinstance(each, Shown)
    )  # fmt: skip
    assert "uncertainty" in shown.names and shown.look is not None


def test_no_strength_leaves_the_mosaic_alone() -> None:
    given = image(scene(), RGGB)
    np.testing.assert_array_equal(result(given, False, strength=0.0).pixels, given.pixels)


def test_a_picture_is_written_in_its_own_colours(tmp_path: Path) -> None:
    given = image(scene(), RGGB)
    recipe, output = Recipe((Step(Developed()),)), Output(overwrite=True)
    for name, picture in (("a.tif", True), ("a.png", True), ("a.dng", False)):
        work = Export(given, NOISE, recipe, str(tmp_path / name), output=output)
        assert work.picture(desk()) is picture
    for _ in Export(given, NOISE, recipe, str(tmp_path / "a.png"), output=output)(
        desk(), lambda: False
    ):
        pass
    assert (tmp_path / "a.png").stat().st_size > 1000


@pytest.mark.parametrize("level", [1, 2])
def test_the_screen_shows_the_colours_that_a_picture_gets(level: int) -> None:
    """Not the mosaic's, interpolated once more; a blend shows those, as it is written."""
    given, look, whole = image(scene(), RGGB), Look(), Region.whole(72, 96)
    for amount in (1.0, 0.5):
        recipe = Recipe((Step(Developed(), amount),))
        *_, written = denoised(given, NOISE, recipe, desk(48), lambda: False, True)
        assert isinstance(written, Image)
        assert written.kind == ("linear" if amount == 1 else "mosaic")
        pixels = region_pixels(written.pixels, written, whole, level, look)
        expected = develop(pixels, written, whole, level, look)
        found = np.zeros_like(expected)
        for shown in ShowAfter(given, NOISE, recipe, whole, level, look)(desk(48), lambda: False):
            if isinstance(shown, Shown):
                y, x = shown.region.y0 // level, shown.region.x0 // level
                h, w = shown.store.shape[:2]
                found[y : y + h, x : x + w] = shown.store
        assert np.abs(found.astype(int) - expected).max() <= 1
