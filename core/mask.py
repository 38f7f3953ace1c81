"""Mask: where a step works, and how much: shapes or an image, in sensor coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from core.image import Image
from core.tiles import Region, cut

TURN = 72  # corners of an ellipse
FAR = 1e9  # pixels from the origin that a corner may lie


@dataclass(frozen=True)
class Shape:
    """An outline in sensor pixels (y, x): corners of a polygon, or two opposite corners."""

    kind: Literal["rectangle", "ellipse", "polygon"]
    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        least = 3 if self.kind == "polygon" else 2
        if self.kind not in ("rectangle", "ellipse", "polygon") or len(self.points) < least:
            raise ValueError("a mask is of rectangles, ellipses and polygons with their corners")
        if not all(len(p) == 2 and (np.abs(p) <= FAR).all() for p in self.points):
            raise ValueError(f"corners of a mask are pairs of numbers up to {FAR:g}")

    def outline(self) -> NDArray[np.float64]:
        """Its corners (y, x), shape (n, 2)."""
        points = np.asarray(self.points, np.float64)
        if self.kind == "polygon":
            return points
        (y0, x0), (y1, x1) = points.min(0), points.max(0)
        if self.kind == "rectangle":
            return np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)])
        angle = np.linspace(0, 2 * np.pi, TURN, endpoint=False)
        middle, half = ((y0 + y1) / 2, (x0 + x1) / 2), ((y1 - y0) / 2, (x1 - x0) / 2)
        return np.stack(
            [middle[0] + half[0] * np.sin(angle), middle[1] + half[1] * np.cos(angle)], 1
        )


@dataclass(frozen=True)
class Mask:
    """1 inside any of the shapes, or what `image` says (0 at black, 1 at white); soft-edged.

    `feather` is the width in pixels over which it falls off. An image has the size of the picture.
    """

    shapes: tuple[Shape, ...] = ()
    feather: float = 0.0
    invert: bool = False
    image: Image | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """Equal keys, equal weights."""
        return self.shapes, self.feather, self.invert, self.image.id if self.image else None

    def weights(self, region: Region) -> NDArray[np.float32]:
        """0..1 for the region's pixels, shape (height, width); the same whatever the tile."""
        wide = region.grow(int(np.ceil(2 * self.feather)) + 1 if self.feather > 0 else 0)
        found = np.zeros((wide.height, wide.width), np.float32)
        for shape in self.shapes:
            found[_inside(shape.outline(), wide)] = 1
        if self.image is not None:
            found = np.maximum(found, _shades(self.image, wide))
        if self.feather > 0:
            import cv2

            edge = 2 * int(np.ceil(2 * self.feather)) + 1
            size, sigma = (edge, edge), self.feather / 2
            found = np.asarray(
                cv2.GaussianBlur(found, size, sigma, borderType=cv2.BORDER_REPLICATE)
            )
        inner = found[region.within(wide)]
        return np.ascontiguousarray(1 - inner if self.invert else inner, np.float32)

    def to_json(self) -> dict[str, Any]:
        """Plain data; an image by its path."""
        if self.image is not None and not self.image.path:
            raise ValueError("a mask image needs a file to be stored with a recipe")
        shapes = [{"kind": s.kind, "points": [list(p) for p in s.points]} for s in self.shapes]
        path = self.image.path if self.image else None
        return {"shapes": shapes, "feather": self.feather, "invert": self.invert, "image": path}

    @staticmethod
    def from_json(data: Mapping[str, Any], images: Mapping[str, Image]) -> Mask:
        """The reverse; `images` by path. Raises ValueError, KeyError, TypeError."""
        shapes = tuple(
            Shape(s["kind"], tuple(cast("Any", tuple(map(float, p))) for p in s["points"]))
            for s in data.get("shapes", ())
        )
        feather = float(data.get("feather", 0))
        if not 0 <= feather <= 4096:
            raise ValueError("the feather of a mask lies between 0 and 4096 pixels")
        path = data.get("image")
        return Mask(shapes, feather, bool(data.get("invert")), images[path] if path else None)


def _inside(outline: NDArray[np.float64], region: Region) -> NDArray[np.bool_]:
    """Pixels whose centre an outline encloses (even-odd).

    Computed from sensor coordinates alone, so that tiles agree; OpenCV's polygons do not.
    """
    turns = np.zeros((region.height, region.width + 1), np.int32)
    for (ya, xa), (yb, xb) in zip(outline, np.roll(outline, -1, 0), strict=True):
        ends = np.clip(np.ceil(np.array([ya, yb]) - 0.5), region.y0, region.y1)
        rows = np.arange(int(ends.min()), int(ends.max()))
        if rows.size:
            cross = xa + (rows + 0.5 - ya) * ((xb - xa) / (yb - ya))
            cols = np.clip(np.ceil(cross - 0.5) - region.x0, 0, region.width).astype(np.intp)
            turns[rows - region.y0, cols] += 1
    return turns[:, :-1].cumsum(1) % 2 == 1


def _shades(image: Image, region: Region) -> NDArray[np.float32]:
    """A grey or colour image's mean channel, 0 at black, 1 at white."""
    pixels = np.asarray(cut(image.pixels, region), np.float32)
    grey = pixels.reshape(-1, *pixels.shape[-2:]).mean(0)
    white, black = image.levels.white, float(np.mean(image.levels.black))
    top = white if np.isfinite(white) else 1.0
    return np.clip((grey - black) / max(top - black, 1e-9), 0, 1)
