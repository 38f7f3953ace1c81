"""OTVCA: orthogonal components of a cube, each with the least total variation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.image import Image
from core.method import Context, Needs, Planes
from core.ops.cube import BySubspace, Look, looked_at, on_arrays, turned

if TYPE_CHECKING:
    from core.ops.subspace import Subspace

TURNS = 2  # the robust subspace is nearly the last one


class Otvca(BySubspace):
    """Components that are flat between edges: for maps of materials and classification."""

    title = "OTVCA"
    cpu_seconds = 0.3
    paper = "Rasti, Ulfarsson and Sveinsson (OTVCA), IEEE TGRS 54(12), 2016"

    def needs(self, image: Image) -> Needs:
        """Every round of the total variation looks a pixel farther."""
        from core.ops import tv

        return Needs(halo=tv.ROUNDS + 1, tile=480, cost=4.0, axes="byx")

    def look(self, space: Subspace, size: tuple[int, int], ctx: Context) -> Look:
        """See BySubspace.look: how strong, and the axes that fit the cleaned components."""
        from core.ops import tv

        weights: Any = None
        for turn in range(TURNS):
            yield turn / TURNS
            tiles = looked_at(space, size, ctx)
            weights = tv.weights([planes for _, planes in tiles], ctx.check)
            space = turned(space, tiles, lambda each, w=weights: tv.denoise(each, w, ctx.check))
        return space, weights

    def clean(self, planes: Planes, known: Any, ctx: Context) -> Planes:
        """See BySubspace.clean."""
        from core.ops import tv

        weights = [tv.USUAL] * planes.shape[1] if known is None else known
        given = [self.strength * float(weight) for weight in weights]
        return on_arrays(planes, lambda each: tv.denoise(each[0], given, ctx.check)[None])
