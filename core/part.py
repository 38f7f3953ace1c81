"""Part: the part of an image that a step looks at, where the whole is not in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from core.image import Array, Image, Pixels
from core.noise.model import Noise
from core.ops.domain import Domain
from core.plan import Plan
from core.recipe import Step
from core.tiles import Region, cut

PROBE = 64  # pixels of one colour along the edge of the places that span() looks at


def seen(need: Region, sizes: tuple[int, ...], period: int, axes: str) -> Region:
    """The part of the image that `need`, mirrored at the borders, looks at."""
    height, width = sizes[-2:]
    whole = Region.whole(height, width)
    reach = max(-need.y0, -need.x0, need.y1 - height, need.x1 - width, 0) + period
    area = need.meet(whole).grow(reach).meet(whole)
    lengths = [n for a, n in zip(axes[:-2], sizes[:-2], strict=True) if a != "c"]
    front: list[tuple[int, int]] = []
    for (start, stop), length in zip(need.front, lengths, strict=bool(need.front)):
        over = max(-start, stop - length, 0)
        front.append((max(min(start, length - over), 0), min(max(stop, over), length)))
    return replace(area, front=tuple(front))


@dataclass(frozen=True)
class Part:
    """A part of an image that answers as the whole would."""

    part: Array
    area: Region
    shape: tuple[int, ...]
    axes: str

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.part.dtype

    def __getitem__(self, key: Any) -> Array:
        *front, rows, cols = key
        y, x = self.area.y0, self.area.x0
        moved = [slice(None)] * (self.part.ndim - 2)
        if front and front[0] is not Ellipsis and self.area.front:
            starts = iter(start for start, _ in self.area.front)
            for axis, (letter, span) in enumerate(zip(self.axes[:-2], front, strict=True)):
                first = 0 if letter == "c" else next(starts)
                if span.start is not None:
                    moved[axis] = slice(span.start - first, span.stop - first)
        rows = slice(rows.start - y, rows.stop - y)
        return self.part[(*moved, rows, slice(cols.start - x, cols.stop - x))]


def others(
    laid: Plan, step: Step, noise: Noise
) -> dict[str, tuple[Callable[[Region], Array], ...]]:
    """For each image of the series of a step: what the method would see of it (Context.series)."""
    return {
        name: tuple(
            partial(source, laid, image, noise, lambda _, image=image: image.samples)
            for image in step.series(name)
        )
        for name in laid.method.series
    }


def source(
    laid: Plan, image: Image, noise: Noise, pixels: Callable[[Region], Pixels], region: Region
) -> Array:
    """A region as `laid.method` will see it (see Context.source); `pixels` are the step's input.

    Slices of the axes that the method wants one at a time follow each other along the batch: those
    of the region, if it names any.
    """
    packing, axes, sizes = laid.packing, image.axes, image.pixels.shape
    area = region.aligned(packing.phase)
    asked = region.front or [(0, axis.length) for axis in laid.stack]
    spans = [
        [(0, axis.length)] if axis.letter in laid.needs.axes
        else [(at, at + 1) for at in range(*span)]
        for axis, span in zip(laid.stack, asked, strict=True)
    ]  # fmt: skip
    found: list[Array] = []
    for front in product(*spans):
        part = replace(area, front=front)
        flat, deep = laid.flat(cut(pixels(part), part, packing.phase, axes))
        domain = Domain(packing, image.levels, size=(image.height, image.width))
        white = noise.over(part, axes, sizes) if laid.method.domain == "white" else None
        domain = domain.over(white, laid.letters[1], deep)
        found.append(laid.together(domain.enter(flat, area.y0, area.x0), deep))
    return np.concatenate(found)


def spanned(ask: Callable[[Region], Array], image: Image, laid: Plan) -> tuple[float, float]:
    """Between what values nearly all of an image is, as a method sees it; `ask` is source()."""
    edge = PROBE * laid.packing.period
    lengths = [image.pixels.shape[image.axes.index(axis)] for axis in image.stack]
    front = tuple((n // 2, n // 2 + 1) for n in lengths)
    found: list[Array] = []
    for y, x in product(
        *(range(0, size, max(size // 5, edge)) for size in image.pixels.shape[-2:])
    ):
        area = Region(y, x, min(y + edge, image.height), min(x + edge, image.width), front)
        found.append(ask(area).ravel())
    values = np.concatenate(found)
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = np.quantile(values, (0.001, 0.999))
    return float(low), float(high)
