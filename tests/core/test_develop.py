"""Develop: the picture on screen, checked against arithmetic, and itself in tiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.develop import (
    Curve,
    Look,
    Profile,
    balance,
    develop,
    export_rgb,
    levels,
    proxy,
    proxy_noise,
    reach,
    region_pixels,
    settle,
    temperature,
    thumbnail,
    to_screen,
    upright,
    upright_point,
)
from core.develop.store import PEDESTAL
from core.image import Cfa, Color, Image, Levels
from core.noise.model import PoissonGaussian
from core.tiles import Region

RGGB = Cfa(((0, 1), (1, 2)))
XTRANS = Cfa(
    (
        (1, 1, 0, 1, 1, 2),
        (1, 1, 2, 1, 1, 0),
        (2, 0, 1, 0, 2, 1),
        (1, 1, 2, 1, 1, 0),
        (1, 1, 0, 1, 1, 2),
        (0, 2, 1, 2, 0, 1),
    )
)
LAYOUTS = [RGGB, RGGB.shifted(0, 1), RGGB.shifted(1, 0), RGGB.shifted(1, 1), XTRANS]
MATRIX = ((1.6, -0.4, -0.2), (-0.2, 1.6, -0.4), (0.0, -0.4, 1.4))
CAMERA = Color(wb=(2.0, 1.0, 1.6), daylight=(1.9, 1.0, 1.5), matrix=MATRIX)


def mosaic(cfa: Cfa, height: int, width: int, seed: int = 0) -> Image:
    pixels = np.random.default_rng(seed).integers(900, 16000, (height, width)).astype(np.uint16)
    black = Levels(((1000.0, 1010.0), (990.0, 1000.0)), 15000.0)
    return Image(pixels, "yx", "mosaic", black, cfa, CAMERA)


def picture(image: Image, region: Region, level: int, look: Look) -> np.ndarray:
    pixels = region_pixels(image.pixels, image, region, level, look)
    return develop(pixels, image, region, level, look)


def whole(image: Image) -> Region:
    return Region.whole(image.height, image.width)


@pytest.mark.parametrize("cfa", LAYOUTS)
@pytest.mark.parametrize("quality", ["fast", "still"])
def test_tiles_are_the_whole_bit_for_bit(cfa: Cfa, quality: str) -> None:
    image, look = mosaic(cfa, 75, 83), Look(quality=quality)  # type: ignore[arg-type]
    for level in (1, levels(replace(image, pixels=np.zeros((2000, 2000))))[1], 12):
        full = picture(image, whole(image), level, look)
        assert full.shape == (-(-75 // level), -(-83 // level), 3)
        for y0 in range(0, 75, 24 if level > 1 else 29):
            for x0 in range(0, 83, 36 if level > 1 else 31):
                y1 = min(y0 + (24 if level > 1 else 29), 75)
                x1 = min(x0 + (36 if level > 1 else 31), 83)
                part = picture(image, Region(y0, x0, y1, x1), level, look)
                there = full[y0 // level : -(-y1 // level), x0 // level : -(-x1 // level)]
                np.testing.assert_array_equal(part, there)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(LAYOUTS),
    st.integers(1, 15),
    st.integers(1, 15),
    st.sampled_from([1, 6, 12]),
    st.sampled_from(["fast", "still"]),
)
def test_any_size_works(cfa: Cfa, height: int, width: int, level: int, quality: str) -> None:
    image = mosaic(cfa, height, width)
    look = Look(quality=quality)  # type: ignore[arg-type]
    store = picture(image, whole(image), level, look)
    assert store.shape == (-(-height // level), -(-width // level), 3)
    assert thumbnail(image, 4).shape[2] == 3


@pytest.mark.parametrize("cfa", LAYOUTS)
@pytest.mark.parametrize("quality", ["fast", "still"])
@pytest.mark.parametrize("level", [1, 6])
def test_flat_grey_stays_flat_and_grey(cfa: Cfa, quality: str, level: int) -> None:
    image = mosaic(cfa, 36, 36)
    wb = np.asarray(CAMERA.wb)[cfa.colors(36, 36)]
    black = image.levels.black_map(0, 0, 36, 36)
    pixels = (black + 0.3 / wb * (15000 - black)).astype(np.float32)
    store = picture(replace(image, pixels=pixels), whole(image), level, Look(quality=quality))  # type: ignore[arg-type]
    expected = PEDESTAL + 0.3 * (65535 - PEDESTAL)
    assert np.abs(store - expected).max() <= 3
    shown = to_screen(store, image, Look())
    assert np.abs(shown - 255 * (1.055 * 0.3 ** (1 / 2.4) - 0.055)).max() <= 0.51


def test_noise_below_black_survives_in_the_store() -> None:
    image = mosaic(RGGB, 64, 64)
    noise = np.random.default_rng(1).normal(1000, 60, (64, 64)).astype(np.float32)
    image = replace(image, pixels=noise, levels=Levels(((1000.0,),), 15000.0))
    store = picture(image, whole(image), 2, Look())
    assert abs(store.mean() - PEDESTAL) < 0.1 * store.std()
    assert store.min() > 0


@pytest.mark.parametrize("quality", ["fast", "still"])
def test_a_smooth_picture_is_recovered(quality: str) -> None:
    y, x = np.mgrid[:96, :96] / 96
    scene = np.stack([0.2 + 0.5 * x, 0.3 + 0.3 * y, 0.6 - 0.3 * x], -1)
    for cfa in LAYOUTS:
        sites = cfa.colors(96, 96)[..., None].astype(int)
        pixels = np.take_along_axis(scene, sites, 2)[..., 0].astype(np.float32)
        image = Image(pixels, "yx", "mosaic", Levels(white=1.0), cfa)
        store = picture(image, whole(image), 1, Look(quality=quality))  # type: ignore[arg-type]
        found = (store.astype(float) - PEDESTAL) / (65535 - PEDESTAL)
        assert np.abs(found - scene)[8:-8, 8:-8].max() < 0.012


def test_still_follows_edges_better_than_fast() -> None:
    y, x = np.mgrid[:128, :128]
    grey = np.where((x + 2 * y) % 37 < 18, 0.1, 0.6)
    grey = (grey + np.roll(grey, 1, 0) + np.roll(grey, 1, 1)) / 3
    errors: list[list[float]] = []
    for cfa in (RGGB, XTRANS):
        image = Image(grey.astype(np.float32), "yx", "mosaic", Levels(white=1.0), cfa)
        found = [picture(image, whole(image), 1, Look(quality=q)) for q in ("fast", "still")]  # type: ignore[arg-type]
        values = [(f.astype(float) - PEDESTAL) / (65535 - PEDESTAL) for f in found]
        errors.append([float(np.square(v - grey[..., None])[8:-8, 8:-8].mean()) for v in values])
    assert errors[0][1] < errors[0][0] / 4
    assert errors[1][1] < errors[1][0]


def test_levels_fit_the_array() -> None:
    big = np.broadcast_to(np.uint16(0), (5000, 7000))
    assert levels(Image(big, "yx", "mosaic", cfa=RGGB)) == (1, 2, 4, 8)
    assert levels(Image(big, "yx", "mosaic", cfa=XTRANS)) == (1, 3, 6, 12)
    assert levels(Image(big)) == (1, 2, 4, 8)
    assert levels(Image(big[:10, :10])) == (1,)
    for dy in range(6):
        for dx in range(6):
            assert levels(Image(big, "yx", "mosaic", cfa=XTRANS.shifted(dy, dx)))[1] == 3


def test_develop_refuses_pixels_of_another_region() -> None:
    image = mosaic(RGGB, 20, 20)
    with pytest.raises(ValueError, match="develop needs"):
        develop(image.pixels[:], image, whole(image), 1, Look())
    assert reach(image, Region(3, 2, 9, 8), 4, Look()) == Region(0, 0, 12, 8)


@pytest.mark.parametrize("dtype,white", [(np.uint8, 255.0), (np.uint16, 65535.0)])
def test_display_pixels_come_out_unchanged(dtype: type, white: float) -> None:
    values = np.arange(256).reshape(16, 16) * (1 if white == 255 else 257)
    pixels = np.stack([values, values.T, values[::-1]]).astype(dtype)
    image = Image(pixels, "cyx", "display", Levels(white=white))
    expected = np.moveaxis(pixels // (1 if white == 255 else 257), 0, -1)
    np.testing.assert_array_equal(export_rgb(image, Look()), expected)
    profiled = export_rgb(image, Look(profile=Profile(curves=(Curve.gamma(2.2),))))
    assert np.abs(profiled.astype(int) - expected).max() < 12


def test_exposure_acts_in_linear_light() -> None:
    pixels = np.full((4, 4), 100, np.uint8)
    image = Image(pixels, "yx", "display", Levels(white=255.0))
    brighter = export_rgb(image, Look(exposure=1.0))[0, 0]
    linear = ((100 / 255 + 0.055) / 1.055) ** 2.4 * 2
    assert np.abs(brighter - 255 * (1.055 * linear ** (1 / 2.4) - 0.055)).max() <= 0.5
    raw = mosaic(RGGB, 8, 8)
    raw = replace(raw, pixels=np.full((8, 8), 2000, np.uint16))
    half = replace(raw, pixels=np.full((8, 8), 3000, np.uint16), levels=Levels(((1000.0,),), 15e3))
    raw = replace(raw, levels=half.levels)
    a, b = export_rgb(raw, Look(exposure=1.0)), export_rgb(half, Look())
    assert np.abs(a.astype(int) - b).max() <= 1


def test_white_balance_is_live_without_a_new_store() -> None:
    image = mosaic(RGGB, 32, 32)
    image = replace(image, pixels=np.full((32, 32), 3000, np.uint16))
    old, new = Look(), Look(wb=(1.5, 1.0, 2.5))
    store = picture(image, whole(image), 2, old)
    live = to_screen(store, image, new, stored=old)
    exact = to_screen(picture(image, whole(image), 2, new), image, new)
    assert np.abs(live.astype(int) - exact).max() <= 1
    assert old.stored != new.stored
    assert Look(exposure=2, tone="filmic", window=(0, 1)).stored == Look().stored


def test_highlights_clip_to_white_or_keep_their_detail() -> None:
    ramp = np.linspace(1000, 15000, 64)[None].repeat(8, 0).astype(np.float32)
    image = replace(mosaic(RGGB, 8, 64), pixels=ramp, levels=Levels(((1000.0,),), 15000.0))
    clipped = export_rgb(image, Look())
    assert (clipped[:, -1] == 255).all()
    kept = export_rgb(image, Look(highlights="recover", exposure=-2.0)).astype(int)
    assert (kept[4, -2:].max(-1) - kept[4, -2:].min(-1)).max() <= 2  # all blown: neutral
    bright = picture(image, whole(image), 1, Look(highlights="recover"))
    assert (np.diff(bright[4, 8:-2:2].astype(int).sum(-1)) >= 0).all()


def test_arrays_get_a_robust_window_that_can_be_changed() -> None:
    rng = np.random.default_rng(2)
    pixels = rng.normal(40, 10, (200, 200)).astype(np.float32)
    pixels[0, 0], pixels[0, 1] = 1e4, np.nan
    image = Image(pixels)
    look = settle(image, Look())
    assert look.window is not None and 5 < look.window[0] < 20 and 60 < look.window[1] < 80
    shown = export_rgb(image, Look())
    assert 120 < shown.mean() < 136
    np.testing.assert_array_equal(shown, export_rgb(image, look))
    low, high = 30.0, 50.0
    narrow = export_rgb(image, replace(look, window=(low, high)))[..., 0].astype(float)
    expected = np.clip((pixels - low) / (high - low), 0, 1) * 255
    assert np.nanmax(np.abs(narrow - expected)[1:]) < 4  # 10,000 wide: 16 bits are coarse


@pytest.mark.parametrize("tone", ["srgb", "bt709", "filmic"])
@pytest.mark.parametrize("highlights", ["clip", "recover"])
def test_tones_rise(tone: str, highlights: str) -> None:
    ramp = np.linspace(0, 1, 64)[None].repeat(4, 0).astype(np.float32)
    image = Image(ramp, "yx", "linear", Levels(white=1.0))
    shown = export_rgb(image, Look(tone=tone, highlights=highlights))[0, :, 0].astype(int)  # type: ignore[arg-type]
    assert (np.diff(shown) >= 0).all()
    assert shown[0] == 0
    deep = export_rgb(image, Look(tone=tone, highlights=highlights), bits=16)[0, :, 0]  # type: ignore[arg-type]
    assert np.abs(deep / 257 - shown).max() <= 0.51


@pytest.mark.parametrize("cfa", LAYOUTS)
def test_proxy_is_shown_as_its_source(cfa: Cfa) -> None:
    smooth = 4000 + 2000 * np.sin(np.arange(144) / 30)
    image = replace(mosaic(cfa, 144, 143), pixels=smooth[:, None].repeat(143, 1).astype(np.uint16))
    small = proxy(image, 12)
    assert small.axes == "cyx" and small.kind == "linear"
    assert small.pixels.shape == (3, 12, 12) and small.pixels.dtype == np.float32
    shown = export_rgb(small, Look())
    direct = to_screen(picture(image, whole(image), 12, Look()), image, Look())
    assert np.abs(shown.astype(int) - direct).max() <= 1


def test_proxy_noise_is_what_is_measured() -> None:
    model = PoissonGaussian((4.0, 4.0, 4.0), (20.0, 20.0, 20.0))
    for cfa, level in ((RGGB, 2), (RGGB, 8), (XTRANS, 3), (XTRANS, 6)):
        signal = 3000.0
        noise = np.random.default_rng(3).normal(0, np.sqrt(4 * signal + 400), (480, 480))
        image = Image(
            (1000 + signal + noise).astype(np.float32), "yx", "mosaic", Levels(((1000.0,),)), cfa
        )
        small, scaled = np.asarray(proxy(image, level).pixels), proxy_noise(model, image, level)
        assert small.mean() == pytest.approx(signal, rel=0.01)
        for channel in range(3):
            sigma = float(scaled.sigma(np.full(1, signal), channel)[0])
            assert small[channel].std() == pytest.approx(sigma, rel=0.06)


def test_grey_proxy_stays_grey() -> None:
    image = Image(np.arange(30, dtype=np.uint8).reshape(5, 6), "yx", "array")
    small = proxy(image, 2)
    assert small.pixels.shape == (3, 3) and small.axes == "yx"
    assert small.pixels[0, 0] == pytest.approx((0 + 1 + 6 + 7) / 4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_and_its_coordinates_agree(orientation: int) -> None:
    picture_ = np.arange(12).reshape(3, 4)
    turned = upright(picture_, orientation)
    for y in range(3):
        for x in range(4):
            u, v = upright_point(x + 0.5, y + 0.5, 4, 3, orientation)
            assert turned[int(v), int(u)] == picture_[y, x]


def test_upright_follows_exif() -> None:
    picture_ = np.array([[1, 2], [3, 4], [5, 6]])
    assert upright(picture_, 6).tolist() == [[5, 3, 1], [6, 4, 2]]  # stored lying, turn clockwise
    assert upright(picture_, 8).tolist() == [[2, 4, 6], [1, 3, 5]]
    assert upright(picture_, 3).tolist() == [[6, 5], [4, 3], [2, 1]]


def test_thumbnail_is_small_and_upright() -> None:
    image = replace(mosaic(RGGB, 301, 200), orientation=6)
    assert thumbnail(image, 64).shape == (43, 64, 3)
    assert thumbnail(mosaic(RGGB, 20, 10), 64).shape == (20, 10, 3)


def test_temperature_and_balance_are_inverse() -> None:
    daylight = balance(CAMERA, 6504)
    assert daylight[0] == pytest.approx(1.9, rel=0.03) and daylight[2] == pytest.approx(
        1.5, rel=0.03
    )
    for kelvin in (2500.0, 3900.0, 4100.0, 5200.0, 9000.0):
        for tint in (-20.0, 0.0, 35.0):
            found = temperature(CAMERA, balance(CAMERA, kelvin, tint))
            assert found == pytest.approx((kelvin, tint), rel=0.002, abs=0.2)


def test_profile_changes_the_primaries() -> None:
    wide = ((0.8, 0.2, 0.0), (0.0, 1.0, 0.0), (0.0, 0.1, 0.9))
    pixels = np.zeros((3, 4, 4), np.uint8)
    pixels[0] = 255
    image = Image(pixels, "cyx", "display", Levels(white=255.0))
    red = export_rgb(image, Look(profile=Profile(wide)))[0, 0]
    assert red.tolist() == [231, 0, 0]  # 0.8 in linear light
