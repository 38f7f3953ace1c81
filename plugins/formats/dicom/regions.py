"""Ultrasound regions: which parts of a scanner's screen are tissue, flow, curves or bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from core.areas import TISSUE
from core.image import Array, Image
from plugins.formats.dicom.head import get, numbers, text

if TYPE_CHECKING:
    from pydicom import Dataset

SPATIAL = {1: "picture", 2: "M-mode", 3: "spectrum", 4: "curve", 5: "graphics"}
WHAT = {  # Region Data Type, DICOM PS3.3 C.8.5.5.1.2
    1: TISSUE, 2: "colour flow", 3: "PW spectrum", 4: "CW spectrum", 5: "mean of flow",
    6: "mode of flow", 7: "greatest of flow", 8: "volume flow", 10: "ECG", 11: "pulse",
    12: "heart sound", 13: "grey bar", 14: "colour bar", 15: "backscatter", 16: "border",
    17: "border", 18: "boxes",
}  # fmt: skip
CENTIMETRES = 3
BURNT = "Names or dates may be burnt into the picture: look before you pass it on."
LETTERS = 30  # bright pixels that make a word
PLACES = tuple(f"RegionLocation{end}" for end in ("MinY0", "MinX0", "MaxY1", "MaxX1"))


def regions_of(data: Any) -> list[dict[str, Any]]:
    """Box (y0, x0, y1, x1; ends excluded), what it shows, and how."""
    found: list[dict[str, Any]] = []
    for one in get(data, "SequenceOfUltrasoundRegions") or []:
        ends = [numbers(one, name) for name in PLACES]
        kind, form = numbers(one, "RegionDataType"), numbers(one, "RegionSpatialFormat")
        if not all(ends) or not kind:
            continue
        y0, x0, y1, x1 = (int(end[0]) for end in ends if end)
        shown = SPATIAL.get(int(form[0]) if form else 1, "")
        what = WHAT.get(int(kind[0]), "other")
        if what == TISSUE and shown != "picture":
            what = shown or "other"
        found.append({"box": (y0, x0, y1 + 1, x1 + 1), "what": what, "form": shown})
    return found


def burnt(data: Any, pixels: Array) -> str:
    """A warning that ultrasound may have names burnt into it; empty where it says that none are.

    `pixels` (..., rows, columns[, colours]) as stored: text stands outside of the regions.
    """
    said = text(data, "BurnedInAnnotation")
    if said == "NO" or text(data, "Modality") not in ("US", "IVUS"):
        return ""
    if said == "YES":
        return BURNT
    boxes = [one["box"] for one in regions_of(data)]
    if not boxes:
        return (
            "The file does not say whether names are burnt into the picture: look before you"
            " pass it on."
        )
    tail = 3 if text(data, "SamplesPerPixel") == "3" else 2
    frame = pixels[(pixels.shape[0] // 2,) * (pixels.ndim - tail)]
    bright = frame.max(-1) if tail == 3 else frame
    outside = np.ones(bright.shape, bool)
    for y0, x0, y1, x1 in boxes:
        outside[max(y0, 0) : y1, max(x0, 0) : x1] = False
    lit = int(np.count_nonzero(bright[outside] > bright.max() / 3))
    if lit < LETTERS:
        return ""
    return (
        "There is text or the like outside of the ultrasound regions: names may be burnt in, look"
        " before you pass it on."
    )


def put(data: Dataset, image: Image) -> None:
    """The regions of an image into a new file."""
    from pydicom import Dataset

    said: list[dict[str, Any]] = image.meta.get("regions") or []
    spacing = image.coords.get("spacing") or {}
    items: list[Dataset] = []
    for one in said:
        item = Dataset()
        item.RegionSpatialFormat = _number(SPATIAL, one.get("form", "picture"), 0)
        item.RegionDataType = _number(WHAT, one["what"], 0)
        item.RegionFlags = 2
        y0, x0, y1, x1 = map(int, one["box"])
        for name, value in zip(PLACES, (y0, x0, y1 - 1, x1 - 1), strict=True):
            setattr(item, name, value)
        known = one["what"] == TISSUE and "x" in spacing and "y" in spacing
        item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = CENTIMETRES if known else 0
        item.PhysicalDeltaX = spacing["x"] / 10 if known else 0.0
        item.PhysicalDeltaY = spacing["y"] / 10 if known else 0.0
        items.append(item)
    if items:
        data.SequenceOfUltrasoundRegions = items


def _number(table: dict[int, str], word: str, default: int) -> int:
    return next((number for number, name in table.items() if name == word), default)
