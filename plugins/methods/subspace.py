"""Spectral subspace: denoise the few images that a cube is made of."""

from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, Any, Literal

import numpy as np

from core.image import Image
from core.method import Choice, Context, Method, Needs, Planes, Slider, is_array
from core.tiles import Region

STEPS, SCALES = (1, 1), 2  # of core.ops.dct
FEW = 8  # bands: with fewer, one cannot tell an outlier from a colour
STEP, SEARCH = 3, 16  # of core.ops.bm


class Subspace(Method):
    """For hyperspectral cubes: finds the few spectra all are mixed from. Start with this."""

    title = "Spectral subspace"
    cpu_seconds = 0.3
    assumption = (
        "Noise independent in every band and pixel, as strong as it may be in each;"
        " stripes, dead lines and impulses in some of the bands."
    )
    paper = (
        "Zhuang and Bioucas-Dias (FastHyDe), IEEE JSTARS 2018; Bioucas-Dias and Nascimento"
        " (HySime), IEEE TGRS 2008; Zhuang and Ng (L1HyMixDe), IEEE JSTARS 2020"
    )
    kinds = ("hyperspectral",)
    axes = "byx"
    tensors = False

    strength: Annotated[
        float, Slider(0.0, 3.0, "×", "Noise to remove, as a multiple of what was measured.")
    ] = 1.0
    images: Annotated[
        Literal["fast", "best"],
        Choice("How the images are cleaned: DCT, or block matching, which takes twenty times."),
    ] = "fast"
    rank: Annotated[
        int, Slider(0, 40, "", "Images that a cube is made of; 0: found by itself.", advanced=True)
    ] = 0

    def needs(self, image: Image) -> Needs:
        """All bands together; what the cleaning of one plane needs."""
        from core.ops import bm, dct

        if self.images == "best":
            halo, align = bm.reach(STEP, SEARCH), STEP
        else:
            halo, align = dct.reach(STEPS, SCALES), dct.align(STEPS, SCALES)
        return Needs(halo=halo, align=align, tile=480, cost=4.0, axes="byx")

    def prepare(self, image: Image, ctx: Context) -> Generator[float, None, Any]:
        """See Method.prepare: the state is a core.ops.subspace.Subspace."""
        from core.develop.falsecolor import usable
        from core.ops import subspace

        if ctx.source is None:
            return None
        bands = ctx.source(Region(0, 0, 1, 1)).shape[2]
        good, robust = np.ones(bands, bool), False
        if "b" in image.axes:
            good = np.isin(np.arange(bands), usable(image))
            robust = int(good.sum()) >= FEW
        asked = subspace.Asked(np.tile(good, len(ctx.planes)), self.rank, robust)
        size = image.height, image.width
        return (yield from subspace.learn(ctx.source, *size, asked, ctx.check))

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run."""
        from core.ops import subspace

        if not self.strength:
            return tile
        found = tile + 0
        for given, made in zip(tile, found, strict=True):
            cube = given.reshape(-1, *given.shape[-2:])
            space = state or subspace.identity(len(cube))
            planes = space.project(cube, ctx.region, ctx.check)
            cleaned = self._cleaned(planes[None], ctx)[0]
            made[:] = space.expand(cleaned, cube, ctx.check).reshape(given.shape)
        return found

    def _cleaned(self, planes: Planes, ctx: Context) -> Planes:
        from core.ops import bm, dct

        sigmas = (self.strength,) * planes.shape[1]
        if self.images == "best":
            margin = bm.reach(STEP, SEARCH)
            if is_array(planes):
                return bm.denoise(planes, sigmas, STEP, SEARCH, margin, ctx.check)
            found = bm.denoise(planes.cpu().numpy(), sigmas, STEP, SEARCH, margin, ctx.check)
            return planes.new_tensor(found)
        margin = dct.reach(STEPS, SCALES)
        return dct.denoise(planes, sigmas, STEPS, SCALES, margin, ctx.check)
