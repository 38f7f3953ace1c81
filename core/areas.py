"""Areas: which pixels of an image may be changed.

A scanner's screen holds more than echoes: text, a heart's curve, blood flow in colours. Formats say
what they know in `meta["regions"]`, one {"box": (y0, x0, y1, x1), "what": ...} each, in stored
pixels, ends excluded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from core.image import Array, Image
from core.tiles import Region

TISSUE = "tissue"  # a picture of echoes: what denoising is for; all else is kept


def worked(image: Image, region: Region) -> NDArray[np.bool_] | None:
    """Pixels of the region that may change, shape (height, width); None: all of them.

    Those inside a box of tissue and in none of another kind. Without a box of tissue, all.
    """
    boxes = _boxes(image)
    if all(what != TISSUE for _, what in boxes):
        return None
    found = np.zeros((region.height, region.width), bool)
    for tissue in (True, False):
        for box, what in boxes:
            part = box.meet(region)
            if (what == TISSUE) == tissue and part.height > 0 and part.width > 0:
                found[part.within(region)] = tissue
    return None if found.all() else found


def largest(image: Image) -> Region | None:
    """The largest box of tissue: where noise is measured. None: the image says nothing."""
    boxes = [box for box, what in _boxes(image) if what == TISSUE]
    return max(boxes, key=lambda box: box.area, default=None)


def untouched(image: Image, region: Region) -> bool:
    """Is there nothing in the region that may change?"""
    free = worked(image, region)
    return free is not None and not free.any()


def coarser(meta: Mapping[str, Any], level: int) -> Mapping[str, Any]:
    """The metadata of a picture at 1 / level."""
    if not meta.get("regions"):
        return meta
    said = cast("list[dict[str, Any]]", meta["regions"])
    small = [{**one, "box": tuple(-(-int(end) // level) for end in one["box"])} for one in said]
    return {**meta, "regions": small}


def kept(image: Image, region: Region, before: Array, after: Array) -> Array:
    """`after` (..., height, width) where pixels may change, elsewhere `before`."""
    free = worked(image, region)
    return after if free is None else np.where(free, after, before).astype(np.float32, copy=False)


def _boxes(image: Image) -> list[tuple[Region, str]]:
    """Boxes and what they show; what lies outside of the image is left out."""
    whole = Region.whole(image.height, image.width)
    said = cast("list[dict[str, Any]]", image.meta.get("regions") or [])
    found: list[tuple[Region, str]] = []
    for one in said:
        y0, x0, y1, x1 = map(int, one["box"])
        box = Region(y0, x0, y1, x1).meet(whole)
        if box.height > 0 and box.width > 0:
            found.append((box, str(one["what"])))
    return found
