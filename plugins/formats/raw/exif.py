"""EXIF for display: a plain dictionary, whatever the file throws."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# exifread's name -> ours
_TEXT = {
    "Image ImageDescription": "description",
    "Image Make": "make",
    "Image Model": "model",
    "EXIF LensMake": "lens_make",
    "EXIF LensModel": "lens",
    "EXIF DateTimeOriginal": "date",
    "EXIF OffsetTimeOriginal": "date_offset",
    "EXIF SubSecTimeOriginal": "date_subsec",
    "Image DateTime": "date_modified",
    "Image Software": "software",
    "Image Artist": "artist",
    "Image Copyright": "copyright",
    "EXIF ExposureProgram": "program",
    "EXIF MeteringMode": "metering",
    "EXIF Flash": "flash",
    "EXIF BodySerialNumber": "serial",
    "EXIF LensSerialNumber": "lens_serial",
    "EXIF CameraOwnerName": "owner",
}
_NUMBERS = {
    "EXIF ExposureTime": "exposure",
    "EXIF FNumber": "aperture",
    "EXIF FocalLength": "focal_length",
    "EXIF FocalLengthIn35mmFilm": "focal_length_35mm",
    "EXIF ExposureBiasValue": "exposure_bias",
    "EXIF ISOSpeedRatings": "iso",
    "Image ISOSpeedRatings": "iso",
    "EXIF RecommendedExposureIndex": "iso",
}
PRIVATE = ("serial", "lens_serial", "owner", "artist", "copyright", "gps")


def exif(path: Path) -> dict[str, Any]:
    """Readable tags: make, model, lens, iso, exposure (s), aperture, focal_length (mm), date...

    Plain str, int, float and lists only. Empty where the file has none: never raises.
    """
    import exifread

    logging.getLogger("exifread").setLevel(logging.CRITICAL)
    try:
        with path.open("rb") as file:
            tags = exifread.process_file(file, details=False)
    except Exception:  # on damaged files the parser raises anything
        return {}
    found: dict[str, Any] = {}
    for name, ours in _TEXT.items():
        with contextlib.suppress(Exception):
            if text := str(tags[name]).replace("\0", " ").strip():
                found[ours] = text
    for name, ours in _NUMBERS.items():
        with contextlib.suppress(Exception):
            number = float(tags[name].values[0])
            if number and ours not in found:
                found[ours] = int(number) if number == int(number) else number
    if position := _position(tags):
        found["gps"] = position
    return found


def _position(tags: Mapping[str, Any]) -> dict[str, Any]:
    """Latitude and longitude in degrees, as far as they are there."""
    found: dict[str, Any] = {}
    for axis, minus in (("Latitude", "S"), ("Longitude", "W")):
        with contextlib.suppress(Exception):
            parts = [float(part) for part in tags[f"GPS GPS{axis}"].values]
            degrees = parts[0] + parts[1] / 60 + parts[2] / 3600
            sign = -1 if str(tags[f"GPS GPS{axis}Ref"]).startswith(minus) else 1
            found[axis.lower()] = sign * degrees
    with contextlib.suppress(Exception):
        found["altitude"] = float(tags["GPS GPSAltitude"].values[0])
    return found
