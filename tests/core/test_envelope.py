"""Echoes as B-mode: the envelope against SciPy, the logarithm, the view in pieces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.signal

from core.develop import Look, develop, export_rgb, levels, region_pixels, settle, thumbnail
from core.develop.envelope import HALO, decibels, magnitude, strength
from core.image import Image
from core.tiles import Region

RNG = np.random.default_rng(0)


def wave(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Speckle on a carrier of a quarter of the sampling rate: (height, width), int16."""
    rng = np.random.default_rng(seed)
    grains = rng.normal(size=(height, width)) * np.linspace(3000, 30, height)[:, None]
    pulse = np.hanning(13) * np.cos(2 * np.pi * 0.25 * np.arange(-6, 7))
    return np.stack([np.convolve(line, pulse, "same") for line in grains.T], 1).astype(np.int16)


@pytest.mark.parametrize("shape", [(64, 5), (65, 4), (2, 301, 7), (3, 2, 128, 3)])
def test_the_envelope_is_scipys(shape: tuple[int, ...]) -> None:
    rf = RNG.normal(0, 100, shape)
    for axis in (-2, -1):
        expected = np.abs(scipy.signal.hilbert(rf, axis=axis))
        found = strength(rf, axis)
        assert found.dtype == np.float32
        assert np.allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_a_modulated_wave_gives_its_modulation() -> None:
    t = np.arange(512)
    shape = 100 * np.exp(-(((t - 256) / 40) ** 2))
    rf = (shape * np.cos(2 * np.pi * 0.22 * t))[:, None]
    assert np.allclose(strength(rf)[:, 0], shape, atol=0.05)


def test_magnitude_and_decibels() -> None:
    iq = np.array([[[3, 0]], [[4, 0]]], np.int16)
    assert np.allclose(magnitude(iq), [[5, 0]])
    assert decibels(np.array([10.0, 1.0]))[0] == pytest.approx(20)
    assert np.isfinite(decibels(magnitude(iq))).all()
    assert np.isfinite(strength(np.array([[np.nan], [1.0], [np.inf], [-1.0]]))).all()


def test_the_view_is_log_compressed() -> None:
    rf = wave(400, 40)
    image = Image(rf, "yx", "rf")
    look = settle(image, Look(dynamic_range=50, gain=6))
    shown = export_rgb(image, look)
    found = 20 * np.log10(np.maximum(np.abs(scipy.signal.hilbert(rf, axis=0)), 1e-9))
    low, high = look.window or (0, 1)
    assert high - low == pytest.approx(50)
    expected = np.clip((found - low) / 50, 0, 1) * 255
    assert shown.shape == (400, 40, 3)
    inner = slice(HALO, -HALO)  # at the ends the file's edge is mirrored, SciPy wraps round
    assert np.abs(shown[inner, :, 0] - expected[inner]).mean() < 0.7
    assert levels(image) == (1,)


def test_gain_and_range_change_the_window_only() -> None:
    image = Image(wave(300, 30), "yx", "rf")
    one, two = settle(image, Look()), settle(image, Look(gain=10, dynamic_range=40))
    assert one.stored == two.stored  # the store is kept: live
    assert one.window and two.window
    assert one.window[1] - two.window[1] == pytest.approx(10)
    assert export_rgb(image, two).mean() > export_rgb(image, one).mean()
    assert settle(image, Look(window=(1.0, 2.0))).window == (1.0, 2.0)


def test_pieces_make_the_whole() -> None:
    image = Image(wave(500, 24), "yx", "rf")
    look = settle(image, Look())
    whole = Region.whole(500, 24)
    full = develop(region_pixels(image.pixels, image, whole, 1, look), image, whole, 1, look)
    for y0, y1 in ((0, 100), (100, 260), (260, 500)):
        part = Region(y0, 3, y1, 20)
        store = develop(region_pixels(image.pixels, image, part, 1, look), image, part, 1, look)
        apart = np.abs(store.astype(int) - full[y0:y1, 3:20])
        assert store.shape == (y1 - y0, 17, 3)
        assert np.median(apart) < 10  # of 65536; a grey level of 60 dB is 60
        assert np.percentile(apart, 99) < 200  # 0.8 dB, in the nulls


def test_iq_and_stacks() -> None:
    rf = wave(256, 20)
    analytic = scipy.signal.hilbert(rf, axis=0)
    iq = np.stack([analytic.real, analytic.imag]).astype(np.float32)
    flat = Image(iq, "cyx", "rf", meta={"complex": True})
    seen = export_rgb(flat, settle(flat, Look()))
    other = export_rgb(Image(rf, "yx", "rf"), Look())
    assert np.abs(seen.astype(int) - other)[HALO:-HALO].mean() < 0.7
    stack = Image(np.stack([iq, iq]), "tcyx", "rf")
    assert np.array_equal(export_rgb(stack, settle(stack, Look())), seen)
    assert thumbnail(stack, 64).shape == (64, 5, 3)
    waves = Image(np.stack([rf, rf]), "tyx", "rf")
    assert export_rgb(waves, settle(waves, Look())).shape == (256, 20, 3)


def test_nothing_but_silence() -> None:
    image = Image(np.zeros((90, 8), np.int16), "yx", "rf")
    assert not np.isnan(export_rgb(image, settle(image, Look()))).any()
    other = replace(image, pixels=np.full((90, 8), np.nan, np.float32))
    assert export_rgb(other, settle(other, Look())).shape == (90, 8, 3)
