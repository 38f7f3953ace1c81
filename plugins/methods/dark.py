"""Dark frames: what a sensor gives without light, taken off the picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import numpy as np

from core.image import Image
from core.method import Context, Method, Needs, Planes, Slider
from core.noise.model import Noise, PoissonGaussian


class DarkFrame(Method):
    """Takes away what pictures without light show, as the first step: frames of the same camera,
    ISO and exposure time, the lens covered."""

    title = "Dark frame"
    cpu_seconds = 0.02
    assumption = "The dark frames hold what the picture has besides light, and noise of their own."
    paper = "European Machine Vision Association, EMVA 1288, release 4.0, 2021 (dark signal)"
    kinds = ("raw",)
    repairs = True  # without frames it changes nothing
    domain = "signal"
    tensors = False
    cpu_only = True
    series = ("frames",)

    amount: Annotated[
        float,
        Slider(0.0, 4.0, "×", "For frames of another exposure time: the picture's over theirs."),
    ] = 1.0

    def needs(self, image: Image) -> Needs:
        """Each pixel by itself."""
        return Needs(tile=512, cost=4.0)

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run. Of three and more frames the median counts: no cosmic ray stays."""
        frames = ctx.series.get("frames", ())
        if not frames or ctx.region is None:
            return tile
        dark: list[Any] = []
        for frame in frames:
            ctx.check()
            dark.append(frame(ctx.region).reshape(tile.shape))
        level = np.median(dark, 0) if len(dark) > 2 else np.mean(dark, 0)
        return tile - np.float32(self.amount) * np.nan_to_num(level).astype(np.float32)

    def left(self, noise: Noise, images: int) -> Noise:
        """See Method.left: the read noise of the frames' mean comes on top of the picture's."""
        if not images or not isinstance(noise, PoissonGaussian):
            return noise
        more = (1 + self.amount**2 / images) ** 0.5
        return replace(noise, read=tuple(more * each for each in noise.read))
