"""Pieces: parts of the image at hand for a network to learn from, and parts that only judge it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
import torch

from core.image import Array, Image
from core.learn.lesson import Lesson
from core.method import Context
from core.noise.correlation import beside
from core.ops.color import mix
from core.ops.planes import packing
from core.tiles import Region, Span

ACROSS, MOST = 5, 48  # along each edge, in all: planes
EDGE, LEAST = 128, 64  # of a piece, in pixels of one colour: wished, and at least
FEW = 9  # places: where fewer fit, pieces are smaller
HELD = 4  # one place in so many is for the estimate alone
ROOM = 4 * EDGE  # pixels of one colour that a part to learn from has at least


def pieces(
    image: Image, ctx: Context, lesson: Lesson, joint: bool
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Those to learn from and those held back, (C, h, w) with noise of 1; none where it is small.

    Places do not overlap, so that none is judged by what was learned. `joint`: the planes of a
    place go together (C = 3), else one at a time, luma and chroma.
    """
    source, period = ctx.source, packing(image.cfa).period
    assert source is not None
    area = roomy(lesson.region, image)
    sizes = area.height, area.width
    edge = EDGE * period
    if prod(min(size // edge, ACROSS) for size in sizes) < FEW:
        edge = LEAST * period
    ys, xs = (_starts(low, size, edge) for low, size in zip((area.y0, area.x0), sizes, strict=True))
    places = [(f, y, x) for f in _fronts(area) for y in ys for x in xs]
    order: list[int] = np.random.default_rng(lesson.seed).permutation(len(places)).tolist()
    most = max(MOST // (1 if joint else len(ctx.planes)), HELD)
    found: list[list[torch.Tensor]] = []
    for front, y, x in (places[at] for at in order):
        if len(found) == most:
            break
        ctx.check()
        part = Region(y, x, min(y + edge, area.y1), min(x + edge, area.x1), front)
        tile = torch.as_tensor(source(part)).to(ctx.device)
        if min(tile.shape[-2:]) >= LEAST and bool(torch.isfinite(tile).all()):
            apart = mix(tile, ctx.planes).flatten(0, 1)[:, None]
            found.append(list(tile if joint else apart))
    held = [piece for each in found[::HELD] for piece in each]
    seen = [piece for at, each in enumerate(found) if at % HELD for piece in each]
    return seen or held, held


def wanted(region: Region, image: Image) -> Region | None:
    """What a lesson names where the user looks at `region`; None: all of the image."""
    area = roomy(region, image)
    return None if area == roomy(None, image) else area


def roomy(region: Region | None, image: Image) -> Region:
    """The part of an image that a lesson means: never too small, whole where it lies elsewhere."""
    sizes = dict(zip(image.axes, image.pixels.shape, strict=True))
    lengths = [sizes[a] for a in image.stack]
    front = tuple((0, n) for n in lengths)
    whole = Region(0, 0, image.height, image.width, front)
    if region is None or len(region.front) not in (0, len(front)):
        return whole
    area = region.meet(whole)
    if not area.area or any(a >= b for a, b in area.front):
        return whole
    room = ROOM * packing(image.cfa).period
    y0, y1 = _wider(area.y0, area.y1, room, image.height)
    x0, x1 = _wider(area.x0, area.x1, room, image.width)
    return replace(area, y0=y0, y1=y1, x0=x0, x1=x1)


def neighbours(found: list[torch.Tensor], check: Callable[[], None]) -> float | None:
    """The correlation of the noise of two neighbours in the flattest places; None: cannot tell."""
    planes: list[Array] = []
    for piece in found:
        check()
        planes += list(piece.detach().float().cpu().numpy())
    return beside(planes)


def _starts(low: int, size: int, edge: int) -> list[int]:
    """Where pieces begin along one axis, evenly spread, none over another."""
    count = max(min(size // edge, ACROSS), 1)
    step = max(size - edge, 0) / max(count - 1, 1)
    return [low + int(at * step) for at in range(count)]


def _fronts(area: Region) -> list[tuple[Span, ...]]:
    """The slices to choose from, one at a time."""
    spans = [[(at, at + 1) for at in range(*span)] for span in area.front]
    return list(product(*spans))


def _wider(low: int, high: int, room: int, size: int) -> Span:
    """At least `room`, around the same middle, within 0..size."""
    lack = max(room - (high - low), 0)
    low = min(max(low - lack // 2, 0), max(size - room, 0)) if lack else low
    return low, min(max(high, low + room), size) if lack else high


__all__ = ["neighbours", "pieces", "roomy", "wanted"]
