"""Block matching: like blocks are found, stacked and filtered together."""

from __future__ import annotations

from typing import Annotated, Any

from core.image import Image
from core.method import Context, Method, Needs, Planes, Slider

STEP = 3  # pixels between reference blocks


class BlockMatch(Method):
    """The finest and the slowest: repeated structure and edges stay crisp. For the final export."""

    title = "Block matching"
    assumption = "Noise independent from pixel to pixel, its strength known from the noise model."
    tensors = False
    cpu_only = True
    paper = "Dabov, Foi, Katkovnik and Egiazarian, IEEE TIP 2007"

    strength: Annotated[
        float, Slider(0.0, 3.0, "×", "Noise to remove, as a multiple of the noise model's.")
    ] = 1.0
    chroma: Annotated[
        float, Slider(0.0, 3.0, "×", "Colour noise to remove, relative to the strength.")
    ] = 1.0
    search: Annotated[
        int, Slider(4, 24, "px", "How far to look for like blocks: costs time.", advanced=True)
    ] = 16

    def needs(self, image: Image) -> Needs:
        """Two stages, each as far as a block, its reference and the reference's other matches."""
        from core.ops import bm

        return Needs(halo=bm.reach(STEP, self.search), align=STEP, tile=480, cost=14.0)

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run."""
        from core.ops import bm, color

        if not self.strength:
            return tile
        sigmas = color.sigmas(ctx.planes, self.strength, self.chroma)
        margin = bm.reach(STEP, self.search)
        mixed = color.mix(tile, ctx.planes)
        clean = bm.denoise(mixed, sigmas, STEP, self.search, margin, ctx.check)
        return color.unmix(clean, ctx.planes)
