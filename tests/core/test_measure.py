"""Statistics of a region before and after, on known inputs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.image import Cfa, Image, Levels
from core.measure import BINS, Statistics, psnr, rmse, statistics
from core.noise.model import PoissonGaussian, Rician
from core.structure import ONLY_NOISE, STRUCTURE, UNKNOWN
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
SHAPE = (300, 420)
REGION = Region(7, 5, 307, 425)
MODEL = PoissonGaussian((0.0,) * 3, (50.0,) * 3)


def scene() -> np.ndarray:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (3000 + 1500 * np.sin(x / 40) * np.cos(y / 50) + 1000 * (x % 120 < 8)).astype(np.float32)


def compare(after: np.ndarray, cfa: Cfa | None = BAYER, sigma: float = 50) -> Statistics:
    noise = np.random.default_rng(1).normal(0, sigma, SHAPE).astype(np.float32)
    sensor = Image(
        np.zeros((320, 440), np.uint16), "yx", "mosaic", Levels(((1024.0,),), 16383), cfa
    )
    return statistics(scene() + noise, after, sensor, REGION, MODEL)


@pytest.mark.parametrize("cfa", [BAYER, XTRANS, None])
def test_perfect_denoising_is_only_noise(cfa: Cfa | None) -> None:
    found = compare(scene(), cfa)
    assert found.verdict == ONLY_NOISE, found.why
    assert [c.name for c in found.channels] == list("RGB" if cfa else "Y")
    for c in found.channels:
        assert c.sigma_before == pytest.approx(50, rel=0.15)
        assert c.sigma_after < 15
        assert c.snr_after > c.snr_before + 10
        assert c.residual_std == pytest.approx(50, rel=0.03)
        assert c.expected_std == pytest.approx(50, rel=1e-5)
        assert not c.shift_alarm
        assert abs(c.residual.counts - c.residual.expected).sum() < 0.1 * c.residual.counts.sum()
        assert len(c.histogram.before) == len(c.histogram.after) == BINS
        assert c.histogram.before.sum() == c.histogram.after.sum() > 0
    assert found.autocorrelation is not None
    assert found.autocorrelation.shape == (15, 15)
    assert found.autocorrelation[7, 7] == 1
    others = np.delete(found.autocorrelation.ravel(), 112)
    assert np.nanmax(np.abs(others)) < 0.06
    assert found.lag == (2 if cfa == BAYER else 1)


def test_snr_and_means() -> None:
    found = compare(scene())
    for c in found.channels:
        assert c.mean_before == pytest.approx(c.mean_after, abs=3)
        expected = 20 * math.log10((c.mean_before - 1024) / c.sigma_before)
        assert c.snr_before == pytest.approx(expected)


def test_a_shift_raises_the_alarm() -> None:
    for c in compare(scene() + 40).channels:
        assert c.shift_alarm
        assert c.shift == pytest.approx(40, abs=2)
        assert c.shift_percent == pytest.approx(100 * 40 / 15359, abs=0.02)


def test_blurring_is_structure() -> None:
    blurred = scene()
    for axis in (0, 1):
        blurred = sum(np.roll(blurred, k, axis) for k in range(-6, 7)) / 13
    assert compare(blurred).verdict == STRUCTURE


def test_lost_edges_are_structure() -> None:
    """Not alike over distance, but more along edges."""
    rng = np.random.default_rng(2)
    edges = np.abs(np.diff(scene(), axis=1, prepend=scene()[:, :1])) > 200
    after = scene() + np.where(edges, rng.choice([-300, 300], SHAPE), 0).astype(np.float32)
    assert compare(after).verdict == STRUCTURE


def test_nothing_removed() -> None:
    before = scene()
    sensor = Image(np.zeros(SHAPE, np.uint16), "yx", "mosaic", Levels(), BAYER)
    found = statistics(before, before, sensor, Region(0, 0, *SHAPE), MODEL)
    assert found.verdict == UNKNOWN
    assert all(c.residual_std == 0 and c.shift == 0 for c in found.channels)


def test_colour_arrays_without_a_model_and_with_nan() -> None:
    rng = np.random.default_rng(3)
    clean = np.stack([scene()] * 3)
    before = clean + rng.normal(0, 20, clean.shape).astype(np.float32)
    before[:, :5, :9] = np.nan
    image = Image(before, "cyx", "linear")
    found = statistics(before, clean, image, Region(0, 0, *SHAPE), None)
    assert found.verdict == ONLY_NOISE, found.why
    for c in found.channels:
        assert c.sigma_before == pytest.approx(20, rel=0.15)
        assert np.isfinite([c.mean_before, c.mean_after, c.residual_std, c.shift]).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (11, 40), (20, 20)])
@pytest.mark.parametrize("cfa", [BAYER, XTRANS, None])
def test_tiny_regions(shape: tuple[int, int], cfa: Cfa | None) -> None:
    values = np.random.default_rng(4).normal(100, 5, shape).astype(np.float32)
    image = Image(np.zeros((40, 40), np.uint16), cfa=cfa)
    found = statistics(values, values * 0.9, image, Region(0, 0, *shape), MODEL)
    assert found.verdict == UNKNOWN
    assert len(found.channels) == (3 if cfa else 1)


def test_wrong_shapes() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        compare(scene()[:-1])


def test_psnr() -> None:
    a = np.zeros((8, 8), np.float32)
    assert psnr(a, a, 1) == math.inf
    assert psnr(a, a + 0.1, 1) == pytest.approx(20, abs=1e-4)
    assert rmse(a, a + 3) == 3


def test_taking_off_the_lift_of_rician_noise_is_no_shift() -> None:
    rng = np.random.default_rng(0)
    true = np.zeros((200, 200), np.float32)
    true[50:150, 50:150], true[:40] = 100, 8
    noisy = np.hypot(true + rng.normal(0, 10, true.shape), rng.normal(0, 10, true.shape))
    image = Image(noisy.astype(np.float32), "yx", "scan")
    region, noise = Region.whole(200, 200), Rician(10.0)
    found = statistics(noisy, true, image, region, noise)
    (one,) = found.channels
    assert not one.shift_alarm and abs(one.shift) < 0.2 and 7 < one.lift < 10
    assert one.residual_std == pytest.approx(one.expected_std, rel=0.03)
    assert found.verdict == ONLY_NOISE
    (one,) = statistics(noisy, np.maximum(true - 4, 0) * 0.8, image, region, noise).channels
    assert one.shift_alarm  # what goes beyond the lift still is one
    kept = noise.mean(true, 0)  # a method that leaves the lift where it is
    (one,) = statistics(noisy, kept, image, region, noise).channels
    assert one.lift == 0 and not one.shift_alarm
