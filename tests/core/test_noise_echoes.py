"""The speckle of B-mode: its strength and width recovered, other textures not called good."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from core.image import Image
from core.noise.estimate import measure
from core.noise.measured import GOOD
from core.noise.model import LogSpeckle, PoissonGaussian
from core.noise.simulate import log_speckle

SIDE = 320


def tissue() -> np.ndarray:
    """(H, W) in log units: soft shading, cysts and lesions, a thin line, faint texture."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    found = 110 + 30 * np.sin(3 * x + 1) * np.cos(2 * y)
    for cy, cx, radius, value in ((0.3, 0.3, 0.1, 60), (0.6, 0.7, 0.12, 170), (0.8, 0.3, 0.06, 50)):
        found[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = value
    found[np.abs(y - 0.5 - 0.05 * np.sin(9 * x)) < 0.006] = 190
    faint = cv2.GaussianBlur(np.random.default_rng(0).standard_normal((SIDE, SIDE)), (0, 0), 5)
    return found + 3 * faint / faint.std()


def clip(scale: float, size: tuple[float, float]) -> Image:
    frames = [log_speckle(tissue(), scale, np.random.default_rng(k), size) for k in range(3)]
    return Image(np.clip(np.round(frames), 0, 255).astype(np.uint8), "tyx", "clip")


@pytest.mark.parametrize("size", [(0.0, 0.0), (1.0, 1.0), (1.0, 2.0)])
@pytest.mark.parametrize("scale", [12.0, 24.0])
def test_speckle_is_recovered(scale: float, size: tuple[float, float]) -> None:
    found = measure(clip(scale, size))
    assert found.verdict == GOOD, found.channels[0].why
    assert isinstance(found.model, LogSpeckle)
    assert found.model.scale == pytest.approx(scale, rel=0.05)
    # an envelope is as wide as its pulse is, squared: 2 sqrt(pi) / sqrt(2) of the half width
    wide = [max(1.0, 1.9 * s) for s in size]
    assert found.model.size == pytest.approx(wide, rel=0.15)
    assert "dynamic range" in found.summary


def test_no_boasting() -> None:
    assert measure(clip(0.0, (0.0, 0.0))).verdict != GOOD
    rng = np.random.default_rng(1)
    grain = np.clip(tissue() + rng.normal(0, 12, (SIDE, SIDE)), 0, 255).astype(np.uint8)
    found = measure(Image(grain, "yx", "clip"))
    assert found.verdict != GOOD
    assert "filtered" in found.channels[0].why


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 64, 64), (1, 1, 1)])
@pytest.mark.parametrize("fill", [0, 255])
def test_empty_clips(shape: tuple[int, ...], fill: int) -> None:
    found = measure(Image(np.full(shape, fill, np.uint8), "tyx", "clip"))
    assert isinstance(found.model, PoissonGaussian)
    assert found.verdict != GOOD


def test_a_real_clip(shared_data: Path) -> None:
    from core.desk import Desk
    from core.options import open_file

    desk = Desk()
    path = shared_data / "ultrasound/iq_rf/clarius/carotid_env.raw"
    found = measure(open_file(desk, str(path)))
    assert isinstance(found.model, LogSpeckle)
    assert 25 < found.model.scale < 40
    desk.close()
