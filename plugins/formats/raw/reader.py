"""RAW files through LibRaw (rawpy): the sensor's values, and what they mean.

Known traps of rawpy are kept out here: decoding (and its errors) happens at the first access, not
in imread; arrays die with the file object; raw_pattern and raw_colors read foreign memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rawpy
from numpy.typing import NDArray

from core.format import UnreadableFile
from core.image import Array, Cfa, Color, Image, Levels
from plugins.formats.raw.exif import exif
from plugins.formats.raw.info import Info, info

Box = tuple[int, int, int, int]  # top, left, height, width
_ORIENTATION = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}  # LibRaw's flip -> EXIF
_PERIODS = 48  # a table this large holds any period we know (2, 4, 6, 8, 16) twice
_SIDES, _AREA = (16, 65000), 400_000_000


def read(path: Path) -> Image:
    """Decode the active area. Raises UnreadableFile."""
    tags = info(path)
    _refuse(path, tags)
    with _opened(path) as raw:
        frame = raw.raw_image
        area = _area(raw, tags, frame.shape[:2])
        _check_size(path, area)
        pixels, kind = _pixels(frame, area)
        warnings = list(tags.warnings)
        if not tags.ours:
            _check_damage(path, pixels)
        cfa, black = _mosaic(path, raw, area) if pixels.ndim == 2 else (None, _flat_black(raw))
        if pixels.ndim == 2 and cfa is None:
            kind = "linear"
        if tags.black is not None and tags.white == raw.white_level and cfa is not None:
            black = tags.black
        levels = _levels(path, black, float(raw.white_level), pixels, warnings)
        mono = pixels.ndim == 2 and cfa is None
        color = None if mono else _color(raw, pixels, cfa, levels, warnings)
        meta = _meta(path, raw, tags, area, frame.shape[:2], warnings)
        orientation = _ORIENTATION.get(raw.sizes.flip, 1)
    axes = "yx" if pixels.ndim == 2 else "cyx"
    return Image(pixels, axes, kind, levels, cfa, color, orientation, meta=meta, path=str(path))


def header(path: Path) -> dict[str, Any]:
    """What `read` would give, without decoding pixels. Raises UnreadableFile."""
    tags = info(path)
    _refuse(path, tags)
    with _opened(path) as raw:
        sizes = raw.sizes
        full = sizes.raw_height, sizes.raw_width
        area = _area(raw, tags, full)
        _check_size(path, area)
        samples = tags.samples or (3 if path.suffix.lower() == ".x3f" else 1)
        mosaic = tags.cfa_period is not None if tags.dng else samples == 1 < raw.num_colors
        stack = samples > 1
        return {
            "kind": "mosaic" if mosaic else "linear",
            "axes": "cyx" if stack else "yx",
            "shape": [3, *area[2:]] if stack else list(area[2:]),
            "dtype": "uint16",
            "orientation": _ORIENTATION.get(sizes.flip, 1),
            "meta": _meta(path, raw, tags, area, full, list(tags.warnings), decoded=False),
        }


def frame(path: Path) -> tuple[Array, Box]:
    """The whole stored frame with its masked borders, (h, w) or (h, w, 3), and the active area.

    Raises UnreadableFile.
    """
    tags = info(path)
    with _opened(path) as raw:
        found = raw.raw_image
        area = _area(raw, tags, found.shape[:2])
        return np.array(found[..., :3] if found.ndim == 3 else found), area


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """rawpy's object, with LibRaw's errors as one sentence, from opening as well as decoding."""
    if not path.is_file():
        raise UnreadableFile(f"There is no file {path.name!r}.")
    if not path.stat().st_size:
        raise UnreadableFile(f"{path.name} is empty: copy it again from the card.")
    try:
        try:
            str(path).encode()
        except UnicodeEncodeError:  # a name that is no text: LibRaw takes it as an open file
            with path.open("rb") as file, rawpy.imread(file) as raw:
                yield raw
        else:
            with rawpy.imread(str(path)) as raw:
                yield raw
    except rawpy.LibRawError as error:
        raise UnreadableFile(_sentence(path, error)) from None
    except (OSError, MemoryError, NotImplementedError, ValueError, RuntimeError) as error:
        raise UnreadableFile(f"{path.name} could not be read as a RAW file ({error}).") from None


def _sentence(path: Path, error: Exception) -> str:
    """What LibRaw's error means to the user."""
    if isinstance(error, rawpy.LibRawFileUnsupportedError):
        return f"{path.name} is not a RAW file, or of a camera that LibRaw does not know."
    if isinstance(error, rawpy.LibRawIOError):
        return f"{path.name} ends too early: copy it again from the card."
    if isinstance(error, rawpy.LibRawDataError):
        return f"{path.name} is damaged: its picture data cannot be decoded."
    if isinstance(error, rawpy.LibRawUnsufficientMemoryError | rawpy.LibRawTooBigError):
        return f"{path.name} is too large for the memory."
    return f"{path.name} could not be decoded as a RAW file."


