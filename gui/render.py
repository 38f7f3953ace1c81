"""Render: a frame of one layer, or of the difference of both, as screen pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.image import Array
from gui.camera import Frame
from gui.layers import Layers, around, fill
from gui.panes import Compare

Screen = Callable[[Array], Array]  # uint16 (h, w, 3) -> uint8 RGB (h, w, 3) for the screen


def render(
    layers: Layers,
    shows: Compare,
    frame: Frame,
    screen: Screen,
    gain: float,
    grey: int,
    alone: bool = False,
) -> Array | None:
    """Pixels (h, w, 4) uint8 in Qt's RGB32 order, `grey` where nothing is known; None if nowhere.

    Where "after" has nothing yet "before" is shown, unless it is to stand `alone`; a difference
    needs both, at the same binning.
    """
    import cv2  # here, so that an empty window is painted without it

    level = layers.level(frame.scale)
    if shows is Compare.DIFFERENCE:
        pixels, missing = layers.draw(("before", "after"), level, frame)
        rgb = difference(pixels[0], pixels[1], gain) if pixels else None
    else:
        pixels, missing = layers.draw((shows.value,), level, frame)
        if shows is Compare.AFTER and not alone and (not pixels or missing is not None):
            pixels, missing = _filled(layers, level, frame, pixels, missing)
        rgb = screen(pixels[0]) if pixels else None
    if rgb is None:
        return None
    bgra = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA)
    if missing is not None:
        plain = np.array([grey, grey, grey, 255], np.uint8).view(np.uint32)
        np.putmask(bgra.view(np.uint32)[..., 0], missing, plain)
    return bgra


def difference(before: Array, after: Array, gain: float) -> Array:
    """After minus before, amplified, as uint8: mid-grey (128) where they are equal."""
    import cv2

    step = gain / 257  # one uint16 step in 8-bit levels
    return cv2.addWeighted(after, step, before, -step, 128, dtype=cv2.CV_8U)


def _filled(
    layers: Layers, level: int, frame: Frame, pixels: list[Array], missing: Array | None
) -> tuple[list[Array], Array | None]:
    """Pixels of "after" with those of "before" where it has none."""
    if not pixels or missing is None:
        return layers.draw(("before",), level, frame)
    part = around(missing, frame)
    below, hole = layers.draw(("before",), level, part)
    if not below:
        return pixels, missing
    here = part.box.within(frame.box)
    fill(pixels, below, missing[here], here)
    missing[here] &= 0 if hole is None else hole
    return pixels, missing if missing.any() else None
