"""Volumes in a patient: between the systems of file formats, and which way is up.

Affines are 4x4 and take a voxel (x, y, z) to millimetres. DICOM counts them to the left, to the
back and to the head (LPS), NIfTI to the right and to the front (RAS).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.image import Array

Affine = list[list[float]]


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
