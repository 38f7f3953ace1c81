"""The store: a region of stored pixels as uint16 RGB, scene-linear and white balanced.

A store's value is PEDESTAL + x / headroom * (65535 - PEDESTAL), where x is 0 at black and 1 at
white: noise below black survives, and clipping is the saturation of uint16. Pixel (i, j) of a
store of level L covers the pixels i L .. (i + 1) L of the image, wherever the region begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import lcm

import numpy as np
from numpy.typing import NDArray

from core.develop import envelope as bmode
from core.develop.demosaic import (
    U16,
    as_u16,
    block,
    demosaic,
    halo,
    superpixels,
)
from core.develop.look import Look, Triple, settle
from core.image import Array, Image, Pixels
from core.tiles import Region, Span, cut

PEDESTAL = 4096
COARSE = 1000  # the coarsest level's long edge


def levels(image: Image) -> tuple[int, ...]:
    """Binning factors worth keeping: 1, then superpixels, until about 1000 pixels are left.

    A wave has no mean worth seeing: of echoes there is 1 only.
    """
    if bmode.echoes(image):
        return (1,)
    factor = block(image.cfa) if image.cfa else 2
    found = [1]
    while max(image.height, image.width) / found[-1] > COARSE:
        found.append(factor)
        factor *= 2
    return tuple(found)


def reach(image: Image, region: Region, level: int, look: Look) -> Region:
    """The pixels `develop` needs to make a region: whole superpixels, and a halo at level 1."""
    region = region.aligned(level)
    if deep := bmode.depth_halo(image):
        return replace(region, y0=region.y0 - deep, y1=region.y1 + deep)
    return region.grow(halo(image.cfa, look.quality)) if image.cfa and level == 1 else region


def region_pixels(pixels: Pixels, image: Image, region: Region, level: int, look: Look) -> Array:
    """The pixels `develop` needs, cut from `pixels` (the image's own, or its denoised twin's)."""
    period = lcm(*image.cfa.period) if image.cfa else 1
    area = reach(image, region, level, look)
    if bands := false_color(image, region, look):
        fronts = [replace(area, front=(span,)) for span in spans(bands)]
        return np.concatenate([cut(pixels, front, period, image.axes) for front in fronts])
    return cut(pixels, area, period, image.axes)


def false_color(image: Image, region: Region, look: Look) -> tuple[int, ...]:
    """The bands of a cube that are shown of a region; none where it names slices itself."""
    if image.kind != "cube" or image.axes != "byx" or region.front:
        return ()
    bands = look.map.bands if look.map else look.bands or ()
    return tuple(band for band in bands if band < image.pixels.shape[0])


def spans(bands: Sequence[int]) -> list[Span]:
    """Bands as runs of neighbours, in their order: 0 1 2 7 is (0, 3), (7, 8)."""
    found: list[Span] = []
    for band in bands:
        if found and found[-1][1] == band:
            found[-1] = found[-1][0], band + 1
        else:
            found.append((band, band + 1))
    return found


def develop(pixels: Array, image: Image, region: Region, level: int, look: Look) -> U16:
    """Stored pixels to a store, shape (ceil(h / level), ceil(w / level), 3).

    `pixels` is (..., h, w), as `region_pixels` cuts it, in stored units and any real dtype; of
    axes other than c, y, x the first index is shown, of a cube what `false_color` says. `region`
    is in pixels of the image; its beginning lies on a multiple of `level`.
    """
    import cv2

    area = reach(image, region, level, look)
    if tuple(pixels.shape[-2:]) != (area.height, area.width):
        raise ValueError(f"develop needs {area}, not pixels of shape {pixels.shape}")
    bands = false_color(image, region, look)
    colored = len(bands) == 3 == len(pixels)
    if image.numbers and look.extent is None:
        look = settle(image, look)
    if look.map and bands:
        own = look.map.kind == "change"
        before = region_pixels(image.samples, image, region, level, look) if own else pixels
        planes: list[Array] = [*look.map.planes(pixels, before)]
    else:
        planes = list(pixels) if colored else _planes(pixels, image)
    if image.cfa is not None:
        cfa = image.cfa.shifted(area.y0, area.x0)
        mosaic = _encoded(planes[0], image, area, look, None)
        if level > 1:
            store = as_u16(superpixels(mosaic, cfa, level))
        else:
            store = demosaic(mosaic, cfa, look.quality)[region.within(area)]
    else:
        if bmode.echoes(image):
            planes, area = _strength(planes, image, region.aligned(level), area)
        size = (area.width // level, area.height // level)
        stored = [_encoded(p, image, area, look, c) for c, p in enumerate(planes)]
        if level > 1:
            stored = [as_u16(cv2.resize(p, size, interpolation=cv2.INTER_AREA)) for p in stored]
        store = as_u16(cv2.merge(stored if len(stored) == 3 else stored * 3))
    return _recovered(store, image, look) if _recovers(image, look) else store


def multipliers(image: Image, look: Look) -> Triple:
    """White balance of the store: the smallest is 1 (encoded, plain and grey images have none)."""
    if image.kind == "display" or image.numbers or len(set(image.channels)) < 3:
        return 1.0, 1.0, 1.0
    wb = look.wb or (image.color.wb if image.color else (1.0, 1.0, 1.0))
    low = min(wb)
    return wb[0] / low, wb[1] / low, wb[2] / low


def headroom(image: Image, look: Look) -> float:
    """The largest x that a store holds."""
    return max(multipliers(image, look)) if _recovers(image, look) else 1.0


def _recovers(image: Image, look: Look) -> bool:
    return look.highlights == "recover" and image.kind in ("mosaic", "linear")


def _planes(pixels: Array, image: Image) -> list[Array]:
    """One grey plane, or three colours; the first index of all other axes."""
    picked = pixels[tuple(slice(None) if a in "cyx" else 0 for a in image.axes)]
    if picked.ndim == 2:
        return [picked]
    if bmode.echoes(image):
        return [picked]  # I and Q belong together
    return list(picked[:3]) if len(picked) >= 3 else [picked[0]]


def _strength(
    planes: list[Array], image: Image, region: Region, area: Region
) -> tuple[list[Array], Region]:
    """Echoes in dB, without the halo."""
    plane = bmode.faded(planes[0]) if bmode.depth_halo(image) else planes[0]
    found = bmode.decibels(bmode.detected(plane, image))
    return [found[region.within(area)]], region


def _encoded(plane: Array, image: Image, area: Region, look: Look, channel: int | None) -> U16:
    """Stored units to uint16 with a pedestal, still a mosaic: two passes over strips of rows."""
    import cv2

    if plane.dtype.name not in ("uint8", "uint16", "float32"):
        plane = plane.astype(np.float32)
    black, factor = _scales(image, area, look, channel)
    scale = (65535 - PEDESTAL) / headroom(image, look)
    gain = (factor * scale).astype(np.float32)
    shift = (PEDESTAL / gain - black).astype(np.float32)
    height, width = plane.shape
    rows = -(-64 // gain.shape[0]) * gain.shape[0]
    across = -(-width // gain.shape[1])
    strip = (rows // gain.shape[0], across)
    gain, shift = np.tile(gain, strip)[:, :width].copy(), np.tile(shift, strip)[:, :width].copy()
    out = np.empty((height, width), np.uint16)
    for y in range(0, height, rows):
        part = np.ascontiguousarray(plane[y : y + rows])
        n = len(part)
        lifted = cv2.add(part, shift[:n], dtype=cv2.CV_32F)
        cv2.multiply(lifted, gain[:n], out[y : y + n], dtype=cv2.CV_16U)
    return out


def _scales(
    image: Image, area: Region, look: Look, channel: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Black and white balance / (white - black), both for one period from the area's corner."""
    if image.numbers:
        low, high = look.extent or (0.0, 1.0)
        return np.full((1, 1), low), np.full((1, 1), 1 / (high - low))
    blocks = np.asarray(image.levels.black, float)
    period = image.cfa.period if image.cfa else (1, 1)
    height, width = (lcm(a, b) for a, b in zip(blocks.shape, period, strict=True))
    black = np.zeros((height, width)) + image.levels.black_map(area.y0, area.x0, height, width)
    wb = np.asarray(multipliers(image, look))
    if image.cfa is None:
        mul = np.full((1, 1), wb[channel or 0])
    else:
        mul = wb[np.minimum(image.cfa.shifted(area.y0, area.x0).colors(height, width), 2)]
    span = image.levels.white - black if np.isfinite(image.levels.white) else np.ones_like(black)
    return black, mul / np.maximum(span, 1e-12)


def _recovered(store: U16, image: Image, look: Look) -> U16:
    """Blown colours: a clipped one follows the mean of the others, all clipped become neutral."""
    wb = np.asarray(multipliers(image, look), np.float32)
    scale = np.float32((65535 - PEDESTAL) / headroom(image, look))
    full = wb * scale
    rgb = store.astype(np.float32) - PEDESTAL
    blown = rgb >= 0.97 * full
    if not blown.any():
        return store
    others = (rgb.sum(-1, keepdims=True) - rgb) / 2
    rgb = np.where(blown, np.maximum(rgb, others), rgb)
    share = np.clip(((store - np.float32(PEDESTAL)) / full).min(-1, keepdims=True), 0, 1)
    blend = np.clip((share - 0.85) / 0.12, 0, 1)
    rgb += blend * (rgb.max(-1, keepdims=True) - rgb)
    return np.clip(np.rint(rgb + PEDESTAL), 0, 65535).astype(np.uint16)
