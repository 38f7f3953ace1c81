"""Two passes of sparse DCT blocks over several scales: for live work and very large files."""

from __future__ import annotations

from collections.abc import Sequence

from core.image import Image
from core.method import Context, Needs, Planes
from core.noise.correlated import spectra_of
from core.ops.color import ByColor

STEPS = (3, 3)  # pixels between blocks in the two passes
SCALES = 2


class Fast(ByColor):
    """Several times faster than DCT and a little less fine: for live work and large batches."""

    title = "Fast"
    cpu_seconds = 0.13
    version = 2
    spectral = True
    paper = "Yu and Sapiro, IPOL 2011; Pierazzo and Facciolo, IPOL 2017"

    def needs(self, image: Image) -> Needs:
        """Blocks reach 7 pixels on every scale."""
        from core.ops import dct

        halo, align = dct.reach(STEPS, SCALES), dct.align(STEPS, SCALES)
        return Needs(halo=halo, align=align, tile=512, cost=8.0)

    def clean(self, planes: Planes, sigmas: Sequence[float], ctx: Context) -> Planes:
        """See ByColor.clean."""
        from core.ops import dct

        reach, spectra = dct.reach(STEPS, SCALES), spectra_of(ctx.noise, SCALES)
        return dct.denoise(planes, sigmas, STEPS, SCALES, reach, ctx.check, spectra)
