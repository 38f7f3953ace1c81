"""Burst: several exposures of one scene, aligned and averaged where they agree."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from math import lcm
from typing import Annotated, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from core.image import Array, Image
from core.method import Context, Method, Needs, Planes, Slider
from core.noise.model import Noise
from core.noise.spectrum import cosines
from core.ops.planes import Packing, packing
from core.tiles import Region

EDGE, STEP = 16, 8  # of a block that is merged, and from one to the next, in cells of the planes
CELL = 32  # cells that move together
SMALL = 512  # longest side of the pictures that tell how the whole has moved
REACH = 2  # steps that a cell may move on each scale, against what was found on the coarser one
ROWS = 1024  # pixels that are read at a time
DOUBT = 2.0  # standard deviations that two frames may differ by chance
PEAK = 4.0  # standard deviations above which a coefficient is a part of the picture

Frame = Callable[[Region], Array]
Shifts = NDArray[np.int32]  # (rows, columns, 2): where the content of each cell lies in a frame


class Burst(Method):
    """For several photographs of one scene with equal exposure, held by hand: less noise with
    each. What moved is taken from the open one alone."""

    title = "Burst"
    cpu_seconds = 1.0
    assumption = "White noise after stabilisation; all frames have the same exposure."
    paper = "Hasinoff et al., SIGGRAPH Asia 2016 (after it: per-coefficient weights, evened noise)"
    kinds = ("raw", "photo")
    tensors = False
    cpu_only = True
    repairs = True  # without frames it changes nothing
    series = ("frames",)

    caution: Annotated[
        float, Slider(0, 10, "", "How readily what differs between frames is left out.")
    ] = 1.0

    def needs(self, image: Image) -> Needs:
        """A block and what of its neighbour tells whether something moved."""
        return Needs(halo=EDGE + STEP, align=lcm(STEP, _unit(image)[0]), tile=256, cost=40.0)

    def left(self, noise: Noise, images: int) -> Noise:
        """See Method.left: that of the mean of all frames, also where some were left out."""
        channels = max(len(getattr(noise, "gain", ())), 4)
        return noise.averaged((1.0 + images,) * channels)

    def prepare(self, image: Image, ctx: Context) -> Generator[float, None, Any]:
        """See Method.prepare: how each cell of the picture has moved in each frame."""
        frames = ctx.series.get("frames", ())
        if not frames or ctx.source is None:
            yield 1.0
            return ()
        if image.stack:
            raise ValueError("a burst is made of pictures, not of stacks")
        size, (unit, pack) = (image.height, image.width), _unit(image)
        base = _grey(ctx.source, size, pack, ctx.check)
        found: list[Shifts] = []
        for n, frame in enumerate(frames):
            yield n / len(frames)
            found.append(motion(base, _grey(frame, size, pack, ctx.check), unit, ctx.check))
        return tuple(found)

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run."""
        frames = ctx.series.get("frames", ())
        if not state or ctx.region is None or not frames:
            return tile
        region, period = ctx.region, ctx.region.height // tile.shape[-2]
        corner = region.y0 // period, region.x0 // period
        given = np.asarray(tile[0])
        own = _spectra(_blocks(given, *_starts(given.shape)))
        rows, cols = (
            np.arange(n) * STEP + at for n, at in zip(own.shape[1:3], corner, strict=True)
        )
        total, weights = own.copy(), np.ones(own.shape[1:], np.float32)
        squares = weights.copy()
        for frame, shifts in zip(frames, state, strict=True):
            ctx.check()
            other = _spectra(_moved(frame, shifts, region, period, rows, cols))
            share = agreement(other - own, self.caution)
            total += share * np.nan_to_num(other)  # where there is nothing its share is 0
            weights += share
            squares += share * share
        merged = evened(total / weights, squares / weights**2, 1 / (1 + len(frames)))
        out = given.copy()
        found = _joined(merged)
        out[:, : found.shape[1], : found.shape[2]] = found
        return out[None]


