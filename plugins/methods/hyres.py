"""HyRes: low rank and wavelet sparsity, free of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from core.image import Image
from core.method import Context, Needs, Planes
from core.ops.cube import BySubspace, Look, looked_at, on_arrays

if TYPE_CHECKING:
    from core.ops.subspace import Subspace

USUAL = 1.5  # threshold in sigmas, where no picture was looked at


class Hyres(BySubspace):
    """One threshold of wavelets for each principal component, of least estimated risk."""

    title = "HyRes"
    cpu_seconds = 0.3
    paper = "Rasti, Ulfarsson and Ghamisi (HyRes), IEEE GRSL 14(12), 2017"

    def needs(self, image: Image) -> Needs:
        """What the wavelets reach."""
        from core.ops import wavelet

        return Needs(halo=wavelet.REACH, tile=480, cost=4.0, axes="byx")

    def look(self, space: Subspace, size: tuple[int, int], ctx: Context) -> Look:
        """See BySubspace.look: the thresholds."""
        from core.ops import wavelet

        yield 0.5
        tiles = looked_at(space, size, ctx)
        found = np.add.reduce([wavelet.histogram(planes, ctx.check) for _, planes in tiles])
        parts = 0.25 ** np.arange(wavelet.LEVELS)  # of the samples; all of them are at each level
        return space, wavelet.thresholds((found * parts[:, None, None]).sum((2, 3)))

    def clean(self, planes: Planes, known: Any, ctx: Context) -> Planes:
        """See BySubspace.clean."""
        from core.ops import wavelet

        each = np.full(planes.shape[1], USUAL) if known is None else known
        shape = planes.shape[1], wavelet.LEVELS, wavelet.BANDS
        limits = self.strength * np.broadcast_to(each[:, None, None], shape)
        return on_arrays(planes, lambda each: wavelet.shrink(each[0], limits, ctx.check)[None])
