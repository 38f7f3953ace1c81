"""The sample MR and CT: their truth, their noise, made alike twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import resources
from core.files import open_image
from core.registry import load
from resources.samples import scans
from resources.samples.phantoms import belly, low_dose

FOLDER = resources.path("samples")
SMALL = (6, 40, 48)


@pytest.mark.parametrize(
    ("name", "shape", "spacing", "unit"),
    [("mr_head.nii.gz", scans.HEAD, 1.8, None), ("ct_belly.nrrd", scans.BELLY, 1.9, "HU")],
)
def test_in_the_package_and_small(
    name: str, shape: tuple[int, ...], spacing: float, unit: str | None
) -> None:
    path = FOLDER / name
    assert path.stat().st_size < 7e5
    image = open_image(load(), path)
    assert (image.kind, image.axes, tuple(image.pixels.shape)) == ("scan", "zyx", shape)
    assert image.coords["spacing"]["x"] == pytest.approx(spacing)
    assert image.meta.get("scale", (1, 0, None))[2] == unit
    values = np.asarray(image.pixels[...])
    if unit:
        assert values.min() < -900
        assert 40 < np.median(values[:, 60:75, 40:70]) < 160  # the liver
    else:
        assert values.min() >= 0
        assert 500 < np.percentile(values, 80) < 900  # white matter


def test_made_alike_twice_with_their_truth(tmp_path: Path) -> None:
    made: list[list[bytes]] = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        paths = scans.make(tmp_path / name, True, SMALL, SMALL)
        made.append([path.read_bytes() for path in paths])
    assert made[0] == made[1]
    for name in ("mr_head", "ct_belly"):
        truth = np.load(tmp_path / "a" / f"{name}_truth.npy")
        assert (truth.shape, truth.dtype) == (SMALL, np.float32)


def test_low_dose_noise_is_correlated_and_stronger_inside() -> None:
    truth = belly((3, 72, 96), seed=1)
    error = low_dose(truth, 2e4, 3.8, 90, np.random.default_rng(0)) - truth
    middle, air = error[:, 30:42, 40:56], error[:, 2:10, 2:14]
    assert abs(float(error.mean())) < 1
    assert middle.std() > 1.5 * air.std()
    beside = (error[..., 1:] * error[..., :-1])[:, 30:42, 40:56].mean() / middle.var()
    apart = (error[1:] * error[:-1])[:, 30:42, 40:56].mean() / middle.var()
    assert beside > 0.2
    assert abs(apart) < beside - 0.1
