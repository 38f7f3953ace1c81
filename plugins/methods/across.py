"""Across: every band, frame or direction predicted from the others, which have other noise."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.image import Array, Image
from core.method import Choice, Context, Method, Needs, Planes, is_array
from core.tiles import Region

LEAST = 4  # images: of fewer one cannot be predicted from the others
LOOKED_AT = 4_000_000  # samples that the regression is learned from
RIDGE = 1e-6  # of the mean variance

Weights = tuple[NDArray[np.float32], NDArray[np.float32]]  # mean (B,), and what the others say


class Across(Method):
    """For cubes, clips at rest and MR series of noise that nobody knows: needs no noise model."""

    title = "Prediction across images"
    cpu_seconds = 0.05
    assumption = "Noise independent from band to band (frame, direction); nothing moves."
    paper = "Fadnavis, Batson and Garyfallidis (Patch2Self), NeurIPS 2020"
    family = "self-supervised"
    kinds = ("hyperspectral", "mr", "clip")
    axes = "qyx"
    tensors = False

    own: Annotated[
        Literal["none", "measured"],
        Choice(
            "A sample's own value: left out, or mixed in by the noise model where that is sure."
        ),
    ] = "none"

    def needs(self, image: Image) -> Needs:
        """All bands together; a pixel depends on no other."""
        return Needs(tile=256, cost=4.0, axes=_axes(image))

    def prepare(self, image: Image, ctx: Context) -> Generator[float, None, Weights | None]:
        """See Method.prepare: the regression of each band on all others."""
        if ctx.source is None:
            yield 1.0
            return None
        return (yield from _learn(ctx.source, image.height, image.width, self.own, ctx.check))

    def run(self, tile: Planes, state: Weights | None, ctx: Context) -> Planes:
        """See Method.run."""
        if state is None:
            return tile
        mean, weights = (_like(each, tile) for each in state)
        found = tile + 0
        for given, made in zip(tile, found, strict=True):
            bands = given.reshape(-1, given.shape[-2] * given.shape[-1])
            if len(bands) != len(mean):
                return tile
            ctx.check()
            made[:] = (mean[:, None] + weights @ (bands - mean[:, None])).reshape(given.shape)
        return found


def predictors(covariance: Array, own: str) -> NDArray[np.float32]:
    """(B, B): what the bands with this covariance say of each, none of which uses itself.

    With `own` "measured" the least-squares mixture of that and the band itself, of noise 1.
    """
    bands = len(covariance)
    ridge = max(RIDGE * float(np.trace(covariance)) / bands, 1e-30)
    precise = np.linalg.inv(covariance + ridge * np.eye(bands))
    rest = 1 / np.diag(precise)  # variance that the others do not explain: noise, mostly
    found = np.eye(bands) - rest[:, None] * precise
    if own == "measured":
        share = np.clip(1 - 1 / np.maximum(rest, 1.0), 0.0, 1.0)[:, None]
        found = found + share * (np.eye(bands) - found)
    return found.astype(np.float32)


def _learn(
    source: Callable[[Region], Array], height: int, width: int, own: str, check: Callable[[], None]
) -> Generator[float, None, Weights | None]:
    """From whole rows, evenly spread, as many as LOOKED_AT allows."""
    first = _bands(source, Region(0, 0, 1, width))
    bands = len(first)
    if bands < LEAST:
        yield 1.0
        return None
    count = int(np.clip(LOOKED_AT // max(first.size, 1), 1, height))
    total, sums, products = 0, np.zeros(bands), np.zeros((bands, bands))
    shift = np.nan_to_num(np.nanmean(first, 1)) if np.isfinite(first).any() else np.zeros(bands)
    for n, y in enumerate(np.unique(np.linspace(0, height - 1, count).round().astype(int))):
        if n % 32 == 0:
            check()
            yield n / count
        row = _bands(source, Region(int(y), 0, int(y) + 1, width)) - shift[:, None]
        row = row[:, np.isfinite(row).all(0)].astype(np.float64)
        total, sums, products = total + row.shape[1], sums + row.sum(1), products + row @ row.T
    if total <= bands:
        return None
    mean = sums / total
    weights = predictors(products / total - np.outer(mean, mean), own)
    return (mean + shift).astype(np.float32), weights


def _bands(source: Callable[[Region], Array], region: Region) -> Array:
    """(B, n): slices that come one at a time are more samples of the same bands."""
    tile = source(region)
    return tile.reshape(len(tile), -1, tile.shape[-2] * tile.shape[-1]).transpose(1, 0, 2).reshape(
        -1, len(tile) * tile.shape[-2] * tile.shape[-1]
    )  # fmt: skip


def _like(values: Array, tile: Planes) -> Any:
    if is_array(tile):
        return values
    import torch

    return torch.as_tensor(values).to(tile)


def _axes(image: Image) -> str:
    """Of the axes along which noise is another and the scene the same, the first there is."""
    return next((letter for letter in "qbt" if letter in image.axes), "q") + "yx"
