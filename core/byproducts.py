"""By-products of denoising as images of their own: what was removed, and a map of the noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from core.image import Array, Image
from core.lazy import slabs
from core.noise.model import Noise
from core.spill import scratch
from core.tiles import Region

What = Literal["residual", "noise"]
TITLES: dict[What, str] = {"residual": "what was removed", "noise": "noise map"}


def residual(before: Image, after: Image, room: int) -> Image:
    """Before minus after in stored numbers, float32; where it does not fit `room` bytes, in a file.

    NaN where there is no measurement. Zero stands for nothing was removed.
    """
    out = scratch(before.pixels.shape, room)
    for part in slabs(before.pixels):
        out[part] = np.asarray(before.samples[part], np.float32) - after.pixels[part]
    return _like(before, out, "residual")


def noise_map(before: Image, after: Image, noise: Noise, room: int) -> Image:
    """The model's standard deviation at each denoised pixel, in stored numbers, float32."""
    out = scratch(before.pixels.shape, room)
    whole, stack = Region.whole(before.height, before.width), before.stack
    sizes = [before.pixels.shape[before.axes.index(axis)] for axis in stack]
    for at in np.ndindex(*sizes):
        region = replace(whole, front=tuple((int(i), int(i) + 1) for i in at))
        place = region.index(before.axes)
        out[place] = sigma_of(before, noise, region, np.asarray(after.pixels[place]))
    return _like(before, out, "noise")


def sigma_of(image: Image, noise: Noise, region: Region, stored: Array) -> Array:
    """The noise's standard deviation over a region, from (nearly) true stored values of it.

    Colours, or sites of a mosaic, have a channel each; shape of `stored`, float32.
    """
    over = noise.over(region, image.axes, image.pixels.shape)
    black = image.levels.black_map(region.y0, region.x0, region.height, region.width)
    signal = np.asarray(stored - black, np.float32)
    if image.cfa is not None:
        sites = image.cfa.shifted(region.y0, region.x0).colors(region.height, region.width)
        each = [over.sigma(signal, color) for color in range(len(image.cfa.names))]
        return np.choose(sites, each)
    if "c" in image.axes:
        axis = image.axes.index("c")
        parts = [over.sigma(part, at) for at, part in enumerate(np.moveaxis(signal, axis, 0))]
        return np.moveaxis(np.stack(parts), 0, axis)
    return over.sigma(signal, 0)


def _like(source: Image, pixels: Array, what: What) -> Image:
    """An image of plain numbers where the source lies, in its unit but for the zero."""
    meta = {key: source.meta[key] for key in ("order", "dicom_files") if key in source.meta}
    meta |= {"byproduct": what, "dtype": "float32"}
    if scale := source.meta.get("scale"):
        meta["scale"] = (scale[0], 0.0, scale[2])
    return Image(
        pixels, source.axes, product_kind(source), coords=source.coords, meta=meta,
        orientation=source.orientation, path=source.path,
    )  # fmt: skip


def product_kind(source: Image) -> str:
    """The kind of image that its by-products are."""
    return source.kind if source.kind in ("scan", "cube", "clip") else "array"
