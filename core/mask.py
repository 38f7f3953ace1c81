"""Mask: where a step works, and how much: shapes or an image, in sensor coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from core.image import Image
from core.tiles import Region, cut

TURN = 72  # corners of an ellipse
Weights = NDArray[np.float32]
LEAST = {"rectangle": 2, "ellipse": 2, "polygon": 3, "stroke": 1, "gradient": 2}  # points
FAR = 1e9  # pixels from the origin that a point may lie
WIDEST = 4096.0  # pixels of feather
FINE = 32.0  # feather up to which every pixel is computed; beyond, a coarser grid will do


@dataclass(frozen=True)
class Shape:
    """What part of the picture it covers, by points (y, x) in sensor pixels.

    Corners of a polygon, two opposite ones of a rectangle or an ellipse; the way of a brush of
    `width` pixels (a stroke); or where a gradient is still 1 and where it has fallen to 0. It adds
    to what the shapes before it and the mask's image cover, or is cut out of that.
    """

    kind: Literal["rectangle", "ellipse", "polygon", "stroke", "gradient"]
    points: tuple[tuple[float, float], ...]
    subtract: bool = False
    width: float = 0.0

    def __post_init__(self) -> None:
        least = LEAST.get(self.kind)
        if least is None or len(self.points) < least:
            raise ValueError(f"a mask is of shapes with their points: {', '.join(LEAST)}")
        if not all(len(p) == 2 and (np.abs(p) <= FAR).all() for p in self.points):
            raise ValueError(f"points of a mask are pairs of numbers up to {FAR:g}")
        if not (0 < self.width <= FAR if self.kind == "stroke" else self.width == 0):
            raise ValueError("a stroke of a mask, and nothing else, has a width above 0")

    def coarser(self, level: float) -> Shape:
        """The same for the picture at 1 / level."""
        points = tuple((y / level, x / level) for y, x in self.points)
        return replace(self, points=points, width=self.width / level)

    def share(self, region: Region) -> Weights:
        """How much of the region's pixels it covers, 0..1, shape (height, width).

        Computed from sensor coordinates alone, so that tiles agree.
        """
        if self.kind == "gradient":
            return _falling(self.points[0], self.points[1], region)
        if self.kind == "stroke":
            return _near(self.points, self.width / 2, region)
        return _inside(self.outline(), region).astype(np.float32)

    def outline(self) -> NDArray[np.float64]:
        """Its corners (y, x), shape (n, 2); the points themselves of a stroke or gradient."""
        points = np.asarray(self.points, np.float64)
        if self.kind not in ("rectangle", "ellipse"):
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
    """1 inside what the shapes cover, or what `image` says (0 at black, 1 at white); soft-edged.

    Shapes add or subtract in their order, from the image on; without one, a first shape that
    subtracts is cut out of the whole picture. `feather` is the width in pixels over which it falls
    off. An image has the size of the picture. `slices` are bounds along axes of a stack (letter,
    first, end), beyond which it is 0; with them alone it is 1 in the whole of those slices.
    """

    shapes: tuple[Shape, ...] = ()
    feather: float = 0.0
    invert: bool = False
    image: Image | None = None
    slices: tuple[tuple[str, int, int], ...] = ()

    def __post_init__(self) -> None:
        letters = [letter for letter, _, _ in self.slices]
        if len(set(letters)) < len(letters) or any(not 0 <= a < b for _, a, b in self.slices):
            raise ValueError("slices of a mask are a first one and, larger, an end for each axis")

    @property
    def key(self) -> tuple[object, ...]:
        """Equal keys, equal weights."""
        image = self.image.id if self.image else None
        return self.shapes, self.feather, self.invert, image, self.slices

    def holds(self, seen: Mapping[str, int]) -> bool:
        """Does it let anything work in these slices, by their axes?"""
        return all(a <= seen.get(letter, a) < b for letter, a, b in self.slices)

    def over(self, region: Region, axes: str) -> Weights:
        """0..1 for the pixels of a region of an image with these axes: (h, w), or as many axes."""
        found = self.weights(region)
        bounds = {letter: (first, end) for letter, first, end in self.slices}
        fronts = iter(region.front)
        for at, letter in enumerate(axes[:-2]):
            if letter == "c":
                continue
            first, last = next(fronts, (0, 0))
            if letter in bounds:
                low, high = bounds[letter]
                places = np.arange(first, last).reshape(-1, *[1] * (len(axes) - 1 - at))
                found = found * ((places >= low) & (places < high)).astype(np.float32)
        return found

    def weights(self, region: Region) -> Weights:
        """0..1 for the region's pixels, shape (height, width); the same whatever the tile.

        A wide feather is computed on a coarser grid, which begins at 0 for all tiles.
        """
        step = 1
        while self.feather > FINE * step:
            step *= 2
        if step > 1:
            inner = self._coarse(region, step)
        else:
            reach = int(np.ceil(2 * self.feather)) + 1 if self.feather > 0 else 0
            wide = region.grow(reach)
            inner = _blurred(self._covered(wide), self.feather)[region.within(wide)]
        return np.ascontiguousarray(1 - inner if self.invert else inner, np.float32)

    def _covered(self, region: Region, cell: int = 1) -> Weights:
        """The weights before they are blurred and inverted, in cells of so many pixels."""
        found = np.zeros((region.height // cell, region.width // cell), np.float32)
        y0, x0, y1, x1 = (at // cell for at in (region.y0, region.x0, region.y1, region.x1))
        part = Region(y0, x0, y1, x1)
        if self.image is not None:
            found[:] = _means(_shades(self.image, region), found.shape)
        elif self.shapes[0].subtract if self.shapes else self.slices:
            found[:] = 1
        for shape in self.shapes:
            share = shape.coarser(cell).share(part)
            if shape.subtract:
                np.minimum(found, 1 - share, out=found)
            else:
                np.maximum(found, share, out=found)
        return found

    def _coarse(self, region: Region, step: int) -> Weights:
        """Blurred means of step x step pixels, then interpolated."""
        reach = (int(np.ceil(2 * self.feather / step)) + 3) * step
        wide = region.grow(reach).aligned(step)
        size = wide.height // step, wide.width // step
        means = _means(self._covered(wide, max(step // 8, 1)), size)
        blurred = _blurred(means, self.feather / step)
        rows = (np.arange(region.y0, region.y1) + 0.5 - wide.y0) / step - 0.5
        cols = (np.arange(region.x0, region.x1) + 0.5 - wide.x0) / step - 0.5
        return _between(_between(blurred, rows).T, cols).T

    def coarser(self, level: int, small: Callable[[Image], Image]) -> Mask:
        """The same for the picture at 1 / level; `small` makes its image so small."""
        shapes = tuple(shape.coarser(level) for shape in self.shapes)
        image = small(self.image) if self.image else None
        return replace(self, shapes=shapes, feather=self.feather / level, image=image)

    def to_json(self) -> dict[str, Any]:
        """Plain data; an image by its path."""
        if self.image is not None and not self.image.path:
            raise ValueError("a mask image needs a file to be stored with a recipe")
        shapes = [
            {"kind": s.kind, "points": [list(p) for p in s.points]}
            | ({"subtract": True} if s.subtract else {})
            | ({"width": s.width} if s.width else {})
            for s in self.shapes
        ]
        path = self.image.path if self.image else None
        data = {"shapes": shapes, "feather": self.feather, "invert": self.invert, "image": path}
        bounds = {letter: [first, end] for letter, first, end in self.slices}
        return data | ({"slices": bounds} if bounds else {})

    @staticmethod
    def from_json(data: Mapping[str, Any], images: Mapping[str, Image]) -> Mask:
        """The reverse; `images` by path. Raises ValueError, KeyError, TypeError."""
        shapes = tuple(
            Shape(
                s["kind"],
                tuple(cast("Any", tuple(map(float, p))) for p in s["points"]),
                bool(s.get("subtract")),
                float(s.get("width", 0)),
            )
            for s in data.get("shapes", ())
        )
        feather = float(data.get("feather", 0))
        if not 0 <= feather <= WIDEST:
            raise ValueError(f"the feather of a mask lies between 0 and {WIDEST:g} pixels")
        path = data.get("image")
        bounds: Mapping[str, Any] = data.get("slices") or {}
        slices = tuple((str(a), int(first), int(end)) for a, (first, end) in bounds.items())
        image = images[path] if path else None
        return Mask(shapes, feather, bool(data.get("invert")), image, slices)


def _means(values: Weights, size: tuple[int, int]) -> Weights:
    """Of equal blocks, (height, width) of them."""
    if values.shape == size:
        return values
    import cv2

    return np.asarray(cv2.resize(values, size[::-1], interpolation=cv2.INTER_AREA), np.float32)


def _blurred(values: Weights, feather: float) -> Weights:
    if feather <= 0:
        return values
    import cv2

    edge = 2 * int(np.ceil(2 * feather)) + 1
    found = cv2.GaussianBlur(values, (edge, edge), feather / 2, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


def _between(values: Weights, rows: NDArray[np.float64]) -> Weights:
    """Linear interpolation along the first axis."""
    low = np.floor(rows).astype(np.intp)
    share = (rows - low).astype(np.float32)[:, None]
    return np.asarray(values[low] * (1 - share) + values[low + 1] * share, np.float32)


def _inside(outline: NDArray[np.float64], region: Region) -> NDArray[np.bool_]:
    """Pixels whose centre an outline encloses (even-odd). OpenCV's polygons differ by tile."""
    turns = np.zeros((region.height, region.width + 1), np.int32)
    for (ya, xa), (yb, xb) in zip(outline, np.roll(outline, -1, 0), strict=True):
        ends = np.clip(np.ceil(np.array([ya, yb]) - 0.5), region.y0, region.y1)
        rows = np.arange(int(ends.min()), int(ends.max()))
        if rows.size:
            cross = xa + (rows + 0.5 - ya) * ((xb - xa) / (yb - ya))
            cols = np.clip(np.ceil(cross - 0.5) - region.x0, 0, region.width).astype(np.intp)
            turns[rows - region.y0, cols] += 1
    return turns[:, :-1].cumsum(1) % 2 == 1


