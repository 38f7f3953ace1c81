"""Proxies: the picture at 1 / level with the noise model that belongs to it.

Zoomed out, a proxy is denoised instead of the picture: an Image like any other, of superpixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from core.areas import coarser
from core.develop.demosaic import as_f32, sites_per_superpixel, superpixels
from core.develop.look import Look
from core.develop.store import region_pixels
from core.image import Array, Image, Levels
from core.noise.model import Noise
from core.tiles import Region, Span


def proxy(image: Image, level: int) -> Image:
    """The picture at 1 / level in float32: superpixels of a mosaic, block means of others.

    A mosaic becomes a "linear" image with an axis c before y x; mosaic and linear images are then
    counted from black. No-data becomes NaN. Of a stack the pixels are made when they are asked for.
    `level` is one of `levels(image)` above 1.
    """
    above = _above(image)
    pixels = Binned(image, level)
    white = image.levels.white - float(np.mean(image.levels.black))
    return replace(
        image,
        pixels=pixels if image.stack else pixels.strips(),
        axes=image.axes[:-2] + "cyx" if image.cfa else image.axes,
        kind="linear" if above else image.kind,
        levels=Levels(white=white) if above else image.levels,
        cfa=None,
        nodata=None,
        meta=coarser(image.meta, level),
    )


def _above(image: Image) -> bool:
    """Counted from black? Plain numbers and encoded values stay as they are."""
    return image.kind in ("mosaic", "linear")


@dataclass(frozen=True, eq=False)
class Binned:
    """The pixels of a proxy, made when they are asked for: as Pixels."""

    image: Image
    level: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Front axes of the image, 3 of a mosaic, rows, columns."""
        *front, height, width = self.image.pixels.shape
        colors = (3,) if self.image.cfa else ()
        return *front, *colors, -(-height // self.level), -(-width // self.level)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32."""
        return np.dtype(np.float32)

    @property
    def stamp(self) -> tuple[str, int]:
        """What stands for the samples in the id of an Image."""
        return self.image.id, self.level

    def __repr__(self) -> str:
        return f"Binned{self.stamp}"

    def __getitem__(self, key: Any, /) -> Array:
        keys = list(cast("tuple[Any, ...]", key)) if isinstance(key, tuple) else [key]
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            keys[at : at + 1] = [slice(None)] * (len(self.shape) - len(keys) + 1)
        keys += [slice(None)] * (len(self.shape) - len(keys))
        spans = [_span(each, size) for each, size in zip(keys, self.shape, strict=True)]
        letters = self.image.axes[:-2]
        front = tuple(s for s, a in zip(spans, letters, strict=False) if a != "c")
        (y0, y1), (x0, x1) = spans[-2:]
        part = self.part(Region(y0, x0, y1, x1, front))
        colored = [a == "c" for a in letters] + [True] * bool(self.image.cfa)
        starts = [0 if c else s for (s, _), c in zip(spans, colored, strict=False)] + [y0, x0]
        return part[
            tuple(_moved(k, s, n) for k, s, n in zip(keys, starts, self.shape, strict=True))
        ]

    def part(self, region: Region) -> Array:
        """Superpixels or block means of a region of the proxy."""
        image, level = self.image, self.level
        y0, x0, y1, x1 = (n * level for n in (region.y0, region.x0, region.y1, region.x1))
        area = Region(y0, x0, y1, x1, region.front)
        signal = region_pixels(image.samples, image, area, level, Look()).astype(np.float32)
        if _above(image):
            signal -= image.levels.black_map(y0, x0, area.height, area.width)
        planes = signal.reshape(-1, *signal.shape[-2:])
        small = [_binned(plane, image, area, level) for plane in planes]
        return np.stack(small).reshape(*signal.shape[:-2], *small[0].shape)

    def strips(self) -> Array:
        """All of it, a few rows of the image at a time."""
        height, width = self.shape[-2:]
        rows = max(512 // self.level, 1)
        starts = range(0, height, rows)
        parts = [self.part(Region(y, 0, min(y + rows, height), width)) for y in starts]
        return np.concatenate(parts, -2)


def _span(key: Any, size: int) -> Span:
    """First and last of what a key of one axis asks for; never nothing."""
    asked = range(*key.indices(size)) if isinstance(key, slice) else (range(size)[int(key)],)
    return (min(asked), max(asked) + 1) if asked else (0, 1)


def _moved(key: Any, start: int, size: int) -> Any:
    """The key of one axis in an array that begins at `start`."""
    if not isinstance(key, slice):
        return range(size)[int(key)] - start
    first, stop, step = key.indices(size)
    below = stop - start
    return slice(first - start, below if below >= 0 else None, step)


def _binned(plane: Array, image: Image, area: Region, level: int) -> Array:
    """Block means (h, w), of a mosaic (3, h, w)."""
    import cv2

    if image.cfa is not None:
        return np.moveaxis(superpixels(plane, image.cfa.shifted(area.y0, area.x0), level), -1, 0)
    size = (area.width // level, area.height // level)
    return as_f32(cv2.resize(plane, size, interpolation=cv2.INTER_AREA))


def proxy_noise(noise: Noise, image: Image, level: int) -> Noise:
    """The noise model of `proxy(image, level)`: of means over so many sites of each channel."""
    if image.cfa is not None:
        return noise.averaged(sites_per_superpixel(image.cfa, level))
    return noise.averaged((float(level * level),) * max(len(image.channels), 1))
