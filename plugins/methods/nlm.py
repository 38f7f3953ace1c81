"""Non-local means: average pixels whose surroundings look alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from core.method import Context, Method, Needs, Slider

if TYPE_CHECKING:
    import torch


class NonLocalMeans(Method):
    """Averages what looks alike: natural grain-free texture and repeating patterns; slower."""

    title = "Non-local means"
    assumption = "Noise independent from pixel to pixel; similar patches occur close by."
    paper = "Buades, Coll and Morel, CVPR 2005"

    strength: Annotated[
        float, Slider(0.0, 3.0, "×", "Noise to remove, as a multiple of the noise model's.")
    ] = 1.0
    chroma: Annotated[
        float, Slider(0.0, 3.0, "×", "Colour noise to remove, relative to the strength.")
    ] = 1.5
    search: Annotated[
        int, Slider(2, 12, "px", "How far to look for similar patches.", advanced=True)
    ] = 5
    patch: Annotated[int, Slider(1, 3, "px", "Radius of a patch.", advanced=True)] = 1

    def needs(self, planes: tuple[int, ...]) -> Needs:
        """Every result looks at the search area and the patches at its rim."""
        return Needs(halo=self.search + self.patch, tile=256, cost=6.0)

    def run(self, tile: torch.Tensor, state: Any, ctx: Context) -> torch.Tensor:
        """See Method.run."""
        from core.ops import color, nlm

        if not self.strength:
            return tile
        sigmas = color.sigmas(ctx.planes, self.strength, self.chroma)
        mixed = color.mix(tile, ctx.planes)
        clean = nlm.denoise(mixed, sigmas, self.search, self.patch, ctx.check)
        return color.unmix(clean, ctx.planes)
