"""WSRRR: reduced-rank regression of a cube whose components are sparse in wavelets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from core.method import Context
from core.ops.cube import ByWavelets, Look, looked_at, turned

if TYPE_CHECKING:
    from core.ops.subspace import Subspace

TURNS = 2  # the robust subspace is nearly the last one


class Wsrrr(ByWavelets):
    """Components sparse in wavelets, a threshold for each scale and direction of each."""

    title = "WSRRR"
    cpu_seconds = 0.3
    paper = "Rasti, Sveinsson and Ulfarsson (WSRRR), IEEE TGRS 52(10), 2014"

    def look(self, space: Subspace, size: tuple[int, int], ctx: Context) -> Look:
        """See BySubspace.look: thresholds of least risk, and the axes that fit what they leave."""
        from core.ops import wavelet

        limits: Any = None
        for turn in range(TURNS):
            yield turn / TURNS
            tiles = looked_at(space, size, ctx)
            found = sum(wavelet.histogram(planes, ctx.check) for _, planes in tiles)
            limits = wavelet.thresholds(np.asarray(found))
            space = turned(space, tiles, lambda each, t=limits: wavelet.shrink(each, t, ctx.check))
        return space, limits
