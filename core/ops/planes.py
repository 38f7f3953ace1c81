"""Planes: a mosaic as a stack of same-colour planes, and an orthonormal colour basis for them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from core.image import Cfa
from core.method import Planes

Site = tuple[int, int]
MANY_STATES = 100_000  # above this, sharing sites between cells would take too long


@dataclass(frozen=True)
class Packing:
    """How mosaic sites are sorted into planes. Hashable; `pack` and `unpack` are exact inverses.

    `period` is the edge of one packed cell in pixels, `phase` the distance after which the sites
    repeat (tile origins must be multiples of it), `planes` the colour index of every plane, and
    `sites[p]` where plane p finds its sample in each cell of a phase x phase block, row by row.
    """

    period: int
    phase: int
    planes: tuple[int, ...]
    sites: tuple[tuple[Site, ...], ...] = ()

    @property
    def cells(self) -> int:
        """Packed cells along one edge of a block."""
        return self.phase // self.period

    @cached_property
    def table(self) -> NDArray[np.int64]:
        """(K, 6), for kernels: plane, channel, row and column among a block's cells and pixels."""
        if self.period == 1:
            return np.array([(p, p, 0, 0, 0, 0) for p in range(len(self.planes))], np.int64)
        rows = [
            (plane, 0, i // self.cells, i % self.cells, y, x)
            for plane, sites in enumerate(self.sites)
            for i, (y, x) in enumerate(sites)
        ]
        return np.array(rows, np.int64)

    def pack(self, tile: Planes) -> Planes:
        """(N, 1, H, W) tensor of a mosaic to (N, P, H/period, W/period); (N, C, H, W) passes.

        H and W are multiples of `phase`, the tile's origin too.
        """
        if self.period == 1:
            return tile
        count, _, height, width = tile.shape
        shape = (count, len(self.planes), height // self.period, width // self.period)
        packed = tile.new_empty(shape)
        for plane, cell, site in self._pairs():
            packed[:, plane][cell] = tile[:, 0][site]
        return packed

    def unpack(self, packed: Planes) -> Planes:
        """(N, P, h, w) back to the (N, 1, h*period, w*period) mosaic."""
        if self.period == 1:
            return packed
        count, _, height, width = packed.shape
        tile = packed.new_empty((count, 1, height * self.period, width * self.period))
        for plane, cell, site in self._pairs():
            tile[:, 0][site] = packed[:, plane][cell]
        return tile

    def _pairs(self) -> list[tuple[int, tuple[slice, ...], tuple[slice, ...]]]:
        """Plane, slices of the packed plane, slices of the mosaic, for all sites of a block."""
        cells, every = self.cells, slice(None)
        return [
            (
                plane,
                (every, slice(i // cells, None, cells), slice(i % cells, None, cells)),
                (every, slice(y, None, self.phase), slice(x, None, self.phase)),
            )
            for plane, sites in enumerate(self.sites)
            for i, (y, x) in enumerate(sites)
        ]


@lru_cache(maxsize=64)
def packing(cfa: Cfa | None, channels: int = 1) -> Packing:
    """The packing of a CFA, or of `channels` full-resolution planes where there is none.

    Bayer gives 4 planes at half resolution; X-Trans 9 (5 G, 2 R, 2 B) at a third, in any shift;
    any other CFA one plane per site of its period.
    """
    if cfa is None:
        return Packing(1, 1, tuple(range(channels)))
    phase = math.lcm(*cfa.period)
    if phase == 1:
        return Packing(1, 1, (cfa.pattern[0][0],))
    colors = cfa.colors(phase, phase)
    for edge in range(2, phase + 1):
        if phase % edge == 0:
            found = _cells(colors, edge)
            if found:
                return found
    raise AssertionError("a cell of one whole period always fits")


def _cells(colors: NDArray[np.uint8], edge: int) -> Packing | None:
    """Cells of edge x edge that all hold the same colours, or None.

    A cell may borrow a site from its neighbour in the block when it has one too few: the red and
    blue sites of a shifted X-Trans.
    """
    phase = colors.shape[0]
    origins = [(y, x) for y in range(0, phase, edge) for x in range(0, phase, edge)]
    planes: list[int] = []
    sites: list[tuple[Site, ...]] = []
    for color in np.unique(colors).tolist():
        where = [(int(y), int(x)) for y, x in np.argwhere(colors == color)]
        share, rest = divmod(len(where), len(origins))
        if rest or (share + 1) ** len(origins) > MANY_STATES:
            return None
        own = [[s for s in where if _inside(s, origin, edge)] for origin in origins]
        if any(abs(len(cell) - share) > 1 for cell in own):
            return None
        if any(len(cell) != share for cell in own):
            own = _shared(where, origins, edge, share)
        ordered = [sorted(cell, key=lambda s: (s[0] + s[1], s)) for cell in own]
        if all(
            _offsets(a, o) == _offsets(own[0], origins[0])
            for a, o in zip(own, origins, strict=True)
        ):
            ordered = own
        planes += [color] * share
        sites += [tuple(cell[i] for cell in ordered) for i in range(share)]
    return Packing(edge, phase, tuple(planes), tuple(sites))


def _inside(site: Site, origin: Site, edge: int) -> bool:
    return 0 <= site[0] - origin[0] < edge and 0 <= site[1] - origin[1] < edge


def _offsets(cell: list[Site], origin: Site) -> list[Site]:
    return [(y - origin[0], x - origin[1]) for y, x in cell]


def _shared(where: list[Site], origins: list[Site], edge: int, share: int) -> list[list[Site]]:
    """Give every cell `share` sites, all as near to its centre as can be (dynamic programming)."""

    def cost(site: Site, origin: Site) -> float:
        middle = (edge - 1) / 2
        return (site[0] - origin[0] - middle) ** 2 + (site[1] - origin[1] - middle) ** 2

    best: dict[tuple[int, ...], tuple[float, tuple[int, ...]]] = {(share,) * len(origins): (0, ())}
    for site in where:
        reached: dict[tuple[int, ...], tuple[float, tuple[int, ...]]] = {}
        for left, (total, path) in best.items():
            for i, origin in enumerate(origins):
                if left[i]:
                    state = (*left[:i], left[i] - 1, *left[i + 1 :])
                    found = (total + cost(site, origin), (*path, i))
                    if state not in reached or found < reached[state]:
                        reached[state] = found
        best = reached
    ((_, path),) = best.values()
    return [
        [s for s, i in zip(where, path, strict=True) if i == cell] for cell in range(len(origins))
    ]


@lru_cache(maxsize=64)
def basis(planes: tuple[int, ...]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """An orthonormal (P, P) matrix, rows = new planes, and what each row is.

    Row 0 is the mean of all planes ("luma"), then contrasts between colours ("chroma"), then
    contrasts within one colour ("detail", as luma). Unit white noise stays unit white noise.
    """
    colors = sorted(set(planes), key=lambda c: (-planes.count(c), abs(c - 1), c))
    members = np.asarray(planes)
    candidates = [(np.ones(len(planes)), "luma")]
    candidates += [((members == color).astype(float), "chroma") for color in colors]
    candidates += [
        ((np.arange(len(planes)) == plane).astype(float), "detail")
        for color in colors
        for plane in np.flatnonzero(members == color)
    ]
    rows: list[NDArray[np.float64]] = []
    kinds: list[str] = []
    for vector, kind in candidates:  # Gram-Schmidt; what depends on earlier rows falls away
        rest = vector - sum((row * (row @ vector) for row in rows), np.zeros(len(planes)))
        size = float(np.linalg.norm(rest))
        if size > 1e-6:
            rows.append(rest / size)
            kinds.append(kind)
    return np.asarray(rows, np.float32), tuple(kinds)
