"""Half and double size of planes whose white noise keeps its strength, on any device."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F


def halve(tile: torch.Tensor) -> torch.Tensor:
    """(N, P, H, W) to half the size, rounded up: sums of 2x2 pixels / 2."""
    height, width = tile.shape[-2:]
    if height % 2 or width % 2:
        tile = F.pad(tile, (0, width % 2, 0, height % 2), mode="replicate")
    if tile.device.type != "cpu":
        return halve_torch(tile)
    height, width = tile.shape[-2] // 2, tile.shape[-1] // 2
    result = tile.new_empty((*tile.shape[:2], height, width))
    for source, target in _planes(tile, result):
        cv2.resize(source, (width, height), dst=target, interpolation=cv2.INTER_AREA)
    return result.mul_(2)


def halve_torch(tile: torch.Tensor) -> torch.Tensor:
    """`halve` in plain torch, for an even height and width."""
    rows = tile[..., ::2, :] + tile[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) / 2


def add_doubled(tile: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
    """Add `coarse` at twice its size to `tile`, in place; the inverse of `halve` in the mean.

    It is smoothed by [1 2 1] / 4 and interpolated linearly: a coarse scale knows no detail.
    """
    if tile.device.type != "cpu":
        return add_doubled_torch(tile, coarse)
    height, width = coarse.shape[-2:]
    soft = np.array([0.25, 0.5, 0.25], np.float32)
    large = np.empty((2 * height, 2 * width), np.float32)
    for source, target in _planes(coarse, tile):
        low = cv2.sepFilter2D(source, -1, soft, soft / 2, borderType=cv2.BORDER_REPLICATE)
        cv2.resize(low, (2 * width, 2 * height), dst=large, interpolation=cv2.INTER_LINEAR)
        target += large[: target.shape[0], : target.shape[1]]
    return tile


def add_doubled_torch(tile: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
    """`add_doubled` in plain torch."""
    coarse = F.pad(coarse, (1, 1, 1, 1), mode="replicate")
    for axis in (-2, -1):
        low = coarse.movedim(axis, -1)
        soft = (low[..., :-2] + low[..., 2:] + 2 * low[..., 1:-1]) / 4
        soft = torch.cat((soft[..., :1], soft, soft[..., -1:]), -1)
        before = (soft[..., :-2] + 3 * soft[..., 1:-1]) / 4
        after = (soft[..., 2:] + 3 * soft[..., 1:-1]) / 4
        coarse = torch.stack((before, after), -1).flatten(-2).movedim(-1, axis)
    tile += coarse[..., : tile.shape[-2], : tile.shape[-1]] / 2
    return tile


def _planes(a: torch.Tensor, b: torch.Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of planes as arrays that share the tensors' memory."""
    return [(x.numpy(), y.numpy()) for x, y in zip(a.flatten(0, 1), b.flatten(0, 1), strict=True)]
