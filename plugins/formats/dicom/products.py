"""What was removed, or a noise map, as a derived series: floats in 16 bits with a slope."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2
from typing import TYPE_CHECKING, Any

import numpy as np

from core.byproducts import TITLES
from core.image import Array, Image, Pixels
from core.lazy import slabs

if TYPE_CHECKING:
    from pydicom import Dataset

ZERO, REACH = 32768, 32000  # the stored number of zero; how far the others lie from it, at most
STALE = (
    "PixelPaddingValue", "PixelPaddingRangeLimit", "SmallestImagePixelValue",
    "LargestImagePixelValue", "VOILUTSequence", "ModalityLUTSequence", "VOILUTFunction",
    "WindowCenterWidthExplanation", "RedPaletteColorLookupTableDescriptor",
)  # fmt: skip
TRANSFORMS, WINDOWS = "PixelValueTransformationSequence", "FrameVOILUTSequence"


@dataclass(frozen=True)
class Counted:
    """Numbers as multiples of `step` around ZERO, uint16; no number becomes zero."""

    pixels: Pixels
    step: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the pixels."""
        return self.pixels.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the file."""
        return np.dtype(np.uint16)

    def __getitem__(self, key: Any, /) -> Array:
        values = np.nan_to_num(np.asarray(self.pixels[key], np.float64) / self.step)
        return (np.rint(np.clip(values, -REACH, REACH)) + ZERO).astype(np.uint16)


def counted(image: Image) -> Counted:
    """A by-product's pixels as a file holds them: the step is a power of two."""
    parts = (np.nan_to_num(image.pixels[part]) for part in slabs(image.pixels))
    most = max(float(np.max(np.abs(part))) for part in parts)
    return Counted(image.pixels, 2.0 ** ceil(log2(max(most, 1e-30) / REACH)))


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
