"""Correlated noise: spectra, the model's curve, what is measured of developed photographs."""

from __future__ import annotations

import numpy as np
import pytest

from core.desk import Desk
from core.image import Image, Levels
from core.noise import spectrum, text
from core.noise.correlated import Correlated, like_white, spectra_of
from core.noise.estimate import measure
from core.noise.model import PoissonGaussian
from core.noise.simulate import correlated
from core.ops import bm, dct
from core.ops.scales import halve
from core.probe import correlation_of
from core.recipe import Recipe, Step
from core.render import Renderer, assemble
from core.tiles import Region

Floats = np.ndarray


def coefficients(plane: Floats) -> Floats:
    """Root mean squares (8, 8) of the DCT coefficients of blocks."""
    at = np.arange(8)
    basis = np.cos((2 * at + 1) * at[:, None] * np.pi / 16) / 2
    basis[0] /= 2**0.5
    rows, columns = plane.shape[0] // 8, plane.shape[1] // 8
    parts = plane[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3)
    return np.sqrt(np.mean((basis @ parts @ basis.T) ** 2, (0, 1)))


def textured(edge: int = 256) -> Floats:
    """A picture with edges, shading, fine lines and even areas, 0..255."""
    y, x = np.mgrid[:edge, :edge] / edge
    rings = np.where((x > 0.5) & (y > 0.5), 30 * np.sin(edge * 0.9 * np.hypot(x, y)), 0)
    return 60 + 80 * x + 50 * (np.hypot(x - 0.4, y - 0.3) < 0.2) + 40 * (y > 0.6) + rings


def psnr(found: Floats, clean: Floats) -> float:
    return float(10 * np.log10(255**2 / np.mean((found - clean) ** 2)))


@pytest.mark.parametrize("size", [0.8, 1.5])
def test_spectra_are_those_of_the_noise_here_halved_and_binned(size: float) -> None:
    noise = correlated((1024, 1024), (size, size), np.random.default_rng(1)).astype(np.float32)
    known = spectrum.of_pulse(size)
    assert np.allclose(np.reshape(known, (8, 8))[:4, :4], coefficients(noise)[:4, :4], rtol=0.04)
    half = halve(noise[None, None])[0, 0]
    told = np.reshape(spectrum.halved(known), (8, 8))
    assert np.allclose(told[1:5, 1:5], coefficients(half)[1:5, 1:5], rtol=0.05)
    means = noise[:1023, :1023].reshape(341, 3, 341, 3).mean((1, 3))
    sigma, binned = spectrum.binned(known, 3)
    assert sigma == pytest.approx(means.std(), rel=0.04)
    seen = coefficients(means) / means.std()
    assert np.allclose(np.reshape(binned, (8, 8))[1, 1:], seen[1, 1:], rtol=0.06)


def test_white_spectra_stay_white() -> None:
    assert spectrum.halved(spectrum.WHITE) == spectrum.WHITE
    assert spectrum.coarse(spectrum.WHITE) == 1
    assert np.allclose(spectrum.of_correlation([[1.0]]), 1)
    lags = spectrum.correlation_of(spectrum.of_pulse(1.0))[0]
    assert np.allclose(lags[:2], (1, np.exp(-0.25)), atol=0.02)
    assert like_white(PoissonGaussian((0.0,), (3.0,))) == 1
    assert spectra_of(None, 2) == (spectrum.WHITE,) * 3


def test_the_curve_makes_any_deviation_one_and_keeps_the_mean() -> None:
    model = Correlated((0.0, 100.0, 200.0), (3.0, 9.0, 5.0))
    curve, rng = model.curve(0), np.random.default_rng(2)
    for signal in (10.0, 60.0, 100.0, 150.0, 230.0):
        noisy = rng.normal(signal, float(model.sigma(np.full(1, signal), 0)[0]), 40_000)
        white = curve.forward(noisy.astype(np.float32))
        assert white.std() == pytest.approx(1, abs=0.06)
        back = curve.inverse(np.full(1, white.mean(), np.float32))[0]
        assert back == pytest.approx(signal, abs=0.15)
    import torch

    at = np.linspace(-60, 330, 500).astype(np.float32)
    for way in (curve.forward, curve.inverse):
        assert np.allclose(way(torch.as_tensor(at)).numpy(), way(at), atol=2e-3)


@pytest.mark.parametrize("name", ["dct", "fast", "blockmatch"])
def test_methods_use_the_spectrum(name: str) -> None:
    """Correlated noise: told its spectrum, a method beats itself told that it is white."""
    desk = Desk(threads=1)
    clean = textured(160)
    noise = 12 * correlated(clean.shape, (0.9, 0.9), np.random.default_rng(3))
    image = Image((clean + noise).astype(np.float32))
    recipe = Recipe((Step(desk.registry.methods[name]()),))

    def left(model: object) -> float:
        renderer = Renderer(image, model, recipe, desk)  # pyright: ignore[reportArgumentType]
        return psnr(assemble(renderer, Region.whole(160, 160)), clean)

    white = left(PoissonGaussian((0.0,), (12.0,)))
    assert left(text.parse("correlated:12,0.9")) > white + 1.5
    same = assemble(
        Renderer(image, Correlated((0.0,), (12.0,)), recipe, desk), Region.whole(160, 160)
    )
    plain = Renderer(image, PoissonGaussian((0.0,), (12.0,)), recipe, desk)
    assert np.array_equal(same, assemble(plain, Region.whole(160, 160)))
    desk.close()


