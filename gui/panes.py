"""Panes: which layer is seen through which part of the widget. Device pixels, no Qt."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import NamedTuple

from core.tiles import Region
from gui.camera import Camera, Frame

MAGNIFY = 4  # by the loupe, on top of the zoom


class Compare(Enum):
    """What is shown."""

    AFTER = "after"
    BEFORE = "before"
    WIPE = "wipe"
    SIDE = "side by side"
    DIFFERENCE = "difference"


class Pane(NamedTuple):
    """A view: what it shows, the box it is laid out in, and the part of it that is painted."""

    shows: Compare
    camera: Camera
    place: Region
    clip: Region
    across: str = "z"  # the plane of a volume that it shows

    @property
    def view(self) -> Frame:
        """The map between device and sensor."""
        return self.camera.view(self.place)

    def frame(self, dirty: Region | None = None) -> Frame | None:
        """What there is to paint of it, inside `dirty`; None if nothing."""
        return self.camera.frame(self.place, self.clip.meet(dirty) if dirty else self.clip)


def panes(
    shows: Compare,
    camera: Camera,
    whole: Region,
    wipe: float,
    across: str = "z",
    over: bool = False,
) -> list[Pane]:
    """The panes in a place of `whole` device pixels, from left to right; `over`: from the top.

    `wipe` is where the divider stands, from 0 at the first edge to 1.
    """
    if shows is Compare.SIDE:
        return halves(camera, whole, across, over)
    if shows is Compare.WIPE:
        if over:
            y = whole.y0 + round(wipe * whole.height)
            first, last = replace(whole, y1=y), replace(whole, y0=y)
        else:
            x = whole.x0 + round(wipe * whole.width)
            first, last = replace(whole, x1=x), replace(whole, x0=x)
        return [
            Pane(Compare.BEFORE, camera, whole, first, across),
            Pane(Compare.AFTER, camera, whole, last, across),
        ]
    return [Pane(shows, camera, whole, whole, across)]


def halves(camera: Camera, whole: Region, across: str = "z", over: bool = False) -> list[Pane]:
    """Before and after side by side. The halves are equal: both show the very same pixels."""
    if over:
        half = max(whole.height // 2, 1)
        first = Region(whole.y0, whole.x0, whole.y0 + half, whole.x1)
        last = Region(whole.y1 - half, whole.x0, whole.y1, whole.x1)
    else:
        half = max(whole.width // 2, 1)
        first = Region(whole.y0, whole.x0, whole.y1, whole.x0 + half)
        last = Region(whole.y0, whole.x1 - half, whole.y1, whole.x1)
    return [
        Pane(Compare.BEFORE, camera, first, first, across),
        Pane(Compare.AFTER, camera, last, last, across),
    ]


def nearest(shown: list[Pane], y: float, x: float) -> Pane:
    """The pane at device (y, x), else the one next to it; of two that share an edge the last."""

    def apart(pane: Pane) -> float:
        clip = pane.clip
        down = max(clip.y0 - y, y - clip.y1, 0)
        return down**2 + max(clip.x0 - x, x - clip.x1, 0) ** 2

    return min(reversed(shown), key=apart)


def loupe(pane: Pane, whole: Region, y: float, x: float, edge: int) -> list[Pane]:
    """Two squares over device (y, x), inside `whole`: before | after, both around that point."""
    top = max(min(round(y - edge / 2), whole.y1 - edge), 0)
    left = max(min(round(x - edge), whole.x1 - 2 * edge), 0)
    camera = pane.camera.looking_at(*pane.view.sensor(y, x), pane.camera.scale * MAGNIFY)
    return halves(camera, Region(top, left, top + edge, left + 2 * edge), pane.across)
