"""Speckle of clips: each frame cleaned, then averaged with its neighbours along the motion."""

from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, Any

import numpy as np

from core.image import Array, Image
from core.method import Choice, Context, Method, Needs, Planes, Slider

SEARCH = 10  # pixels, within a frame: other frames give enough to average
LEFT = 0.1  # of the noise's variance in a cleaned frame


class Clip(Method):
    """For B-mode clips: as Speckle, and frames before and after help where they agree."""

    title = "Speckle in clips"
    cpu_seconds = 1.1
    assumption = (
        "Speckle that changes from frame to frame while tissue moves by a few pixels, of equal"
        " strength after compression (it works in the log domain)."
    )
    paper = "Buades, Coll and Morel, CVPR 2005; Trahey et al., IEEE Trans. UFFC 34(3), 1987"
    kinds = ("ultrasound",)
    axes = "tyx"
    tensors = False
    cpu_only = True

    strength: Annotated[
        float, Slider(0.0, 3.0, "×", "Speckle to remove, as a multiple of the noise model's.")
    ] = 1.0
    frames: Annotated[int, Slider(0, 6, "", "Frames before and after that help: costs time.")] = 4
    within: Annotated[
        bool, Choice("Clean each frame by itself first; off, speckle keeps its look.")
    ] = True

    def needs(self, image: Image) -> Needs:
        """A frame as Speckle needs it, and as far as tissue moves."""
        from core.ops import clip, speckle

        within = speckle.reach(SEARCH) if self.within else 1
        if "t" not in image.axes:
            return Needs(halo=within, tile=384, cost=10.0)
        halo = max(within + clip.reach(), clip.blocks())
        return Needs(
            halo=halo, align=clip.ALIGN, tile=512, cost=10.0, axes="tyx", depth=16,
            reach=self.frames,
        )  # fmt: skip

    def prepare(self, image: Image, ctx: Context) -> Generator[float, None, Any]:
        """Measure the noise's correlation."""
        from core.noise.correlation import correlation

        yield 0.0
        return correlation(image, SEARCH)

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run."""
        from core.ops import clip, speckle

        if not self.strength:
            return tile
        limit = speckle.OUTLINE * self.strength
        if tile.ndim == 4:  # a picture
            return self._cleaned(tile, state, ctx) if self.within else tile
        found = np.empty_like(tile)
        for planes, made in zip(tile, found, strict=True):
            frames = np.ascontiguousarray(planes.swapaxes(0, 1))
            seen = speckle.softened(frames, limit)
            clean = self._cleaned(frames, state, ctx) if self.within else seen
            floor = self.strength**2 * (LEFT if self.within else 1.0)
            made[:] = clip.average(clean, seen, self.frames, floor, ctx.check).swapaxes(0, 1)
        return found

    def _cleaned(self, frames: Array, alike: Array, ctx: Context) -> Array:
        """Frames (T, P, H, W), each by itself."""
        from core.ops import speckle

        return speckle.denoise(frames, alike, self.strength, SEARCH, ctx.check)
