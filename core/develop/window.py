"""Window and level: which values are shown from black to white, in the unit of what was measured.

A window is (black, white) in stored numbers, turned round where more is darker (MONOCHROME1).
Radiologists say level (the middle) and width, in Hounsfield units of CT. Files may ask for a curve
from one end to the other (DICOM's tables); it is stretched with the window.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.image import Image

Ends = tuple[float, float]
PLAIN = "a.u."  # arbitrary unit: numbers of a scan that are none of a known scale
AUTOMATIC = "Automatic"


@dataclass(frozen=True)
class Preset:
    """A window by its name; level and width in the image's unit."""

    name: str
    level: float
    width: float
    curve: tuple[float, ...] | None = None  # brightness from end to end, where it is no line


# What radiologists usually set; each program's numbers differ a little.
CT = (
    Preset("Soft tissue", 40.0, 400.0),
    Preset("Lung", -600.0, 1500.0),
    Preset("Bone", 480.0, 2500.0),
    Preset("Brain", 40.0, 80.0),
    Preset("Liver", 90.0, 150.0),
)


def scale(image: Image) -> tuple[float, float, str]:
    """Slope, intercept and unit: value = slope * stored + intercept. DN where nothing is known.

    Echoes are shown in decibels: it is those that a window is of.
    """
    if image.kind == "rf":
        return 1.0, 0.0, "dB"
    found = image.meta.get("scale")
    if not found or not found[0]:
        return 1.0, 0.0, PLAIN if image.kind == "scan" else "DN"
    return float(found[0]), float(found[1]), str(found[2]) or PLAIN


def real(image: Image, stored: float) -> float:
    """What a stored number means, in the unit of `scale`."""
    slope, intercept, _ = scale(image)
    return slope * stored + intercept


def level_and_width(image: Image, window: Ends) -> tuple[float, float, bool]:
    """Level and width in real units, and whether it is turned round (more is darker)."""
    slope, intercept, _ = scale(image)
    black, white = (slope * end + intercept for end in window)
    return (black + white) / 2, abs(white - black), white < black


def ends(image: Image, level: float, width: float, inverted: bool = False) -> Ends:
    """The window of a level and a width (made positive) in real units."""
    slope, intercept, _ = scale(image)
    width = max(width, least(image))
    low, high = ((level + side * width / 2 - intercept) / slope for side in (-1, 1))
    return (high, low) if inverted else (low, high)


def least(image: Image) -> float:
    """The narrowest width that is of use, in real units: a thousandth of what the file can hold."""
    whole = image.pixels.dtype.kind in "iu"
    return abs(scale(image)[0]) if whole else 1e-9


def presets(image: Image) -> tuple[Preset, ...]:
    """The file's own windows, then the usual ones where the numbers are Hounsfield units."""
    named = image.meta.get("windows") or ()
    own = [
        Preset(str(name), float(level), float(width), *curve)
        for name, level, width, *curve in named
    ]
    if not own and image.meta.get("window"):
        level, width, _ = level_and_width(image, image.meta["window"])
        own = [Preset("File", level, width)]
    usual = CT if scale(image)[2] == "HU" else ()
    return (*own, *(each for each in usual if each.name not in {one.name for one in own}))


def dragged(image: Image, window: Ends, right: float, down: float) -> Ends:
    """The window after a drag of so many screen pixels.

    To the right it grows wider (twice in 150 pixels), downwards the level rises, so that the
    picture gets darker: three hundred pixels are one width.
    """
    level, width, inverted = level_and_width(image, window)
    side = -1 if inverted else 1
    return ends(image, level + side * down * width / 300, width * 2 ** (right / 150), inverted)
