"""From a mosaic to three colours: interpolation at full size, superpixels at coarser levels.

All filters run on whole numbers that float32 holds exactly, so that a tile and the whole image give
the same bits. Every function takes the CFA as seen from the first pixel of its array.
"""

from __future__ import annotations

from functools import cache, lru_cache
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.image import Cfa

U16 = NDArray[np.uint16]
F32 = NDArray[np.float32]
BAYER = ("RGGB", "GRBG", "GBRG", "BGGR")
STRIP = 64
FINE = 64  # steps of `interpolated` in one
ONE, THREE, FIVE = (np.ones(n, np.float32) for n in (1, 3, 5))
TENT, WIDE = np.array([0.5, 1, 0.5], np.float32), np.array([1, 2, 3, 2, 1], np.float32)
CROSS = np.array(
    [-0.25, 0.5, 0.5, 0.5, -0.25], np.float32
)  # the other colour at a site, from its line


def bayer_name(cfa: Cfa) -> str:
    """RGGB, GRBG, GBRG or BGGR; "" for any other array."""
    if cfa.period != (2, 2):
        return ""
    name = "".join(cfa.names[i] for row in cfa.pattern for i in row)
    return name if name in BAYER else ""


@lru_cache(maxsize=64)
def block(cfa: Cfa) -> int:
    """Edge of the smallest superpixel: 2 for Bayer, 3 for X-Trans. Every block has all colours."""
    height, width = cfa.period
    whole = lcm(height, width)
    colors = {i for row in cfa.pattern for i in row}
    for size in range(1, whole + 1):
        if whole % size:
            continue
        sites = cfa.colors(whole, whole).reshape(whole // size, size, whole // size, size)
        blocks = sites.swapaxes(1, 2).reshape(-1, size * size)
        if all(set(found) == colors for found in blocks.tolist()):
            return size
    return whole


def halo(cfa: Cfa, quality: str) -> int:
    """Pixels that `demosaic` needs beyond what it is asked for."""
    if bayer_name(cfa):
        return 2 if quality == "fast" else 8
    return 4 if quality == "fast" else 12


def demosaic(mosaic: U16, cfa: Cfa, quality: str) -> U16:
    """(h, w) to (h, w, 3). The outermost `halo` pixels are not to be used.

    "fast": Bayer bilinear, as LibRaw's LINEAR; "still": edges followed.
    """
    import cv2

    name = bayer_name(cfa)
    if name and quality == "fast":
        return as_u16(cv2.demosaicing(mosaic, getattr(cv2, f"COLOR_Bayer{name}2RGB")))
    bent = as_f32(cv2.LUT(mosaic, _root()))
    out = np.empty((*mosaic.shape, 3), np.uint16)
    edge = halo(cfa, quality)
    for y in range(0, len(mosaic), STRIP):  # strips stay in the processor's cache
        top, end = max(y - edge, 0), min(y + STRIP, len(mosaic))
        part, seen = bent[top : end + edge], cfa.shifted(top, 0)
        found = _gradients(part, seen) if name else _convolved(part, seen, quality == "still")
        merged = as_u16(cv2.merge(found))
        cv2.LUT(merged[y - top : end - top], _square(), out[y:end])
    return out


def interpolated(mosaic: F32, cfa: Cfa) -> F32:
    """(h, w) to (3, h, w), edges followed, as `demosaic` does, for numbers of any origin.

    Of values whose noise is near 1: they are counted in steps of 1 / FINE. Red and blue are to have
    the weight of green where the scene is grey. The outermost `halo` pixels are not to be used.
    """
    base = np.floor(mosaic.min())
    values = as_f32(np.rint((mosaic - base) * np.float32(FINE)))
    found = _gradients(values, cfa) if bayer_name(cfa) else _convolved(values, cfa, True)
    return as_f32(np.stack(found) * np.float32(1 / FINE) + base)


def superpixels(mosaic: NDArray[Any], cfa: Cfa, level: int) -> NDArray[Any]:
    """(h, w) to (h / level, w / level, 3): the mean of each colour's sites in every block.

    uint16 or float32; h and w are multiples of `level`, `level` one of `block(cfa)`.
    """
    import cv2

    height, width = mosaic.shape
    size = (width // level, height // level)
    if bayer_name(cfa) and level % 2 == 0:
        planes = [_shrink(plane, size) for plane in _bayer_planes(mosaic, cfa)]
        return np.asarray(cv2.merge(planes))
    period = lcm(level, *cfa.period)
    sites = cfa.colors(period, period)
    small = (period // level, period // level)
    planes: list[F32] = []
    for color in range(3):
        share = as_f32(_shrink((sites == color).astype(np.float32), small))
        chosen = as_f32(mosaic * _tiled((sites == color).astype(mosaic.dtype), mosaic.shape))
        factor = as_f32(1 / np.maximum(share, np.float32(1e-6)))
        planes.append(as_f32(_shrink(chosen, size) * _tiled(factor, size[::-1])))
    merged = as_f32(cv2.merge(planes))
    return as_u16(np.rint(merged)) if mosaic.dtype == np.uint16 else merged


def sites_per_superpixel(cfa: Cfa, level: int) -> tuple[float, float, float]:
    """How many sites of each colour a block averages, in the mean over the blocks."""
    sites = cfa.colors(*cfa.period)
    red, green, blue = (np.count_nonzero(sites == c) * level**2 / sites.size for c in range(3))
    return red, green, blue


def _bayer_planes(mosaic: NDArray[Any], cfa: Cfa) -> list[NDArray[Any]]:
    """Half-size planes of R, the mean G, B."""
    import cv2

    found: dict[int, list[NDArray[Any]]] = {0: [], 1: [], 2: []}
    for y in (0, 1):
        for x in (0, 1):
            found[cfa.pattern[y][x]].append(mosaic[y::2, x::2])
    green = np.asarray(cv2.addWeighted(found[1][0], 0.5, found[1][1], 0.5, 0))
    return [found[0][0], green, found[2][0]]


def _shrink(plane: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Block means."""
    import cv2

    if plane.shape[1::-1] == size:
        return np.ascontiguousarray(plane)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA))


def _tiled(unit: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """A periodic map, cut to shape."""
    repeats = -(-shape[0] // unit.shape[0]), -(-shape[1] // unit.shape[1])
    return np.tile(unit, repeats)[: shape[0], : shape[1]]


def as_u16(values: Any) -> U16:
    """What OpenCV gives, as uint16: its type stubs do not say."""
    array: NDArray[Any] = np.asarray(values)
    return array if array.dtype == np.uint16 else array.clip(0, 65535).astype(np.uint16)


def as_f32(values: Any) -> F32:
    """The same for float32."""
    return np.asarray(values, np.float32)


@cache
def _root() -> U16:
    """Square root, uint16 to uint16: edges and colours bend less there than in linear light.

    The pedestal keeps its slope finite, so that noise in the shadows is hardly darkened.
    """
    return np.rint(np.sqrt(np.arange(65536) * 65535.0)).astype(np.uint16)


@cache
def _square() -> U16:
    """The inverse of `_root`."""
    return np.rint(np.arange(65536) ** 2 / 65535).astype(np.uint16)


def _filter(plane: F32, rows: F32, cols: F32) -> F32:
    """Separable convolution: `rows` runs along x, `cols` along y."""
    import cv2

    return as_f32(cv2.sepFilter2D(plane, cv2.CV_32F, rows, cols))


def _slide(plane: F32, dy: int, dx: int) -> F32:
    return as_f32(np.roll(plane, (dy, dx), (0, 1)))


class _Sites:
    """Interpolation between the sites of a CFA of any period: normalised convolutions."""

    def __init__(self, values: F32, cfa: Cfa) -> None:
        self.values, self.cfa = values, cfa
        self.period = cfa.colors(*cfa.period)
        self.masks = [_tiled(as_f32(self.period == c), values.shape) for c in range(3)]

    def spread(self, plane: F32, color: int, rows: F32, cols: F32) -> F32:
        """What a plane's values at the sites of a colour say for all pixels."""
        tile = _filter(as_f32(np.tile(self.period == color, (5, 5))), rows, cols)
        height, width = self.period.shape  # the middle of 5 x 5 periods knows no border
        weight = tile[2 * height : 3 * height, 2 * width : 3 * width]
        share = _tiled(as_f32(1 / np.maximum(weight, np.float32(1e-3))), plane.shape)
        return as_f32(_filter(plane * self.masks[color], rows, cols) * share)

    def along(self, plane: F32, color: int, across: F32, ways: list[F32]) -> F32:
        """`spread` along x and along y, `ways` says how much of each."""
        x = self.spread(plane, color, WIDE, across)
        y = self.spread(plane, color, across, WIDE)
        return as_f32(x * ways[0] + y * ways[1])

    def filled(self, color: int, plane: F32) -> F32:
        """The plane as whole numbers, with the true values where the colour was measured."""
        return as_f32(np.rint(np.where(self.masks[color] > 0, self.values, plane)))


def _ways(green: F32) -> list[F32]:
    """How much to trust the direction x, and y: by how little the picture changes that way."""
    found: list[F32] = []
    for dy, dx in ((0, 1), (1, 0)):
        change = as_f32(np.abs(_slide(green, dy, dx) - _slide(green, -dy, -dx)))
        near = as_f32(np.square(_filter(change, WIDE, WIDE) / np.float32(81) + 1))
        found.append(as_f32(1 / (near * near)))
    total = found[0] + found[1]
    return [as_f32(w / total) for w in found]


def _convolved(values: F32, cfa: Cfa, directed: bool) -> list[F32]:
    """Any CFA: green from green, then red and blue minus green.

    `directed` interpolates along edges, and once more lets red and blue sharpen green.
    """
    import cv2

    at = _Sites(values, cfa)
    green = at.filled(1, at.spread(values, 1, TENT, TENT))
    if not directed:
        planes = [green + at.spread(values - green, c, WIDE, WIDE) for c in (0, 2)]
    else:
        green = at.filled(1, at.along(values, 1, ONE, _ways(green)))
        ways, sharper = _ways(green), green
        box = np.ones((3, 3), np.float32)
        low = cv2.erode(as_f32(np.where(at.masks[1] > 0, values, 65535)), box)
        high = cv2.dilate(as_f32(values * at.masks[1]), box)
        for c in (0, 2):
            guess = values + at.along(green - values, c, TENT, ways)
            bound = np.minimum(np.maximum(guess, as_f32(low)), as_f32(high))
            sharper = np.where(at.masks[c] > 0, bound, sharper)
        green = at.filled(1, as_f32(sharper))
        ways = _ways(green)
        planes = [green + at.along(values - green, c, TENT, ways) for c in (0, 2)]
    red, blue = at.filled(0, planes[0]), at.filled(2, planes[1])
    return [red, green, blue]


def _gradients(x: F32, cfa: Cfa) -> list[F32]:
    """Bayer: green by gradient-weighted colour differences, then red and blue minus green.

    After I. Pekkucuksen, Y. Altunbasak: Gradient based threshold free color filter array
    interpolation, ICIP 2010; with each directional estimate held between its two neighbours.
    """
    sites = _tiled(cfa.colors(2, 2), x.shape)
    sign = as_f32(np.where(sites == 1, 1, -1))
    top = np.zeros_like(x)
    total = np.zeros_like(x)
    for dy, dx in ((0, 1), (1, 0)):
        before, after = _slide(x, dy, dx), _slide(x, -dy, -dx)
        other = _filter(x, *((CROSS, ONE) if dx else (ONE, CROSS)))
        other = as_f32(other.clip(np.minimum(before, after), np.maximum(before, after)))
        diff = as_f32((x - other) * sign)  # green minus the other colour, along this direction
        change = np.abs(_slide(diff, dy, dx) - _slide(diff, -dy, -dx))
        near = _filter(change, THREE, THREE)
        weight = as_f32(1 / (near + 1) ** 2)
        mean = _filter(diff, *((FIVE, ONE) if dx else (ONE, FIVE)))
        for step in (2, -2):
            top += _slide(weight, dy * step, dx * step) * _slide(mean, dy * step, dx * step)
            total += _slide(weight, dy * step, dx * step)
    green = np.rint(np.where(sites == 1, x, x + top / (5 * total)))
    red, blue = (
        np.rint(green + _filter(np.where(sites == c, x - green, np.float32(0)), TENT, TENT))
        for c in (0, 2)
    )
    return [as_f32(red), as_f32(green), as_f32(blue)]
