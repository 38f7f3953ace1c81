"""A DNG from any other source: built new, with the tags that five RAW developers were tried on."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.format import Output
from core.image import Color, Image
from plugins.formats.raw import dng
from plugins.formats.raw import tags as t
from plugins.formats.raw.dng import U16, Sink
from plugins.formats.raw.exif import PRIVATE
from plugins.formats.raw.tags import Ifd

# XYZ (D65) from linear sRGB, in the digits LibRaw uses
_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_D65 = 21
_CFA, _LINEAR = 32803, 34892
_EXIF: tuple[tuple[str, int, int], ...] = (
    ("exposure", 33434, t.RATIONAL),
    ("aperture", 33437, t.RATIONAL),
    ("date", 36867, t.ASCII),
    ("date_offset", 36881, t.ASCII),
    ("exposure_bias", 37380, t.SRATIONAL),
    ("focal_length", 37386, t.RATIONAL),
    ("date_subsec", 37521, t.ASCII),
    ("focal_length_35mm", 41989, t.SHORT),
    ("owner", 42032, t.ASCII),
    ("serial", 42033, t.ASCII),
    ("lens_make", 42035, t.ASCII),
    ("lens", 42036, t.ASCII),
    ("lens_serial", 42037, t.ASCII),
)
_TOP = (("make", 271), ("model", 272), ("date_modified", 306), ("artist", 315))
_TOP += (("copyright", 33432), ("description", 270))


def build(
    pixels: U16, area: tuple[int, int, int, int], image: Image, source: Image, output: Output
) -> bytes:
    """The file: preview and camera tags in the first directory, the sensor image in a second."""
    sink = Sink("<", bytearray(b"II*\0" + bytes(4)))
    sensor = _sensor(sink, pixels, area, image, source, output)
    shown: Mapping[str, Any] = source.meta.get("exif") or {}
    if output.strip:
        shown = {name: value for name, value in shown.items() if name not in PRIVATE}
    top = dng.preview_tags(sink, image) | _camera(sink, image, source, shown, output)
    top[t.SUB_IFDS] = sink.tag(t.LONG, sink.directory(sensor))
    if exif := _exif(sink, shown):
        top[t.EXIF_IFD] = sink.tag(t.LONG, sink.directory(exif))
    if gps := _gps(sink, shown.get("gps")):
        top[t.GPS_IFD] = sink.tag(t.LONG, sink.directory(gps))
    if source.path and not output.strip:
        top[50827] = sink.tag(t.ASCII, Path(source.path).name)
    sink.data[4:8] = struct.pack("<I", sink.directory(top))
    return bytes(sink.data)


def _sensor(
    sink: Sink,
    pixels: U16,
    area: tuple[int, int, int, int],
    image: Image,
    source: Image,
    output: Output,
) -> Ifd:
    top, left, height, width = area
    crop = source.meta.get("default_crop") or [0, 0, height, width]
    samples = 1 if pixels.ndim == 2 else 3
    ifd = dng.raster(sink, pixels, output.compress)
    ifd |= dng.level_tags(sink, image, samples) | dng.marks(sink, output)
    ifd |= {
        262: sink.tag(t.SHORT, _LINEAR if image.cfa is None else _CFA),
        50718: sink.tag(t.RATIONAL, [1, 1]),
        50719: sink.tag(t.RATIONAL, [crop[1], crop[0]]),
        50720: sink.tag(t.RATIONAL, [crop[3], crop[2]]),
        50829: sink.tag(t.LONG, [top, left, top + height, left + width]),
    }
    if image.cfa is not None:
        ifd |= {
            33421: sink.tag(t.SHORT, image.cfa.period),
            33422: sink.tag(t.BYTE, [color for row in image.cfa.pattern for color in row]),
            50710: sink.tag(t.BYTE, [0, 1, 2]),
            50711: sink.tag(t.SHORT, 1),
        }
    return ifd


def _camera(
    sink: Sink, image: Image, source: Image, shown: Mapping[str, Any], output: Output
) -> Ifd:
    """What holds for the whole file: version, camera, colours, history."""
    simple = image.cfa is None or image.cfa.period == (2, 2)
    model = " ".join(str(shown[name]) for name in ("make", "model") if name in shown)
    ifd = {
        274: sink.tag(t.SHORT, image.orientation),
        305: sink.tag(t.ASCII, dng.SOFTWARE),
        50706: sink.tag(t.BYTE, [1, 4, 0, 0]),
        50707: sink.tag(t.BYTE, [1, 1 if simple else 3, 0, 0]),
        50708: sink.tag(t.ASCII, model or "Unknown camera"),
    }
    ifd |= {code: sink.tag(t.ASCII, str(shown[name])) for name, code in _TOP if shown.get(name)}
    if image.color is not None:
        ifd |= _color(sink, image.color)
    exposure = source.meta.get("baseline_exposure")
    if isinstance(exposure, int | float):
        ifd[50730] = sink.tag(t.SRATIONAL, exposure)
    if output.note is not None:
        ifd[700] = sink.tag(t.BYTE, dng.xmp(output.note))
    return ifd


def _color(sink: Sink, color: Color) -> Ifd:
    """The matrix XYZ -> camera, and the neutral colour (left out when it is a guess)."""
    camera = np.diag(1 / np.asarray(color.daylight)) @ np.linalg.inv(np.asarray(color.matrix))
    matrix = (camera @ np.linalg.inv(np.asarray(_XYZ))).ravel()
    ifd = {
        50721: sink.tag(t.SRATIONAL, [float(value) for value in matrix]),
        50778: sink.tag(t.SHORT, _D65),
    }
    if color.wb_source == "as shot":
        ifd[50728] = sink.tag(t.RATIONAL, [1 / gain for gain in color.wb])
    return ifd


def _exif(sink: Sink, shown: Mapping[str, Any]) -> Ifd:
    ifd: Ifd = {}
    for name, code, kind in _EXIF:
        value = shown.get(name)
        if kind == t.ASCII and isinstance(value, str):
            ifd[code] = sink.tag(kind, value)
        elif kind != t.ASCII and isinstance(value, int | float):
            ifd[code] = sink.tag(kind, min(round(value), 65535) if kind == t.SHORT else value)
    if isinstance(iso := shown.get("iso"), int | float):
        ifd[34855] = sink.tag(t.SHORT, min(round(iso), 65535))
    if ifd:
        ifd[36864] = sink.tag(t.UNDEFINED, b"0231")
    return ifd


def _gps(sink: Sink, position: Any) -> Ifd:
    ifd: Ifd = {}
    if not isinstance(position, Mapping):
        return ifd
    for name, code, signs in (("latitude", 1, "NS"), ("longitude", 3, "EW")):
        if isinstance(degrees := position.get(name), int | float):
            minutes, seconds = divmod(abs(degrees) * 3600, 60)
            ifd[code] = sink.tag(t.ASCII, signs[degrees < 0])
            parts = [minutes // 60, minutes % 60, seconds]
            ifd[code + 1] = sink.tag(t.RATIONAL, parts)
    if isinstance(altitude := position.get("altitude"), int | float):
        ifd |= {5: sink.tag(t.BYTE, int(altitude < 0)), 6: sink.tag(t.RATIONAL, abs(altitude))}
    if ifd:
        ifd[0] = sink.tag(t.BYTE, [2, 3, 0, 0])
    return ifd
