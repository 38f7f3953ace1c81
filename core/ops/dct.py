"""Multi-scale overlapped-DCT denoising of planes with unit white noise, on any device.

Yu and Sapiro, "DCT image denoising", IPOL 2011; empirical Wiener second pass and block weights
after Dabov et al. (BM3D), IEEE TIP 2007; scales after Pierazzo and Facciolo, "Multi-scale DCT
denoising", IPOL 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import lcm

import numpy as np
import torch
import torch.nn.functional as F

from core.ops.scales import add_doubled, halve

EDGE = 8  # of a block
THRESHOLD = 2.7  # of the first pass, in noise standard deviations
BAND = 400_000  # samples between two checks


def align(steps: Sequence[int], scales: int) -> int:
    """Tiles must start at multiples of this, so that blocks and coarse pixels fall alike."""
    return lcm(*steps) << scales


def reach(steps: Sequence[int], scales: int) -> int:
    """How far, in pixels, a result depends on its surroundings; a multiple of `align`."""
    far = (EDGE - 1) * len(steps)
    for _ in range(scales):
        far = 2 * (far + 2) + 1
    unit = align(steps, scales)
    return -(-far // unit) * unit


def denoise(
    tile: torch.Tensor,
    sigmas: Sequence[float],
    steps: Sequence[int],
    scales: int,
    margin: int,
    check: Callable[[], None],
) -> torch.Tensor:
    """Denoise (N, P, H, W) planes of noise `sigmas`; right inside `margin` pixels of the border.

    `steps` has one entry per pass, the distance between blocks: the first pass is hard
    thresholding, every other Wiener shrinkage guided by the result before. On each of `scales`
    coarser scales (half the size) the same is done and corrects what is left of the noise there.
    """
    skip = max(margin - EDGE * len(steps) - 8, 0) // lcm(*steps) * lcm(*steps)
    inner = slice(skip, tile.shape[-2] - skip), slice(skip, tile.shape[-1] - skip)
    fine = guide = tile[(..., *inner)]
    for number, step in enumerate(steps):
        guide = shrink(fine, guide if number else None, sigmas, step, check)
    result = tile.clone()
    result[(..., *inner)] = guide
    if not scales:
        return result
    coarse = denoise(halve(tile), sigmas, steps, scales - 1, max((margin - 1) // 2 - 2, 0), check)
    return add_doubled(result, coarse - halve(result))


def shrink(
    noisy: torch.Tensor,
    guide: torch.Tensor | None,
    sigmas: Sequence[float],
    step: int,
    check: Callable[[], None],
) -> torch.Tensor:
    """One pass over (N, P, H, W) planes: blocks every `step` pixels from the top left corner."""
    if min(noisy.shape[-2:]) < EDGE + step:
        return noisy
    if noisy.device.type == "cpu":
        return _shrink_cpu(noisy, guide, sigmas, step, check)
    return shrink_torch(noisy, guide, sigmas, step, check)


def _shrink_cpu(
    noisy: torch.Tensor,
    guide: torch.Tensor | None,
    sigmas: Sequence[float],
    step: int,
    check: Callable[[], None],
) -> torch.Tensor:
    from core.ops import dct_cpu

    height, width = noisy.shape[-2:]
    across = width // step * step
    rows = max(BAND // width // step, 1) * step
    none = np.zeros((0, step, 1), np.float32)
    result = noisy.clone()
    for item in range(noisy.shape[0]):
        for plane, sigma in enumerate(sigmas):
            if sigma <= 0:
                continue
            source = _phases(noisy[item, plane], step)
            pilot = none if guide is None else _phases(guide[item, plane], step)
            level = np.float32(THRESHOLD * sigma if guide is None else sigma * sigma)
            sums, weights = np.zeros_like(source), np.zeros_like(source)
            for first in range(0, height, rows):
                check()
                dct_cpu.shrink(source, pilot, level, sums, weights, first, first + rows)
            done = np.where(weights > 0, sums / np.maximum(weights, 1e-20), source)
            flat = done.transpose(0, 2, 1).reshape(height, across)
            result[item, plane, :, :across] = torch.as_tensor(flat)
    return result


def _phases(plane: torch.Tensor, step: int) -> np.ndarray:
    """(H, W) to (H, step, W // step): pixel x at [y, x % step, x // step]."""
    height, width = plane.shape
    across = width // step
    view = plane.numpy()[:, : across * step].reshape(height, across, step)
    return np.ascontiguousarray(view.transpose(0, 2, 1))


def shrink_torch(
    noisy: torch.Tensor,
    guide: torch.Tensor | None,
    sigmas: Sequence[float],
    step: int,
    check: Callable[[], None],
) -> torch.Tensor:
    """`shrink` in plain torch, for devices that are not the CPU: same blocks, same result."""
    check()
    count, planes, height, width = noisy.shape
    width = width // step * step  # as the CPU form, which sorts pixels by their phase
    down, across = (height - EDGE) // step + 1, (width - EDGE) // step + 1
    sigma = torch.tensor(sigmas, device=noisy.device).view(1, -1, 1, 1, 1, 1)
    spectrum = _dct(noisy[..., :width], step)
    if guide is None:
        factor = (spectrum.abs() > THRESHOLD * sigma).to(noisy.dtype)
    else:
        power = _dct(guide[..., :width], step).square_()
        factor = power / (power + sigma.square()).clamp_min(1e-20)
    factor[..., 0, 0] = 1
    weight = 1 / factor.square().sum((-2, -1), keepdim=True)
    basis = _matrix(noisy)
    blocks = basis.T @ (spectrum * factor) @ basis * weight
    size = (down - 1) * step + EDGE, (across - 1) * step + EDGE

    def overlap(values: torch.Tensor) -> torch.Tensor:
        flat = values.reshape(count * planes, down * across, EDGE * EDGE).transpose(1, 2)
        return F.fold(flat, size, EDGE, stride=step).view(count, planes, *size)

    sums, weights = overlap(blocks), overlap(weight.expand_as(blocks))
    result = noisy.clone()
    covered = result[..., : size[0], : size[1]]
    known = (weights > 0) & (sigma[..., 0, 0] > 0)
    covered.copy_(torch.where(known, sums / weights.clamp_min(1e-20), covered))
    return result


def _dct(planes: torch.Tensor, step: int) -> torch.Tensor:
    basis = _matrix(planes)
    return basis @ planes.unfold(2, EDGE, step).unfold(3, EDGE, step) @ basis.T


def _matrix(like: torch.Tensor) -> torch.Tensor:
    """The orthonormal DCT-II matrix, rows = frequencies."""
    n = torch.arange(EDGE, device=like.device, dtype=torch.float64)
    matrix = torch.cos((2 * n[None] + 1) * n[:, None] * torch.pi / (2 * EDGE))
    matrix *= (2 / EDGE) ** 0.5
    matrix[0] /= 2**0.5
    return matrix.to(like.dtype)
