"""Spectral subspace: denoise the few images that a cube is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from core.image import Image
from core.method import Choice, Context, Needs, Planes
from core.ops.cube import BySubspace, Look, on_arrays

if TYPE_CHECKING:
    from core.ops.subspace import Subspace as Space

STEPS, SCALES = (1, 1), 2  # of core.ops.dct
STEP, SEARCH = 3, 16  # of core.ops.bm


class Subspace(BySubspace):
    """For hyperspectral cubes: finds the few spectra all are mixed from. Start with this."""

    title = "Spectral subspace"
    cpu_seconds = 0.3
    any_bands = True
    paper = (
        "Zhuang and Bioucas-Dias (FastHyDe, FastHyIn), IEEE JSTARS 2018; Bioucas-Dias and"
        " Nascimento (HySime), IEEE TGRS 2008; Zhuang and Ng (L1HyMixDe), IEEE JSTARS 2020"
    )

    images: Annotated[
        Literal["fast", "best"],
        Choice("How the images are cleaned: DCT, or block matching, which takes twenty times."),
    ] = "fast"
    fill: Annotated[
        bool,
        Choice("Fill in what was not measured (no-data) from the other bands and near pixels."),
    ] = False

    def needs(self, image: Image) -> Needs:
        """All bands together; what the cleaning of one plane needs, and the filling before it."""
        from core.ops import bm, dct, gaps

        if self.images == "best":
            halo, align = bm.reach(STEP, SEARCH), STEP
        else:
            halo, align = dct.reach(STEPS, SCALES), dct.align(STEPS, SCALES)
        halo += gaps.REACH if self.fill else 0
        return Needs(halo=halo, align=align, tile=480, cost=4.0, axes="byx", gaps=self.fill)

    def look(self, space: Space, size: tuple[int, int], ctx: Context) -> Look:
        """See BySubspace.look: how much the images vary, for gaps."""
        from core.ops import gaps

        yield 1.0
        return space, gaps.learn(space, size, ctx) if self.fill else None

    def cube(self, cube: Planes, space: Space, known: Any, ctx: Context) -> Planes:
        """See BySubspace.cube."""
        from core.ops import gaps

        if not self.fill or known is None:
            return super().cube(cube, space, known, ctx)

        def filled(cube: Any) -> Any:
            planes, lost = gaps.project(space, known, cube, ctx.region, ctx.check)
            return gaps.expand(space, self.clean(planes[None], None, ctx)[0], cube, lost, ctx.check)

        return on_arrays(cube, filled)

    def clean(self, planes: Planes, known: Any, ctx: Context) -> Planes:
        """See BySubspace.clean."""
        from core.ops import bm, dct

        sigmas = (self.strength,) * planes.shape[1]
        if self.images == "best":
            reach = bm.reach(STEP, SEARCH)
            given = sigmas, STEP, SEARCH, reach, ctx.check
            return on_arrays(planes, lambda each: bm.denoise(each, *given))
        return dct.denoise(planes, sigmas, STEPS, SCALES, dct.reach(STEPS, SCALES), ctx.check)
