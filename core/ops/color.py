"""Luma and chroma of white planes: the orthonormal basis of core.ops.planes, applied."""

from __future__ import annotations

import numpy as np

from core.method import Planes, is_array
from core.ops.planes import basis


def sigmas(planes: tuple[int, ...], strength: float, chroma: float) -> tuple[float, ...]:
    """Noise to remove from every basis plane: `strength`, for chroma times `chroma`."""
    return tuple(strength * (chroma if kind == "chroma" else 1.0) for kind in basis(planes)[1])


def mix(tile: Planes, planes: tuple[int, ...]) -> Planes:
    """(N, P, H, W) colour planes to basis planes; unit white noise stays so."""
    return _apply(basis(planes)[0], tile)


def unmix(tile: Planes, planes: tuple[int, ...]) -> Planes:
    """Basis planes back to colour planes."""
    return _apply(basis(planes)[0].T, tile)


def _apply(matrix: np.ndarray, tile: Planes) -> Planes:
    if not is_array(tile):
        return (tile.new_tensor(matrix) @ tile.flatten(2)).view_as(tile)
    if len(matrix) == 1:
        return tile * matrix[0, 0]
    from core.ops import planes_cpu

    mixed = np.empty_like(tile)
    for source, target in zip(tile, mixed, strict=True):
        planes_cpu.mix(np.ascontiguousarray(matrix), source, target)
    return mixed