def _refuse(path: Path, tags: Info) -> None:
    """What decodes without error, but wrongly."""
    if tags.cfa_period == (4, 4):
        raise UnreadableFile(
            f"{path.name} has a quad-Bayer sensor (4x4 colour pattern), which Sordino cannot "
            "denoise yet: save it as a Bayer RAW in the camera."
        )


def _area(raw: Any, tags: Info, full: tuple[int, int]) -> Box:
    """The active area in the full frame; LibRaw moves odd margins, so a DNG's tag goes first."""
    if tags.active and tags.size == full:
        return tags.active
    sizes = raw.sizes
    top, left = min(sizes.top_margin, full[0]), min(sizes.left_margin, full[1])
    return top, left, min(sizes.height, full[0] - top), min(sizes.width, full[1] - left)


def _check_size(path: Path, area: Box) -> None:
    height, width = area[2:]
    low, high = _SIDES
    if not (low <= height <= high and low <= width <= high and height * width <= _AREA):
        raise UnreadableFile(f"{path.name} claims an impossible size of {width} x {height} pixels.")


def _pixels(frame: Array, area: Box) -> tuple[NDArray[np.uint16], str]:
    """A copy of the active area (the frame's memory goes with the file), (y, x) or (c, y, x)."""
    top, left, height, width = area
    cut = frame[top : top + height, left : left + width]
    if cut.ndim == 2:
        return np.array(cut, np.uint16), "mosaic"
    return np.array(np.moveaxis(cut[..., :3], -1, 0), np.uint16, order="C"), "linear"


def _check_damage(path: Path, pixels: Array) -> None:
    """A truncated ProRAW decodes "fine", to zeros."""
    zeros = pixels.size - np.count_nonzero(pixels)
    if 2 * zeros > pixels.size or pixels.min() == pixels.max():
        raise UnreadableFile(f"{path.name} is damaged: most of its pixels are empty.")


def _mosaic(path: Path, raw: Any, area: Box) -> tuple[Cfa | None, Array]:
    """Colours and black levels by position, from the active area's corner; no Cfa when mono."""
    sizes = raw.sizes
    top, left = sizes.top_margin, sizes.left_margin
    # Only asked at and below LibRaw's own margins: above them it reads foreign memory.
    dy, dx = (area[0] - top) % _PERIODS, (area[1] - left) % _PERIODS
    table = np.array(
        [
            [raw.raw_color(top + y + dy, left + x + dx) for x in range(_PERIODS)]
            for y in range(_PERIODS)
        ]
    )
    if table.max() > 3:
        return None, _flat_black(raw)
    colors = bytes(raw.color_desc).decode("ascii", "replace").rstrip("\0")
    if not colors.startswith("RGB") or (table.max() == 3 and colors[3:4] != "G"):
        raise UnreadableFile(
            f"{path.name} has a colour filter that is not red, green and blue ({colors})."
        )
    blacks = np.asarray(raw.black_level_per_channel, float)[table]
    table = np.where(table == 3, 1, table)
    if set(np.unique(table)) != {0, 1, 2}:
        raise UnreadableFile(f"{path.name} is damaged: its colour pattern lacks a colour.")
    return Cfa(tuple(tuple(int(v) for v in row) for row in _period(table))), _period(blacks)


def _period(table: Array) -> Array:
    """The smallest block that, repeated, gives the table."""
    for axis in (0, 1):
        lines = np.moveaxis(table, axis, 0)
        size = len(lines)
        step = next(n for n in range(1, size + 1) if (lines[n:] == lines[: size - n]).all())
        table = np.moveaxis(lines[:step], 0, axis)
    return table


def _flat_black(raw: Any) -> Array:
    """One black level for all: of demosaiced and monochrome files."""
    blacks = raw.black_level_per_channel[: max(min(raw.num_colors, 3), 1)]
    return np.full((1, 1), float(np.mean(blacks)))


def _levels(path: Path, black: Array, white: float, pixels: Array, warnings: list[str]) -> Levels:
    """Black and white; a white level that is none is replaced by what the data say."""
    lowest = float(black.max()) + 16
    if white <= lowest:
        top = int(pixels.max())
        if top <= lowest:
            raise UnreadableFile(f"{path.name} is damaged: its white level lies below its black.")
        warnings.append(f"The file's white level {white:g} lies below its black: taken from data.")
        white = float(2 ** top.bit_length() - 1)
    return Levels(tuple(tuple(float(v) for v in row) for row in black), white)


