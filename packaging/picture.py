"""Before and after as one PNG: `python packaging/picture.py BEFORE AFTER OUT.png [EDGE]`.

Both files go through the program's own development; the middle of each is shown, EDGE pixels wide
at 100 %, because only there noise is shown as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from core.desk import Desk
from core.develop import Look, export_rgb, settle
from core.files import open_image

GAP = 8  # pixels of white between the two halves


def side_by_side(before: Path, after: Path, edge: int) -> np.ndarray:
    """The middle of both pictures, uint8 (height, 2 * width + GAP, 3)."""
    registry = Desk().registry
    images = [open_image(registry, path) for path in (before, after)]
    look = settle(images[0], Look())
    halves = []
    for image in images:
        shown = export_rgb(image, look)
        top, left = (max(size - edge, 0) // 2 for size in shown.shape[:2])
        halves.append(shown[top : top + edge, left : left + edge])
    white = np.full((halves[0].shape[0], GAP, 3), 255, np.uint8)
    return np.hstack([halves[0], white, halves[1]])


if __name__ == "__main__":
    source, result, target, *rest = sys.argv[1:]
    pixels = side_by_side(Path(source), Path(result), int(rest[0]) if rest else 640)
    Picture.fromarray(pixels).save(target)
