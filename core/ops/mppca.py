"""Principal components of small cubes of a series of volumes, noise told by its distribution.

Veraart et al., "Denoising of diffusion MRI using random matrix theory", NeuroImage 2016: the
eigenvalues that pure noise has follow Marchenko and Pastur. Which are left over is found as in
Cordero-Grande et al., NeuroImage 2019; what is kept is shrunk as Gavish and Donoho, IEEE TIT 2017.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from core.image import Array

F64 = NDArray[np.float64]
TINY = 1e-12  # of the largest eigenvalue: rounding
Edges = tuple[int, int, int]


def edges_for(volumes: int, depth: int) -> Edges:
    """Edges (z, y, x), odd, of the smallest cube with at least as many voxels as volumes."""
    edge = 3
    while edge**3 < volumes:
        edge += 2
    deep = min(edge, depth)
    wide = edge
    while deep * wide * wide < volumes:
        wide += 2
    return deep, wide, wide


def starts(size: int, edge: int, step: int) -> list[int]:
    """Where cubes begin along an axis: every `step` voxels, and where the last one fits."""
    return sorted({*range(0, size - edge + 1, step), size - edge})


def denoise(
    series: Array, edges: Edges, step: int, check: Callable[[], None]
) -> tuple[Array, Array, Array]:
    """A series (M, D, H, W) without its noise; the noise's sigma and the rank, both (D, H, W).

    Cubes of `edges` begin every `step` voxels from the corner on; where they overlap, those of low
    rank count more. A series too small for one comes back as it is, with sigma and rank 0.
    """
    sizes = series.shape[1:]
    if len(series) < 2 or min(n - e for n, e in zip(sizes, edges, strict=True)) < 0:
        return series.copy(), np.zeros(sizes, np.float32), np.zeros(sizes, np.float32)
    sums = np.zeros(series.shape, np.float64)
    maps = np.zeros((3, *sizes), np.float64)  # weights, sigma, rank
    windows = np.lib.stride_tricks.sliding_window_view(series, edges, (1, 2, 3))
    columns = starts(sizes[2], edges[2], step)
    for z in starts(sizes[0], edges[0], step):
        for y in starts(sizes[1], edges[1], step):
            check()
            given = np.moveaxis(windows[:, z, y][:, columns], 0, 1)
            clean, sigma, rank = shrink(given.reshape(*given.shape[:2], -1))
            weights = 1.0 / (1 + rank)
            clean = (clean * weights[:, None, None]).reshape(given.shape)
            rows = slice(z, z + edges[0]), slice(y, y + edges[1])
            for number, x in enumerate(columns):
                part = (*rows, slice(x, x + edges[2]))
                sums[(slice(None), *part)] += clean[number]
                share = weights[number]
                maps[0][part] += share
                maps[1][part] += share * sigma[number]
                maps[2][part] += share * rank[number]
    mass = maps[0]
    known = mass > 0
    safe = np.where(known, mass, 1)
    out = np.where(known, sums / safe, series).astype(np.float32)
    return out, (maps[1] / safe).astype(np.float32), (maps[2] / safe).astype(np.float32)


def shrink(matrices: Array) -> tuple[F64, F64, F64]:
    """Matrices (n, M, N) without their noise; its sigma (n,), and the rank that is left (n,)."""
    given = matrices.astype(np.float64)
    _, rows, columns = given.shape
    turned = rows > columns
    short = np.swapaxes(given, 1, 2) if turned else given
    small, large = min(rows, columns), max(rows, columns)
    values, vectors = np.linalg.eigh(short @ np.swapaxes(short, 1, 2))  # ascending
    squares = np.maximum(values[:, ::-1], 0)
    sigma, rank = noise_of(squares, large)
    scale = np.maximum(large * sigma**2, TINY * squares[:, 0] + 1e-300)
    relative = squares / scale[:, None]
    ratio = small / large
    room = np.maximum((relative - ratio - 1) ** 2 - 4 * ratio, 0)
    edge = relative > (1 + ratio**0.5) ** 2
    factors = np.where(edge, np.sqrt(room) / np.maximum(relative, 1e-300), 0)
    factors = np.where((sigma <= 0)[:, None], 1.0, factors)[:, ::-1]
    clean = (vectors * factors[:, None]) @ np.swapaxes(vectors, 1, 2) @ short
    return (np.swapaxes(clean, 1, 2) if turned else clean), sigma, rank


def noise_of(squares: F64, large: int) -> tuple[F64, F64]:
    """Sigma (n,) and rank (n,) of matrices by their squared singular values (n, m), descending.

    `large` is the longer edge of the matrices. With p components taken off, the rest of a matrix is
    noise once the spread of its eigenvalues is no more than their mean allows.
    """
    small = squares.shape[1]
    taken: F64 = np.arange(small, dtype=np.float64)
    degrees: F64 = (small - taken) * (large - taken)
    rest: F64 = np.cumsum(squares[:, ::-1], 1)[:, ::-1]
    by_mean: F64 = rest / degrees
    by_spread: F64 = (squares - squares[:, -1:]) / (4 * np.sqrt(degrees))
    fits: NDArray[np.bool_] = by_spread <= by_mean
    fits[:, -1] = True
    rank = np.argmax(fits, 1)
    variance: F64 = np.take_along_axis(by_mean, rank[:, None], 1)[:, 0]
    variance = np.where(variance > TINY * squares[:, 0], variance, 0)
    return np.sqrt(variance), rank.astype(np.float64)
