"""Blocks of an image in frequency bands: what noise estimation looks at.

A block's samples of one channel (all of them, or a CFA's sites of one colour) are taken apart into
an orthonormal basis ordered from low to high frequency. White noise has the same energy everywhere
in it; texture has most in the low band.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from core.image import Array, Cfa, Image
from core.tiles import Region

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

SIDE = 12  # samples; a multiple of both common CFA periods
BUDGET = 2_400_000  # samples looked at
# Where the middle and the high band begin, in coefficients. What flat areas of photographs hold
# besides noise falls with frequency; in the top quarter only grain is left.
LOW, HIGH = 0.3, 0.75
PILED = 2e-3  # share of equal extreme samples that means clipping


@dataclass(frozen=True)
class Energies:
    """One channel's blocks: mean above black, and mean energy in three frequency bands.

    `low` chooses flat blocks, `high` is their variance, `mid` checks that the noise is white.
    """

    name: str
    mean: F64
    low: F64
    mid: F64
    high: F64
    dof: tuple[int, int, int]  # coefficients in each band

    def kept(self, keep: Bools) -> Energies:
        """Only some of the blocks."""
        mean, low, mid, high = (v[keep] for v in (self.mean, self.low, self.mid, self.high))
        return replace(self, mean=mean, low=low, mid=mid, high=high)


@dataclass(frozen=True)
class Sample:
    """Energies per channel, and where the sampled values begin, end and step (above black)."""

    channels: tuple[Energies, ...]
    bottom: float  # samples pile up here from above (-inf: nowhere)
    top: float  # samples pile up here from below (inf: nowhere)
    span: float  # the range of the signal
    step: float  # distance between stored values (0: continuous)
    overlap: float = 1.0  # how many blocks share a sample


def sample(image: Image, area: Region) -> Sample | None:
    """Look at the area in a fixed pattern of rows. None where not even one block fits."""
    raw = _blocks(image, area)
    if raw is None:
        return None
    stored, above = raw  # (channels, blocks, SIDE * SIDE)
    finite = np.isfinite(above)
    values = above[finite]
    if not values.size:
        return None
    fine = finite.all(axis=(0, 2))
    above = above[:, fine]
    white = image.levels.white
    low, high = float(values.min()), float(values.max())
    piled = max(PILED * values.size, 8)
    bottom = low if np.count_nonzero(values == low) > piled else -np.inf
    top = high if np.count_nonzero(values == high) > piled else np.inf
    if np.isfinite(white):
        top = min(top, image.levels.span)
        span = image.levels.span
    else:
        span = float(np.subtract(*np.percentile(values[::7], (99.9, 0.1)))) or 1.0
    channels = _energies(image, above)
    # blocks without any variation are padding, masked or clipped: no measurement
    alive = np.all([c.low + c.mid + c.high > 0 for c in channels], axis=0)
    kept = tuple(c.kept(alive) for c in channels)
    overlap = (SIDE / _stride(image, area)) ** 2
    return Sample(kept, bottom, top, span, step_of(stored), overlap)


def _blocks(image: Image, area: Region) -> tuple[F32, F32] | None:
    """Stored values and values above black, both of shape (channels, blocks, SIDE * SIDE)."""
    period = image.cfa.period if image.cfa else (1, 1)
    y0, x0 = (-(-at // p) * p for at, p in zip((area.y0, area.x0), period, strict=True))
    height, width = area.y1 - y0, area.x1 - x0
    if min(height, width) < SIDE:
        return None
    slots = planes(image)
    stride = _stride(image, area)
    rows = np.arange(0, height - SIDE + 1, stride)
    count = len(slots) * len(slots[0]) * width * SIDE * len(rows) * SIDE // stride
    rows = rows[:: max(1, round(count / BUDGET))]
    taken: list[list[F32]] = [[] for _ in slots]
    stored: list[F32] = []
    for channel, slices in enumerate(slots):
        for at, row in product(slices, rows):
            y = y0 + int(row)
            strip = np.asarray(image.samples[(*at, slice(y, y + SIDE), slice(x0, area.x1))])
            strip = np.real(strip).astype(np.float32)
            black = image.levels.black_map(y, x0, SIDE, width)
            stored.append(strip[:: SIDE // 2])
            taken[channel].append(_windows(strip - black, stride))
    return np.concatenate(stored, axis=0), np.stack([np.concatenate(t) for t in taken])


def _stride(image: Image, area: Region) -> int:
    """From block to block; small areas have overlapping ones, or there were too few."""
    if area.area > 150_000:
        return SIDE
    return SIDE // 2 if image.cfa is None else max(SIDE // 2, *image.cfa.period)


def _windows(strip: F32, stride: int) -> F32:
    """(SIDE, W) -> (blocks, SIDE * SIDE)."""
    view = np.lib.stride_tricks.sliding_window_view(strip, SIDE, axis=1)[:, ::stride]
    return np.ascontiguousarray(view.transpose(1, 0, 2)).reshape(view.shape[1], -1)


def names(image: Image) -> str:
    """One letter per channel that is measured: an alpha channel has no noise of its own."""
    return image.channels if image.cfa is not None else image.channels.rstrip("A") or "Y"


def planes(image: Image) -> list[list[tuple[int, ...]]]:
    """Per channel the indices (all axes but y, x) of the planes to look at: a few, spread out."""
    channels = len(names(image)) if image.cfa is None else 1
    axes = image.axes[:-2]
    few = [_spread(n) for n in image.pixels.shape[:-2]]
    found: list[list[tuple[int, ...]]] = []
    for channel in range(channels):
        choices = [
            [channel] if a == "c" else [int(i) for i in f] for a, f in zip(axes, few, strict=True)
        ]
        found.append(list(product(*choices)))
    return found


def _spread(length: int) -> NDArray[np.intp]:
    """Some of so many slices, evenly; of many not the ends, which often hold nothing."""
    if length <= 3:
        return np.arange(length)
    count = min(length, 5)
    return np.round(np.linspace(-0.5, length - 0.5, 2 * count + 1)[1::2]).astype(np.intp)


def _energies(image: Image, above: F32) -> tuple[Energies, ...]:
    """Band energies of every channel."""
    found: list[Energies] = []
    for channel, name in enumerate(names(image)):
        sites, vectors, fixed = basis(image.cfa, channel)
        block = above[0][:, sites] if image.cfa is not None else above[channel]
        mean = block.mean(axis=1, dtype=np.float64)
        level = mean[:, None].astype(np.float32)
        energy = np.square((block - level) @ vectors, dtype=np.float64)
        count = len(sites) - fixed
        cuts = fixed, fixed + round(LOW * count), fixed + round(HIGH * count), len(sites)
        parts = [energy[:, a:b] for a, b in pairwise(cuts)]
        bands = [p.mean(axis=1) for p in parts]
        dof = parts[0].shape[1], parts[1].shape[1], parts[2].shape[1]
        found.append(Energies(name, mean, bands[0], bands[1], bands[2], dof))
    return tuple(found)


@cache
def basis(cfa: Cfa | None, channel: int) -> tuple[NDArray[np.intp], F32, int]:
    """Sites of a channel in a block, an orthonormal basis over them (columns), and how many of
    its first vectors are not looked at: the mean, the offset between the two greens, and a slope
    (soft light is no texture).

    Cosines of rising frequency, sampled at the sites, each made orthogonal to those before it: the
    DCT where every sample counts, its like on any irregular grid.
    """
    own = np.ones((SIDE, SIDE), bool) if cfa is None else cfa.colors(SIDE, SIDE) == channel
    y, x = np.nonzero(own)
    height, width = cfa.period if cfa else (1, 1)
    phase = (y % height) * width + x % width
    phases = np.unique(phase)
    offsets = phases if 1 < len(phases) <= len(y) // 8 else phases[:0]
    candidates = [np.ones(len(y)), *(np.where(phase == one, 1.0, 0.0) for one in offsets)]
    fixed = max(len(offsets), 1) + 2  # and the two half waves
    order = sorted(product(range(SIDE), repeat=2), key=lambda f: (f[0] + f[1], max(f), f))
    for v, u in order[1:]:
        wave = np.cos(np.pi * (y + 0.5) * v / SIDE) * np.cos(np.pi * (x + 0.5) * u / SIDE)
        candidates.append(wave)
    rows: F64 = np.zeros((len(y), len(y)))
    count = 0
    for vector in candidates:
        for _ in range(2):  # twice: Gram-Schmidt loses accuracy
            vector = vector - rows[:count].T @ (rows[:count] @ vector)
        norm = float(np.linalg.norm(vector))
        if norm > 0.07 * np.sqrt(len(y)) and count < len(y):
            rows[count] = vector / norm
            count += 1
    return y * SIDE + x, rows[:count].T.astype(np.float32), fixed


def deviations(plane: F32, cfa: Cfa | None, channel: int, limit: int = 200_000) -> F32:
    """High-frequency coefficients of a channel in about `limit` samples of an (H, W) array.

    Under white noise of one sigma they are independent with that sigma; empty where no block fits.
    Non-finite ones are left out.
    """
    if min(plane.shape) < SIDE:
        return np.zeros(0, np.float32)
    rows = range(0, plane.shape[0] - SIDE + 1, SIDE)
    rows = rows[:: max(1, round(plane.size / limit))]
    blocks = np.concatenate([_windows(plane[y : y + SIDE], SIDE) for y in rows])
    sites, vectors, fixed = basis(cfa, channel)
    top = vectors[:, fixed + round(HIGH * (len(sites) - fixed)) :]
    # einsum, as a BLAS would wake all its threads for so little
    found = np.einsum("bn,nk->bk", blocks[:, sites], top).ravel()
    return found[np.isfinite(found)]


def step_of(stored: Array) -> float:
    """The step stored values are rounded to: their greatest common divisor; 0 if continuous."""
    values = stored.ravel()[:: max(1, stored.size // 50_000)]
    values = values[np.isfinite(values)]
    if not values.size or np.any(values != np.round(values)) or np.abs(values).max() > 2**31:
        return 0.0
    whole = values.astype(np.int64)
    return float(np.gcd.reduce(whole - whole.min()))
