"""The noise of scans: Rician by its background or by tissue, CT by neighbouring slices."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from core.image import Image
from core.noise.estimate import measure
from core.noise.measured import DOUBTFUL, GOOD
from core.noise.model import Mapped, Rician
from core.noise.simulate import correlated, magnitude
from core.tiles import Region

HEAD = (10, 181, 217)


def head(texture: float = 5.0) -> np.ndarray:
    """(z, y, x): skull, grey and white matter, ventricles, with some texture; 0 around it."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in HEAD), indexing="ij")
    rng, found = np.random.default_rng(0), np.zeros(HEAD)

    def ellipse(cx: float, height: float, width: float, value: float) -> None:
        found[(y / height) ** 2 + ((x - cx) / width) ** 2 + 0.25 * z**2 < 1] = value

    for size, value in ((0.85, 90), (0.78, 40), (0.7, 150)):
        ellipse(0, size, 0.95 * size, value)
    folds = np.stack([cv2.GaussianBlur(rng.standard_normal(HEAD[1:]), (0, 0), 4)] * HEAD[0])
    found[(found == 150) & (folds > 0.3 * folds.std())] = 230
    ellipse(0.1, 0.2, 0.08, 30)
    fine = np.stack([cv2.GaussianBlur(rng.standard_normal(HEAD[1:]), (0, 0), 1.2)] * HEAD[0])
    return np.where(found > 0, found + texture * fine / fine.std(), 0).clip(0)


@pytest.mark.parametrize("percent", [1, 3, 9, 15])
@pytest.mark.parametrize("coils", [1, 4])
def test_magnitudes_with_a_background(percent: float, coils: int) -> None:
    scale = 2.3 * percent
    noisy = magnitude(head(), scale, np.random.default_rng(1), coils)
    found = measure(Image(np.round(noisy).astype(np.uint16), "zyx", "scan"))
    assert found.verdict == GOOD, found.channels[0].why
    assert isinstance(found.model, Rician)
    assert found.model.coils == coils
    assert found.model.scale == pytest.approx(scale, rel=0.03)
    assert found.pattern.white
    assert found.chart.bars


@pytest.mark.parametrize("percent", [3, 9, 15])
def test_magnitudes_whose_background_was_cut_away(percent: float) -> None:
    clean, scale = head(), 2.3 * percent
    noisy = np.where(clean > 0, magnitude(clean, scale, np.random.default_rng(1)), 0)
    found = measure(Image(np.round(noisy).astype(np.uint16), "zyx", "scan"))
    assert found.model.scale == pytest.approx(scale, rel=0.05)
    assert found.channels[0].verdict in (GOOD, DOUBTFUL)


@pytest.mark.parametrize("texture", [0.0, 5.0])
def test_a_clean_scan_is_not_good(texture: float) -> None:
    for pixels in (head(texture).astype(np.float32), np.round(head(texture)).astype(np.uint8)):
        assert measure(Image(pixels, "zyx", "scan")).verdict != GOOD


def body(slices: int = 8, size: int = 256) -> np.ndarray:
    """(z, y, x) in HU: fat, soft tissue, lungs, spine, heart; edges move from slice to slice."""
    z, y, x = np.meshgrid(
        np.linspace(-0.2, 0.2, slices), *[np.linspace(-1, 1, size)] * 2, indexing="ij"
    )
    found = np.full(z.shape, -1000.0)
    for cy, cx, height, width, value in (
        (0, 0, 0.7, 0.9, -80), (0, 0, 0.62, 0.82, 50), (-0.1, 0.35, 0.35, 0.3, -800),
        (-0.1, -0.35, 0.35, 0.3, -800), (0.35, 0, 0.12, 0.12, 500), (0.1, 0.05, 0.15, 0.2, 120),
    ):  # fmt: skip
        found[((y - cy - 0.1 * z) / height) ** 2 + ((x - cx + 0.1 * z) / width) ** 2 < 1] = value
    soft = cv2.GaussianBlur(np.random.default_rng(3).standard_normal((size, size)), (0, 0), 3)
    return found + np.where(found > -900, 5 * soft / soft.std(), 0)


def ct(sigma: np.ndarray | float, size: float, slices: int = 8) -> Image:
    clean = body(slices)
    noise = correlated(clean.shape, (size, size), np.random.default_rng(0))
    pixels = np.clip(np.round(clean + sigma * noise), -1024, 3000).astype(np.int16)
    return Image(pixels, "zyx", "scan", meta={"scale": (1.0, 0.0, "HU")})


@pytest.mark.parametrize("size", [0.0, 0.8])
@pytest.mark.parametrize("sigma", [10.0, 25.0])
def test_ct_by_neighbouring_slices(size: float, sigma: float) -> None:
    found = measure(ct(sigma, size))
    assert found.verdict == GOOD, found.channels[0].why
    assert found.channels[0].read == pytest.approx(sigma, rel=0.05)
    assert found.pattern.white == (size == 0)
    assert (size == 0) == ("correlated" not in " ".join(found.notes))
    assert "HU" in found.summary


def test_ct_whose_noise_varies_over_the_body() -> None:
    across = np.linspace(-1, 1, 256)
    sigma = 12 * np.exp(0.8 * (1 - across[:, None] ** 2) * (1 - across**2))
    found = measure(ct(sigma, 0.6, 12))
    assert isinstance(found.model, Mapped)
    local = found.model.over(Region.whole(256, 256), "yx", (256, 256))
    ratio = local.sigma(np.zeros((256, 256)), 0) / sigma
    inside = body(1)[0] > -200
    assert np.median(ratio[inside]) == pytest.approx(1, abs=0.07)
    assert ratio[inside].std() < 0.2


def test_a_clean_or_single_ct_is_not_good() -> None:
    assert measure(ct(0.0, 0.0)).verdict != GOOD
    one = measure(ct(20.0, 0.0, 1))
    assert one.verdict != GOOD
    assert one.channels[0].read == pytest.approx(20, rel=0.08)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 12, 12), (2, 30, 40)])
@pytest.mark.parametrize("fill", [0, 7, None])
def test_tiny_and_empty_scans(shape: tuple[int, ...], fill: int | None) -> None:
    noise = np.random.default_rng(4).normal(-300, 40, shape)
    pixels = noise if fill is None else np.full(shape, fill)
    for meta in ({}, {"scale": (1.0, 0.0, "HU")}):
        found = measure(Image(pixels.astype(np.float32), "zyx", "scan", meta=meta))
        assert found.verdict != GOOD
        assert np.isfinite(found.model.sigma(np.zeros((2, 2)), 0)).all()


def test_real_scans(shared_data: Path) -> None:
    from core.desk import Desk
    from core.options import open_file

    desk = Desk()
    found = measure(open_file(desk, str(shared_data / "medical/dwi/test_piesno.nii.gz")))
    assert found.model.coils == 8
    assert found.model.scale == pytest.approx(0.01075, rel=0.03)  # as others measured it
    found = measure(open_file(desk, str(shared_data / "medical/dicom/ct_abdomen_series")))
    assert 20 < found.channels[0].read < 40
    assert "correlated" in " ".join(found.notes)
    desk.close()
