"""Half and double size in plain torch, for devices that are not the CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def halve(tile: torch.Tensor) -> torch.Tensor:
    """See core.ops.scales."""
    height, width = tile.shape[-2:]
    if height % 2 or width % 2:
        tile = F.pad(tile, (0, width % 2, 0, height % 2), mode="replicate")
    rows = tile[..., ::2, :] + tile[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) / 2


def add_doubled(tile: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
    """See core.ops.scales."""
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
