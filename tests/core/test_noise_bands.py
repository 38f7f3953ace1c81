"""The noise of cubes: every band's sigma recovered, stripes and dead lines said, no boasting."""

from __future__ import annotations

import numpy as np
import pytest

from core.image import Image
from core.noise.estimate import measure
from core.noise.measured import CANNOT_TELL, GOOD
from core.noise.model import Sliced
from core.noise.simulate import cube


def mixture(bands: int, height: int = 120, width: int = 110) -> np.ndarray:
    """(B, H, W): five smooth spectra, in shares that change over the picture, with edges."""
    import cv2

    rng = np.random.default_rng(0)
    knots, at = np.linspace(0, 1, 6), np.linspace(0, 1, bands)
    spectra = np.stack([np.interp(at, knots, rng.random(6)) for _ in range(5)])
    fields = [cv2.GaussianBlur(rng.standard_normal((height, width)), (0, 0), 5) for _ in range(5)]
    shares = np.exp(40 * np.stack(fields))
    shares /= shares.sum(0)
    shares[:, :, width // 2 :] = shares[::-1, :, width // 2 :]
    return np.einsum("pb,phw->bhw", spectra, shares)


SIGMA = np.random.default_rng(1).uniform(0.005, 0.05, 60)


def found(pixels: np.ndarray) -> tuple[np.ndarray, object]:
    measured = measure(Image(pixels, "byx", "cube"))
    assert isinstance(measured.model, Sliced)
    return np.array([fit.read for fit in measured.channels]), measured


@pytest.mark.parametrize("bands", [24, 60])
def test_sigma_of_every_band(bands: int) -> None:
    noisy = cube(mixture(bands), SIGMA[:bands], np.random.default_rng(2))
    sigma, measured = found(noisy)
    assert measured.verdict == GOOD, [fit.why for fit in measured.channels]
    assert np.median(np.abs(sigma / SIGMA[:bands] - 1)) < 0.03
    if bands == 60:  # few bands foretell a band of little noise less well
        assert np.abs(sigma / SIGMA - 1).max() < 0.2
    assert not measured.notes
    assert len(measured.chart.points) == bands
    assert "of 60 bands" in measured.summary or bands != 60


def test_stripes_and_outliers_are_said_and_hardly_change_sigma() -> None:
    rng = np.random.default_rng(2)
    sigma, measured = found(cube(mixture(60), SIGMA, rng, stripes=4, impulses=0.01, dead=2))
    assert np.median(np.abs(sigma / SIGMA - 1)) < 0.05
    said = " ".join(measured.notes)
    assert "Dead columns in 20 bands" in said
    assert "Stripes down the columns" in said
    assert "Outliers in 20 bands" in said


@pytest.mark.parametrize("scale", [0, 1000])
def test_a_clean_cube_is_not_good(scale: int) -> None:
    clean = mixture(60)
    pixels = np.round(clean * scale).astype(np.uint16) if scale else clean.astype(np.float32)
    assert found(pixels)[1].verdict == CANNOT_TELL


def test_empty_bands_and_lost_pixels() -> None:
    noisy = cube(mixture(30), SIGMA[:30], np.random.default_rng(2))
    noisy[7] = 5
    noisy[11] = np.nan
    noisy[:, 20:30, 40:60] = np.nan
    sigma, measured = found(noisy)
    assert measured.channels[7].verdict == measured.channels[11].verdict == CANNOT_TELL
    assert np.isfinite(sigma).all()
    rest = np.delete(sigma / SIGMA[:30], [7, 11])
    assert np.median(np.abs(rest - 1)) < 0.05
    assert "2 of 30 bands are empty." in measured.notes


@pytest.mark.parametrize("shape", [(3, 40, 40), (40, 5, 5), (20, 9, 9), (1, 1, 1)])
def test_small_cubes_do_not_fail(shape: tuple[int, ...]) -> None:
    noise = np.random.default_rng(0).normal(5, 1, shape).astype(np.float32)
    assert measure(Image(noise, "byx", "cube")).model.sigma(noise, 0).shape == shape
