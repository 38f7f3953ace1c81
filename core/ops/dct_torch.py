"""DCT shrinkage in plain torch, for devices that are not the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

from core.noise.spectrum import Spectrum, cosines
from core.ops.dct import EDGE, THRESHOLD


def shrink(
    noisy: torch.Tensor,
    guide: torch.Tensor | None,
    sigmas: Sequence[float],
    step: int,
    check: Callable[[], None],
    spectrum: Spectrum,
) -> torch.Tensor:
    """`core.ops.dct.shrink` of a tensor: same blocks, same result."""
    check()
    count, planes, height, width = noisy.shape
    width = width // step * step  # as the CPU form, which sorts pixels by their phase
    down, across = (height - EDGE) // step + 1, (width - EDGE) // step + 1
    alone = torch.tensor(sigmas, device=noisy.device).view(1, -1, 1, 1, 1, 1)
    each = torch.tensor(spectrum, device=noisy.device).view(EDGE, EDGE)
    sigma = alone * each
    coefs = _dct(noisy[..., :width], step)
    if guide is None:
        factor = (coefs.abs() > THRESHOLD * sigma).to(noisy.dtype)
    else:
        power = _dct(guide[..., :width], step).square_()
        factor = power / (power + sigma.square()).clamp_min(1e-20)
    factor[..., 0, 0] = 1
    weight = 1 / (factor * each).square().sum((-2, -1), keepdim=True)
    basis = _matrix(noisy)
    blocks = basis.T @ (coefs * factor) @ basis * weight
    size = (down - 1) * step + EDGE, (across - 1) * step + EDGE

    def overlap(values: torch.Tensor) -> torch.Tensor:
        flat = values.reshape(count * planes, down * across, EDGE * EDGE).transpose(1, 2)
        return F.fold(flat, size, EDGE, stride=step).view(count, planes, *size)

    sums, weights = overlap(blocks), overlap(weight.expand_as(blocks))
    result = noisy.clone()
    covered = result[..., : size[0], : size[1]]
    known = (weights > 0) & (alone[..., 0, 0] > 0)
    covered.copy_(torch.where(known, sums / weights.clamp_min(1e-20), covered))
    return result


def _dct(planes: torch.Tensor, step: int) -> torch.Tensor:
    basis = _matrix(planes)
    return basis @ planes.unfold(2, EDGE, step).unfold(3, EDGE, step) @ basis.T


def _matrix(like: torch.Tensor) -> torch.Tensor:
    """The orthonormal DCT-II matrix, rows = frequencies."""
    return torch.as_tensor(cosines(EDGE)).to(like)
