"""Blind noise measurement: parameters recovered, and verdicts that do not boast."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.image import Cfa, Image, Levels
from core.noise.estimate import measure, measure_flat
from core.noise.measured import CANNOT_TELL, DOUBTFUL, GOOD
from core.noise.simulate import mosaic, sensor
from core.tiles import Region

BAYER = Cfa(((0, 1), (1, 2)))
XTRANS = Cfa(
    (
        (1, 2, 1, 1, 0, 1),
        (0, 1, 0, 2, 1, 2),
        (1, 2, 1, 1, 0, 1),
        (1, 0, 1, 1, 2, 1),
        (2, 1, 2, 0, 1, 0),
        (1, 0, 1, 1, 2, 1),
    )
)
SPAN = 15359.0
LEVELS = Levels(((1024.0,),), 16383.0)
AT = np.array([0.05, 0.18, 0.70]) * SPAN


def scene(height: int = 480, width: int = 600) -> np.ndarray:
    """Linear (3, H, W): smooth patches of all brightnesses, with some edges and texture."""
    y, x = np.mgrid[:height, :width] / 100.0
    light = 0.02 + 0.8 * (0.5 + 0.5 * np.sin(x * 1.1) * np.cos(y * 0.9)) ** 2
    stripes = 1 + 0.3 * ((x > 4) & (np.sin(60 * x + 40 * y) > 0))
    tint = np.array([0.6, 1.0, 0.8])[:, None, None]
    return (light * stripes * tint * np.where(y > 3, 0.7, 1)).astype(np.float32)


def raw(cfa: Cfa | None, gain: float, read: float, **more: Any) -> Image:
    rng = np.random.default_rng(1)
    clean = scene() if cfa is None else mosaic(scene(), cfa)
    options = {"quantise": 1.0, "black": 1024.0, "white": 16383.0} | more
    noisy = sensor(clean * SPAN, gain, read, rng, **options)
    pixels = noisy if options["quantise"] == 0 else noisy.astype(np.uint16)
    kind, axes = ("mosaic", "yx") if cfa else ("linear", "cyx")
    return Image(pixels, axes, kind, LEVELS, cfa)


def errors(image: Image, gain: float, read: float) -> np.ndarray:
    found = measure(image)
    truth = np.sqrt(gain * AT + read**2)
    sigmas = [found.model.sigma(AT, c) for c in range(len(found.channels))]
    return np.abs(np.array(sigmas) / truth - 1)


@pytest.mark.parametrize("cfa", [BAYER, BAYER.shifted(1, 0), BAYER.shifted(1, 1), XTRANS, None])
@pytest.mark.parametrize(("gain", "read"), [(12.0, 30.0), (60.0, 150.0)])
def test_parameters_recovered(cfa: Cfa | None, gain: float, read: float) -> None:
    image = raw(cfa, gain, read)
    found = measure(image)
    assert found.verdict == GOOD, [c.why for c in found.channels]
    assert [c.name for c in found.channels] == list("RGB")
    assert errors(image, gain, read).max() < 0.05
    assert all(4 <= len(c.points) <= 64 for c in found.channels)
    for channel in found.channels:
        assert channel.read_range is None or channel.read_range[0] < read < channel.read_range[1]


def test_same_in_any_units_and_black_blocks() -> None:
    image = raw(BAYER, 20, 60)
    offsets = np.array([[0, 30], [60, 90]], np.uint16)
    block = ((1024.0, 1054.0), (1084.0, 1114.0))
    shifted = np.asarray(image.pixels) + np.tile(offsets, (240, 300))
    same = measure(Image(shifted, "yx", "mosaic", Levels(block, 16383.0), BAYER))
    assert np.allclose(same.model.gain, measure(image).model.gain, rtol=0.02)
    unit = (np.asarray(image.pixels, np.float32) - 1024) / np.float32(SPAN)
    scaled = measure(Image(unit, "yx", "mosaic", Levels(((0.0,),), 1.0), BAYER))
    assert np.allclose(np.array(scaled.model.gain) * SPAN, measure(image).model.gain, rtol=0.02)


def test_a_region_is_measured_alone() -> None:
    pixels = np.asarray(raw(BAYER, 20, 60).pixels).copy()
    pixels[:, :200] = 3000
    image = Image(pixels, "yx", "mosaic", LEVELS, BAYER)
    found = measure(image, Region(1, 203, 480, 599))
    assert np.allclose(found.model.sigma(AT, 1), np.sqrt(20 * AT + 3600), rtol=0.06)


@pytest.mark.parametrize("name", ["bayer_iso12800", "xtrans_iso6400"])
def test_shared_pairs(name: str, shared_data: Path) -> None:
    rawpy = pytest.importorskip("rawpy")
    cfa, gain, read = (BAYER, 47.92, 90.3) if name[0] == "b" else (XTRANS, 24.02, 39.9)
    for version in ("noisy", "clean"):
        with rawpy.imread(str(shared_data / f"raw/synthetic/{name}_{version}.dng")) as opened:
            pixels = opened.raw_image_visible.copy()
            height, width = cfa.period
            pattern = tuple(
                tuple({3: 1}.get(c := int(opened.raw_color(y, x)), c) for x in range(width))
                for y in range(height)
            )
        image = Image(pixels, "yx", "mosaic", LEVELS, Cfa(pattern))
        found = measure(image)
        if version == "clean":
            assert found.verdict != GOOD
            continue
        for channel, error in zip(found.channels, errors(image, gain, read), strict=True):
            assert error.max() < (0.1 if channel.verdict == GOOD else 0.25)
        assert np.median(errors(image, gain, read)) < 0.06


@pytest.mark.parametrize("cfa", [BAYER, XTRANS])
def test_noise_added_to_photographs(cfa: Cfa, shared_data: Path) -> None:
    path = Path(__file__).parents[1] / "benchmarks" / "noise.py"
    photographs = runpy.run_path(str(path))["photographs"](shared_data / "train", dev=True)
    found = []
    for index, photo in photographs:
        clean = mosaic(photo, cfa) * SPAN
        for gain, read in ((12.0, 18.0), (0.0, 0.0)):
            rng = np.random.default_rng(index)
            noisy = sensor(clean, gain, read, rng, quantise=1, black=1024, white=16383)
            fits = measure(Image(noisy.astype(np.uint16), "yx", "mosaic", LEVELS, cfa)).channels
            good = [fit for fit in fits if fit.verdict == GOOD]
            assert gain or not good
            found += [np.sqrt(fit.gain * AT + fit.read**2) for fit in good]
    errors = np.abs(np.array(found) / np.sqrt(12 * AT + 18**2) - 1)
    assert len(errors) >= 15
    assert np.median(errors, axis=0).max() < 0.05  # the photographs' own grain counts, too
    assert errors.max() < 0.25


def test_noise_free_is_not_good() -> None:
    for step in (0.0, 1.0):
        assert measure(raw(BAYER, 0, 0, quantise=step)).verdict != GOOD


def test_denoised_is_not_good() -> None:
    pixels = np.asarray(raw(BAYER, 30, 60, quantise=0).pixels)
    two = pixels + np.roll(pixels, 2, 0)
    image = Image((two + np.roll(two, 2, 1)) / 4, "yx", "mosaic", LEVELS, BAYER)
    found = measure(image)
    assert found.verdict != GOOD
    assert "correlated" in found.channels[1].why


def test_overexposed_bins_are_left_out() -> None:
    rng = np.random.default_rng(2)
    clean = mosaic(scene(), BAYER) * SPAN * 3
    pixels = sensor(clean, 20, 40, rng, black=1024, white=16383)
    found = measure(Image(pixels, "yx", "mosaic", LEVELS, BAYER))
    assert np.allclose(found.model.sigma(AT, 1), np.sqrt(20 * AT + 1600), rtol=0.08)


def test_black_at_zero_clips_half_the_noise() -> None:
    rng = np.random.default_rng(3)
    clean = mosaic(np.maximum(scene() - 0.1, 0), BAYER) * SPAN
    pixels = sensor(clean, 20, 60, rng, quantise=1, black=0, white=SPAN).astype(np.uint16)
    found = measure(Image(pixels, "yx", "mosaic", Levels(((0.0,),), SPAN), BAYER))
    assert np.allclose(found.model.sigma(AT, 1), np.sqrt(20 * AT + 3600), rtol=0.08)


def test_quantised() -> None:
    coarse = raw(BAYER, 20, 60, quantise=16.0)
    assert errors(coarse, 20, np.hypot(60, 16 / np.sqrt(12))).max() < 0.06
    steps = measure(raw(BAYER, 0.05, 3, quantise=256.0))
    assert steps.verdict == CANNOT_TELL


def test_not_a_number_and_negatives() -> None:
    pixels = np.asarray(raw(BAYER, 20, 60, quantise=0).pixels) - 1024
    pixels[50:70, 30:90] = np.nan
    pixels[::97, ::89] = np.inf
    found = measure(Image(pixels, "yx", "mosaic", Levels(((0.0,),), SPAN), BAYER))
    assert np.allclose(found.model.sigma(AT, 1), np.sqrt(20 * AT + 3600), rtol=0.06)


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (12, 12), (20, 31), (64, 64)])
@pytest.mark.parametrize("fill", [np.nan, 0.0, 7.0, None])
@pytest.mark.parametrize("cfa", [None, BAYER, XTRANS])
def test_tiny_and_empty(shape: tuple[int, int], fill: float | None, cfa: Cfa | None) -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(100, 5, shape).astype(np.float32)
    pixels = noise if fill is None else np.full(shape, fill, np.float32)
    found = measure(Image(pixels, "yx", "array", cfa=cfa))
    assert found.verdict != GOOD
    assert len(found.channels) == len(found.model.gain) == (3 if cfa else 1)
    if fill is None and min(shape) > 12:
        assert found.model.sigma(np.full(1, 100.0), 0)[0] == pytest.approx(5, rel=0.4)


def test_small_array_has_the_right_sigma() -> None:
    pixels = np.random.default_rng(5).normal(0, 3, (64, 64))
    found = measure(Image(pixels, "yx", "array"))
    assert found.model.sigma(np.zeros(1), 0)[0] == pytest.approx(3, rel=0.06)


@pytest.mark.parametrize("dtype", [np.float64, np.complex64, np.int32, np.uint8])
@pytest.mark.parametrize("scale", [1.0, 1e24, 1e-12])
def test_any_numbers(dtype: type, scale: float) -> None:
    pixels = np.random.default_rng(10).normal(100, 6, (200, 200))
    if np.dtype(dtype).kind in "ui":
        scale = 1.0
    found = measure(Image((pixels * scale).astype(dtype), "yx", "array"))
    assert found.model.sigma(np.full(1, 100.0 * scale), 0)[0] == pytest.approx(6 * scale, rel=0.05)


def test_dark_frame_tells_the_read_noise_only() -> None:
    rng = np.random.default_rng(11)
    pixels = sensor(np.zeros((400, 400)), 2, 10, rng, quantise=1, black=1024).astype(np.uint16)
    found = measure(Image(pixels, "yx", "mosaic", LEVELS, BAYER))
    assert found.verdict == DOUBTFUL
    assert "brightness range" in found.channels[0].why
    assert found.channels[0].read_range is not None
    low, high = found.channels[0].read_range
    assert low < 10 < high < 12


@pytest.mark.parametrize("axes", ["zyx", "tcyx", "cyx"])
def test_other_axes(axes: str) -> None:
    shape = {"zyx": (5, 96, 96), "tcyx": (2, 2, 96, 96), "cyx": (4, 96, 96)}[axes]
    pixels = np.random.default_rng(6).normal(50, 4, shape).astype(np.float32)
    found = measure(Image(pixels, axes, "array"))
    assert np.allclose(found.model.sigma(np.full(1, 50.0), 0), 4, rtol=0.05)


def test_jpeg_like_noise_is_called_correlated() -> None:
    rng = np.random.default_rng(7)
    clean = scene() ** (1 / 2.2) * 255
    white = rng.normal(0, 12, (3, *clean.shape[1:]))
    soft = sum(np.roll(white, (i, j), (1, 2)) for i in (0, 1) for j in (0, 1)) / 4
    pixels = np.clip(np.round(clean + soft), 0, 255).astype(np.uint8)
    found = measure(Image(pixels, "cyx", "display", Levels(white=255.0)))
    assert found.verdict == DOUBTFUL
    assert "correlated" in found.channels[0].why


def test_flat_area() -> None:
    rng = np.random.default_rng(8)
    y, x = np.mgrid[:80, :80]
    plane = (2000 + 3 * y + 2 * x).astype(np.float32)
    image = Image(sensor(plane, 0, 40, rng), "yx", "mosaic", LEVELS, BAYER)
    found = measure_flat(image, Region(11, 13, 71, 70))
    assert found.verdict == GOOD
    assert np.allclose(found.model.read, 40, rtol=0.1)
    assert found.model.gain == (0.0, 0.0, 0.0)
    plane[:, 40:] += 800
    edge = Image(sensor(plane, 0, 40, rng), "yx", "mosaic", LEVELS, BAYER)
    assert measure_flat(edge, Region(11, 13, 71, 70)).verdict == DOUBTFUL
    assert measure_flat(edge, Region(11, 13, 15, 16)).verdict == CANNOT_TELL
    assert measure_flat(edge, Region(500, 500, 510, 510)).verdict == CANNOT_TELL


def test_simulator_statistics() -> None:
    rng = np.random.default_rng(9)
    flat = np.full((400, 400), 500.0)
    shot = sensor(flat, 4, 10, rng)
    assert shot.mean() == pytest.approx(500, rel=0.002)
    assert shot.var() == pytest.approx(4 * 500 + 100, rel=0.02)
    for power in (-0.2, 0.0, 0.1, 0.14):
        heavy = sensor(flat, 0, 10, rng, tukey_lambda=power)
        assert heavy.std() == pytest.approx(10, rel=0.05)
    rows = sensor(flat, 0, 0, rng, row=5)
    assert np.ptp(rows, axis=1).max() == 0
    assert rows[:, 0].std() == pytest.approx(5, rel=0.15)
    stored = sensor(flat, 50, 80, rng, quantise=4, black=100, white=700)
    assert stored.min() >= 0
    assert stored.max() <= 700
    assert not np.any(stored % 4)
    assert sensor(-flat, 1, 600, rng).min() < -1000  # never clipped unasked
    with pytest.raises(ValueError, match="above -0"):
        sensor(flat, 0, 1, rng, tukey_lambda=-0.5)


def test_mosaic_takes_each_filters_colour() -> None:
    rgb = np.stack([np.full((7, 9), v) for v in (1.0, 2.0, 3.0)])
    assert np.array_equal(mosaic(rgb, XTRANS), XTRANS.colors(7, 9) + 1)
