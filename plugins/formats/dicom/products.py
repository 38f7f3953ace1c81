"""What was removed, or a noise map, as a derived series: floats in 16 bits with a slope."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.byproducts import TITLES, ZERO, Counted
from core.image import Image

if TYPE_CHECKING:
    from pydicom import Dataset

STALE = (
    "PixelPaddingValue", "PixelPaddingRangeLimit", "SmallestImagePixelValue",
    "LargestImagePixelValue", "VOILUTSequence", "ModalityLUTSequence", "VOILUTFunction",
    "WindowCenterWidthExplanation", "RedPaletteColorLookupTableDescriptor",
)  # fmt: skip
TRANSFORMS, WINDOWS = "PixelValueTransformationSequence", "FrameVOILUTSequence"


def describe(data: Dataset, image: Image, stored: Counted) -> None:
    """The elements that say what the numbers are."""
    slope, _, unit = image.meta.get("scale") or (1.0, 0.0, "")
    step = abs(slope) * stored.step
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.PhotometricInterpretation = "MONOCHROME2"
    for name in STALE:
        if name in data:
            del data[name]
    sample = np.nan_to_num(image.pixels[(0,) * (len(image.axes) - 2)]) * abs(slope)
    centre = 0.0 if image.meta["byproduct"] == "residual" else float(sample.mean())
    width = max(4 * float(sample.std()) if not centre else 2 * centre, step)
    groups = [*(data.get("SharedFunctionalGroupsSequence") or ())]
    groups += data.get("PerFrameFunctionalGroupsSequence") or ()
    scaled = [item for group in groups for item in group.get(TRANSFORMS) or ()]
    shown = [item for group in groups for item in group.get(WINDOWS) or ()]
    for one in scaled or [data]:
        one.RescaleSlope, one.RescaleIntercept = f"{step:.10g}", f"{-ZERO * step:.10g}"
        one.RescaleType = str(unit or "US")[:16]
    for one in shown or [data]:
        one.WindowCenter, one.WindowWidth = f"{centre:.6g}", f"{width:.6g}"
        if "VOILUTFunction" in one:
            del one["VOILUTFunction"]
    told = str(data.get("SeriesDescription") or "").removesuffix(" (denoised)")
    title = TITLES[image.meta["byproduct"]]
    data.SeriesDescription = f"{told[: 61 - len(title)]} ({title})".strip()
