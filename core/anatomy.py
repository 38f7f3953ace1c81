"""Volumes in a patient: between the systems of file formats, and which way is up.

Affines are 4x4 and take a voxel (x, y, z) to millimetres. DICOM counts them to the left, to the
back and to the head (LPS), NIfTI to the right and to the front (RAS).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.image import Array, Image

Affine = list[list[float]]
OBLIQUE = 0.26  # sine of 15 degrees
FRAME = "FrameOfReferenceUID"


def turned(affine: Any) -> Affine:
    """RAS to LPS, and back."""
    flipped = np.diag((-1.0, -1.0, 1.0, 1.0)) @ np.asarray(affine, float)
    return [[float(value) for value in row] for row in flipped]


def affine_of(directions: Any, origin: Sequence[float]) -> Affine:
    """From the steps along x, y and z (each a vector, its length the spacing) and the origin."""
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(directions, float).T
    affine[:3, 3] = origin
    return [[float(value) for value in row] for row in affine]


def usable(affine: Any) -> bool:
    """Is it finite, and does it span a space?"""
    found = np.asarray(affine, float)
    return bool(np.all(np.isfinite(found))) and abs(float(np.linalg.det(found[:3, :3]))) > 1e-12


def steps(affine: Any) -> dict[str, float]:
    """Millimetres between samples along x, y and z."""
    lengths: Array = np.linalg.norm(np.asarray(affine, float)[:3, :3], axis=0)
    return {letter: float(length) for letter, length in zip("xyz", lengths, strict=True)}


def upright(affine: Any) -> int:
    """The EXIF orientation (1 to 4) that shows slices as radiologists see them.

    That is with the patient's left or back on the right, and the back or the feet below.
    """
    x, y = (np.asarray(affine, float)[:3, axis] for axis in (0, 1))
    across, down = int(np.argmax(np.abs(x))), int(np.argmax(np.abs(y)))
    mirrored = across < 2 and x[across] < 0
    upside_down = y[down] < 0 if down < 2 else y[down] > 0
    return {(False, False): 1, (True, False): 2, (True, True): 3, (False, True): 4}[
        (bool(mirrored), bool(upside_down))
    ]


def directions(coords: Mapping[str, Any]) -> Array | None:
    """Unit steps along x, y and z as columns (3, 3), in LPS; None where they are not known.

    From the affine, else from "directions", which files have whose slices are not even.
    """
    told = coords["affine"] if "affine" in coords else coords.get("directions", ())
    matrix: Array = np.asarray(told, float)
    if matrix.size < 9 or not np.all(np.isfinite(matrix)):
        return None
    steps: Array = matrix[:3, :3]
    lengths = np.linalg.norm(steps, axis=0)
    return steps / lengths if np.all(lengths > 1e-9) else None


def point(coords: Mapping[str, Any], z: float, y: float, x: float) -> tuple[float, ...] | None:
    """Millimetres (left, back, head) of a voxel, its centre at whole numbers; None: not known.

    Where slices are not even, "origin" is the first voxel of the first slice and "z" their places.
    """
    if "affine" in coords:
        found = np.asarray(coords["affine"], float) @ (x, y, z, 1.0)
        return tuple(float(value) for value in found[:3])
    steps, origin, places = directions(coords), coords.get("origin"), coords.get("z")
    spacing: Mapping[str, float] = coords.get("spacing", {})
    if steps is None or origin is None or "x" not in spacing or places is None:
        return None
    each: Array = np.asarray(places, float)
    deep = float(np.interp(z, np.arange(len(each)), each)) - float(each[0])
    moved = steps @ (x * spacing["x"], y * spacing["y"], deep)
    return tuple(float(value) for value in np.asarray(origin, float) + moved)


def voxel(coords: Mapping[str, Any], millimetres: Sequence[float]) -> tuple[float, ...] | None:
    """The inverse of `point`: (z, y, x), which may lie outside the volume; None: not known."""
    if "affine" in coords:
        affine = np.asarray(coords["affine"], float)
        if not usable(affine):
            return None
        x, y, z, _ = np.linalg.solve(affine, (*millimetres, 1.0))
        return float(z), float(y), float(x)
    steps, origin, places = directions(coords), coords.get("origin"), coords.get("z")
    spacing: Mapping[str, float] = coords.get("spacing", {})
    if steps is None or origin is None or "x" not in spacing or places is None:
        return None
    moved = np.linalg.solve(steps, np.asarray(millimetres, float) - np.asarray(origin, float))
    each: Array = np.asarray(places, float)
    order = np.argsort(each)
    at = float(each[0]) + float(moved[2])
    deep = float(np.interp(at, each[order], np.arange(len(each))[order]))
    return deep, float(moved[1] / spacing["y"]), float(moved[0] / spacing["x"])


def same_frame(a: Image, b: Image) -> bool:
    """Do millimetres of both mean the same place in the same patient?

    DICOM says so by a frame of reference. Files that name none are taken to lie in one room when
    the middle of each volume lies inside the other one.
    """
    names = [_frame(one) for one in (a, b)]
    if any(names):
        return names[0] == names[1]
    return all(_holds(one, other) for one, other in ((a, b), (b, a)))


def _frame(image: Image) -> str:
    told: Mapping[str, Any] = image.meta.get("identifiers", {})
    return str(told.get(FRAME, ""))


def _holds(image: Image, other: Image) -> bool:
    """Does the middle of the other volume lie inside this one?"""
    sizes = [[each.pixels.shape[each.axes.index(a)] if a in each.axes else 1 for a in "zyx"]
             for each in (image, other)]  # fmt: skip
    middle = point(other.coords, *((size - 1) / 2 for size in sizes[1]))
    found = voxel(image.coords, middle) if middle else None
    return found is not None and all(
        -0.5 <= at <= size - 0.5 for at, size in zip(found, sizes[0], strict=True)
    )


def letters(direction: Any) -> str:
    """Where a direction in LPS points to: `L`, or `LA` where it is oblique by 15 degrees and more.

    R L right and left, A P front and back, S I head and feet, of the patient.
    """
    vector = np.asarray(direction, float)
    names = [pair[int(part > 0)] for pair, part in zip(("RL", "AP", "IS"), vector, strict=True)]
    order = sorted(range(3), key=lambda axis: -abs(vector[axis]))
    return "".join(names[axis] for axis in order[:2] if abs(vector[axis]) > OBLIQUE)


def told(millimetres: Sequence[float]) -> str:
    """`L 12.3  P 45.0  S 7.1 mm`: a place in the patient."""
    parts = [
        f"{pair[int(part >= 0)]} {abs(part):.1f}"
        for pair, part in zip(("RL", "AP", "IS"), millimetres, strict=True)
    ]
    return f"{'  '.join(parts)} mm"


def medical(image: Image) -> bool:
    """Is it of a patient, so that what is computed from it is not for diagnosis?"""
    told = any(key in image.meta for key in ("dicom", "identifiers"))
    return image.kind in ("scan", "clip", "rf") or told
