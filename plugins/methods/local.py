"""Filters by local mean and variance: Lee, Kuan, Frost and enhanced Lee."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import numpy as np

from core.image import Array, Image
from core.method import Choice, Context, Method, Needs, Planes, Slider

Filter = Literal["Lee", "Kuan", "Frost", "Enhanced Lee"]

DAMPING = 0.3  # of Frost's weights
BAND = 128  # rows between two checks


class Local(Method):
    """The classical speckle filters, in a fraction of a second: even areas are averaged."""

    title = "Local statistics"
    cpu_seconds = 0.1
    assumption = (
        "Noise of equal strength everywhere after compression (it works in the log domain); where"
        " values vary more than it does, there is detail."
    )
    paper = (
        "Lee, PAMI 2(2), 1980; Kuan et al., PAMI 7(2), 1985; Frost et al., PAMI 4(2), 1982;"
        " Lopes et al., TGRS 28(6), 1990"
    )
    kinds = ("ultrasound",)
    tensors = False
    cpu_only = True

    strength: Annotated[
        float, Slider(0.0, 3.0, "×", "Speckle to remove, as a multiple of the noise model's.")
    ] = 1.0
    filter: Annotated[
        Filter, Choice("What is done where there is detail.", tune=get_args(Filter))
    ] = "Frost"
    radius: Annotated[
        int, Slider(1, 12, "px", "Half of the window's edge.", tune=(4, 6, 8, 11))
    ] = 8

    def needs(self, image: Image) -> Needs:
        """A result looks `radius` pixels far."""
        return Needs(halo=self.radius, tile=512, cost=3.0)

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run."""
        ctx.check()
        if not self.strength or min(tile.shape[-2:]) <= 2 * self.radius:
            return tile
        found = np.ascontiguousarray(tile).copy()
        for planes, made in zip(tile, found, strict=True):
            for plane, out in zip(planes, made, strict=True):
                self._filter(np.ascontiguousarray(plane), out, ctx)
        return found

    def _filter(self, plane: Array, out: Array, ctx: Context) -> None:
        """One plane, a band of rows at a time."""
        from core.ops import local_cpu as local

        radius, noise = self.radius, self.strength**2
        kind = {"Lee": local.LEE, "Kuan": local.KUAN}.get(self.filter, local.ENHANCED)
        for y in range(0, plane.shape[0] - 2 * radius, BAND):
            ctx.check()
            rows = slice(y, y + BAND + 2 * radius)
            if self.filter == "Frost":
                local.frost(plane[rows], radius, noise, DAMPING, out[rows])
            else:
                local.shrink(plane[rows], kind, radius, noise, 1.0, out[rows])
