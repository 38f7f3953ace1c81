"""By-products of denoising as images of their own: what was removed, and a map of the noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, log2
from typing import Any, Literal

import numpy as np

from core.format import Output
from core.image import Array, Image, Levels, Pixels
from core.lazy import slabs
from core.noise.model import Noise
from core.registry import Registry
from core.spill import scratch
from core.tiles import Region

What = Literal["residual", "noise"]
ZERO, REACH = 32768, 32000  # the stored number of zero; how far the others lie from it, at most
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


@dataclass(frozen=True)
class Counted:
    """Numbers as multiples of `step` around ZERO, uint16; no number becomes zero."""

    pixels: Pixels
    step: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the pixels."""
        return self.pixels.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the file."""
        return np.dtype(np.uint16)

    def __getitem__(self, key: Any, /) -> Array:
        values = np.nan_to_num(np.asarray(self.pixels[key], np.float64) / self.step)
        return (np.rint(np.clip(values, -REACH, REACH)) + ZERO).astype(np.uint16)


def counted(image: Image) -> Counted:
    """A by-product's pixels as a file of 16 bits holds them: the step is a power of two."""
    parts = (np.nan_to_num(image.pixels[part]) for part in slabs(image.pixels))
    most = max(float(np.max(np.abs(part))) for part in parts)
    return Counted(image.pixels, 2.0 ** ceil(log2(max(most, 1e-30) / REACH)))


def as_picture(made: Image) -> tuple[Image, dict[str, float]]:
    """A by-product for formats that hold nothing but pictures, and what to note: zero and step.

    value = (stored - zero) * step, in stored numbers of the source.
    """
    stored = counted(made)
    picture = replace(made, pixels=stored[...], kind="display", levels=Levels(white=65535.0))
    return picture, {"zero": float(ZERO), "step": stored.step}


def pictures(registry: Registry, source: Image) -> list[str]:
    """Suffixes of formats that hold a by-product as a picture of 16 bits, and exactly."""
    if source.kind != "display" or source.stack:
        return []
    probe = replace(source, pixels=np.zeros((1,) * len(source.axes), np.uint16))
    probe = replace(probe, levels=Levels(white=65535.0), coords={}, meta={})
    return [
        suffix
        for one in registry.formats
        if "display" in one.takes and not one.tolerance
        for suffix in one.writes
        if one.stored(probe, Output()).dtype == np.uint16
    ]


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