def _color(raw: Any, pixels: Array, cfa: Cfa | None, levels: Levels, warnings: list[str]) -> Color:
    """White balance (green = 1) and camera matrix, checked; LibRaw gives 0 for what is unknown."""
    daylight = _balance(raw.daylight_whitebalance)
    if daylight == (1.0, 1.0, 1.0):  # LibRaw's word for a camera it has no matrix of
        daylight = None
    wb, source = _balance(raw.camera_whitebalance), "as shot"
    if wb is None:
        wb, source = daylight, "daylight"
    if wb is None:
        wb, source = _grey_world(pixels, cfa, levels), "grey world"
    if source != "as shot":
        warnings.append(f"The file has no white balance: {source} is shown.")
    matrix = np.asarray(raw.color_matrix, float)[:, :3]
    sums = matrix.sum(1)
    if not (np.isfinite(matrix).all() and (abs(sums - 1) < 0.02).all() and np.linalg.det(matrix)):
        warnings.append("The file has no usable colour matrix: colours are the camera's own.")
        matrix = np.eye(3)
    rows = tuple((float(a), float(b), float(c)) for a, b, c in matrix)
    return Color(wb, source, daylight or (1.0, 1.0, 1.0), rows)


def _balance(gains: Any) -> tuple[float, float, float] | None:
    """R G B multipliers with green = 1, or None when they are not plausible."""
    red, green, blue = (float(gain) for gain in gains[:3])
    if not (np.isfinite([red, green, blue]).all() and min(red, green, blue) > 0):
        return None
    wb = red / green, 1.0, blue / green
    return wb if min(wb) > 0.1 and max(wb) < 10 else None


def _grey_world(pixels: Array, cfa: Cfa | None, levels: Levels) -> tuple[float, float, float]:
    """Multipliers that make the mean grey."""
    height, width = pixels.shape[-2:]
    signal = pixels - levels.black_map(0, 0, height, width)
    if cfa is None:
        means = [float(channel.mean()) for channel in signal]
    else:
        colors = cfa.colors(height, width)
        means = [float(signal[colors == color].mean()) for color in range(3)]
    return _balance([1 / mean if mean > 0 else 0 for mean in means]) or (1.0, 1.0, 1.0)


def _meta(
    path: Path,
    raw: Any,
    tags: Info,
    area: Box,
    full: tuple[int, int],
    warnings: list[str],
    decoded: bool = True,
) -> dict[str, Any]:
    """Plain metadata, fit for JSON."""
    shown = exif(path)
    if tags.camera:
        shown.setdefault("model", tags.camera)
    if decoded:
        for name, value in _libraw_exif(raw).items():
            shown.setdefault(name, value)
    bits = tags.bits or (int(raw.white_level).bit_length() if decoded else None)
    if raw.sizes.pixel_aspect != 1:
        warnings.append("The sensor's pixels are not square; they are shown as if they were.")
    return {
        "exif": shown,
        "frame": [*full, area[0], area[1]],
        "bits": bits,
        "compression": tags.compression,
        "dng": tags.dng,
        "noise_profile": list(tags.noise_profile),
        "baseline_exposure": tags.baseline_exposure,
        "marked_denoised": tags.marked_denoised,
        "default_crop": list(tags.default_crop) if tags.default_crop else _crop(raw.sizes, area),
        "warnings": warnings,
    }


def _libraw_exif(raw: Any) -> dict[str, Any]:
    """What LibRaw read, where EXIF is in a place exifread does not look."""
    other, lens = raw.other, raw.lens
    found = {
        "iso": other.iso_speed,
        "exposure": other.shutter_speed,
        "aperture": other.aperture,
        "focal_length": other.focal_length,
        "lens": lens.model,
        "artist": other.artist,
    }
    if other.timestamp.year > 1970:
        found["date"] = other.timestamp.strftime("%Y:%m:%d %H:%M:%S")
    return {name: value for name, value in found.items() if value}


def _crop(sizes: Any, area: Box) -> list[int] | None:
    """LibRaw's inset crop relative to the active area, when it lies inside."""
    top, left = sizes.crop_top_margin - area[0], sizes.crop_left_margin - area[1]
    height, width = sizes.crop_height, sizes.crop_width
    inside = top >= 0 and left >= 0 and top + height <= area[2] and left + width <= area[3]
    return [top, left, height, width] if height and width and inside else None
