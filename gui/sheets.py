"""Sheets: the planes of an image that are on screen, and where each of them has its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from core.planes import Plane
from core.tiles import Region
from gui.camera import Camera
from gui.layers import Layers

SMOOTH = 12.0  # device pixels of a voxel from which on it is shown as a square


@dataclass
class Sheet:
    """One plane: its developed pixels, and the camera that looks at it."""

    plane: Plane
    layers: Layers
    camera: Camera

    @staticmethod
    def of(plane: Plane, levels: Sequence[int]) -> Sheet:
        """An empty sheet."""
        height, width = plane.height, plane.width
        camera = Camera(height, width, plane.orientation, pixel=plane.pixel)
        layers = Layers(height, width, levels)
        if plane.millimetres:  # voxels are samples of a body: smooth until one looks at them
            layers.plain = SMOOTH
        return Sheet(plane, layers, camera)

    @property
    def whole(self) -> Region:
        """All of its pixels."""
        return Region.whole(self.plane.height, self.plane.width)


def boxes(whole: Region, count: int, columns: bool) -> list[Region]:
    """Places for none, 1 or 3 sheets: the first large, the others beside it, or three columns.

    The gaps between them are as wide as a line of the frame.
    """
    if count < 3:
        return [whole] * count
    height, width = whole.height, whole.width
    if columns:
        ends = [round(width * at / count) for at in range(count + 1)]
        return [Region(0, a + (a > 0), height, b) for a, b in pairwise(ends)]
    if width >= height:
        x, y = round(width * 0.58), height // 2
        return [
            Region(0, 0, height, x),
            Region(0, x + 1, y, width),
            Region(y + 1, x + 1, height, width),
        ]
    x, y = width // 2, round(height * 0.58)
    return [
        Region(0, 0, y, width),
        Region(y + 1, 0, height, x),
        Region(y + 1, x + 1, height, width),
    ]


def fitted(sheets: Sequence[Sheet], places: Sequence[Region]) -> None:
    """Every plane as a whole in its place; as many pixels a millimetre in places of one size."""
    for sheet, place in zip(sheets, places, strict=True):
        alike = [one for one, other in zip(sheets, places, strict=True) if _alike(place, other)]
        scale = sheet.camera.fit_scale(place)
        if len(alike) > 1 and all(one.plane.millimetres for one in alike):
            scale = sheet.plane.millimetres * min(
                one.camera.fit_scale(place) / one.plane.millimetres for one in alike
            )
        sheet.camera = sheet.camera.scaled(scale, place)


def _alike(a: Region, b: Region) -> bool:
    return max(abs(a.height - b.height), abs(a.width - b.width)) <= 2
