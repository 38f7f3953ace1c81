"""The samples that come with Sordino: synthetic RAW files of known noise."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import resources
from core.files import open_image
from core.image import Image
from core.noise.estimate import measure
from core.noise.measured import GOOD
from core.registry import load
from resources.samples import make
from resources.samples.scene import render

FOLDER = resources.path("samples")
SIGNALS = np.array([100.0, 1000.0, 4000.0, 10000.0])


@pytest.fixture(scope="module", params=make.SAMPLES, ids=lambda sample: sample.name)
def opened(request: pytest.FixtureRequest) -> tuple[make.Sample, Image]:
    return request.param, open_image(load(), FOLDER / f"{request.param.name}.dng")


@pytest.fixture(scope="module")
def scene() -> make.Floats:
    return render(make.HEIGHT, make.WIDTH)


def test_in_the_package_and_small() -> None:
    found = {path.stem: path.stat().st_size for path in FOLDER.glob("*.dng")}
    assert set(found) == {"bayer_iso12800", "xtrans_iso6400"}
    assert max(found.values()) < 2e6


def test_say_what_they_are(opened: tuple[make.Sample, Image]) -> None:
    sample, image = opened
    assert (image.kind, image.axes, image.levels) == ("mosaic", "yx", make.LEVELS)
    assert image.pixels.shape == (make.HEIGHT, make.WIDTH)
    assert image.cfa == sample.cfa
    assert image.color is not None
    assert image.color.wb_source == "as shot"
    assert np.allclose(image.color.wb, make.WB, atol=1e-3)
    assert np.allclose(image.color.matrix, make.COLOR.matrix, atol=1e-3)
    shown = image.meta["exif"]
    assert shown["make"] == "Sordino"
    assert "synthetic" in shown["model"]
    assert "Synthetic" in shown["description"]
    assert shown["iso"] == sample.iso
    assert image.meta["compression"] == "lossless JPEG"
    assert not image.meta["marked_denoised"]
    assert not image.meta["warnings"]


def test_measured_noise_is_the_noise_given(opened: tuple[make.Sample, Image]) -> None:
    sample, image = opened
    found = measure(image)
    assert {channel.verdict for channel in found.channels} == {GOOD}
    wanted = np.sqrt(sample.gain * SIGNALS + sample.read**2)
    for channel in range(3):
        assert np.allclose(found.model.sigma(SIGNALS, channel), wanted, rtol=0.05)


def test_pixels_are_the_scene_plus_noise(
    opened: tuple[make.Sample, Image], scene: make.Floats
) -> None:
    sample, image = opened
    signal = make.truth(scene, sample.cfa)
    free = signal < 0.6 * make.LEVELS.span
    error = np.asarray(image.pixels[...], np.float32) - make.LEVELS.black[0][0] - signal
    scaled = error[free] / np.sqrt(sample.gain * signal[free] + sample.read**2)
    assert abs(scaled.mean()) < 0.005
    assert scaled.std() == pytest.approx(1, abs=0.005)
    clipped = np.asarray(image.pixels[...]) >= make.LEVELS.white
    assert 0.001 < clipped.mean() < 0.01


def test_small_ones_are_made_alike_twice(tmp_path: Path) -> None:
    made: list[list[bytes]] = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        paths = make.make(folder, 96, 144, clean=True)
        assert len(list(folder.iterdir())) == 2 * len(paths) == 2 * len(make.SAMPLES)
        made.append([path.read_bytes() for path in paths])
    assert made[0] == made[1]
    truth = np.load(tmp_path / "a" / "bayer_iso12800_truth.npy")
    assert truth.shape == (96, 144)
    assert truth.dtype == np.float32


def test_seed_decides() -> None:
    small = render(48, 72)
    sample = make.SAMPLES[0]
    one, other = (make.photograph(replace(sample, seed=seed), small) for seed in (1, 2))
    assert one.id != other.id


def test_runs_as_a_script_from_anywhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, make.__file__, "--help"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "FOLDER" in done.stdout.upper()