def _near(path: Sequence[tuple[float, float]], reach: float, region: Region) -> Weights:
    """1 for pixels whose centre lies within `reach` of a path, else 0."""
    found = np.zeros((region.height, region.width), np.float32)
    for (ya, xa), (yb, xb) in zip(path, path[1:] or path, strict=False):
        y0, y1 = _centres(min(ya, yb) - reach, max(ya, yb) + reach, region.y0, region.y1)
        x0, x1 = _centres(min(xa, xb) - reach, max(xa, xb) + reach, region.x0, region.x1)
        if y0 == y1 or x0 == x1:
            continue
        down = (np.arange(y0, y1) + (0.5 - ya))[:, None]
        right = np.arange(x0, x1) + (0.5 - xa)
        dy, dx = yb - ya, xb - xa
        along = np.clip((down * dy + right * dx) / max(dy**2 + dx**2, 1e-12), 0, 1)
        near = (down - along * dy) ** 2 + (right - along * dx) ** 2 <= reach**2
        part = found[y0 - region.y0 : y1 - region.y0, x0 - region.x0 : x1 - region.x0]
        np.maximum(part, near, out=part)
    return found


def _centres(low: float, high: float, first: int, last: int) -> tuple[int, int]:
    """The pixels from first to last whose centres lie between low and high."""
    start = min(max(math.ceil(low - 0.5), first), last)
    return start, max(min(math.floor(high - 0.5) + 1, last), start)


def _falling(start: tuple[float, float], stop: tuple[float, float], region: Region) -> Weights:
    """1 before `start`, 0 behind `stop`, linear between them, the same across."""
    dy, dx = stop[0] - start[0], stop[1] - start[1]
    square = max(dy**2 + dx**2, 1e-12)
    down = ((np.arange(region.y0, region.y1) + 0.5 - start[0]) * (dy / square))[:, None]
    right = (np.arange(region.x0, region.x1) + 0.5 - start[1]) * (dx / square)
    return np.asarray(np.clip(1 - down - right, 0, 1), np.float32)


def _shades(image: Image, region: Region) -> Weights:
    """A grey or colour image's mean channel, 0 at black, 1 at white."""
    pixels = np.asarray(cut(image.pixels, region), np.float32)
    grey = pixels.reshape(-1, *pixels.shape[-2:]).mean(0)
    white, black = image.levels.white, float(np.mean(image.levels.black))
    top = white if np.isfinite(white) else 1.0
    return np.clip((grey - black) / max(top - black, 1e-9), 0, 1)
