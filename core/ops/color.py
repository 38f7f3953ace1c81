"""Luma and chroma of white planes: the orthonormal basis of core.ops.planes, applied to tensors."""

from __future__ import annotations

import torch

from core.ops.planes import basis


def sigmas(planes: tuple[int, ...], strength: float, chroma: float) -> tuple[float, ...]:
    """Noise to remove from every basis plane: `strength`, for chroma times `chroma`."""
    return tuple(strength * (chroma if kind == "chroma" else 1.0) for kind in basis(planes)[1])


def mix(tile: torch.Tensor, planes: tuple[int, ...]) -> torch.Tensor:
    """(N, P, H, W) colour planes to basis planes; unit white noise stays so."""
    return _apply(basis(planes)[0], tile)


def unmix(tile: torch.Tensor, planes: tuple[int, ...]) -> torch.Tensor:
    """Basis planes back to colour planes."""
    return _apply(basis(planes)[0].T, tile)


def _apply(matrix: object, tile: torch.Tensor) -> torch.Tensor:
    weights = torch.as_tensor(matrix, device=tile.device)
    return (weights @ tile.flatten(2)).view_as(tile)
