"""Luma and chroma of white planes: the orthonormal basis of core.ops.planes, applied.

Imported where plugins are listed: no torch, numba or OpenCV at the top.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import numpy as np

from core.method import Context, Method, Planes, Slider, is_array
from core.noise.correlated import like_white
from core.ops.planes import basis


class ByColor(Method):
    """Base of methods that clean luma and chroma planes, each with a strength of its own."""

    assumption = "Noise independent from pixel to pixel, its strength known from the noise model."
    tensors = False
    spectral: ClassVar[bool] = False  # clean() uses the noise's power spectrum: ctx.noise

    strength: Annotated[
        float, Slider(0.0, 3.0, "×", "Noise to remove, as a multiple of the noise model's.")
    ] = 1.0
    chroma: Annotated[
        float, Slider(0.0, 3.0, "×", "Colour noise to remove, relative to the strength.")
    ] = 1.0

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run."""
        if not self.strength:
            return tile
        strength = self.strength * (1.0 if self.spectral else like_white(ctx.noise))
        noise = sigmas(ctx.planes, strength, self.chroma)
        return unmix(self.clean(mix(tile, ctx.planes), noise, ctx), ctx.planes)

    def clean(self, planes: Planes, sigmas: Sequence[float], ctx: Context) -> Planes:
        """Take noise of `sigmas`, one per plane, from (N, P, H, W) basis planes, luma first."""
        raise NotImplementedError


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
        import torch

        with torch.autocast(tile.device.type, enabled=False):  # colours keep all their digits
            return (tile.new_tensor(matrix) @ tile.flatten(2)).view_as(tile)
    if len(matrix) == 1:
        return tile * matrix[0, 0]
    from core.ops import planes_cpu

    mixed = np.empty_like(tile)
    for source, target in zip(tile, mixed, strict=True):
        planes_cpu.mix(np.ascontiguousarray(matrix), source, target)
    return mixed
