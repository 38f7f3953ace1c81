"""Patch: one region of one step, to a method's planes and back. Tile: what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.image import Array
from core.method import Planes, is_array
from core.ops.domain import Domain, lost
from core.plan import Plan
from core.recipe import Step
from core.tiles import Region

Layers = dict[str, Array]


@dataclass(frozen=True)
class Patch:
    """`source` covers `need` and `inner` the region alone: both (D, C, H, W), stored units."""

    laid: Plan
    domain: Domain
    back: Domain  # of the region alone
    region: Region
    need: Region
    source: Array
    inner: Array
    deep: tuple[int, ...]  # what D is made of
    shape: tuple[int, ...]  # of the region's pixels

    def planes(self) -> Planes:
        """What the method gets."""
        entered = self.domain.enter(self.source, self.need.y0, self.need.x0)
        return self.laid.together(entered, self.deep)

    def layers(self, planes: Planes, found: Mapping[str, Planes]) -> Layers:
        """What the method made of `planes`, in stored units, with the shape of the region."""
        laid, inner = self.laid, self.inner
        kept = np.where(np.isfinite(inner), inner, 0) if laid.needs.gaps and lost(inner) else inner
        halo = laid.halo // laid.packing.period
        layers: Layers = {}
        for name, values in found.items():
            if values is planes:
                flat = inner.astype(np.float32)  # the unbiased inverse is none of what was kept
            elif name == "image":
                apart, at = laid.apart(values, self.deep), self.region
                flat = self.back.leave(apart, kept, at.y0, at.x0, halo)
            else:
                flat = self.domain.plain(laid.apart(values, self.deep), inner, halo)
            layers[name] = np.ascontiguousarray(laid.stored(flat, self.shape))
        return layers


@dataclass(frozen=True)
class Tile:
    """A denoised tile: the last step's input and output in stored units, shape (..., h, w).

    `before` may be a view of the image's own pixels in their dtype; `after` is float32. `layers`
    are what a method found besides the image (a sigma map...). `axes` are the image's.
    """

    region: Region
    before: Array
    after: Array
    layers: Mapping[str, Array] = field(default_factory=dict[str, Array])
    axes: str = "yx"

    def blended(self, step: Step) -> Array:
        """The result with the step's amount and mask: never a reason to compute again."""
        if step.mask is None and step.amount == 1.0:
            return self.after
        share = np.float32(step.amount)
        if step.mask is not None:
            share = step.mask.over(self.region, self.axes) * share
        before = self.before.astype(np.float32, copy=False)
        with np.errstate(invalid="ignore"):
            found = before + share * (self.after - before)
        if not lost(before):
            return found
        new = np.where(share > 0, self.after, before)  # where nothing was measured: all or nothing
        return np.where(np.isfinite(before), found, new)

    def part(self, area: Region, axes: str) -> Tile:
        """What of it lies in an area: views, without the other layers."""
        region = self.region.meet(area)
        here = region.inside(self.region, axes)
        return Tile(region, self.before[here], self.after[here], axes=axes)


def batches(regions: Sequence[Region], align: int, most: int) -> list[tuple[Region, ...]]:
    """Regions in their order, neighbours in it that a method sees in one size together."""
    found: list[list[Region]] = []
    for region in regions:
        if found and len(found[-1]) < most and _size(found[-1][0], align) == _size(region, align):
            found[-1].append(region)
        else:
            found.append([region])
    return [tuple(each) for each in found]


def joined(parts: Sequence[Planes]) -> Planes:
    """Tiles (1, P, *axes) of one size as one (N, P, *axes)."""
    if len(parts) == 1:
        return parts[0]
    if is_array(parts[0]):
        return np.concatenate(parts)
    import torch

    return torch.cat(list(parts))


def split(
    parts: Sequence[Planes], whole: Planes, found: Mapping[str, Planes]
) -> list[dict[str, Planes]]:
    """The layers of each part of `whole` that a method found for all together."""
    if len(parts) == 1:
        return [dict(found)]

    def of(index: int, values: Any) -> Planes:
        return parts[index] if values is whole else values[index : index + 1]

    return [{name: of(i, values) for name, values in found.items()} for i in range(len(parts))]


def _size(region: Region, align: int) -> tuple[int, ...]:
    whole = region.aligned(align)
    return whole.height, whole.width, *(b - a for a, b in region.front)
