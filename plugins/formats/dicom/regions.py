"""Ultrasound regions: which parts of a scanner's screen are tissue, flow, curves or bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.areas import TISSUE
from core.image import Image
from plugins.formats.dicom.head import get, numbers

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
