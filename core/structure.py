"""Structure in what was removed: the verdict on a residual, by three tests that noise passes.

*Alike over distance*: the residual is correlated with itself, more than the noise is known to be.
*Along edges*: more was removed there than elsewhere. *Outlines*: along an edge the residual has one
sign. The eye finds outlines in noise far stronger than they are, as it adds up along a line. So
does the third test: the residual's sum over a short way along an edge, squared, over the sum of its
squares, against the same in flat places. For noise of any strength the two are equal.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.image import Cfa
from core.noise.measured import Pattern

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

ONLY_NOISE, SOME, STRUCTURE, UNKNOWN = "only noise", "some structure", "structure", "can't tell"
LAGS = 7  # the autocorrelation reaches this far on all sides: 15 x 15
LEAK = 1.25  # times the noise's own correlation: what denoising leaves is not correlated just so
REACH = 4  # pixels along an edge on both sides of each place
STEEP = 4.0  # how many times as steep as noise makes it an edge must be, at least
SHARE = 0.15  # of the places, the steepest, are edges at most
LEAST = 200  # places that tell something
CELL = 16  # pixels: chance is judged from how much cells differ
SURE = 2.7  # standard errors: pure noise passes them in less than 1 of 100 regions
VISIBLE = 0.05  # less excess is not seen, however sure
LEVELS = 8  # of brightness: edges are compared with flat places as bright
STRONG = 0.25  # of the excess is the score: what a blur of half a pixel's sigma does is structure


def verdict(
    correlation: F64 | None,
    pairs: F64,
    residual: F32,
    level: F32,
    after: F32,
    cfa: Cfa | None = None,
    pattern: Pattern | None = None,
) -> tuple[float, str, str]:
    """Score (0: pure noise), verdict and reason.

    `correlation` (15, 15) is the residual's with itself, from `pairs` of samples each; `residual`
    and `level` (what was measured, above black) in sigmas of the noise, `after` in stored numbers,
    all (c, h, w); `pattern` is how the noise is known to be correlated. Only positive correlation
    counts: smoothing white noise leaves a negative one by itself.
    """
    follows, blocks = follows_edges(residual, after, cfa)
    if correlation is None or not blocks:
        return 0.0, UNKNOWN, "The region is too small, or nothing was removed."
    beyond = correlation - 4 / np.sqrt(np.maximum(pairs, 1)) - _expected(pattern)
    beyond[LAGS, LAGS] = 0
    alike = max(float(np.nanmax(beyond)), 0.0)
    along = max(follows - 4 / math.sqrt(blocks), 0.0)
    lined, stronger = outlines(_binned(residual, cfa), _binned(level, cfa))
    drawn = max(lined, stronger)
    score = min(max(along, alike, STRONG * drawn, VISIBLE if drawn else 0.0), 1.0)
    if score < VISIBLE:
        return score, ONLY_NOISE, "What was removed looks like pure noise."
    found = SOME if score < 3 * VISIBLE else STRUCTURE
    if alike > max(along, STRONG * drawn):
        return score, found, "What was removed is alike over distance: it holds more than noise."
    if lined > max(stronger, along / STRONG):
        return score, found, "What was removed holds outlines of the picture: detail was lost."
    return score, found, "More was removed along edges than elsewhere: detail was lost."


def follows_edges(scaled: F32, after: F32, cfa: Cfa | None) -> tuple[float, int]:
    """Correlation of the residual's size with the gradient of the denoised image, over blocks."""
    height, width = (max(p, 4) for p in (cfa.period if cfa else (1, 1)))
    rows, cols = scaled.shape[1] // height, scaled.shape[2] // width
    if min(rows, cols) < 8:
        return 0.0, 0

    def blocks(values: F32) -> F64:
        whole = values[: rows * height, : cols * width].reshape(rows, height, -1)
        tall = whole.sum(axis=1, dtype=np.float64)
        return np.sum([tall[:, at::width] for at in range(width)], axis=0)

    size: F64 = np.sum([blocks(np.abs(plane)) for plane in scaled], axis=0)[1:-1, 1:-1]
    level: F64 = np.sum([blocks(plane) for plane in after], axis=0)
    down, right = np.abs(level[1:] - level[:-1]), np.abs(level[:, 1:] - level[:, :-1])
    down, right = down[:, 1:-1], right[1:-1]
    steps = np.hypot(np.maximum(down[1:], down[:-1]), np.maximum(right[:, 1:], right[:, :-1]))
    # where nothing was removed (clipped, masked) nothing can be told
    told = np.isfinite(steps) & (size > 0.1 * float(np.mean(size)))
    edge, size = np.sqrt(steps[told]), size[told]
    if size.size < 64 or edge.std() == 0 or size.std() == 0:
        return 0.0, 0
    return float(np.corrcoef(edge, size)[0, 1]), int(size.size)


