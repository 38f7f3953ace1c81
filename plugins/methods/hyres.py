"""HyRes: low rank and wavelet sparsity, free of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.method import Context
from core.ops.cube import ByWavelets, Look, looked_at

if TYPE_CHECKING:
    from core.ops.subspace import Subspace


class Hyres(ByWavelets):
    """One threshold of wavelets for each principal component, of least estimated risk."""

    title = "HyRes"
    cpu_seconds = 0.3
    paper = "Rasti, Ulfarsson and Ghamisi (HyRes), IEEE GRSL 14(12), 2017"

    def look(self, space: Subspace, size: tuple[int, int], ctx: Context) -> Look:
        """See BySubspace.look: the thresholds."""
        from core.ops import wavelet

        yield 0.5
        tiles = looked_at(space, size, ctx)
        found = np.add.reduce([wavelet.histogram(planes, ctx.check) for _, planes in tiles])
        parts = 0.25 ** np.arange(wavelet.LEVELS)  # of the samples; all of them are at each level
        each = wavelet.thresholds((found * parts[:, None, None]).sum((2, 3)))
        shape = len(each), wavelet.LEVELS, wavelet.BANDS
        return space, np.broadcast_to(each[:, None, None], shape)
