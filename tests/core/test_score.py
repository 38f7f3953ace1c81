"""Noise2Score: its formulas against means a posteriori; learning from noisy images alone."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from core.learn.patches import photographs, shrunk
from core.learn.score import DITHER, LIFT, Alone, Law, Laws, slope
from core.learn.train import Run, train
from core.ops.unet import Shape

GRID = np.linspace(0.2, 0.9, 701)  # clean values, and how likely each is
PRIOR = np.exp(-(((GRID - 0.45) / 0.08) ** 2) / 2) + 0.6 * np.exp(-(((GRID - 0.7) / 0.05) ** 2) / 2)


def likelihood(law: Law, value: np.ndarray) -> np.ndarray:
    """Of stabilised values (rows), given each clean value (columns)."""
    value = value[:, None]
    if law.name == "gaussian":
        return np.exp(-((value - GRID / law.level) ** 2) / 2)
    if law.name == "poisson":
        counts, mean = np.arange(400), GRID / law.level
        logs = np.array([math.lgamma(n + 1) for n in counts])
        chance = np.exp(counts[:, None] * np.log(mean) - mean - logs[:, None])
        dithered = value**2 / 4 - LIFT
        near = np.exp(-((dithered - counts) ** 2) / (2 * DITHER**2))
        return near @ chance * value / 2
    looks, noisy = law.level, np.exp(value / math.sqrt(law.level))
    return np.exp(looks * (np.log(noisy / GRID) - noisy / GRID))


@pytest.mark.parametrize(
    ("law", "bound"),
    [
        (Law("gaussian", 0.1), 1e-4),
        (Law("poisson", 0.01), 0.0075),  # three quarters of a photon, between the humps
        (Law("poisson", 0.04), 0.03),
        (Law("gamma", 40), 1e-4),
    ],
)
def test_the_formulas_are_means_a_posteriori(law: Law, bound: float) -> None:
    noisy = np.linspace(0.35, 0.8, 40)
    if law.name == "gaussian":
        value = noisy / law.level
    elif law.name == "poisson":
        value = 2 * np.sqrt(noisy / law.level + LIFT)
    else:
        value = math.sqrt(law.level) * np.log(noisy)
    step = 1e-4
    low, middle, high = (likelihood(law, value + d) @ PRIOR for d in (-step, 0, step))
    score = (np.log(high) - np.log(low)) / (2 * step)
    found = law.restored(torch.as_tensor(value), torch.as_tensor(score)).numpy()
    weights = likelihood(law, value) * PRIOR
    power = -1 if law.name == "gamma" else 1  # of speckle it is the harmonic mean
    mean = ((weights * GRID**power).sum(1) / middle) ** power
    assert np.abs(found - mean).max() < bound
    assert np.abs(noisy - mean).max() > 2 * bound, "the formula does something"


def test_every_law_becomes_noise_of_one() -> None:
    random = np.random.default_rng(0)
    clean = np.full((1, 1, 300, 300), 0.4)
    for law in (Law("gaussian", 0.1), Law("poisson", 0.01), Law("gamma", 80)):
        noisy = law.spoiled(clean, random)
        assert abs(np.mean(noisy) - 0.4) < 2e-3
        truth = float(law.deviation(torch.tensor(0.4)))
        assert np.std(noisy) == pytest.approx(truth, rel=0.02)
        assert np.std(law.stabilised(noisy, random)) == pytest.approx(1, rel=0.03)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of discs."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[:160, :160]
    for number in range(12):
        picture = np.full((160, 160), random.uniform(40, 200))
        for _ in range(10):
            inside = np.hypot(y - random.uniform(0, 160), x - random.uniform(0, 160)) < 30
            picture[inside] = random.uniform(20, 230)
        cv2.imwrite(str(tmp_path / f"{number:02}.png"), picture.astype(np.uint8))
    return tmp_path


def test_it_learns_from_noisy_images_alone(folder: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    run = Run(Shape(1, 8), samples=60 * 8, seed=3, batch=8, rate=1e-2)
    made = Alone(run, photographs(folder))
    train(made, tmp_path / "alone", lambda _: None, lambda: False)
    clean = np.kron(np.array([[0.3, 0.7], [0.6, 0.4]]), np.ones((48, 48)))[None, None]
    for law in (Law("gaussian", 25 / 255), Law("poisson", 0.02), Law("gamma", 50)):
        random = np.random.default_rng(0)
        noisy = law.spoiled(clean, random)
        value = torch.as_tensor(law.stabilised(noisy, random))
        with torch.no_grad():
            found = law.restored(value, slope(made.ema, value)).numpy()
        gain = 10 * math.log10(np.mean((noisy - clean) ** 2) / np.mean((found - clean) ** 2))
        assert gain > 4, (law, "dB")


def test_what_is_learned_from_has_noise_of_its_own(folder: Path) -> None:
    laws = Laws(shrunk(photographs(folder)[0].path, 1), 1)
    for step in range(4):
        noisy, other, guide, sigma = laws.batch(step, 16)
        value = laws.patches(step, 16)[0]
        away = [np.std(each - value, axis=(1, 2, 3)) for each in (noisy, other)]
        np.testing.assert_allclose(away[0], np.sqrt(guide.ravel() ** 2 - 1), rtol=0.05)
        np.testing.assert_allclose(away[1], np.sqrt(sigma.ravel() ** 2 - 1), rtol=0.05)
        mixed = (noisy - value) * (other - value)
        assert (mixed.mean((1, 2, 3)) < -0.9).all(), "the further noise is taken from the target"


def test_batches_are_of_one_law_and_the_same_again(folder: Path) -> None:
    pictures = [np.full((1, 80, 80), 90, np.uint8)]
    found = {Laws(pictures, 0).law(step).name for step in range(20)}
    assert found == {"gaussian", "poisson", "gamma"}
    for a, b in zip(Laws(pictures, 4).batch(5, 2), Laws(pictures, 4).batch(5, 2), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_command_that_trains_a_network_so(folder: Path, tmp_path: Path) -> None:
    from plugins.methods.unet.train import main

    out = tmp_path / "alone.ckpt"
    assert main([str(folder), "--alone", "--samples", "32", "--out", str(out)]) == 0
    assert out.exists()
