"""Packing, colour basis, variance stabilisation and the kernels below the methods."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.image import Cfa
from core.ops import dct, nlm, scales, vst
from core.ops.planes import basis, packing

BAYER = Cfa(((0, 1), (1, 2)))
XTRANS = Cfa(
    tuple(
        tuple("RGB".index(color) for color in row)
        for row in ("GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG")
    )
)
QUAD = Cfa(((0, 0, 1, 1), (0, 0, 1, 1), (1, 1, 2, 2), (1, 1, 2, 2)))
STRIPES = Cfa(((0, 1, 2),))
ELECTRONS = [
    (1.0, 0.0),
    (1.0, 1.0),
    (48.0, 91.0),
    (1.0, 7.9),
    (1.0, 30.0),
    (0.001, 1.0),
    (0.0, 5.0),
]


def nothing() -> None:
    """A check that is never cancelled."""


@pytest.mark.parametrize("dy", range(6))
@pytest.mark.parametrize("dx", range(6))
def test_xtrans_packs_in_any_shift(dy: int, dx: int) -> None:
    cfa = XTRANS.shifted(dy, dx)
    packed = packing(cfa)
    assert (packed.period, packed.phase) == (3, 6)
    assert sorted(packed.planes) == [0, 0, 1, 1, 1, 1, 1, 2, 2]
    near = [abs(y % 3 - 1) <= 2 and abs(x % 3 - 1) <= 2 for s in packed.sites for y, x in s]
    assert all(near)
    _check_packing(cfa)


@pytest.mark.parametrize(
    ("cfa", "period"), [(BAYER, 2), (BAYER.shifted(1, 0), 2), (QUAD, 4), (STRIPES, 3)]
)
def test_any_cfa_packs(cfa: Cfa, period: int) -> None:
    assert packing(cfa).period == period
    _check_packing(cfa)


def _check_packing(cfa: Cfa) -> None:
    packed = packing(cfa)
    assert hash(packed) == hash(packing(cfa))
    edge = 2 * packed.phase
    mosaic = torch.rand(2, 1, edge, 2 * edge)
    assert torch.equal(packed.unpack(packed.pack(mosaic)), mosaic)
    colors = torch.as_tensor(cfa.colors(edge, edge).astype(np.float32))[None, None]
    for plane, color in enumerate(packed.planes):
        assert (packed.pack(colors)[0, plane] == color).all()


def test_channels_without_cfa_pass() -> None:
    tile = torch.rand(1, 3, 5, 7)
    packed = packing(None, 3)
    assert (packed.period, packed.planes) == (1, (0, 1, 2))
    assert torch.equal(packed.unpack(packed.pack(tile)), tile)


@pytest.mark.parametrize("planes", [(0,), (0, 1, 2), (0, 1, 1, 2), packing(XTRANS).planes])
def test_basis_is_orthonormal_and_named(planes: tuple[int, ...]) -> None:
    matrix, kinds = basis(planes)
    assert np.allclose(matrix @ matrix.T, np.eye(len(planes)), atol=1e-6)
    assert np.allclose(matrix[0], len(planes) ** -0.5)
    colors = np.asarray(planes)
    for row, kind in zip(matrix, kinds, strict=True):
        sums = [row[colors == color].sum() for color in set(planes)]
        assert (kind == "detail") == np.allclose(sums, 0, atol=1e-5)
    assert kinds.count("chroma") == len(set(planes)) - 1


@pytest.mark.parametrize(("gain", "read"), ELECTRONS)
@pytest.mark.parametrize("signal", [-1.0, 0.0, 0.5, 2.0, 10.0, 1000.0])
def test_stabilised_mean_is_unbiased_and_noise_is_one(
    gain: float, read: float, signal: float
) -> None:
    if read == 0 and signal < 0:
        pytest.skip("nothing lies below black without read noise")
    random = np.random.default_rng(3)
    unit = gain or 1.0
    true = signal * unit
    light = unit * random.poisson(max(signal, 0), 400_000) if gain else np.full(400_000, true)
    noisy = light + min(true, 0) * (gain > 0) + read * random.standard_normal(400_000)
    stable = vst.vst(gain, read).forward(torch.as_tensor(noisy.astype(np.float32)))
    mean = stable.double().mean().float().reshape(1)
    sigma = (gain * max(true, 0) + read * read) ** 0.5
    back = vst.vst(gain, read).inverse(mean).item()
    sampling = 4 / 400_000**0.5  # four standard errors of the experiment itself
    assert abs(back - true) <= (0.003 + sampling) * max(sigma, gain)
    if signal >= 2:
        assert abs(stable.std().item() - 1) < 0.05


def test_inverse_is_monotone_continuous_and_the_same_in_torch() -> None:
    transform = vst.vst(4.0, 10.0)
    y = torch.linspace(-20, 200, 100_001)
    x = transform.inverse(y)
    assert (x.diff() > 0).all()
    assert x.diff().max() < 1.0
    assert torch.allclose(x, _plain_inverse(transform, y), rtol=1e-5, atol=1e-3)
    assert torch.allclose(x, transform.inverse_torch(y), rtol=1e-5, atol=1e-3)


def _plain_inverse(transform: vst.Vst, y: torch.Tensor) -> torch.Tensor:
    start, table = transform.bias
    grid = start + vst.STEP * np.arange(len(table))
    values = y.double().numpy()
    bias = np.interp(values, grid, table)
    algebraic = np.maximum(values, 0) ** 2 * transform.gain / 4 + values * transform.root
    return torch.as_tensor((algebraic + bias).astype(np.float32))


def test_no_noise_survives_the_round_trip() -> None:
    signal = torch.rand(1000) * 100
    transform = vst.vst(0.0, 0.0)
    assert torch.allclose(transform.inverse(transform.forward(signal)), signal, rtol=1e-6)


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_blocks_that_keep_everything_change_nothing(step: int) -> None:
    tile = torch.rand(1, 2, 45, 83)
    kept = dct.shrink(tile, None, (1e-12, 0.0), step, nothing)
    assert torch.allclose(kept, tile, atol=1e-5)
    assert torch.equal(kept[:, 1], tile[:, 1])


@pytest.mark.parametrize("step", [2, 3, 4])
def test_dct_has_the_same_result_in_torch(step: int) -> None:
    torch.manual_seed(step)
    tile = 5 * torch.rand(1, 3, 61, 170).cumsum(-1) / 8 + torch.randn(1, 3, 61, 170)
    sigmas = (1.0, 0.5, 0.0)
    first = dct.shrink(tile, None, sigmas, step, nothing)
    assert (first - tile).std() > 0.3
    assert (first - dct.shrink_torch(tile, None, sigmas, step, nothing)).abs().max() < 1e-3
    second = dct.shrink(tile, first, sigmas, step, nothing)
    assert (second - dct.shrink_torch(tile, first, sigmas, step, nothing)).abs().max() < 1e-3


def test_nlm_has_the_same_result_in_torch() -> None:
    torch.manual_seed(0)
    tile = torch.randn(1, 4, 40, 50)
    settings = ((0, 1, 1, 0), (2.0, 0.7), 1.0, 3, 2, nothing)
    fast, plain = nlm.denoise(tile, tile, *settings), nlm.denoise_torch(tile, tile, *settings)
    assert (fast - tile).std() > 0.3
    assert (fast - plain).abs().max() < 1e-4


def test_scales_keep_noise_and_mean_and_agree_with_torch() -> None:
    torch.manual_seed(0)
    tile, coarse = torch.randn(2, 3, 64, 96), torch.randn(2, 3, 32, 48)
    small = scales.halve(tile)
    assert abs(small.std().item() - 1) < 0.05
    assert torch.allclose(small, scales.halve_torch(tile), atol=1e-6)
    large = scales.add_doubled(tile.clone(), coarse)
    assert torch.allclose(large, scales.add_doubled_torch(tile.clone(), coarse), atol=1e-5)
    flat = scales.halve(scales.add_doubled(torch.zeros_like(tile), torch.ones_like(coarse)))
    assert torch.allclose(flat, torch.ones_like(flat), atol=1e-6)
    assert scales.halve(torch.rand(1, 1, 7, 9)).shape == (1, 1, 4, 5)
