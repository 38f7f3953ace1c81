"""What the status line says of the pixel under the pointer: place, value, millimetres."""

from __future__ import annotations

import numpy as np

from core import anatomy
from core.develop.store import PEDESTAL
from core.develop.window import real, scale
from core.image import Image
from core.planes import stored
from core.tiles import Region
from gui.numbers import text
from gui.session import State
from gui.viewer import Viewer


def words(state: State, viewer: Viewer, place: object) -> str:
    """Of (y, x) in the plane under the pointer; nothing outside the image."""
    d, across = state.document, viewer.under
    if d is None or not isinstance(place, tuple):
        return ""
    image, (y, x) = d.image, (int(v) for v in place)
    front = state.view.front_of(image.stack, across)
    one = stored(Region(y, x, y + 1, x + 1, front), image.stack, across)
    if not (0 <= one.y0 < image.height and 0 <= one.x0 < image.width):
        return ""
    values = np.asarray(image.pixels[one.index(image.axes)]).ravel()[:4]
    spot = f"x {one.x0}  y {one.y0}"
    if image.kind != "scan":
        return f"{spot}   {' '.join(text(float(v)) for v in values)}"
    deep = dict(zip(image.stack, one.front, strict=False)).get("z", (0, 1))[0]
    if "z" in image.axes:
        spot += f"  z {deep}"
    parts = [spot, _value(image, float(values[0]), _after(state, viewer, y, x))]
    if found := anatomy.point(image.coords, deep, one.y0, one.x0):
        parts.append(anatomy.told(found))
    return "   ".join(parts)


def _value(image: Image, before: float, after: float | None) -> str:
    """Before, and after where it is known, in the image's unit."""
    unit = scale(image)[2]
    shown = text(real(image, before), "", 4)
    if image.nodata is not None and before == image.nodata:
        return "no data"
    return f"{shown} {unit}" if after is None else f"{shown} → {text(real(image, after), unit, 4)}"


def _after(state: State, viewer: Viewer, y: int, x: int) -> float | None:
    """The denoised value in stored numbers, as exact as the picture holds it."""
    d, held = state.document, viewer.value("after", y, x, viewer.under)
    if held is None or d is None or d.look.extent is None or not d.recipe.steps:
        return None
    low, high = d.look.extent
    return low + (held - PEDESTAL) / (65535 - PEDESTAL) * (high - low)
