"""Windows and tables of DICOM: which stored numbers are shown from black to white, and how.

DICOM PS3.3 C.11.1 and C.11.2: stored numbers become values by a slope or a table (Modality LUT),
values become brightness by a window, straight or a sigmoid, or by a table (VOI LUT).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.image import Array
from plugins.formats.dicom.geometry import Groups
from plugins.formats.dicom.head import get, numbers, text
from plugins.formats.dicom.series import Series

POINTS = 1024  # of a curve, at most
STEEP = 1.5  # widths of a sigmoid to both sides of its middle within which it is drawn
Preset = tuple[Any, ...]  # name, level, width, and the curve where it is no straight line


def presets_of(series: Series) -> list[Preset]:
    """Tables first, then windows: name, level, width in the unit of `scale_of`, curve."""
    data = series.head.data
    if series.head.colour:
        return []
    groups = Groups(data)
    own = (groups.of(0, "FrameVOILUTSequence") if groups else {}) or data
    tables = [_read(one, series) for one in get(own, "VOILUTSequence") or ()]
    found = [_voi(one, at) for at, one in enumerate(tables) if one is not None]
    found += _windows(own)
    modality = [_read(one, series) for one in get(data, "ModalityLUTSequence") or ()]
    if modality and modality[0] is not None:
        return [_through(modality[0], one) for one in found or [_whole(modality[0])]]
    return found


def window_of(series: Series, preset: Preset) -> tuple[float, float]:
    """A preset in stored numbers; turned round where more is darker."""
    _, level, width, *_ = preset
    low, high = level - width / 2, level + width / 2
    first = series.frames[0]
    if not series.varying and not get(series.head.data, "ModalityLUTSequence"):
        low, high = ((end - first.intercept) / first.slope for end in (low, high))
    low, high = sorted((low, high))
    return (high, low) if series.head.photometric == "MONOCHROME1" else (low, high)


def inverted(pixels: Array) -> tuple[float, float]:
    """A window for pictures where more is darker and no preset is given."""
    middle = pixels[(pixels.shape[0] // 2,) * (pixels.ndim - 2)]
    low, high = np.percentile(middle[::4, ::4], (0.5, 99.5))
    return float(high), float(low) if low < high else float(low) - 1


Table = tuple[str, float, NDArray[np.float64], float]  # name, first input, outputs, greatest output


def _read(item: Any, series: Series) -> Table | None:
    """A table of a sequence; None where it contradicts itself."""
    said, values = numbers(item, "LUTDescriptor", 3), get(item, "LUTData")
    if said is None or values is None:
        return None
    count, first, bits = int(said[0]) or 65536, said[1], int(said[2])
    if isinstance(values, bytes):
        wide = len(values) >= 2 * count
        values = np.frombuffer(values[: count * (1 + wide)], "<u2" if wide else "u1")
    try:
        outputs = np.asarray(values, np.float64).ravel()
    except (TypeError, ValueError):
        return None
    if not 2 <= count <= 65536 or len(outputs) < count or not 1 <= bits <= 16:
        return None
    if first >= 32768 and (series.head.signed or series.frames[0].intercept < 0):  # a signed word
        first -= 65536
    return text(item, "LUTExplanation").strip().capitalize(), first, outputs[:count], 2.0**bits - 1


def _voi(table: Table, at: int) -> Preset:
    name, first, outputs, top = table
    width = len(outputs) - 1.0
    return name or f"Table {at + 1}", first + width / 2, width, _curve(outputs / top)


def _windows(own: Any) -> list[Preset]:
    centres, widths = numbers(own, "WindowCenter") or (), numbers(own, "WindowWidth") or ()
    told = text(own, "WindowCenterWidthExplanation").split("\\")
    bent = text(own, "VOILUTFunction") == "SIGMOID"
    found: list[Preset] = []
    for at, (centre, width) in enumerate(zip(centres, widths, strict=False)):
        name = told[at].strip().capitalize() if at < len(told) else ""
        number = f" {at + 1}" if min(len(centres), len(widths)) > 1 else ""
        if width <= 0 or (centre, width) in [one[1:3] for one in found]:
            continue
        if bent:
            x = np.linspace(-STEEP, STEEP, POINTS // 4)
            curve = _curve(1 / (1 + np.exp(-4 * x)))
            found.append((name or f"File{number}", centre, 2 * STEEP * width, curve))
        else:
            found.append((name or f"File{number}", centre, width))
    return found


def _whole(table: Table) -> Preset:
    """All values of a modality's table."""
    name, _, outputs, _ = table
    low, high = float(outputs.min()), float(outputs.max())
    return name or "Table", (low + high) / 2, max(high - low, 1.0)


def _through(table: Table, preset: Preset) -> Preset:
    """A preset of values as one of stored numbers."""
    _, first, outputs, _ = table
    name, level, width, *bent = preset
    share = np.clip((outputs - level) / width + 0.5, 0, 1)
    if bent:
        share = np.interp(share, np.linspace(0, 1, len(bent[0])), bent[0])
    reach = len(outputs) - 1.0
    return name, first + reach / 2, reach, _curve(share)


def _curve(shares: NDArray[np.float64]) -> tuple[float, ...]:
    """Brightness 0..1 at even steps."""
    if len(shares) > POINTS:
        places = np.linspace(0, len(shares) - 1, POINTS)
        shares = np.interp(places, np.arange(len(shares)), shares)
    return tuple(float(share) for share in np.clip(shares, 0, 1).round(5))
