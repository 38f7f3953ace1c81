"""Hot, dead and stuck pixels, one by one: before anything else."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Any

import numpy as np

from core.image import Array, Image
from core.method import Context, Method, Needs, Planes, Slider

AROUND = [at for at in product((0, 1, 2), repeat=2) if at != (1, 1)]
SHARED = 0.35  # of its excess that another colour has at the same place, where it is the picture's
ROWS = 64  # between two checks


class HotPixels(Method):
    """Takes out single pixels that stand out, and nothing else: the first step, before others."""

    title = "Hot pixels"
    cpu_seconds = 0.03
    assumption = (
        "Defects are single sites that neither neighbours of their colour nor others share."
    )
    paper = (
        "Djite et al., SPIE 8250, 2012; rank order differences: Garnett et al., TIP 14(11), 2005"
    )
    repairs = True
    domain = "signal"
    tensors = False
    cpu_only = True

    threshold: Annotated[
        float, Slider(3.0, 20.0, "σ", "How far a pixel must stand out: less finds more.")
    ] = 5.0

    def needs(self, image: Image) -> Needs:
        """The eight neighbours of the same colour."""
        return Needs(halo=1, tile=512, cost=14.0)

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run."""
        found = tile.copy()
        for planes, made in zip(tile, found, strict=True):
            for y in range(1, tile.shape[-2] - 1, ROWS):
                ctx.check()
                last = min(y + ROWS, tile.shape[-2] - 1)
                made[:, y:last, 1:-1] = self._repaired(planes[:, y - 1 : last + 1], ctx)
        return found

    def _repaired(self, planes: Array, ctx: Context) -> Array:
        """Planes (P, h + 2, w + 2) to (P, h, w)."""
        height, width = planes.shape[-2] - 2, planes.shape[-1] - 2
        near = [planes[:, y : y + height, x : x + width] for y, x in AROUND]
        high, low = _second(near, np.maximum, np.minimum), _second(near, np.minimum, np.maximum)
        own = planes[:, 1:-1, 1:-1]
        out, limit = own.copy(), high - low
        for plane, color in enumerate(ctx.planes):
            level = (high[plane] + low[plane]) / 2
            sigma = ctx.noise.sigma(level, color) if ctx.noise else np.ones_like(level)
            limit[plane] = np.maximum(limit[plane], np.float32(self.threshold) * sigma)
        for excess in (own - high, low - own):
            stands = excess > limit
            if len(planes) > 1 and stands.any():  # light falls on all colours
                others = np.sort(excess, 0)
                most = np.where(excess >= others[-1], others[-2], others[-1])
                stands &= most < SHARED * excess
            place = np.nonzero(stands)
            if len(place[0]):
                out[place] = np.median([part[place] for part in near], 0)
        return out


def _second(parts: list[Array], first: Any, other: Any) -> Array:
    """The second largest of some arrays (of `first` = maximum, `other` = minimum)."""
    most, second = first(parts[0], parts[1]), other(parts[0], parts[1])
    for part in parts[2:]:
        second = first(second, other(most, part))
        most = first(most, part)
    return second
