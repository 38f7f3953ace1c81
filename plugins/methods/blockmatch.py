"""Block matching: like blocks are found, stacked and filtered together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from core.image import Image
from core.method import Context, Needs, Planes, Slider
from core.noise.correlated import spectra_of
from core.ops.color import ByColor

STEP = 3  # pixels between reference blocks


class BlockMatch(ByColor):
    """The finest and the slowest: repeated structure and edges stay crisp. For the final export."""

    title = "Block matching"
    cpu_seconds = 6.9
    cpu_only = True
    spectral = True
    paper = "Dabov, Foi, Katkovnik and Egiazarian, IEEE TIP 2007"

    search: Annotated[
        int, Slider(4, 24, "px", "How far to look for like blocks: costs time.", advanced=True)
    ] = 16

    def needs(self, image: Image) -> Needs:
        """Two stages, each as far as a block, its reference and the reference's other matches."""
        from core.ops import bm

        return Needs(halo=bm.reach(STEP, self.search), align=STEP, tile=480, cost=14.0)

    def clean(self, planes: Planes, sigmas: Sequence[float], ctx: Context) -> Planes:
        """See ByColor.clean."""
        from core.ops import bm

        margin = bm.reach(STEP, self.search)
        (spectrum,) = spectra_of(ctx.noise)
        return bm.denoise(planes, sigmas, STEP, self.search, margin, ctx.check, spectrum)
