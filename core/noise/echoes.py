"""The speckle of ultrasound images, blind: how strong it is in log units, how wide, which law.

Fully developed speckle has a Rayleigh envelope, whose logarithm (Fisher-Tippett) has a standard
deviation of 5.57 dB wherever tissue is even; V. Dutt and J. Greenleaf, IEEE TUFFC 43(2), 1996. So
what even windows of a log-compressed image spread by tells the compression, too.
"""

from __future__ import annotations

from math import exp, pi, sqrt

import numpy as np

from core.areas import largest
from core.image import Image
from core.noise.blocks import F32, F64
from core.noise.measured import CANNOT_TELL, DOUBTFUL, GOOD, ChannelFit, Chart, Measured, figure
from core.noise.model import LogSpeckle
from core.noise.windows import level, mode, pattern, slices, windows
from core.tiles import Region

SIDE = 20  # of a window
FEW = 12  # windows
FRAMES = 4
DECIBELS = 5.57  # standard deviation of fully developed speckle
SKEW = -1.14  # of its logarithm
EULER = 0.5772156649


def is_bmode(image: Image) -> bool:
    """Are these log-compressed echoes? A clip, or a scan that says it is ultrasound."""
    if "c" in image.axes or image.pixels.dtype.kind not in "uif":
        return False
    modality = str(dict(image.meta.get("dicom") or {}).get("Modality", ""))
    return image.kind == "clip" or (image.kind == "scan" and modality in ("US", "IVUS"))


def measure_echoes(image: Image, area: Region) -> Measured | None:
    """Speckle of an area of a log-compressed image; None: too little tissue to go by."""
    area = (largest(image) or area).meet(area)
    planes = slices(image, area, FRAMES)
    parts = np.concatenate([windows(plane, SIDE, SIDE // 2) for plane in planes])
    low, high = _ends(planes)
    cut = ((parts <= low) | (parts >= high)).mean((1, 2))
    parts = parts[cut < 0.02]  # not where echoes are cut off at either end, or there are none
    if len(parts) < FEW:
        return None
    rest, mean, variance = level(parts)
    living = variance > 0
    rest, mean, variance = rest[living], mean[living], variance[living]
    if len(rest) < FEW:
        return None
    square = mode(variance)
    near = np.abs(np.log(variance / square)) < 0.5
    if np.count_nonzero(near) < FEW // 2:
        return None
    told = pattern(rest[near], variance[near])
    spot = min(told.size[0] * told.size[1], SIDE**2 / 9)  # the plane took three such
    sigma = sqrt(square * (SIDE**2 - 3) / (SIDE**2 - 3 * spot))
    values = rest[near].ravel() / sqrt(float(np.mean(variance[near])))
    skew = float(np.mean(values**3) / np.mean(values**2) ** 1.5)
    span = high - low
    lawful = SKEW - 0.56 < skew < SKEW + 0.64
    verdict, why = _verdict(sigma, span, float(np.mean(near)), lawful, told.clump)
    model = LogSpeckle(sigma, told.size)
    reach = (0.92 * sigma, 1.08 * sigma) if verdict == GOOD else None
    fit = ChannelFit("Y", 0.0, sigma, reach, verdict, why)
    summary = f"Speckle of the log-compressed image: sigma {figure(sigma)} of {span:.4g}"
    summary += f", as of a dynamic range of {DECIBELS * span / sigma:.0f} dB." if lawful else "."
    width = f"Speckles are about {told.size[0]:.1f} px high and {told.size[1]:.1f} px wide."
    law = "Its distribution is that of the logarithm of a Rayleigh envelope."
    if not lawful:
        law = "Its distribution is not that of fully developed speckle: the image was filtered."
    return Measured(model, (fit,), summary, (width, law), told, _chart(values, sigma))


def _ends(planes: list[F32]) -> tuple[float, float]:
    values = np.concatenate([plane.ravel()[::7] for plane in planes])
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)


def _verdict(
    sigma: float, span: float, share: float, lawful: bool, clump: float
) -> tuple[str, str]:
    if sigma < 1e-3 * span:
        return CANNOT_TELL, "There is no speckle that could be told from rounding."
    if share < 0.15:
        return DOUBTFUL, "Hardly any tissue is even enough to tell speckle from structure."
    if clump > SIDE**2 / 12:
        return DOUBTFUL, "What varies in even tissue is too coarse to be speckle."
    if not lawful:
        return DOUBTFUL, "Echoes are not distributed as speckle is: the image was filtered."
    return GOOD, "Even tissue agrees, and its echoes are distributed as speckle is."


def _chart(values: F32, sigma: float) -> Chart:
    """Histogram of even tissue with the law of fully developed speckle (log-Rayleigh)."""
    counts, edges = np.histogram(values * sigma, 60, (-4.5 * sigma, 3 * sigma), density=True)
    middle: F64 = (edges[1:] + edges[:-1]) / 2
    # l = log of an exponential intensity, of variance pi^2 / 6 and mean -EULER
    rate = pi / sqrt(6) / sigma
    logs = middle * rate - EULER
    law = [rate * exp(one - exp(one)) for one in logs.tolist()]
    bars = tuple(zip(middle.tolist(), counts.tolist(), strict=True))
    line = tuple(zip(middle.tolist(), law, strict=True))
    return Chart(
        "Even tissue and the log-Rayleigh law", ("Level less mean", ""), ("Density", ""), bars,
        line, True,
    )  # fmt: skip
