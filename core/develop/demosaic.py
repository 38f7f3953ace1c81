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
    return 2 if quality == "fast" and bayer_name(cfa) else 8


def demosaic(mosaic: U16, cfa: Cfa, quality: str) -> U16:
    """(h, w) to (h, w, 3). The outermost `halo` pixels are not to be used.

    "fast": Bayer bilinear, as LibRaw's LINEAR; "still": edges followed.
    """
    import cv2

    name = bayer_name(cfa)
    if name and quality == "fast":
        return as_u16(cv2.demosaicing(mosaic, getattr(cv2, f"COLOR_Bayer{name}2RGB")))
    bent = as_u16(cv2.LUT(mosaic, _root()))
    found = (
        _gradients(as_f32(bent), cfa)
        if name
        else _convolved(bent, cfa, directed=quality == "still")
    )
    return as_u16(cv2.LUT(found, _square()))


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
        factor = as_f32(1 / np.maximum(share, 1e-6))
        planes.append(as_f32(_shrink(chosen, size) * _tiled(factor, size[::-1])))
    merged = as_f32(cv2.merge(planes))
    return as_u16(np.rint(merged)) if mosaic.dtype == np.uint16 else merged


def sites_per_superpixel(cfa: Cfa, level: int) -> tuple[float, float, float]:
    """How many sites of each colour a block averages, in the mean over the blocks."""
    sites = cfa.colors(*cfa.period)
    red, green, blue = (float(np.mean(sites == c)) * level * level for c in range(3))
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


def _convolved(values: F32, cfa: Cfa, directed: bool) -> U16:
    """Any CFA: normalised convolution of green, then of red and blue minus green.

    `directed` mixes green along x and along y by how little the picture changes that way.
    """
    import cv2

    sites = _tiled(cfa.colors(*cfa.period), values.shape)
    masks = [(sites == color).astype(np.float32) for color in range(3)]

    def spread(plane: F32, mask: F32, rows: F32, cols: F32) -> F32:
        weight = np.maximum(_filter(mask, rows, cols), np.float32(1e-3))
        return as_f32(_filter(plane * mask, rows, cols) / weight)

    green = spread(values, masks[1], TENT, TENT)
    if directed:
        green = np.rint(np.where(sites == 1, values, green))
        total = np.zeros_like(values)
        mixed = np.zeros_like(values)
        for dy, dx in ((0, 1), (1, 0)):
            change = np.abs(_slide(green, dy, dx) - _slide(green, -dy, -dx))
            weight = 1 / (_filter(change, WIDE, WIDE) + 1) ** 2
            along = spread(values, masks[1], *((WIDE, ONE) if dx else (ONE, WIDE)))
            mixed += weight * along
            total += weight
        green = mixed / total
    green = np.rint(np.where(sites == 1, values, green))
    red, blue = (
        np.rint(green + spread(values - green, masks[color], WIDE, WIDE)) for color in (0, 2)
    )
    return as_u16(cv2.merge([red, green, blue]))


def _gradients(x: F32, cfa: Cfa) -> U16:
    """Bayer: green by gradient-weighted colour differences, then red and blue minus green.

    After I. Pekkucuksen, Y. Altunbasak: Gradient based threshold free color filter array
    interpolation, ICIP 2010; with each directional estimate held between its two neighbours.
    """
    import cv2

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
    return as_u16(cv2.merge([red, green, blue]))
