"""Wishes: which pixels the picture on screen still lacks."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from core.tiles import Region
from gui.session import State
from gui.viewer import Viewer


class Wish(NamedTuple):
    """A region of a plane, with its slice, at a binning."""

    region: Region
    level: int
    across: str = "z"


def here(state: State, region: Region, across: str = "") -> Region:
    """The region in the slice that is looked at, of the active plane or another."""
    across = across or state.view.across
    stack = state.document.image.stack if state.document else ""
    return replace(region, front=state.view.front_of(stack, across))


def missing(viewer: Viewer, state: State, layer: str) -> list[Wish]:
    """What is not there yet, the plane in hand first."""
    active = state.view.across
    return [
        Wish(here(state, region, across), level, across)
        for across in sorted(viewer.planes, key=lambda each: each != active)
        for region, level in viewer.wanted(across)
        if viewer.state_of(layer, level, region, across) != "full"
    ]


def turned(old: State, new: State) -> list[str]:
    """The planes that show another slice now, or another layer."""
    if old.document is None or new.document is None:
        return []
    if old.view.layer != new.view.layer:
        return [*"zyx"]
    stack = new.document.image.stack
    return [a for a in "zyx" if old.view.front_of(stack, a) != new.view.front_of(stack, a)]
