"""The classical methods for photographs: quality, identity, tiling, mean, cancel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from core.image import Image
from core.method import Cancelled, Context, Method
from plugins.methods.blockmatch import BlockMatch
from plugins.methods.dct import Dct
from plugins.methods.fast import Fast
from plugins.methods.nlm import Nlm

METHODS: list[type[Method]] = [BlockMatch, Dct, Fast, Nlm]
BAYER = (0, 1, 1, 2)
ANY = Image(np.zeros((8, 8), np.float32))


def run(method: Method, tile: torch.Tensor, planes: tuple[int, ...] = BAYER) -> torch.Tensor:
    return torch.as_tensor(method.run(tile.numpy(), None, Context(planes=planes)))


def scene(size: int, planes: int = 4) -> torch.Tensor:
    """Smooth shading and one edge, in noise standard deviations."""
    y, x = torch.meshgrid(torch.arange(size) * 1.0, torch.arange(size) * 1.0, indexing="ij")
    shade = 10 * torch.sin(x / 23) * torch.cos(y / 17) + 20 * (x > size // 2)
    return torch.stack([shade + 30 + 3 * plane for plane in range(planes)])[None]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("planes", [(0,), (0, 1, 2), BAYER, (0, 0, 1, 1, 1, 1, 1, 2, 2)])
def test_removes_noise_and_keeps_the_mean(method: type[Method], planes: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    halo = method().needs(ANY).halo
    clean = scene(120 + 2 * halo, len(planes))
    noisy = clean + torch.randn(clean.shape)
    copy = noisy.clone()
    found = run(method(), noisy, planes)
    assert torch.equal(noisy, copy)
    assert found.shape == noisy.shape
    assert found.dtype == torch.float32
    inner = (..., slice(halo, -halo), slice(halo, -halo))
    assert (found - clean)[inner].square().mean().sqrt() < 0.55
    assert abs((found - noisy)[inner].mean().item()) < 0.02


@pytest.mark.parametrize("method", METHODS)
def test_strength_nought_is_the_identity(method: type[Method]) -> None:
    tile = torch.randn(1, 4, 70, 90)
    assert torch.equal(run(method.make({"strength": 0}), tile), tile)


@pytest.mark.parametrize("method", METHODS)
def test_chroma_nought_leaves_colour_differences(method: type[Method]) -> None:
    torch.manual_seed(2)
    halo = method().needs(ANY).halo
    tile = torch.randn(1, 3, 60 + 2 * halo, 60 + 2 * halo)
    found = run(method.make({"chroma": 0}), tile, (0, 1, 2))
    assert torch.allclose(found[:, 0] - found[:, 2], tile[:, 0] - tile[:, 2], atol=1e-5)
    inner = (..., slice(halo, -halo), slice(halo, -halo))
    assert found[inner].mean(1).std() < 0.5 * tile[inner].mean(1).std()


@pytest.mark.parametrize("method", METHODS)
def test_tiled_equals_untiled(method: type[Method]) -> None:
    torch.manual_seed(3)
    tool = method()
    needs = tool.needs(ANY)
    assert needs.halo % needs.align == 0
    size = 336 + 2 * needs.halo
    noisy = scene(size) + torch.randn(1, 4, size, size)
    whole = run(tool, noisy)
    start = -(-101 // needs.align) * needs.align  # a tile that begins on the method's grid
    edge = 131  # and ends anywhere
    cut = slice(start, start + edge + 2 * needs.halo)
    inner = slice(needs.halo, needs.halo + edge)
    part = run(tool, noisy[..., cut, cut].clone())[..., inner, inner]
    there = slice(start + needs.halo, start + needs.halo + edge)
    assert (part - whole[..., there, there]).abs().max() < 1e-5 * 60


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (9, 7), (17, 40)])
def test_tiny_tiles_do_not_break(method: type[Method], shape: tuple[int, int]) -> None:
    found = run(method(), torch.randn(2, 1, *shape), (0,))
    assert found.shape == (2, 1, *shape)
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("method", METHODS)
def test_cancel_is_seen(method: type[Method]) -> None:
    context = Context(planes=(0,), cancelled=lambda: True)
    with pytest.raises(Cancelled):
        method().run(np.zeros((1, 1, 100, 100), np.float32), None, context)


@pytest.mark.parametrize(
    ("method", "floor"), [(BlockMatch, 29.85), (Dct, 29.2), (Fast, 28.7), (Nlm, 28.0)]
)
def test_photographs_reach_their_decibels(
    method: type[Method], floor: float, shared_data: Path
) -> None:
    """Set12, grey, sigma 25: cycle-spun wavelets reach 27.89 dB, cv2's non-local means 27.87."""
    found: list[Any] = []
    for number, path in enumerate(sorted((shared_data / "photo" / "Set12").iterdir())):
        photo = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.float32)
        random = np.random.default_rng(number)
        noisy = photo / 25 + random.standard_normal(photo.shape).astype(np.float32)
        tool = method()
        halo = tool.needs(ANY).halo
        tile = torch.as_tensor(np.pad(noisy, halo, mode="symmetric"))[None, None]
        clean = run(tool, tile, (0,))[0, 0, halo:-halo, halo:-halo].numpy() * 25
        error = clean - photo
        found.append(10 * np.log10(255**2 / np.mean(error**2)))
    assert np.mean(found) > floor
