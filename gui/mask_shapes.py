"""The geometry of a mask's shapes under the hand: handles, hits, moves. Sensor pixels, no Qt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.mask import Shape

Point = tuple[float, float]  # y, x
EDGES = tuple((v, u) for v in (0.0, 0.5, 1.0) for u in (0.0, 0.5, 1.0) if (v, u) != (0.5, 0.5))
STAR = ((0.0, 0.5), (0.35, 1.0), (1.0, 0.8), (1.0, 0.2), (0.35, 0.0))  # a polygon to begin with


def box(shape: Shape) -> tuple[float, float, float, float]:
    """Top, left, bottom, right."""
    ys, xs = zip(*shape.points, strict=True)
    return min(ys), min(xs), max(ys), max(xs)


def handles(shape: Shape) -> list[Point]:
    """Where it is taken hold of: corners of a polygon, corners and edges of the others."""
    if shape.kind == "polygon":
        return list(shape.points)
    top, left, bottom, right = box(shape)
    return [(top + v * (bottom - top), left + u * (right - left)) for v, u in EDGES]


def dragged(shape: Shape, handle: int, to: Point) -> Shape:
    """With one of its handles elsewhere."""
    if shape.kind == "polygon":
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
    """Larger downwards and to the right, its other corner where it is; never turned inside out."""
    top, left, bottom, right = box(shape)
    tall, wide = max(bottom - top, 1e-6), max(right - left, 1e-6)
    v, u = max(tall + dy, 1.0) / tall, max(wide + dx, 1.0) / wide
    points = tuple((top + (y - top) * v, left + (x - left) * u) for y, x in shape.points)
    return replace(shape, points=points)


def square(anchor: Point, to: Point) -> Point:
    """The opposite corner, as far down as across."""
    dy, dx = to[0] - anchor[0], to[1] - anchor[1]
    edge = max(abs(dy), abs(dx))
    return anchor[0] + float(np.copysign(edge, dy)), anchor[1] + float(np.copysign(edge, dx))


def inside(shape: Shape, y: float, x: float) -> bool:
    """Does its outline enclose a point?"""
    odd, corners = False, shape.outline()
    for (ya, xa), (yb, xb) in zip(corners, np.roll(corners, -1, 0), strict=True):
        if (ya > y) != (yb > y) and x >= xa + (y - ya) * (xb - xa) / (yb - ya):
            odd = not odd
    return odd


def near_edge(shape: Shape, y: float, x: float, reach: float) -> int:
    """The corner of a polygon behind which a point lies on its edge; -1 for none."""
    corners = np.asarray(shape.points)
    along = np.roll(corners, -1, 0) - corners
    to = np.array([y, x]) - corners
    share = (to * along).sum(1) / np.maximum((along**2).sum(1), 1e-9)
    apart = np.hypot(*(to - np.clip(share, 0, 1)[:, None] * along).T)
    at = int(apart.argmin())
    return at if apart[at] <= reach else -1


def middle(kind: str, area: tuple[float, float, float, float], subtract: bool) -> Shape:
    """A shape of half the size, in the middle of an area (top, left, bottom, right)."""
    top, left, bottom, right = area
    corners = STAR if kind == "polygon" else ((0.0, 0.0), (1.0, 1.0))
    points = tuple(
        (top + (bottom - top) * (0.25 + v / 2), left + (right - left) * (0.25 + u / 2))
        for v, u in corners
    )
    return Shape(kind, points, subtract)  # type: ignore[arg-type]
