"""By-products of denoising as images of their own: what was removed, and a map of the noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from core.image import Array, Image
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
    for part in _parts(before):
        out[part] = np.asarray(before.samples[part], np.float32) - after.pixels[part]
    return _like(before, out, "residual")


def noise_map(before: Image, after: Image, noise: Noise, room: int) -> Image:
    """The model's standard deviation at each denoised pixel, in stored numbers, float32."""
    out = scratch(before.pixels.shape, room)
    whole, stack = Region.whole(before.height, before.width), before.stack
    sizes = [before.pixels.shape[before.axes.index(axis)] for axis in stack]
    black = before.levels.black_map(0, 0, before.height, before.width)
    for at in np.ndindex(*sizes):
        region = replace(whole, front=tuple((int(i), int(i) + 1) for i in at))
        model = noise.over(region, before.axes, before.pixels.shape)
        place = region.index(before.axes)
        signal = np.asarray(after.pixels[place], np.float32) - black
        out[place] = _sigma(model, signal, before)
    return _like(before, out, "noise")


def _sigma(model: Noise, signal: Array, image: Image) -> Array:
    """Of one slice; colours, or sites of a mosaic, have a channel each."""
    if image.cfa is not None:
        colors = image.cfa.colors(image.height, image.width)
        each = [model.sigma(signal, channel) for channel in range(len(image.cfa.names))]
        return np.choose(colors, each)
    if "c" not in image.axes:
        return model.sigma(signal, 0)
    at = image.axes.index("c")
    parts = np.split(signal, signal.shape[at], at)
    return np.concatenate([model.sigma(part, c) for c, part in enumerate(parts)], at)


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


def _parts(image: Image) -> list[tuple[slice, ...]]:
    """Pieces along the first axis, of some 16 million samples each."""
    count = image.pixels.shape[0]
    each = max(int(16e6 * count / max(np.prod(image.pixels.shape), 1)), 1)
    return [(slice(at, at + each),) for at in range(0, count, each)]
