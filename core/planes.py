"""Planes of a volume: cuts across its stored axes, seen as pictures.

Nothing is resampled: a coronal picture of an axial series is row y of all its slices. What is
computed is computed in stored axes, on the one grid; a plane is a way to look at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from core.anatomy import directions, letters
from core.image import Array, Image
from core.tiles import Region, Span

VIEWS = {"z": "zyx", "y": "yzx", "x": "xzy"}  # across: (the axis cut across, rows, columns)
NAMES = ("Sagittal", "Coronal", "Axial")  # across left-right, front-back, head-feet
ALIKE = 1.001  # edges that differ by less are rounding errors: voxels are square
UPRIGHT = {  # what points right and down in a picture as radiologists see it, LPS
    "Sagittal": ((0, 1, 0), (0, 0, -1)),
    "Coronal": ((1, 0, 0), (0, 0, -1)),
    "Axial": ((1, 0, 0), (0, 1, 0)),
}


@dataclass(frozen=True)
class Plane:
    """One of the three ways to cut a volume; or a picture as it is (`across` z)."""

    across: str  # the stored axis that slices are counted along
    name: str  # Axial, Coronal, Sagittal; "" where the patient is not known
    height: int  # rows and columns in voxels, as cut
    width: int
    count: int  # of such slices
    orientation: int  # EXIF 1..8 that shows it upright
    pixel: tuple[float, float]  # height and width of a voxel, the smaller is 1
    millimetres: float  # length of 1; 0: not known
    edges: tuple[str, str, str, str] = ("", "", "", "")  # letters left, top, right, below


def cuttable(image: Image) -> bool:
    """Has it three axes in space, as plain numbers?"""
    return "z" in image.axes and "c" not in image.axes and image.numbers and image.kind != "rf"


def planes(image: Image) -> tuple[Plane, ...]:
    """The stored plane, then, of a volume, those across y and across x."""
    shown = "zyx" if cuttable(image) else "z"
    edge = _edges(image)
    known = edge["y"] is not None and edge["x"] is not None
    steps = directions(image.coords) if known else None
    names = _names(steps)
    found: list[Plane] = []
    for across in shown:
        _, row, column = VIEWS[across]
        height, width, count = (
            image.pixels.shape[image.axes.index(a)] if a in image.axes else 1
            for a in (row, column, across)
        )
        turn = image.orientation
        if steps is not None and across != "z":
            turn = orientation(steps[:, _at(column)], steps[:, _at(row)], names[across])
        elif across != "z":
            turn = 1
        marks = _letters(steps, row, column, turn) if steps is not None else ("", "", "", "")
        down, right, unit = _pixel(edge[row], edge[column])
        size = height, width, count
        found.append(Plane(across, names[across], *size, turn, (down, right), unit, marks))
    return tuple(found)


def reformatted(image: Image, across: str) -> Image:
    """The volume with another pair of axes as rows and columns (a view; its axes keep their names).

    The front of a Region of it counts along `across` where the image's counts along z.
    """
    if across == "z":
        return image
    order = [image.axes.index(letter) for letter in reordered(image.axes, across)]
    spacing = image.coords.get("spacing", {})
    _, row, column = VIEWS[across]
    turned = {"z": spacing.get(across), "y": spacing.get(row), "x": spacing.get(column)}
    coords = {"spacing": turned} if all(turned.values()) else {}
    pixels = image.pixels.transpose(order)  # type: ignore[attr-defined] # arrays and FilePixels
    return replace(image, pixels=pixels, coords=coords, orientation=1)


def stored(region: Region, stack: str, across: str) -> Region:
    """A region of the reformatted image as one of the image itself. It names its slice."""
    if across == "z":
        return region
    at = stack.index("z")
    cut = region.front[at]
    front = (*region.front[:at], (region.y0, region.y1), *region.front[at + 1 :])
    if across == "y":
        return Region(cut[0], region.x0, cut[1], region.x1, front)
    return Region(region.x0, cut[0], region.x1, cut[1], front)


def seen(region: Region, stack: str, across: str) -> Region:
    """The inverse of `stored`."""
    if across == "z":
        return region
    at = stack.index("z")
    rows: Span = region.front[at]
    cut, cols = (region.y0, region.y1), (region.x0, region.x1)
    if across == "x":
        cut, cols = cols, cut
    front = (*region.front[:at], cut, *region.front[at + 1 :])
    return Region(rows[0], cols[0], rows[1], cols[1], front)


def turned(pixels: Array, axes: str, across: str) -> Array:
    """Pixels with the image's axes as pixels of the reformatted one. A view."""
    return pixels.transpose([axes.index(letter) for letter in reordered(axes, across)])


def orientation(right: Array, down: Array, name: str) -> int:
    """The EXIF orientation that shows a plane as radiologists do.

    `right` and `down` are the directions (LPS) along columns and rows as they are stored.
    """
    want_right, want_down = (np.asarray(each, float) for each in UPRIGHT[name])
    straight = abs(right @ want_right) + abs(down @ want_down)
    crossed = abs(down @ want_right) + abs(right @ want_down)
    across, along = (down, right) if crossed > straight else (right, down)
    flips = bool(across @ want_right < 0), bool(along @ want_down < 0)
    plain = {(False, False): 1, (True, False): 2, (True, True): 3, (False, True): 4}
    swapped = {(False, False): 5, (True, False): 6, (True, True): 7, (False, True): 8}
    return (swapped if crossed > straight else plain)[flips]


def reordered(axes: str, across: str) -> str:
    """The stored letters in the order in which the reformatted image has them."""
    return axes.translate(str.maketrans("zyx", VIEWS[across]))


def _at(letter: str) -> int:
    return "xyz".index(letter)


def _names(steps: Array | None) -> dict[str, str]:
    """What each stored axis counts: the assignment that fits the patient's axes best."""
    if steps is None:
        return dict.fromkeys("zyx", "")
    best = max(permutations(range(3)), key=lambda p: sum(abs(steps[p[i], i]) for i in range(3)))
    return {letter: NAMES[best[_at(letter)]] for letter in "xyz"}


def _letters(steps: Array, row: str, column: str, turn: int) -> tuple[str, str, str, str]:
    """Letters left, above, right and below of a plane that is shown with an orientation."""
    right, down = steps[:, _at(column)], steps[:, _at(row)]
    if turn >= 5:
        right, down = down, right
    right = -right if turn in (2, 3, 6, 7) else right
    down = -down if turn in (3, 4, 7, 8) else down
    return letters(-right), letters(-down), letters(right), letters(down)


def _edges(image: Image) -> dict[str, float | None]:
    """Millimetres of a voxel along z, y and x, where they are known."""
    told: Mapping[str, float] = image.coords.get("spacing") or {}
    found = {a: float(told[a]) if told.get(a, 0.0) > 0 else None for a in "zyx"}
    places = image.coords.get("z")
    if found["z"] is None and places is not None and len(places) > 1:
        step = float(np.median(np.abs(np.diff(np.asarray(places, float)))))
        found["z"] = step or None
    return found


def _pixel(down: float | None, right: float | None) -> tuple[float, float, float]:
    """Height and width of a voxel in units of its smaller edge, and that edge in millimetres."""
    if down is None or right is None:
        return 1.0, 1.0, 0.0
    unit = min(down, right)
    tall, wide = (1.0 if edge < ALIKE * unit else edge / unit for edge in (down, right))
    return tall, wide, unit
