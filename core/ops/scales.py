"""Half and double size of planes whose white noise keeps its strength, on any device."""

from __future__ import annotations

import cv2
import numpy as np

from core.image import Array
from core.method import Planes, is_array


def halve(tile: Planes) -> Planes:
    """(N, P, H, W) to half the size, rounded up: sums of 2x2 pixels / 2."""
    if not is_array(tile):
        from core.ops import scales_torch

        return scales_torch.halve(tile)
    height, width = tile.shape[-2:]
    if height % 2 or width % 2:
        tile = np.pad(tile, ((0, 0), (0, 0), (0, height % 2), (0, width % 2)), "edge")
    height, width = tile.shape[-2] // 2, tile.shape[-1] // 2
    result = np.empty((*tile.shape[:2], height, width), np.float32)
    for source, target in _planes(tile, result):
        cv2.resize(source, (width, height), dst=target, interpolation=cv2.INTER_AREA)
    result *= 2
    return result


def add_doubled(tile: Planes, coarse: Planes) -> Planes:
    """Add `coarse` at twice its size to `tile`, in place; the inverse of `halve` in the mean.

    It is smoothed by [1 2 1] / 4 and interpolated linearly: a coarse scale knows no detail.
    """
    if not is_array(tile):
        from core.ops import scales_torch

        return scales_torch.add_doubled(tile, coarse)
    height, width = coarse.shape[-2:]
    soft = np.array([0.25, 0.5, 0.25], np.float32)
    large = np.empty((2 * height, 2 * width), np.float32)
    for source, target in _planes(coarse, tile):
        low = cv2.sepFilter2D(source, -1, soft, soft / 2, borderType=cv2.BORDER_REPLICATE)
        cv2.resize(low, (2 * width, 2 * height), dst=large, interpolation=cv2.INTER_LINEAR)
        target += large[: target.shape[0], : target.shape[1]]
    return tile


def _planes(a: Array, b: Array) -> list[tuple[Array, Array]]:
    """Pairs of (H, W) planes; they share the arrays' memory."""
    flat = a.reshape(-1, *a.shape[-2:]), b.reshape(-1, *b.shape[-2:])
    return list(zip(*flat, strict=True))