def agreement(apart: Array, caution: float) -> Array:
    """(P, rows, columns, EDGE, EDGE) differences of two spectra to weights 0..1, without P.

    1 where noise of variance 1 in each explains them; else less, as the mean of least error wants
    it: over 1 + what they differ beyond. Means over all planes and 3 x 3 neighbouring coefficients,
    blocks, or both are looked at: the first finds edges, the others what is large and faint.
    """
    power = (apart * apart).mean(0) / 2
    near, doubt = _around(power), DOUBT * np.sqrt(2 / (9 * len(apart)))
    block = power.mean((-2, -1), keepdims=True) + doubt * (1 - 3 / EDGE)
    far = np.maximum(_pooled(near) + 2 / 3 * doubt, block)
    excess = np.maximum(np.maximum(_pooled(power), near), far) - 1 - doubt
    return np.nan_to_num(1 / (1 + 2 * caution * np.maximum(excess, 0)))


def evened(spectra: Array, variance: Array, wanted: float) -> Array:
    """What is noise reduced to the variance `wanted`, where fewer frames left more of it.

    A coefficient that stands out stays; the others are shrunk as Wiener would, but no further.
    """
    power, doubt = spectra * spectra, DOUBT * np.sqrt(2 / (9 * len(spectra)))
    signal = np.maximum(_pooled(power.mean(0)) - (1 + doubt) * variance, 0)
    signal = np.where(power > PEAK**2 * variance, power, signal)
    least = np.sqrt(np.minimum(wanted / variance, 1))
    gain = least + (1 - least) * signal / (signal + variance)
    gain[..., 0, 0] = 1
    return spectra * gain


def motion(base: Array, other: Array, unit: int, check: Callable[[], None]) -> Shifts:
    """Where each CELL of `base` (H, W) lies in `other`, in multiples of `unit`.

    First the whole, by the phase of small pictures, then cells on ever finer scales, each beginning
    with what the coarser one found.
    """
    import cv2

    scale = 1
    while max(base.shape) // scale > SMALL:
        scale *= 2
    small = _binned(base, scale), _binned(other, scale)
    window = np.outer(np.hanning(small[0].shape[0]), np.hanning(small[0].shape[1]))
    soft = [cv2.GaussianBlur(each, (0, 0), 1.0) for each in small]
    first, second = (np.asarray(each - each.mean(), np.float64) for each in soft)
    (dx, dy), _ = cv2.phaseCorrelate(first, second, window)
    cells = -(-base.shape[0] // CELL), -(-base.shape[1] // CELL)
    found = np.empty((*cells, 2), np.float32)
    found[:] = dy * scale, dx * scale
    while scale >= 1:
        check()
        found = _refined(_binned(base, scale), _binned(other, scale), found, scale, check)
        scale //= 2
    return (np.round(found / unit) * unit).astype(np.int32)


def _refined(
    base: Array, other: Array, shifts: Array, scale: int, check: Callable[[], None]
) -> Array:
    """The shifts of cells, corrected by the squared difference of patches on one scale."""
    import cv2

    height, width = base.shape
    found = shifts.copy()
    noise = 2 * float(np.var(base - cv2.GaussianBlur(base, (0, 0), 1.0)))
    grid = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1]
    near = 0.1 * noise * CELL * (grid**2).sum(0)
    for row in range(0, len(shifts), scale):  # a patch spans as many cells
        check()
        for col in range(0, shifts.shape[1], scale):
            y, x = row * CELL // scale, col * CELL // scale
            y, x = max(min(y, height - CELL), 0), max(min(x, width - CELL), 0)
            patch = base[y : y + CELL, x : x + CELL]
            before = shifts[row : row + scale, col : col + scale].reshape(-1, 2)
            dy, dx = np.round(np.median(before, 0) / scale).astype(int)
            top, left = y + dy - REACH, x + dx - REACH
            rows = np.clip(np.arange(top, top + len(patch) + 2 * REACH), 0, height - 1)
            cols = np.clip(np.arange(left, left + patch.shape[1] + 2 * REACH), 0, width - 1)
            area = np.ascontiguousarray(other[np.ix_(rows, cols)])
            score = cv2.matchTemplate(area, np.ascontiguousarray(patch), cv2.TM_SQDIFF) + near
            best = np.unravel_index(int(np.argmin(score)), score.shape)
            moved = (dy + best[0] - REACH) * scale, (dx + best[1] - REACH) * scale
            found[row : row + scale, col : col + scale] = moved
    return found


