"""Figures of scans: contrast, noise power spectra and edges whose true values are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core import quality
from core.desk import Desk
from core.image import Image
from core.inspection import Inspect
from core.noise.model import PoissonGaussian
from core.recipe import Recipe
from core.tiles import Region

RNG = np.random.default_rng(12)


def blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    rows, cols = (np.fft.fftfreq(n) for n in values.shape)
    gauss = np.exp(-2 * (np.pi * sigma) ** 2 * (rows[:, None] ** 2 + cols**2))
    return np.fft.ifft2(np.fft.fft2(values) * gauss).real


def erf_edge(sigma: float, angle: float = 0.0, noise: float = 0.0) -> np.ndarray:
    """A step from 0 to 100 across x = 32, blurred, turned by an angle (degrees)."""
    y, x = np.mgrid[:64, :64] - 31.5
    away = x * math.cos(math.radians(angle)) + y * math.sin(math.radians(angle))
    step = np.vectorize(math.erf)(away / sigma / math.sqrt(2))
    return 50 + 50 * step + RNG.normal(0, noise, (64, 64))


def test_areas_and_their_contrast() -> None:
    first = quality.area(np.array([9.0, 11.0, np.nan]))
    second = quality.area(RNG.normal(4, 2, (200, 200)))
    assert first == quality.Area(10.0, pytest.approx(math.sqrt(2)), 2)
    assert quality.cnr(first, second) == pytest.approx(3, rel=0.02)
    assert math.isnan(quality.cnr(first, quality.area(np.ones(5))))
    assert quality.area(np.array([np.nan])).count == 0


def test_the_spectrum_of_white_noise_is_flat_and_adds_up_to_the_variance() -> None:
    white = RNG.normal(100, 5, (192, 160))
    found = quality.spectrum(white, blurred(white, 1.2), (0.5, 0.5))
    assert found is not None
    # white noise of variance v has the power v * pixel area at every frequency
    assert np.median(found.before) == pytest.approx(25 * 0.25, rel=0.05)
    low, high = found.after[2], found.after[-1]
    assert low > 0.6 * found.before[2] and high < 0.02 * found.before[-1]
    assert found.mean_after < 0.6 * found.mean_before
    step = found.frequency[1] - found.frequency[0]
    variance = float((found.after * 2 * np.pi * found.frequency * step).sum())
    assert variance == pytest.approx(blurred(white - 100, 1.2).var(), rel=0.1)


def test_anatomy_that_bends_slowly_is_not_taken_for_noise() -> None:
    y, x = np.mgrid[:128, :128] / 64 - 1
    flat, bent = RNG.normal(0, 5, (128, 128)), 80 * x + 60 * y * y
    plain, tilted = (quality.spectrum(v, v, (1, 1)) for v in (flat, flat + bent))
    assert plain is not None and tilted is not None
    assert np.allclose(plain.before[1:], tilted.before[1:], rtol=0.02)
    assert quality.spectrum(flat[:12], flat[:12], (1, 1)) is None


@pytest.mark.parametrize("angle", [0, 12, -20])
@pytest.mark.parametrize("sigma", [1.5, 3.0])
def test_an_edge_is_as_wide_as_it_was_made(angle: float, sigma: float) -> None:
    before, after = erf_edge(sigma, angle, 4), erf_edge(2 * sigma, angle, 0.5)
    found = quality.edge(before, after, (31.5, 10, 31.5, 53), (0.5, 0.5))
    assert found is not None
    width = 2 * 1.28155 * sigma * 0.5  # 10 to 90 % of an error function, mm
    assert found.rise_after == pytest.approx(2 * width, rel=0.06)
    assert found.rise_before == pytest.approx(width, rel=0.25)


def test_where_there_is_no_edge_none_is_told() -> None:
    noise = RNG.normal(0, 5, (64, 64))
    found = quality.edge(noise, noise, (31.5, 10, 31.5, 53), (1, 1))
    assert found is not None and math.isnan(found.rise_before)
    assert quality.edge(noise, noise, (5, 5, 5, 9), (1, 1)) is None


def test_long_voxels_are_measured_in_millimetres() -> None:
    tall = erf_edge(3.0)[::4]  # rows four times as far apart
    found = quality.edge(tall, tall, (8, 10, 8, 53), (2.0, 0.5))
    assert found is not None
    assert found.rise_before == pytest.approx(2 * 1.28155 * 3 * 0.5, rel=0.05)


@pytest.mark.parametrize("across", "zy")
def test_what_was_drawn_is_measured_in_the_unit_of_the_file(across: str) -> None:
    pixels = np.zeros((64, 64, 64), np.float32) + erf_edge(1.5)  # a wall along x, seen in z and y
    pixels += RNG.normal(0, 1, pixels.shape)
    coords = {"spacing": {"z": 0.5, "y": 0.5, "x": 0.5}}
    image = Image(pixels, "zyx", "scan", coords=coords, meta={"scale": (2.0, -1000.0, "HU")})
    left, right = Region(10, 2, 60, 22), Region(10, 42, 60, 62)
    work = Inspect(
        image, PoissonGaussian((0.0,), (1.0,)), Recipe(), ((30, 31),), (right, left),
        (32.0, 12.0, 32.0, 52.0), across,
    )  # fmt: skip
    (found,) = work(Desk(), lambda: False)
    assert (found.unit, found.length) == ("HU", "mm")
    assert found.areas[0][0].mean == pytest.approx(-800, abs=1)
    assert found.areas[1][0].mean == pytest.approx(-1000, abs=1)
    assert found.cnr[0] == pytest.approx(100, rel=0.1)
    assert found.edge.rise_before == pytest.approx(2 * 1.28155 * 1.5 * 0.5, rel=0.1)
    assert found.spectrum.frequency[-1] < 1  # of 0.5 mm, cycles per millimetre