def outlines(z: F32, level: F32) -> tuple[float, float]:
    """How much more of one sign the residual is along edges, and how much stronger; 0: by chance.

    Both (h, w) in sigmas of the noise. Flat places of the same brightness are the measure, so that
    a noise model that is wrong by as much everywhere, or at some brightness, changes nothing.
    """
    if min(level.shape) < 4 * CELL:
        return 0.0, 0.0
    smooth, down, right, steep = _gradient(level)
    inner = np.isfinite(z) & np.isfinite(steep) & (z != 0)  # where nothing was removed: clipped
    inner[: REACH + 1], inner[-REACH - 1 :] = False, False
    inner[:, : REACH + 1], inner[:, -REACH - 1 :] = False, False
    if inner.sum() < 4 * LEAST:
        return 0.0, 0.0
    z = np.where(inner, z, 0).astype(np.float32)
    limit = max(STEEP, float(np.quantile(steep[inner], 1 - SHARE)))
    edge, flat = inner & (steep > limit), inner & (steep < limit / 2)
    power, known = _by_level(z.astype(np.float64) ** 2, smooth, edge, flat)
    edge &= known
    if min(edge.sum(), flat.sum()) < LEAST:
        return 0.0, 0.0
    total, own = _along(z, np.nan_to_num(down), np.nan_to_num(right))
    excess = [
        _beyond(_cells(a, b, edge), _cells(a, b, flat))
        for a, b in ((total, own), (power, np.ones_like(power)))
    ]
    return excess[0], excess[1]


def _expected(pattern: Pattern | None) -> F64:
    """The correlation that the noise itself brings, at all lags."""
    found = np.zeros((2 * LAGS + 1, 2 * LAGS + 1))
    if pattern is None or pattern.white:
        return found
    known = np.array([row[: LAGS + 1] for row in pattern.correlation[: LAGS + 1]])
    rows, columns = (np.abs(np.arange(-LAGS, LAGS + 1)) for _ in range(2))
    inside = (rows < known.shape[0])[:, None] & (columns < known.shape[1])
    y, x = np.minimum(rows, known.shape[0] - 1), np.minimum(columns, known.shape[1] - 1)
    found[inside] = np.maximum(known[y[:, None], x], 0)[inside]
    return LEAK * found


