"""The sample cube and its generator, which the cubes' benchmark uses, too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import resources
from core.files import open_image
from core.registry import load
from resources.samples import spectral


def test_in_the_package_small_and_with_wavelengths() -> None:
    path = resources.path(f"samples/{spectral.NAME}.hdr")
    assert path.with_suffix(".img").stat().st_size < 6e5
    image = open_image(load(), path)
    made, truth = spectral.cube()
    assert (image.kind, image.axes) == ("cube", "byx")
    assert np.array_equal(image.pixels[...], made.pixels[...])
    np.testing.assert_allclose(image.coords["b"], spectral.wavelengths(spectral.BANDS), rtol=1e-6)
    assert image.coords["units"]["b"] == "Nanometers"
    assert image.meta["scale"] == (1e-4, 0.0, "reflectance")
    assert image.meta["default_bands"] == made.meta["default_bands"]
    assert "Synthetic" in image.meta["description"]
    assert np.median(np.abs(image.pixels[...] - truth)) < 1000


def test_truth_has_rank_six_and_fine_structure() -> None:
    clean = spectral.truth(96, 80, 40)
    assert clean.shape == (40, 96, 80)
    assert 0 < clean.min() < clean.max() < 1
    power = np.linalg.svd(clean.reshape(40, -1).astype(float), compute_uv=False)
    assert power[5] > 1e-3 * power[0]
    assert power[6] < 1e-5 * power[0]
    steps = np.abs(np.diff(clean[20], axis=1))
    assert np.median(steps) > 0.002
    assert np.quantile(steps, 0.99) > 0.03


def test_noise_is_what_it_says() -> None:
    clean = spectral.truth(64, 64, 40)
    for kind in ("iid", "noniid", "mixed"):
        made, sigmas = spectral.noisy(clean, kind, 4)
        again, _ = spectral.noisy(clean, kind, 4)
        assert np.array_equal(made, again)
        assert not np.array_equal(made, spectral.noisy(clean, kind, 5)[0])
        rest = np.median(np.abs(made - clean), (1, 2)) / 0.6745
        if kind == "mixed":
            off = np.abs(made - clean) > 4.5 * sigmas[:, None, None]
            assert 0.001 < off.mean() < 0.1
        else:
            np.testing.assert_allclose(rest, sigmas, rtol=0.08)
            assert abs((made - clean).mean()) < 0.001
        assert (sigmas.max() > 2 * sigmas.min()) == (kind != "iid")


def test_made_alike_twice_with_its_truth(tmp_path: Path) -> None:
    made: list[list[bytes]] = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        path = spectral.make(tmp_path / name, clean=True, edge=24)
        made.append([path.read_bytes(), path.with_suffix(".img").read_bytes()])
    assert made[0] == made[1]
    truth = np.load(tmp_path / "a" / f"{spectral.NAME}_truth.npy")
    assert truth.shape == (spectral.BANDS, 24, 24)
    assert truth.mean() == pytest.approx(spectral.truth(24, 24, spectral.BANDS).mean() * 1e4)