def test_shrinkage_by_spectrum_is_the_same_on_other_devices() -> None:
    import torch

    tile = np.random.default_rng(4).normal(0, 2, (1, 2, 40, 48)).astype(np.float32)
    known = spectrum.of_pulse(0.8)
    for step in (1, 3):
        found = dct.shrink(tile, None, (1.0, 0.7), step, lambda: None, known)
        other = dct.shrink(torch.as_tensor(tile), None, (1.0, 0.7), step, lambda: None, known)
        assert np.allclose(found, other.numpy(), atol=1e-4)
        again = dct.shrink(tile, found, (1.0, 0.7), step, lambda: None, known)
        given = torch.as_tensor(tile), torch.as_tensor(found)
        other = dct.shrink(*given, (1.0, 0.7), step, lambda: None, known)
        assert np.allclose(again, other.numpy(), atol=1e-4)


def test_block_matching_takes_what_the_spectrum_says() -> None:
    """Pure noise of a strong low band: with its spectrum more of it goes."""
    noise = correlated((1, 1, 64, 64), (1.2, 1.2), np.random.default_rng(5)).astype(np.float32)
    known = bm.denoise(noise, (1.0,), 3, 8, 0, lambda: None, spectrum.of_pulse(1.2))
    white = bm.denoise(noise, (1.0,), 3, 8, 0, lambda: None)
    assert known.std() < 0.8 * white.std()


@pytest.mark.parametrize("pulse", [0.7, 1.0])
def test_developed_photographs(pulse: float) -> None:
    """Measured within a third, said to be correlated; denoising by it gains what it should."""
    clean = np.stack([textured() * f for f in (1.0, 0.9, 0.8)])
    rng = np.random.default_rng(6)
    shared = correlated(clean.shape[1:], (pulse, pulse), rng)
    noise = 3 * shared + 2 * correlated(clean.shape, (pulse, pulse), rng)
    pixels = np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)
    image = Image(pixels, "cyx", "display", Levels(white=255.0))
    found = measure(image)
    assert found.model.kind == "correlated" and found.verdict == "doubtful"
    assert "developed" in found.summary and found.pattern and not found.pattern.white
    assert isinstance(found.model, Correlated)
    level = found.model.deviation[0] * found.model.spectra[0][0]
    luma = (pixels - clean).sum(0) / 3**0.5
    seen = coefficients(luma)
    true = np.sqrt(np.mean(np.square([seen[0, 2], seen[2, 0], seen[1, 2], seen[2, 1]])))
    assert level == pytest.approx(true, rel=0.34)
    desk = Desk(threads=1)
    renderer = Renderer(image, found.model, Recipe((Step(desk.registry.methods["dct"]()),)), desk)
    gained = psnr(assemble(renderer, Region.whole(256, 256)), clean) - psnr(pixels, clean)
    assert gained > 3
    desk.close()


def test_clean_photographs_are_hardly_touched() -> None:
    clean = np.stack([textured() * f for f in (1.0, 0.9, 0.8)])
    pixels = np.clip(np.rint(clean), 0, 255).astype(np.uint8)
    image = Image(pixels, "cyx", "display", Levels(white=255.0))
    model = measure(image).model
    assert float(model.sigma(np.full(1, 100.0), 0)[0]) < 1.0


def test_as_text() -> None:
    model = text.parse("correlated:4.5,1")
    assert isinstance(model, Correlated) and model.deviation == (4.5,)
    assert text.from_json(text.to_json(model)) == model
    flat = Correlated((0.0, 9.0), (1.0, 2.0), ((1.5,) * 64, (2.0,) * 64))
    assert text.from_json(text.to_json(flat)) == flat
    for bad in ("correlated:4", "correlated:4,99", "correlated:-1,1"):
        with pytest.raises(ValueError):
            text.parse(bad)


def test_probes_have_the_correlation_of_a_typed_model() -> None:
    image = Image(np.zeros((64, 64), np.float32))
    alike = correlation_of(image, text.parse("correlated:4,1"))
    assert alike is not None and alike.shape == (8, 15)
    assert np.allclose(alike[0, 5:10], np.exp(-(np.arange(-2.0, 3) ** 2) / 4), atol=0.03)
    assert correlation_of(image, Correlated((0.0,), (4.0,))) is None


def test_means_of_pixels() -> None:
    model = Correlated((0.0,), (4.0,), (spectrum.of_pulse(1.0),))
    sigma, known = spectrum.binned(spectrum.of_pulse(1.0), 2)
    assert model.averaged((4.0,)) == Correlated((0.0,), (4.0 * sigma,), (known,))
    several = Correlated((0.0,), (4.0,), ((1.0,) * 64, (1.5,) * 64))
    assert several.averaged((4.0, 4.0, 4.0)) == Correlated((0.0,), (2.0,), ((1.5,) * 64,))
