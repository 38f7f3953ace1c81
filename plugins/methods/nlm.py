"""Non-local means on patches of all colour planes."""

from __future__ import annotations

from typing import Annotated, Any

from core.image import Image
from core.method import Context, Method, Needs, Planes, Slider

PATCH = 2  # patches of 5x5
FALL = 2.0  # how fast weights fall with distance beyond that of noise


class Nlm(Method):
    """Averages pixels whose surroundings look alike: good for repeated structure and edges."""

    title = "Non-local means"
    assumption = "Noise independent from pixel to pixel, its strength known from the noise model."
    tensors = False
    paper = "Buades, Coll and Morel, CVPR 2005"

    strength: Annotated[
        float, Slider(0.0, 3.0, "×", "Noise to remove, as a multiple of the noise model's.")
    ] = 1.0
    chroma: Annotated[
        float, Slider(0.0, 3.0, "×", "Colour noise to remove, relative to the strength.")
    ] = 1.0
    search: Annotated[
        int, Slider(2, 12, "px", "How far to look for like patches: costs time.", advanced=True)
    ] = 5

    def needs(self, image: Image) -> Needs:
        """A pixel sees patches around all pixels of the search window."""
        return Needs(halo=self.search + PATCH, align=1, tile=384, cost=8.0)

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run."""
        from core.ops import color, nlm

        if not self.strength:
            return tile
        sigmas = color.sigmas(ctx.planes, self.strength, self.chroma)
        kinds = sorted(set(sigmas))
        rates = [FALL / sigma**2 if sigma else float("inf") for sigma in kinds]
        group = [kinds.index(sigma) for sigma in sigmas]
        mixed = color.mix(tile, ctx.planes)
        clean = nlm.denoise(mixed, mixed, group, rates, 1.0, self.search, PATCH, ctx.check)
        return color.unmix(clean, ctx.planes)
