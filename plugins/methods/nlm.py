"""Non-local means on patches of all colour planes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from core.image import Image
from core.method import Context, Needs, Planes, Slider
from core.ops.color import ByColor

PATCH = 2  # patches of 5x5
FALL = 2.0  # how fast weights fall with distance beyond that of noise


class Nlm(ByColor):
    """Averages pixels whose surroundings look alike: good for repeated structure and edges."""

    title = "Non-local means"
    cpu_seconds = 0.18
    paper = "Buades, Coll and Morel, CVPR 2005"

    search: Annotated[
        int, Slider(2, 12, "px", "How far to look for like patches: costs time.", advanced=True)
    ] = 5

    def needs(self, image: Image) -> Needs:
        """A pixel sees patches around all pixels of the search window."""
        return Needs(halo=self.search + PATCH, align=1, tile=384, cost=8.0)

    def clean(self, planes: Planes, sigmas: Sequence[float], ctx: Context) -> Planes:
        """See ByColor.clean."""
        from core.ops import nlm

        kinds = sorted(set(sigmas))
        rates = [FALL / sigma**2 if sigma else float("inf") for sigma in kinds]
        group = [kinds.index(sigma) for sigma in sigmas]
        return nlm.denoise(planes, planes, group, rates, 1.0, self.search, PATCH, ctx.check)
