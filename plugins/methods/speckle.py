"""Non-local means that knows how wide the speckle is."""

from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, Any

from core.image import Image
from core.method import Context, Method, Needs, Planes, Slider


class Speckle(Method):
    """For B-mode pictures and any noise with grain: smooth tissue, sharp walls and fibres."""

    title = "Speckle"
    cpu_seconds = 1.0
    assumption = (
        "Noise as wide as the grain measured in the picture, of equal strength after compression"
        " (it works in the log domain)."
    )
    paper = "Buades, Coll and Morel, CVPR 2005; Coupe et al., IEEE TIP 18(10), 2009"
    kinds = ("ultrasound",)
    tensors = False
    cpu_only = True

    strength: Annotated[
        float, Slider(0.0, 3.0, "×", "Speckle to remove, as a multiple of the noise model's.")
    ] = 1.0
    search: Annotated[
        int, Slider(8, 24, "px", "How far to look for like tissue: costs time.", advanced=True)
    ] = 16

    def needs(self, image: Image) -> Needs:
        """Two passes, each as far as patches around all of the search window."""
        from core.ops import speckle

        return Needs(halo=speckle.reach(self.search), tile=384, cost=10.0)

    def prepare(self, image: Image, ctx: Context) -> Generator[float, None, Any]:
        """Measure the noise's correlation."""
        from core.noise.correlation import correlation

        yield 0.0
        return correlation(image, self.search)

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run."""
        from core.ops import speckle

        if not self.strength:
            return tile
        return speckle.denoise(tile, state, self.strength, self.search, ctx.check)
