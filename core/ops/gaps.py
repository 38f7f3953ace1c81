"""What was not measured in a cube, from its subspace: a pixel's other bands, else near pixels.

The coordinates of a spectrum with gaps are those that fit the bands it has (L. Zhuang and J. M.
Bioucas-Dias, "Fast hyperspectral image denoising and inpainting based on low-rank and sparse
representations", IEEE JSTARS 11(3), 2018); where these say little, those of near pixels, as much as
coordinates usually vary from pixel to pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.image import Array
from core.method import Context
from core.ops.domain import filled
from core.ops.subspace import LOOKED_AT, NEARER, Subspace
from core.tiles import Region

REACH = 32  # pixels that are bridged where no band was measured; a multiple of tiles' `align`
HALF = 0.5  # of the bands: a pixel that has them tells others
HELD = NEARER[[0, 3, 5]]  # limits of outliers, in sigmas

F32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Spread:
    """Variance of each coordinate (K,): over the image, and from a pixel to the next."""

    whole: F32
    near: F32


def learn(space: Subspace, size: tuple[int, int], ctx: Context) -> Spread:
    """From some whole rows of an image of this size."""
    assert ctx.source is not None
    height, width = size
    count = int(np.clip(LOOKED_AT // max(width * len(space.mean), 1), 1, height))
    found: list[Array] = []
    for y in np.unique(np.linspace(0, height - 1, count).round().astype(int)):
        row = ctx.source(Region(int(y), 0, int(y) + 1, width))
        for each in row.reshape(len(row), -1, 1, width):
            found.append(space.project(each, None, ctx.check)[:, 0])
    planes = np.stack(found, 1)
    apart = np.diff(planes, axis=2) if width > 1 else planes
    whole = np.square(planes).mean((1, 2))
    near = np.square(apart).mean((1, 2)) - 2  # less the noise of both
    return Spread(np.maximum(whole, 1), np.clip(near, 0.1, np.maximum(whole, 1)))


def project(
    space: Subspace,
    spread: Spread,
    cube: Array,
    region: Region | None,
    check: Callable[[], None],
) -> tuple[Array, NDArray[np.bool_]]:
    """Of (B, H, W) with NaN: coordinates (K, H, W) without, and where nothing is known (H, W)."""
    from core.ops import subspace_cpu

    cube = np.ascontiguousarray(cube)
    planes = space.project(cube, region, check)
    used = (space.basis != 0).any(1)
    missing = np.isnan(cube[used]).mean(0) if used.any() else np.zeros(cube.shape[1:])
    if not missing.any():
        return planes, np.zeros(missing.shape, bool)
    one = np.ones((1, *missing.shape), np.float32)
    told = np.where(missing <= HALF, np.concatenate([planes, one]), np.float32(np.nan))
    told = filled(told, 1, REACH)  # 0 farther away
    near = np.where(told[-1] > 0, told[:-1], np.float32(np.nan))
    across, down = space.stripes(cube.shape, region)
    inverse: F32 = np.reciprocal(space.sigma)
    priors = np.stack([1 / spread.near, 1 / spread.whole]).astype(np.float32)
    limits = HELD.astype(np.float32) if space.robust else np.zeros(0, np.float32)
    gone = np.isnan(cube) & used[:, None, None]
    rows = gone.any((0, 2))
    for y in np.flatnonzero(rows):
        check()
        white = (cube[:, y] - space.mean[:, None]) * inverse[:, None]
        if across.shape[1]:
            white -= across + down[:, y, None]
        subspace_cpu.complete(white, space.basis, near[:, y], priors, limits, planes[:, y])
    lost = ~np.isfinite(planes).all(0)
    planes[:, lost] = 0
    return planes, lost


def expand(
    space: Subspace, planes: Array, cube: Array, lost: Array, check: Callable[[], None]
) -> Array:
    """Coordinates (K, H, W) to (B, H, W); NaN where nothing is known."""
    found = np.asarray(space.expand(planes, cube, check))
    found[:, lost] = np.nan
    return found
