"""Plan: what to compute for the picture on screen; first a coarse one, where that pays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

from core.recipe import Recipe
from core.show import ShowAfter
from gui.session import Document, View, stack_sizes
from gui.wishes import Wish

SLOW = 0.35  # seconds a view may take before a proxy comes first
AFFORDABLE = 30.0  # seconds of work for real pixels instead of a proxy, when zoomed out
FIRST_GUESS = 12.0  # megapixels per second, until a method was measured

Cost = Callable[[Recipe, float], float | None]  # seconds for megapixels of a recipe, if known


def stages(
    d: Document,
    missing: Sequence[Wish],
    levels: Sequence[int],
    cost: Cost,
    threads: int,
    view: View,
    blends: bool,
) -> list[ShowAfter]:
    """Works that bring the `missing` regions at their levels, the first to show first.

    Slow views stay coarse while a slider of `view` is held. `blends`: all that is needed was
    computed, only its share changes.
    """
    if d.noise is None or not d.recipe.active.steps:
        return []
    samples = d.image.megapixels / (d.image.height * d.image.width * prod(stack_sizes(d.image)))
    found: list[ShowAfter] = []
    for region, level, across in missing:
        full = ShowAfter(
            d.image, d.noise, d.recipe, region, level, d.look, False, threads, across, view.layer
        )
        size = region.area * samples
        known = cost(d.recipe, size)
        seconds = size / FIRST_GUESS if known is None else known
        # there is no proxy of a plane across, nor of colours that a step makes of a mosaic
        plain = across == "z" and not any(s.method.develops for s in d.recipe.active.steps)
        coarse = coarser(level, levels) if plain else 1
        slow = seconds > SLOW and coarse > 1 and not blends
        if slow:
            found.append(replace(full, level=coarse, coarse=True))
        affordable = level == 1 or seconds < AFFORDABLE  # at 100 % nothing but real pixels will do
        if not (slow and view.held) and (affordable or not slow):
            found.append(full)
    return found


def coarser(level: int, levels: Sequence[int]) -> int:
    """The binning of a proxy for a view that wants `level`; 1 where there is none."""
    if level > 1:
        return level
    return next((each for each in levels if each > 1), 1)