def _grey(source: Frame, size: tuple[int, int], pack: Packing, check: Callable[[], None]) -> Array:
    """(H, W) mean of the planes of an image, read in bands of rows."""
    rows = ROWS // pack.phase * pack.phase
    bands: list[Array] = []
    for y in range(0, size[0], rows):
        check()
        band = Region(y, 0, min(y + rows, size[0]), size[1])
        bands.append(np.nan_to_num(source(band)[0].mean(0), posinf=0, neginf=0))
    return np.concatenate(bands)


def _binned(grey: Array, scale: int) -> Array:
    if scale == 1:
        return grey
    height, width = (n // scale * scale for n in grey.shape)
    parts = grey[:height, :width].reshape(height // scale, scale, width // scale, scale)
    return np.ascontiguousarray(parts.mean((1, 3)), np.float32)


def _unit(image: Image) -> tuple[int, Packing]:
    """Cells of the planes after which the sites of a mosaic repeat, and how it is packed."""
    channels = image.pixels.shape[image.axes.index("c")] if "c" in image.axes else 1
    found = packing(image.cfa, channels)
    return found.cells, found


def _moved(
    frame: Frame, shifts: Shifts, region: Region, period: int, rows: Any, cols: Any
) -> Array:
    """The blocks of a frame that show what those at `rows` and `cols` of the picture do."""
    at = [np.clip((each + EDGE // 2) // CELL, 0, n - 1)
          for each, n in zip((rows, cols), shifts.shape[:2], strict=True)]  # fmt: skip
    here = shifts[np.ix_(*at)]
    (low_y, low_x), (high_y, high_x) = here.reshape(-1, 2).min(0), here.reshape(-1, 2).max(0)
    area = replace(
        region,
        y0=region.y0 + int(low_y) * period, x0=region.x0 + int(low_x) * period,
        y1=region.y1 + int(high_y) * period, x1=region.x1 + int(high_x) * period,
    )  # fmt: skip
    ys = (rows - rows[0])[:, None] + here[..., 0] - low_y
    xs = (cols - cols[0])[None, :] + here[..., 1] - low_x
    return _blocks(frame(area)[0], ys, xs)


def _starts(shape: Sequence[int]) -> tuple[Any, Any]:
    ys, xs = (np.arange(0, n - EDGE + 1, STEP) for n in shape[-2:])
    grids = np.broadcast_arrays(ys[:, None], xs[None, :])
    return grids[0], grids[1]


def _blocks(planes: Array, ys: Any, xs: Any) -> Array:
    """(P, H, W) to (P, rows, columns, EDGE, EDGE): the blocks that begin there."""
    return sliding_window_view(planes, (EDGE, EDGE), axis=(-2, -1))[:, ys, xs]


def _spectra(blocks: Array) -> Array:
    basis = cosines(EDGE)
    return basis @ blocks @ basis.T


def _pooled(power: Array) -> Array:
    """Means over neighbouring coefficients, 3 x 3."""
    near = np.abs(np.subtract.outer(np.arange(EDGE), np.arange(EDGE))) <= 1
    mean = (near / near.sum(1, keepdims=True)).astype(np.float32)
    return mean @ power @ mean.T


def _around(power: Array) -> Array:
    """Means over neighbouring blocks, 3 x 3."""
    for axis in (0, 1):
        pad = [(1, 1) if each == axis else (0, 0) for each in range(power.ndim)]
        wide, n = np.pad(power, pad, "edge"), power.shape[axis]
        parts = (np.take(wide, range(at, at + n), axis) for at in range(3))
        power = np.add.reduce(list(parts)) / np.float32(3)
    return power


def _joined(spectra: Array) -> Array:
    """Overlapping blocks to planes (P, H, W), each weighed by a raised cosine."""
    basis = cosines(EDGE)
    ramp = np.float32(0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(EDGE) + 0.5) / EDGE))
    window = np.outer(ramp, ramp)
    blocks = (basis.T @ spectra @ basis) * window
    planes, down, across = blocks.shape[:3]
    out = np.zeros((planes, (down + 1) * STEP, (across + 1) * STEP), np.float32)
    sums = np.zeros(out.shape[1:], np.float32)
    for y in (0, STEP):
        for x in (0, STEP):
            here = slice(y, y + down * STEP), slice(x, x + across * STEP)
            part = blocks[..., y : y + STEP, x : x + STEP].swapaxes(2, 3)
            out[(slice(None), *here)] += part.reshape(planes, down * STEP, across * STEP)
            sums[here] += np.tile(window[y : y + STEP, x : x + STEP], (down, across))
    return out / sums
