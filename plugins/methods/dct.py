"""Overlapped DCT with a Wiener second pass, over several scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from core.image import Image
from core.method import Context, Needs, Planes, Slider
from core.noise.correlated import spectra_of
from core.ops.color import ByColor

STEPS = (1, 1)  # pixels between blocks in the two passes: every block there is


class Dct(ByColor):
    """The best classical method here: keeps fine texture, leaves no blotches. Start with this."""

    title = "DCT"
    cpu_seconds = 0.27
    version = 2
    spectral = True
    paper = "Yu and Sapiro, IPOL 2011; Pierazzo and Facciolo, IPOL 2017; Dabov et al., TIP 2007"

    scales: Annotated[
        int,
        Slider(0, 3, "", "Coarser scales to clean too: against blotches.", False, True, (1, 2, 3)),
    ] = 2

    def needs(self, image: Image) -> Needs:
        """Blocks reach 7 pixels in each pass, on every scale."""
        from core.ops import dct

        halo, align = dct.reach(STEPS, self.scales), dct.align(STEPS, self.scales)
        return Needs(halo=halo, align=align, tile=480, cost=10.0)

    def clean(self, planes: Planes, sigmas: Sequence[float], ctx: Context) -> Planes:
        """See ByColor.clean."""
        from core.ops import dct

        margin = dct.reach(STEPS, self.scales)
        spectra = spectra_of(ctx.noise, self.scales)
        return dct.denoise(planes, sigmas, STEPS, self.scales, margin, ctx.check, spectra)