def _binned(planes: F32, cfa: Cfa | None) -> F32:
    """One plane: the mean over colours, and over sites until all colours are in; noise keeps 1."""
    count = len(planes)
    one = planes.sum(axis=0) / np.float32(math.sqrt(count))
    if cfa is None:
        return one
    height, width = (p // 2 if p > 3 else p for p in cfa.period)
    rows, cols = one.shape[0] // height, one.shape[1] // width
    parts = one[: rows * height, : cols * width].reshape(rows, height, cols, width)
    return (parts.sum(axis=(1, 3)) / math.sqrt(height * width)).astype(np.float32)


def _gradient(level: F32) -> tuple[F32, F32, F32, F32]:
    """The picture smoothed over 9 x 9 pixels, its steps down and right, and their length.

    The length in units of what white noise of sigma 1 would give.
    """
    kernel: F32 = np.array([1, 8, 28, 56, 70, 56, 28, 8, 1], np.float32) / np.float32(256)
    slope: F32 = np.array([-1, -6, -14, -14, 0, 14, 14, 6, 1], np.float32) / np.float32(128)

    def both(rows: F32, columns: F32) -> F32:
        return _filtered(_filtered(level, rows, 0), columns, 1)

    down, right = both(slope, kernel), both(kernel, slope)
    unit = float(np.sqrt((slope**2).sum() * (kernel**2).sum()))
    steep = (np.hypot(down, right) / unit).astype(np.float32, copy=False)
    return both(kernel, kernel), down, right, steep


def _filtered(values: F32, kernel: F32, axis: int) -> F32:
    half, size = len(kernel) // 2, values.shape[axis]
    wide = np.pad(values, [(half, half) if at == axis else (0, 0) for at in (0, 1)], mode="reflect")
    out = np.zeros_like(values)
    for at, weight in enumerate(kernel):
        out += weight * (wide[at : at + size] if axis == 0 else wide[:, at : at + size])
    return out


def _by_level(power: F64, smooth: F32, edge: Mask, flat: Mask) -> tuple[F64, Mask]:
    """The squares over their mean in flat places as bright, and where that mean is known."""
    if not edge.any() or not flat.any():
        return power, np.zeros_like(edge)
    ends = np.quantile(smooth[edge], np.linspace(0, 1, LEVELS + 1)[1:-1])
    at = np.searchsorted(ends, smooth)
    counts = np.bincount(at[flat], minlength=LEVELS)
    sums = np.bincount(at[flat], power[flat], minlength=LEVELS)
    known = counts >= LEAST / 4
    mean = np.where(known & (sums > 0), sums / np.maximum(counts, 1), 1.0)
    return power / mean[at], known[at]


def _along(z: F32, down: F32, right: F32) -> tuple[F64, F64]:
    """For each place the residual's sum along the edge, squared, and the sum of its squares."""
    length = np.maximum(np.hypot(down, right), 1e-20)
    ty, tx = right / length, -down / length
    rows, columns = np.indices(z.shape, np.float32)
    total: F64 = np.zeros(z.shape)
    power: F64 = np.zeros(z.shape)
    for step in range(-REACH, REACH + 1):
        y = np.clip(np.rint(rows + step * ty), 0, z.shape[0] - 1).astype(np.intp)
        x = np.clip(np.rint(columns + step * tx), 0, z.shape[1] - 1).astype(np.intp)
        part = z[y, x]
        total += part
        power += part**2
    return total**2, power


def _cells(top: F64, below: F64, where: Mask) -> F64:
    """Sums of both over the places of each cell that has some: (n, 2)."""
    y, x = np.nonzero(where)
    across = -(-where.shape[1] // CELL)
    cell = y // CELL * across + x // CELL
    sums: list[NDArray[Any]] = [np.bincount(cell, each[where]) for each in (top, below)]
    return np.stack(sums, axis=1)[np.bincount(cell) > 0]


def _beyond(edge: F64, flat: F64) -> float:
    """By how much the ratio of the sums is larger at edges, where that is no chance."""
    count = min(len(edge), len(flat))
    if count < 12:
        return 0.0
    (one, chance), (other, more) = _ratio(edge), _ratio(flat)
    excess = one / max(other, 1e-30) - 1
    error = math.hypot(chance, more * one / max(other, 1e-30)) / max(other, 1e-30)
    return excess if excess > max(VISIBLE, SURE * (1 + 3 / count) * error) else 0.0


def _ratio(cells: F64) -> tuple[float, float]:
    """The ratio of the sums, and its standard error by how much the cells differ."""
    top, below = cells.sum(axis=0)
    ratio = float(top / max(below, 1e-30))
    rest = cells[:, 0] - ratio * cells[:, 1]
    n = len(cells)
    return ratio, float(np.sqrt((rest**2).sum() * n / (n - 1)) / max(below, 1e-30))
