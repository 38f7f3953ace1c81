"""Figures of speckle, contrast and edges, on what theory says."""

from __future__ import annotations

import numpy as np
import pytest

from core import contrast
from core.image import Cfa, Image
from core.noise.correlation import correlation
from resources.samples import echoes

RNG = np.random.default_rng(4)


def test_speckle_of_envelopes() -> None:
    envelope = RNG.rayleigh(3.0, 200_000)
    assert contrast.speckle_snr(envelope) == pytest.approx(1.913, rel=0.01)
    logs = 20 * np.log10(envelope) * 255 / 60
    assert contrast.speckle_snr(contrast.linear(logs, 60 / 255)) == pytest.approx(1.913, rel=0.01)
    assert np.isnan(contrast.speckle_snr(envelope[:5]))
    assert contrast.speckle_snr(np.ones(50)) == np.inf


def test_contrast_of_two_areas() -> None:
    a, b = RNG.normal(0, 1, 200_000), RNG.normal(2, 1, 200_000)
    assert contrast.cnr(a, b) == pytest.approx(2 / np.sqrt(2), rel=0.02)
    assert contrast.gcnr(a, b) == pytest.approx(0.6827, abs=0.01)  # 1 - 2 Phi(-1)
    assert contrast.gcnr(np.exp(a), np.exp(b)) == pytest.approx(contrast.gcnr(a, b), abs=1e-6)
    assert contrast.gcnr(a[:1000], a[1000:2000]) < 0.2
    assert contrast.gcnr(a, b + 100) == pytest.approx(1)
    assert contrast.gcnr(np.ones(20), np.ones(20)) == 0
    assert contrast.cnr(np.ones(20), np.ones(20)) == 0
    with_lost = np.append(a, np.nan)
    assert contrast.cnr(with_lost, b) == pytest.approx(contrast.cnr(a, b))


def test_edges_that_stay() -> None:
    clean = np.kron(RNG.normal(0, 1, (20, 20)), np.ones((6, 6)))
    assert contrast.edge_preservation(clean, clean) == pytest.approx(1)
    noisy = clean + RNG.normal(0, 1, clean.shape)
    assert contrast.edge_preservation(clean, noisy) < 0.6
    with pytest.raises(ValueError, match="differ"):
        contrast.edge_preservation(clean, clean[:50])


@pytest.fixture(scope="module")
def flat() -> echoes.Echoes:
    return echoes.scan(echoes.even, 200, 240, 1)[0]


def test_phantom_is_speckle(flat: echoes.Echoes) -> None:
    error = flat.decibels - flat.expected
    assert error.std() == pytest.approx(5.57, abs=0.25)
    assert abs(error.mean()) < 0.4
    even = flat.envelope[80:115, 100:140]
    assert contrast.speckle_snr(even) == pytest.approx(1.91, abs=0.25)


def test_phantom_rf_is_the_envelope_on_a_carrier(flat: echoes.Echoes) -> None:
    rf = flat.rf()
    assert rf.shape == (200 * echoes.FINER, 240)
    spectrum = np.abs(np.fft.rfft(rf, axis=0)).mean(1)
    rate = echoes.sampling(flat.probe)
    peak = np.fft.rfftfreq(len(rf), 1 / rate)[spectrum.argmax()]
    assert peak == pytest.approx(flat.probe.centre, rel=0.1)
    turned = np.fft.fft(rf, axis=0)
    turned[len(rf) // 2 :] = 0
    found = 2 * np.abs(np.fft.ifft(turned, axis=0))[:: echoes.FINER]
    inner = slice(8, -8)
    assert np.corrcoef(found[inner].ravel(), flat.envelope[inner].ravel())[0, 1] > 0.999


def test_phantom_moves_with_its_truth() -> None:
    one, other = echoes.scan(echoes.textured, 100, 120, 2, 4, echoes.breathing)[:2]
    assert np.abs(one.expected - other.expected).max() > 3
    assert (other.decibels - other.expected).std() < 6.2


def test_correlation_of_speckle(flat: echoes.Echoes) -> None:
    found = correlation(Image(flat.decibels, "yx", "clip"), 16)
    error = flat.decibels - flat.expected
    error = error - error.mean()
    power = np.abs(np.fft.rfft2(error, (512, 512))) ** 2
    true = np.fft.irfft2(power, (512, 512))
    true /= true[0, 0]
    assert found.shape == (17, 33)
    assert np.abs(found[:4, 16:22] - true[:4, :6]).max() < 0.15
    assert found[0, 17] > 0.7
    assert not found[8:].any()


@pytest.mark.parametrize("size", [(200, 240), (30, 30), (1, 1)])
def test_white_noise_is_not_correlated(size: tuple[int, int]) -> None:
    noise = RNG.normal(0, 1, size).astype(np.float32)
    for image in (Image(noise), Image(noise, "yx", "mosaic", cfa=Cfa(((0, 1), (1, 2))))):
        found = correlation(image, 5)
        assert found[0, 5] == 1
        assert found.sum() == 1


def test_correlation_of_odd_pictures() -> None:
    lost = np.full((300, 300), np.nan, np.float32)
    assert correlation(Image(lost), 5).sum() == 1
    assert correlation(Image(np.zeros((300, 300), np.uint8)), 5).sum() == 1
    assert correlation(Image(np.zeros((2, 3, 100, 100), np.uint8), "tcyx"), 5).sum() == 1
