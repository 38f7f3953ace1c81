"""Overlapped DCT with a Wiener second pass, over several scales."""

from __future__ import annotations

from typing import Annotated, Any

from core.image import Image
from core.method import Context, Method, Needs, Planes, Slider

STEPS = (1, 1)  # pixels between blocks in the two passes: every block there is


class Dct(Method):
    """The best classical method here: keeps fine texture, leaves no blotches. Start with this."""

    title = "DCT"
    assumption = "Noise independent from pixel to pixel, its strength known from the noise model."
    tensors = False
    version = 2
    paper = "Yu and Sapiro, IPOL 2011; Pierazzo and Facciolo, IPOL 2017; Dabov et al., TIP 2007"

    strength: Annotated[
        float, Slider(0.0, 3.0, "×", "Noise to remove, as a multiple of the noise model's.")
    ] = 1.0
    chroma: Annotated[
        float, Slider(0.0, 3.0, "×", "Colour noise to remove, relative to the strength.")
    ] = 1.0
    scales: Annotated[
        int, Slider(0, 3, "", "Coarser scales to clean too: against blotches.", advanced=True)
    ] = 2

    def needs(self, image: Image) -> Needs:
        """Blocks reach 7 pixels in each pass, on every scale."""
        from core.ops import dct

        halo, align = dct.reach(STEPS, self.scales), dct.align(STEPS, self.scales)
        return Needs(halo=halo, align=align, tile=480, cost=10.0)

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run."""
        from core.ops import color, dct

        if not self.strength:
            return tile
        sigmas = color.sigmas(ctx.planes, self.strength, self.chroma)
        margin = dct.reach(STEPS, self.scales)
        mixed = color.mix(tile, ctx.planes)
        clean = dct.denoise(mixed, sigmas, STEPS, self.scales, margin, ctx.check)
        return color.unmix(clean, ctx.planes)
