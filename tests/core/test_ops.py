"""Packing, colour basis, variance stabilisation and the kernels below the methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from core.image import Array, Cfa, Levels
from core.ops import color, dct, nlm, scales, vst
from core.ops.domain import Domain, filled, lost
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
    for plane, member in enumerate(packed.planes):
        assert (packed.pack(colors)[0, plane] == member).all()


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


def test_inverse_is_monotone_and_continuous() -> None:
    transform = vst.vst(4.0, 10.0)
    y = torch.linspace(-20, 200, 100_001)
    x = transform.inverse(y)
    assert (x.diff() > 0).all()
    assert x.diff().max() < 1.0
    assert torch.allclose(x, _plain_inverse(transform, y), rtol=1e-5, atol=1e-3)


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
    tile = np.random.default_rng(0).random((1, 2, 45, 83), np.float32)
    kept = dct.shrink(tile, None, (1e-12, 0.0), step, nothing)
    np.testing.assert_allclose(kept, tile, atol=1e-5)
    np.testing.assert_array_equal(kept[:, 1], tile[:, 1])


def noise(*shape: int) -> Array:
    return np.random.default_rng(7).standard_normal(shape, np.float32)


@pytest.mark.parametrize("step", [1, 2, 3, 4])
@pytest.mark.parametrize("width", [170, 601])
def test_dct_has_the_same_result_in_torch(step: int, width: int) -> None:
    tile = 5 * np.abs(noise(1, 3, 61, width)).cumsum(-1) / 8 + noise(1, 3, 61, width)
    sigmas = (1.0, 0.5, 0.0)
    first = dct.shrink(tile, None, sigmas, step, nothing)
    assert (first - tile).std() > 0.3
    plain = dct.shrink(torch.as_tensor(tile), None, sigmas, step, nothing)
    assert _alike(first, plain.numpy())
    second = dct.shrink(tile, first, sigmas, step, nothing)
    guide = torch.as_tensor(first)
    plain = dct.shrink(torch.as_tensor(tile), guide, sigmas, step, nothing)
    assert _alike(second, plain.numpy())


def _alike(a: Array, b: Array) -> bool:
    """Equal but where rounding carries a coefficient over the threshold, which moves a block."""
    apart = np.abs(a - b)
    return bool(apart.max() < 0.1 and np.mean(apart > 1e-3) < 0.01)


def test_nlm_has_the_same_result_in_torch() -> None:
    tile = noise(1, 4, 40, 50)
    settings = ((0, 1, 1, 0), (2.0, 0.7), 1.0, 3, 2, nothing)
    fast = nlm.denoise(tile, tile, *settings)
    plain = nlm.denoise(torch.as_tensor(tile), torch.as_tensor(tile), *settings)
    assert (fast - tile).std() > 0.3
    np.testing.assert_allclose(fast, plain, rtol=0, atol=1e-4)


def test_scales_keep_noise_and_mean_and_agree_with_torch() -> None:
    tile, coarse = noise(2, 3, 64, 96), noise(2, 3, 32, 48)
    small = scales.halve(tile)
    assert abs(small.std() - 1) < 0.05
    np.testing.assert_allclose(small, scales.halve(torch.as_tensor(tile)), atol=1e-6)
    large = scales.add_doubled(tile.copy(), coarse)
    plain = scales.add_doubled(torch.as_tensor(tile.copy()), torch.as_tensor(coarse))
    np.testing.assert_allclose(large, plain, atol=1e-5)
    flat = scales.halve(scales.add_doubled(np.zeros_like(tile), np.ones_like(coarse)))
    np.testing.assert_allclose(flat, 1, atol=1e-6)
    assert scales.halve(noise(1, 1, 7, 9)).shape == (1, 1, 4, 5)
    odd = noise(1, 2, 7, 9)
    np.testing.assert_allclose(scales.halve(odd), scales.halve(torch.as_tensor(odd)), atol=1e-6)


def test_colours_mix_and_unmix_alike_in_torch() -> None:
    tile, planes = noise(2, 4, 9, 13), (0, 1, 1, 2)
    mixed = color.mix(tile, planes)
    np.testing.assert_allclose(mixed, color.mix(torch.as_tensor(tile), planes), atol=1e-6)
    np.testing.assert_allclose(color.unmix(mixed, planes), tile, atol=1e-5)


@pytest.mark.parametrize("cfa", [None, BAYER, BAYER.shifted(0, 1), XTRANS, QUAD, STRIPES])
@pytest.mark.parametrize(
    "black", [((64.0,),), ((60.0, 64.0), (70.0, 66.0)), ((60.0,), (70.0,), (61.0,))]
)
@pytest.mark.parametrize("model", [(4.0, 10.0), (0.0, 3.0)])
def test_domain_has_the_same_planes_in_torch(cfa: Cfa | None, black: Any, model: Any) -> None:
    packed, rng = packing(cfa, 2), np.random.default_rng(1)
    edge = 4 * packed.phase
    channels = 1 if cfa else 2
    stored = rng.integers(0, 1000, (2, channels, edge, 2 * edge)).astype(np.uint16)
    stored[0, 0, edge // 2 : edge // 2 + 3, : packed.phase] = 1000
    levels, curves = Levels(black, 1000.0), ((vst.vst(*model),) * len(packed.planes),)
    y0, x0 = 3 * packed.phase, 5 * packed.phase
    fast, plain = Domain(packed, levels, curves), Domain(packed, levels, curves)
    planes, tensors = fast.enter(stored, y0, x0), plain._enter_torch(stored, y0, x0)
    np.testing.assert_allclose(planes, tensors, rtol=1e-5, atol=1e-5)
    cells = packed.cells
    halo = cells * packed.period
    inner = stored[..., halo : edge - halo - 1, halo : 2 * edge - halo - 1]
    at = y0 + halo, x0 + halo
    found = fast.leave(planes * 0.9, inner, *at, cells)
    other = plain._leave_torch(tensors * 0.9, inner, *at, cells)
    np.testing.assert_allclose(found, other, rtol=1e-5, atol=2e-3)
    assert (found[inner >= 1000] >= 1000).all()


def test_lost_samples_are_filled_from_their_neighbours() -> None:
    tile = np.full((1, 1, 12, 12), 5, np.float32)
    tile[0, 0, :, 6:] = 9
    tile[0, 0, 4:7, 2:4] = np.nan
    tile[0, 0, 0, 11] = np.inf
    assert lost(tile)
    found = filled(tile, 1, 3)
    np.testing.assert_array_equal(found[0, 0, 4:7, 2:4], 5)
    assert found[0, 0, 0, 11] == 9
    assert np.isnan(tile[0, 0, 5, 3]), "the input stays as it is"
