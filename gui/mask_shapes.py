"""The geometry of a mask's shapes under the hand: handles, hits, moves. Sensor pixels, no Qt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.image import Array
from core.mask import Shape

Point = tuple[float, float]  # y, x
EDGES = tuple((v, u) for v in (0.0, 0.5, 1.0) for u in (0.0, 0.5, 1.0) if (v, u) != (0.5, 0.5))
NEW: dict[str, tuple[Point, ...]] = {  # a shape to begin with, in shares of an area
    "polygon": ((0.0, 0.5), (0.35, 1.0), (1.0, 0.8), (1.0, 0.2), (0.35, 0.0)),
    "gradient": ((0.0, 0.5), (1.0, 0.5)),
    "stroke": ((0.5, 0.5),),
}


def box(shape: Shape) -> tuple[float, float, float, float]:
    """Top, left, bottom, right."""
    ys, xs = zip(*shape.points, strict=True)
    return min(ys), min(xs), max(ys), max(xs)


def handles(shape: Shape) -> list[Point]:
    """Where it is taken hold of: its points, or corners and edges; a stroke has none."""
    if shape.kind in ("polygon", "gradient"):
        return list(shape.points)
    top, left, bottom, right = box(shape)
    edges = () if shape.kind == "stroke" else EDGES
    return [(top + v * (bottom - top), left + u * (right - left)) for v, u in edges]


def dragged(shape: Shape, handle: int, to: Point) -> Shape:
    """With one of its handles elsewhere."""
    if shape.kind in ("polygon", "gradient"):
        points = list(shape.points)
        points[handle] = to
        return replace(shape, points=tuple(points))
    (top, left, bottom, right), (v, u), (y, x) = box(shape), EDGES[handle], to
    top, bottom = (y if v == 0 else top), (y if v == 1 else bottom)
    left, right = (x if u == 0 else left), (x if u == 1 else right)
    return replace(shape, points=((top, left), (bottom, right)))


def moved(shape: Shape, dy: float, dx: float) -> Shape:
    """The same elsewhere."""
    return replace(shape, points=tuple((y + dy, x + dx) for y, x in shape.points))


def grown(shape: Shape, dy: float, dx: float) -> Shape:
    """Larger downwards and to the right, its other corner where it is; never turned inside out.

    The end of a gradient goes elsewhere.
    """
    if shape.kind == "gradient":
        return dragged(shape, 1, (shape.points[1][0] + dy, shape.points[1][1] + dx))
    top, left, bottom, right = box(shape)
    tall, wide = max(bottom - top, 1e-6), max(right - left, 1e-6)
    v, u = max(tall + dy, 1.0) / tall, max(wide + dx, 1.0) / wide
    points = tuple((top + (y - top) * v, left + (x - left) * u) for y, x in shape.points)
    return replace(shape, points=points)


def opposite(kind: str, anchor: Point, to: Point) -> Point:
    """The other corner, as far down as across; of a gradient, straight down or across."""
    dy, dx = to[0] - anchor[0], to[1] - anchor[1]
    if kind == "gradient":
        return (to[0], anchor[1]) if abs(dy) > abs(dx) else (anchor[0], to[1])
    edge = max(abs(dy), abs(dx))
    return anchor[0] + float(np.copysign(edge, dy)), anchor[1] + float(np.copysign(edge, dx))


def hit(shape: Shape, y: float, x: float, reach: float) -> bool:
    """Is a point on it? On the line of a gradient, where it lies within `reach`."""
    if shape.kind in ("stroke", "gradient"):
        far = shape.width / 2 if shape.kind == "stroke" else reach
        return _nearest(np.asarray(shape.points), y, x)[1] <= far
    odd, corners = False, shape.outline()
    for (ya, xa), (yb, xb) in zip(corners, np.roll(corners, -1, 0), strict=True):
        if (ya > y) != (yb > y) and x >= xa + (y - ya) * (xb - xa) / (yb - ya):
            odd = not odd
    return odd


def near_edge(shape: Shape, y: float, x: float, reach: float) -> int:
    """The corner of a polygon behind which a point lies on its edge; -1 for none."""
    at, far = _nearest(np.asarray([*shape.points, shape.points[0]]), y, x)
    return at if far <= reach else -1


def _nearest(path: Array, y: float, x: float) -> tuple[int, float]:
    """The piece of a path that a point is nearest to, and how far it is."""
    starts, stops = (path[:-1], path[1:]) if len(path) > 1 else (path, path)
    along, to = stops - starts, np.array([y, x]) - starts
    share = (to * along).sum(1) / np.maximum((along**2).sum(1), 1e-9)
    apart = np.hypot(*(to - np.clip(share, 0, 1)[:, None] * along).T)
    return int(apart.argmin()), float(apart.min())


def middle(
    kind: str, area: tuple[float, float, float, float], subtract: bool, width: float
) -> Shape:
    """A shape of half the size, in the middle of an area (top, left, bottom, right)."""
    top, left, bottom, right = area
    points = tuple(
        (top + (bottom - top) * (0.25 + v / 2), left + (right - left) * (0.25 + u / 2))
        for v, u in NEW.get(kind, ((0.0, 0.0), (1.0, 1.0)))
    )
    return Shape(kind, points, subtract, width if kind == "stroke" else 0.0)  # type: ignore[arg-type]
