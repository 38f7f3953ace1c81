"""Links: what the view of one image means in another one: place, slice, crosshair, window.

Between scans with one frame of reference it is the same millimetres in the patient, else the same
share of the way; of images of one size those are the same pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from core.anatomy import point, same_frame, voxel
from core.develop import Look
from core.develop.window import ends, level_and_width, presets, scale
from core.image import Image
from core.planes import VIEWS, Plane, planes
from gui.camera import Camera
from gui.showing import Spot
from gui.view import Place

NAMES = ("place", "slice", "window", "view")  # what can be linked: see actions.LINKS


def slices(here: Image, there: Image, at: Mapping[str, int]) -> dict[str, int]:
    """Indices by axis in `there` of what is looked at in `here`; always inside the image."""
    own = dict(zip(here.axes, here.pixels.shape, strict=True))
    sizes = dict(zip(there.axes, there.pixels.shape, strict=True))
    found = {
        axis: round(at[axis] / max(own[axis] - 1, 1) * (size - 1))
        for axis, size in sizes.items()
        if axis in at and axis in own
    }
    spot = _met(here, there, at)
    for axis, index in zip("zyx", spot or (), strict=False):
        if axis in sizes:
            found[axis] = min(max(round(index), 0), sizes[axis] - 1)
    return found


def spot(here: Image, there: Image, across: str, at: Mapping[str, float]) -> Spot | None:
    """The pixel `at` (a voxel; its centre at whole numbers) of a plane, in that plane of `there`.

    None where there is no such plane.
    """
    own = next(plane for plane in planes(here) if plane.across == across)
    alike = [p for p in planes(there) if (p.name or p.across) == (own.name or across)]
    if not alike:
        return None
    to = alike[0]
    met = _met(here, there, at)
    row, column = VIEWS[to.across][1:]
    if met is not None:
        found = dict(zip("zyx", met, strict=True))
        return to.across, found[row] + 0.5, found[column] + 0.5
    _, y, x = VIEWS[across]
    down, right = (at[y] + 0.5) / own.height, (at[x] + 0.5) / own.width
    return to.across, down * to.height, right * to.width


def place(here: Image, there: Image, own: Plane, other: Plane, seen: Place, deep: float) -> Place:
    """What is seen of a plane of `here` (slice `deep`), as a place of a plane of `there`.

    In one frame of reference the same millimetres are in the middle, and as large.
    """
    if seen.fitted or own.name != other.name or not own.millimetres or not other.millimetres:
        return seen
    one, two = (Camera(p.height, p.width, p.orientation, pixel=p.pixel) for p in (own, other))
    (height, width), (tall, wide) = one.size, two.size
    y, x = one.sensor(seen.down * height, seen.right * width)
    axis, row, column = VIEWS[own.across]
    met = _met(here, there, {axis: deep, row: y - 0.5, column: x - 0.5})
    if met is None:
        return seen
    found = dict(zip("zyx", met, strict=True))
    _, row, column = VIEWS[other.across]
    v, u = two.looking_at(found[row] + 0.5, found[column] + 0.5, 1.0).centre
    stretch = (wide * other.millimetres) / (width * own.millimetres)
    return Place(False, v / tall, u / wide, seen.wide * stretch, exact=True)


def shown(here: Image, there: Image, view: str) -> str:
    """The planes of `there` that have the names of those shown of `here`; "" where one lacks."""
    names = {plane.across: plane.name or plane.across for plane in planes(here)}
    known = {plane.name or plane.across: plane.across for plane in planes(there)}
    if len(view) > 1:
        return view if len(known) > 1 else ""
    return known.get(names.get(view, ""), "")


def window(here: Image, look: Look, there: Image, theirs: Look) -> Look | None:
    """Their look with the same level and width, where both count in one unit; else None."""
    if look.window is None or theirs.window is None or scale(here)[2] != scale(there)[2]:
        return None
    level, width, inverted = level_and_width(here, look.window)
    curves = [one.curve for one in presets(there) if one.curve == look.curve]
    curve = curves[0] if curves else None
    return replace(theirs, window=ends(there, level, width, inverted), curve=curve)


def _met(here: Image, there: Image, at: Mapping[str, float]) -> tuple[float, ...] | None:
    """The voxel (z, y, x) of `there` at the same millimetres; None: other patient, or unknown."""
    if here is there or not same_frame(here, there):
        return None
    found = point(here.coords, at.get("z", 0), at["y"], at["x"])
    return voxel(there.coords, found) if found else None
