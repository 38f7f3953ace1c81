"""How alike the noise of near pixels is: measured from the image, where it is even.

Speckle is as wide as the pulse and the beam, and resampling or compression smear any noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from core.areas import largest
from core.image import Image
from core.noise.blocks import planes
from core.tiles import Region

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

EDGE = 40  # of a block
FEW, MANY = 12, 400  # blocks that say something; that are enough
FLAT = 1.3  # variance of a block, of noise of variance 1, that has little else in it
PILED = 0.05  # share of a block's samples at the end of the range from which it is cut off
SLIGHT = 0.08  # correlation that chance makes


def correlation(image: Image, reach: int) -> F32:
    """Correlation of the noise of two pixels (dy, dx) apart: at [dy, reach + dx], dy from 0.

    Shape (reach + 1, 2 reach + 1), at most EDGE // 2 of which is measured. The median over blocks
    that a slope was taken from. White where the image is a mosaic or too small to tell.
    """
    found = np.zeros((reach + 1, 2 * reach + 1), np.float32)
    found[0, reach] = 1
    if image.cfa is not None:
        return found
    blocks = _blocks(image)
    if len(blocks) < FEW:
        return found
    near = min(reach, EDGE // 2)
    size = 2 * EDGE
    power = np.abs(np.fft.rfft2(blocks, (size, size))) ** 2
    sums = np.fft.irfft2(power, (size, size))
    lags = np.arange(-near, near + 1)
    rows = lags[near:, None]
    pairs = (EDGE - np.abs(rows)) * (EDGE - np.abs(lags[None]))
    each = sums[:, rows, lags] / pairs
    middle = np.median(each / each[:, :1, near : near + 1], 0)
    # a slope and a mean were taken away, each with the noise of a block's worth of speckles
    spot = float(middle[middle > SLIGHT].sum()) * 2 - 1
    lost = 3 * spot / EDGE**2
    middle = (middle + lost) / (1 + lost)
    found[: near + 1, reach - near : reach + near + 1] = np.where(middle > SLIGHT, middle, 0)
    found[0, reach] = 1
    return found


def _blocks(image: Image) -> F64:
    """Blocks (n, EDGE, EDGE) without their slope, of variance 1, the most even half."""
    whole = Region.whole(image.height, image.width)
    area = largest(image) or whole
    rows, columns = area.height // EDGE, area.width // EDGE
    taken: list[F64] = []
    slices = planes(image)[0]
    every = max(1, rows * columns * len(slices) // MANY)
    for at, (row, column) in product(slices, list(product(range(rows), range(columns)))[::every]):
        y, x = area.y0 + row * EDGE, area.x0 + column * EDGE
        block = np.asarray(image.samples[(*at, slice(y, y + EDGE), slice(x, x + EDGE))])
        taken.append(np.real(block).astype(np.float64))
    blocks = np.array(taken).reshape(-1, EDGE, EDGE)
    blocks = blocks[np.isfinite(blocks).all((1, 2))]
    if not len(blocks):
        return blocks
    ends = blocks.min(), blocks.max()
    piled = [np.mean(blocks == end, axis=(1, 2)) for end in ends]
    blocks = _level(blocks[np.maximum(*piled) < PILED])
    spread = blocks.std((1, 2))
    even = (spread > 0) & (spread <= np.quantile(spread[spread > 0], 0.5, method="higher")) \
        if (spread > 0).any() else spread > 0  # fmt: skip
    return blocks[even] / spread[even, None, None]


def beside(planes: Sequence[F32]) -> float | None:
    """The correlation of the noise of two neighbours, the stronger of down and across.

    `planes` (h, w) have noise of 1: only blocks with little else are looked at. None: too few.
    """
    taken = [
        plane[y : y + EDGE, x : x + EDGE]
        for plane in planes
        for y in range(0, plane.shape[0] - EDGE + 1, EDGE)
        for x in range(0, plane.shape[1] - EDGE + 1, EDGE)
    ]
    blocks = _level(np.array(taken, np.float64).reshape(-1, EDGE, EDGE))
    variance = blocks.var((1, 2))
    blocks = blocks[(variance > 0.5) & (variance < FLAT)]
    if len(blocks) < FEW:
        return None
    power = np.mean(blocks**2)
    down = np.mean(blocks[:, 1:] * blocks[:, :-1]) / power
    across = np.mean(blocks[:, :, 1:] * blocks[:, :, :-1]) / power
    return float(max(down, across, key=abs))


def _level(blocks: F64) -> F64:
    """Without mean and slope."""
    line = np.arange(EDGE) - (EDGE - 1) / 2
    blocks = blocks - blocks.mean((1, 2), keepdims=True)
    for slope in (line[:, None] + 0 * line, line + 0 * line[:, None]):
        share = (blocks * slope).sum((1, 2), keepdims=True) / (slope**2).sum()
        blocks = blocks - share * slope
    return blocks
