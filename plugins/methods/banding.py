"""Banding and row noise: one offset for each row or column of the sensor."""

from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, Any, Literal

import numpy as np

from core.image import Array, Image
from core.method import Choice, Context, Method, Needs, Planes, Slider
from core.ops.planes import packing
from core.tiles import Region, mirror

NEAR = 4  # lines on either side that a line is compared with
LIKELY = 3.0  # standard deviations: larger differences are edges of the picture
FEW = 64  # samples of a line that say something
ROWS = 128  # of cells, looked at together
NOTHING = None, None, (), 1  # known of any line
ERROR = 1.2  # variance of a difference from the lines around, over that of a pixel
FAR = 6.0  # times the usual offset: an edge of the picture along a whole line


class Banding(Method):
    """Takes out stripes that lines of the sensor share, from dark pictures above all."""

    title = "Banding"
    cpu_seconds = 0.02
    assumption = "Each row (column) has an offset of its own, smaller than the noise of a pixel."
    paper = "Boie and Cox, IEEE TPAMI 14(6), 1992; Wei et al. (ELD), IEEE TPAMI 44(11), 2021"
    repairs = True
    domain = "signal"
    tensors = False
    cpu_only = True

    along: Annotated[Literal["rows", "columns", "both"], Choice("Which lines share an offset.")] = (
        "rows"
    )
    strength: Annotated[
        float, Slider(0.0, 1.5, "×", "Offset to take out, as a multiple of what was measured.")
    ] = 1.0

    def needs(self, image: Image) -> Needs:
        """Each pixel by itself, once the lines are known."""
        return Needs(tile=512, cost=4.0)

    def prepare(self, image: Image, ctx: Context) -> Generator[float, None, Any]:
        """Measure the offsets: (slices, planes, rows) and (slices, planes, columns)."""
        yield 0.0
        channels = image.pixels.shape[image.axes.index("c")] if "c" in image.axes else 1
        laid = packing(image.cfa, channels)
        height, width = image.height // laid.period, image.width // laid.period
        if ctx.source is None or ctx.noise is None or laid.phase != laid.period:
            return NOTHING  # X-Trans: no plane has the pixels of one line
        if min(height, width) < 2 * NEAR + 2 or max(height, width) < FEW:
            return NOTHING
        rows, columns = _Lines(), _Lines()
        for first in range(0, height, ROWS):
            ctx.check()
            y0, y1 = max(first - NEAR, 0), min(first + ROWS + NEAR, height)
            edge = laid.period
            tile = ctx.source(Region(y0 * edge, 0, y1 * edge, width * edge))
            tile = tile.reshape(-1, *tile.shape[-3:])[..., : y1 - y0, :width]
            inner = slice(first - y0, min(first + ROWS, height) - y0)
            sigma = _sigma(tile, ctx)
            if self.along != "columns":
                rows.append(*_differences(tile, sigma, inner, -2), -1)
            if self.along != "rows":
                columns.add(*_differences(tile[..., inner, :], sigma[..., inner, :], None, -1), -2)
            yield y1 / height
        return rows.offsets(), columns.offsets(), _lengths(image), laid.period

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run."""
        ctx.check()
        rows, columns, lengths, period = state
        region, found = ctx.region or Region(0, 0, 0, 0), tile.copy()
        starts = [start for start, _ in region.front]
        at = int(np.ravel_multi_index(starts, lengths)) if starts and lengths else 0
        for offsets, start, axis in ((rows, region.y0, -2), (columns, region.x0, -1)):
            ctx.check()
            if offsets is None or ctx.region is None:
                continue
            first, count = start // period, tile.shape[axis]
            lines = mirror(first, first + count, offsets.shape[-1], 1)
            shift = self.strength * offsets[at][:, lines]
            found -= shift[..., None] if axis == -2 else shift[:, None, :]
        return found


class _Lines:
    """Sums of differences and of their weights, line by line: what offsets are told from."""

    def __init__(self) -> None:
        self._parts: list[tuple[Array, Array]] = []

    def append(self, difference: Array, weight: Array, axis: int) -> None:
        """Further lines."""
        self._parts.append(((difference * weight).sum(axis), weight.sum(axis)))

    def add(self, difference: Array, weight: Array, axis: int) -> None:
        """More of the same lines."""
        sums, mass = (difference * weight).sum(axis), weight.sum(axis)
        if self._parts:
            old = self._parts.pop()
            sums, mass = old[0] + sums, old[1] + mass
        self._parts.append((sums, mass))

    def offsets(self) -> Array | None:
        """(slices, planes, lines), shrunk by how sure they are; None: nothing was looked at."""
        if not self._parts:
            return None
        sums = np.concatenate([part[0] for part in self._parts], -1)
        mass = np.maximum(np.concatenate([part[1] for part in self._parts], -1), 1e-30)
        mean, error = sums / mass, ERROR / mass
        mean = mean - np.median(mean, -1, keepdims=True)
        spread = np.median(np.abs(mean), -1, keepdims=True) * 1.4826
        power = np.maximum(spread**2 - error, 0)
        far = np.abs(mean) > FAR * np.maximum(spread, np.sqrt(error))
        mean, share = np.where(far, 0, mean), power / (power + error)
        found = share * mean
        found = share * (mean + _around(found, -1))  # the lines around have offsets, too
        return (found - found.mean(-1, keepdims=True)).astype(np.float32)


def _differences(tile: Array, sigma: Array, inner: slice | None, axis: int) -> tuple[Array, Array]:
    """Each pixel less the lines around its own; and its weight, 0 where that is no noise."""
    apart = tile - _around(tile, axis)
    fine = np.abs(apart) < LIKELY * sigma
    weight = np.where(fine, 1 / np.square(sigma), 0)
    rows = inner or slice(None)
    return np.where(fine, apart, 0)[..., rows, :], weight[..., rows, :]


def _around(values: Array, axis: int) -> Array:
    """The mean of the lines on both sides, without their own."""
    pad = [(0, 0)] * values.ndim
    pad[axis] = NEAR, NEAR
    lines = np.moveaxis(np.pad(values, pad, "symmetric"), axis, 0)
    size = values.shape[axis]
    sums = sum(lines[at : at + size] for at in range(2 * NEAR + 1) if at != NEAR)
    return np.moveaxis(np.asarray(sums), 0, axis) / np.float32(2 * NEAR)


def _sigma(tile: Array, ctx: Context) -> Array:
    """Of each pixel of (slices, planes, h, w) by the noise model, never 0."""
    found = np.empty(tile.shape, np.float32)
    for plane, color in enumerate(ctx.planes):
        signal = np.nan_to_num(tile[:, plane])
        known = ctx.noise.sigma(signal, color) if ctx.noise else np.ones_like(signal)
        found[:, plane] = np.maximum(known, 1e-6)
    return found


def _lengths(image: Image) -> tuple[int, ...]:
    """Of the axes of the stack."""
    return tuple(image.pixels.shape[image.axes.index(letter)] for letter in image.stack)
