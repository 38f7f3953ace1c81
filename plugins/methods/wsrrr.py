"""WSRRR: reduced-rank regression of a cube whose components are sparse in wavelets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from core.image import Image
from core.method import Context, Needs, Planes
from core.ops.cube import BySubspace, Look, looked_at, on_arrays, turned

if TYPE_CHECKING:
    from core.ops.subspace import Subspace

USUAL = 1.5  # threshold in sigmas, where no picture was looked at
TURNS = 2  # the robust subspace is nearly the last one


class Wsrrr(BySubspace):
    """Components sparse in wavelets, a threshold for each scale and direction of each."""

    title = "WSRRR"
    cpu_seconds = 0.3
    paper = "Rasti, Sveinsson and Ulfarsson (WSRRR), IEEE TGRS 52(10), 2014"

    def needs(self, image: Image) -> Needs:
        """What the wavelets reach."""
        from core.ops import wavelet

        return Needs(halo=wavelet.REACH, tile=480, cost=4.0, axes="byx")

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

    def clean(self, planes: Planes, known: Any, ctx: Context) -> Planes:
        """See BySubspace.clean."""
        from core.ops import wavelet

        shape = planes.shape[1], wavelet.LEVELS, wavelet.BANDS
        limits = self.strength * (np.full(shape, USUAL) if known is None else known)
        return on_arrays(planes, lambda each: wavelet.shrink(each[0], limits, ctx.check)[None])
