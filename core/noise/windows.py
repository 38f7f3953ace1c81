"""Square windows of a few slices: their levels, their spread about a plane, how pixels are related.

What estimators of correlated noise look at: unlike a high band of frequencies, the spread of a
window holds all of the noise. A window's plane is taken out, as soft shading is none.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from core.image import Image
from core.noise.blocks import F32, F64
from core.noise.measured import Pattern
from core.tiles import Region

LAGS = 6  # pixels over which the autocorrelation is told


def slices(image: Image, area: Region, most: int, pairs: bool = False) -> list[F32]:
    """Some planes (H, W) above black, evenly spread over the stack, its ends left out.

    With `pairs` each is followed by its neighbour along the last axis of the stack.
    """
    stack = [(a, n) for a, n in zip(image.axes[:-2], image.pixels.shape[:-2], strict=True)]
    share = max(round(most ** (1 / max(sum(n > 1 for _, n in stack), 1))), 1)
    picks: list[list[int]] = []
    for _, length in stack:
        last = length - 1 if pairs and len(picks) == len(stack) - 1 else length
        count = min(max(last, 1), share)
        inner = np.linspace(-0.5, last - 0.5, 2 * count + 1)[1::2] if last else [0.0]
        picks.append(np.unique(np.round(inner).astype(int)).tolist())
    black = image.levels.black_map(area.y0, area.x0, area.height, area.width)
    found: list[F32] = []
    for at in product(*picks):
        nexts = [at] if not pairs else [at, (*at[:-1], at[-1] + 1)]
        for place in nexts:
            plane = image.samples[(*place, *area.slices)]
            found.append(np.asarray(plane, np.float32) - black)
    return found


def windows(plane: F32, side: int, step: int = 0) -> F32:
    """(n, side, side): of a plane, side by side or every `step` pixels; none has lost pixels."""
    if min(plane.shape) < side:
        return np.zeros((0, side, side), np.float32)
    step = step or side
    view = np.lib.stride_tricks.sliding_window_view(plane, (side, side))[::step, ::step]
    found = view.reshape(-1, side, side)
    return found[np.isfinite(found).all((1, 2))]


def level(parts: F32) -> tuple[F32, F64, F64]:
    """Windows without their planes (n, S, S); means (n,); variances about the planes (n,)."""
    side = parts.shape[-1]
    line: F64 = np.arange(side, dtype=np.float64) - (side - 1) / 2
    along: F32 = (line / np.linalg.norm(line)).astype(np.float32)
    mean: F64 = parts.mean((1, 2), dtype=np.float64)
    rest: F32 = parts - mean[:, None, None].astype(np.float32)
    rest = rest - (rest.mean(1) @ along)[:, None, None] * along
    rest = rest - (rest.mean(2) @ along)[:, None, None] * along[:, None]
    variance = np.sum(np.square(rest, dtype=np.float64), (1, 2)) / (side * side - 3)
    return rest, mean, variance


def mode(values: F64) -> float:
    """Where positive values are dense, on a logarithmic scale: the least such; NaN of none.

    Of variances of one true value it is that value, whatever their degrees of freedom; what holds
    edges and texture besides is denser higher up, if anywhere.
    """
    logs = np.log(values[values > 0])
    if not len(logs):
        return float("nan")
    low, first, high = (float(q) for q in np.quantile(logs, (0.02, 0.25, 0.95)))
    grid: F64 = np.linspace(low - 0.5, high + 0.5, 400)
    width = min(max((first - low) * len(logs) ** -0.2, 0.03), 0.3)
    counts, edges = np.histogram(logs, 2000, (low - 1, high + 1))
    middle: F64 = (edges[1:] + edges[:-1]) / 2
    dense: F64 = np.exp(-(((grid[:, None] - middle) / width) ** 2) / 2) @ counts
    peaks = np.flatnonzero((dense[1:-1] >= dense[:-2]) & (dense[1:-1] > dense[2:])) + 1
    peaks = peaks[dense[peaks] > 0.4 * dense.max()]
    return float(np.exp(grid[peaks[0] if len(peaks) else int(np.argmax(dense))]))


def pattern(rest: F32, variance: F64) -> Pattern:
    """The autocorrelation of noise in windows that hold little else (plane taken out)."""
    side = rest.shape[-1]
    parts = rest / np.sqrt(np.maximum(variance, 1e-300))[:, None, None]
    padded = np.fft.rfft2(parts, (2 * side, 2 * side))
    sums: F64 = np.fft.irfft2((np.abs(padded) ** 2).mean(0), (2 * side, 2 * side))
    counts = np.outer(side - np.arange(LAGS), side - np.arange(LAGS))
    down = sums[:LAGS, :LAGS] / counts
    up = sums[np.arange(0, -LAGS, -1)[:, None], np.arange(LAGS)] / counts
    both = (down + up) / 2
    both = both / max(both[0, 0], 1e-300)
    return Pattern(tuple(tuple(float(v) for v in row) for row in both))
