"""EXIF as bytes and as a plain dictionary; what an export keeps of its source's metadata.

The names are those of `meta["exif"]` of every format: make, model, lens, iso, exposure (s),
aperture, focal_length (mm), date... Layout: Exif 2.32 (CIPA DC-008), which is a small TIFF file.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, cast

import numpy as np

from core.image import Image

ASCII, SHORT, LONG, RATIONAL, SRATIONAL = 2, 3, 4, 5, 10
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
EXIF_IFD, GPS_IFD, INTEROP_IFD, ORIENTATION = 0x8769, 0x8825, 0xA005, 0x0112
HEADER = b"Exif\0\0"

Row = tuple[int, int, int, bytes]  # tag, type, count, value
Raw = bytes | bytearray | memoryview

IMAGE_TAGS = {
    0x010E: ("description", ASCII),
    0x010F: ("make", ASCII),
    0x0110: ("model", ASCII),
    ORIENTATION: ("orientation", SHORT),
    0x0131: ("software", ASCII),
    0x0132: ("date_modified", ASCII),
    0x013B: ("artist", ASCII),
    0x8298: ("copyright", ASCII),
}
EXIF_TAGS = {
    0x829A: ("exposure", RATIONAL),
    0x829D: ("aperture", RATIONAL),
    0x8827: ("iso", SHORT),
    0x9003: ("date", ASCII),
    0x9011: ("date_offset", ASCII),
    0x9204: ("exposure_bias", SRATIONAL),
    0x920A: ("focal_length", RATIONAL),
    0x9291: ("date_subsec", ASCII),
    0xA405: ("focal_length_35mm", SHORT),
    0xA430: ("owner", ASCII),
    0xA431: ("serial", ASCII),
    0xA433: ("lens_make", ASCII),
    0xA434: ("lens", ASCII),
    0xA435: ("lens_serial", ASCII),
}
GPS_TAGS = {1: "S", 2: "latitude", 3: "W", 4: "longitude"}
PRIVATE = ("gps", "serial", "lens_serial", "owner", "artist", "copyright", "description")


def parse(raw: bytes) -> dict[str, Any]:
    """Readable tags of an EXIF block, with or without its "Exif" header. Never raises."""
    raw = raw.removeprefix(HEADER)
    found: dict[str, Any] = {}
    with contextlib.suppress(struct.error, ValueError):
        end, first = _open(raw)
        places: dict[int, int] = {}
        for tag, kind, at, count in _entries(raw, end, first):
            if tag in (EXIF_IFD, GPS_IFD):
                places[tag] = struct.unpack_from(end + "I", raw, at)[0]
            elif tag in IMAGE_TAGS:
                _add(found, IMAGE_TAGS[tag][0], _value(raw, end, kind, at, count))
        for tag, kind, at, count in _entries(raw, end, places.get(EXIF_IFD, 0)):
            if tag in EXIF_TAGS:
                _add(found, EXIF_TAGS[tag][0], _value(raw, end, kind, at, count))
        if position := _position(raw, end, places.get(GPS_IFD, 0)):
            found["gps"] = position
    return found


def build(values: Mapping[str, Any]) -> bytes:
    """An EXIF block, without the "Exif" header, of those values that EXIF has a place for."""
    gps = _gps_rows(cast("Mapping[str, Any]", values.get("gps") or {}))
    return assemble(_rows(values, IMAGE_TAGS), _rows(values, EXIF_TAGS), gps)


def assemble(image: list[Row], exif: list[Row], gps: list[Row]) -> bytes:
    """An EXIF block of these directories."""
    links = [(tag, rows) for tag, rows in ((EXIF_IFD, exif), (GPS_IFD, gps)) if rows]
    offset = 8 + _length(image) + 12 * len(links)
    for tag, rows in links:
        image = [*image, (tag, LONG, 1, struct.pack("<I", offset))]
        offset += _length(rows)
    blob = b"II*\0" + struct.pack("<I", 8)
    for rows in (image, *(rows for _, rows in links)):
        blob += directory(rows, len(blob))
    return blob


def directories(raw: Raw) -> tuple[list[Row], list[Row], list[Row]]:
    """The image, EXIF and GPS directories of an EXIF block or a whole (classic) TIFF file.

    Values come as little-endian bytes. Empty lists where there are none: never raises.
    """
    raw = raw[len(HEADER) :] if raw[: len(HEADER)] == HEADER else raw
    found: list[list[Row]] = [[], [], []]
    with contextlib.suppress(struct.error, ValueError):
        end, first = _open(raw)
        found[0] = _little(raw, end, first)
        for index, pointer in ((1, EXIF_IFD), (2, GPS_IFD)):
            for tag, _, _, data in found[0]:
                if tag == pointer and len(data) == 4:
                    found[index] = _little(raw, end, struct.unpack("<I", data)[0])
    links = (EXIF_IFD, GPS_IFD, INTEROP_IFD)
    image, exif, gps = ([row for row in rows if row[0] not in links] for rows in found)
    return image, exif, gps


def for_export(image: Image, source: Image, strip: bool = False) -> bytes:
    """The EXIF block of an export of `image`, b"" when there is nothing to say.

    The source's own block is kept byte for byte, but for the orientation, which is the image's.
    With `strip` only tags known to be harmless are kept: no position, serial number, name, no
    maker's note (which holds serial numbers, too).
    """
    raw = source.meta.get("exif_raw")
    if isinstance(raw, bytes) and not strip:
        return oriented(raw, image.orientation)
    values = dict(cast("Mapping[str, Any]", source.meta.get("exif") or {}))
    for name in PRIVATE if strip else ():
        values.pop(name, None)
    values.pop("orientation", None)
    if not values and image.orientation == 1:
        return b""
    return build({**values, "orientation": image.orientation})


def oriented(raw: bytes, orientation: int) -> bytes:
    """The block with its orientation tag, where it has one, set."""
    prefix = HEADER if raw.startswith(HEADER) else b""
    body = bytearray(raw.removeprefix(HEADER))
    with contextlib.suppress(struct.error, ValueError):
        end, first = _open(body)
        for tag, kind, at, _ in _entries(body, end, first):
            if tag == ORIENTATION and kind == SHORT:
                struct.pack_into(end + "H", body, at, orientation)
    return prefix + bytes(body)


def orientation(values: Mapping[str, Any]) -> int:
    """1..8; 1 where the tag is missing or nonsense."""
    found = values.get("orientation", 1)
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _open(raw: Raw) -> tuple[str, int]:
    ends = {b"II*\0": "<", b"MM\0*": ">"}
    magic = bytes(raw[:4])
    if magic not in ends:
        raise ValueError("no EXIF")
    return ends[magic], struct.unpack_from(ends[magic] + "I", raw, 4)[0]


def _entries(raw: Raw, end: str, at: int) -> Iterator[tuple[int, int, int, int]]:
    """Tag, type, position of the value and count; entries that reach outside are skipped."""
    if not 8 <= at <= len(raw) - 2:
        return
    for entry in range(struct.unpack_from(end + "H", raw, at)[0]):
        place = at + 2 + 12 * entry
        if place + 12 > len(raw):
            return
        tag, kind, count = struct.unpack_from(end + "HHI", raw, place)
        size = SIZES.get(kind, 0) * count
        where = place + 8 if size <= 4 else struct.unpack_from(end + "I", raw, place + 8)[0]
        if size and where + size <= len(raw):
            yield tag, kind, where, count


def _little(raw: Raw, end: str, at: int) -> list[Row]:
    rows: list[Row] = []
    for tag, kind, where, count in _entries(raw, end, at):
        data = bytes(raw[where : where + SIZES[kind] * count])
        unit = 4 if kind in (RATIONAL, SRATIONAL) else SIZES[kind]
        if end == ">" and unit > 1:
            data = np.frombuffer(data, f">u{unit}").astype(f"<u{unit}").tobytes()
        rows.append((tag, kind, count, data))
    return rows


def _value(raw: Raw, end: str, kind: int, at: int, count: int) -> Any:
    """Text, a number, or a list of numbers; None when it makes no sense."""
    if kind in (1, ASCII, 7):
        return bytes(raw[at : at + min(count, 4096)]).split(b"\0")[0].decode("utf-8", "replace")
    count = min(count, 64)
    if kind in (RATIONAL, SRATIONAL):
        parts = struct.unpack_from(f"{end}{2 * count}{'I' if kind == RATIONAL else 'i'}", raw, at)
        pairs = list(zip(parts[::2], parts[1::2], strict=True))
        numbers = [top / bottom if bottom else 0.0 for top, bottom in pairs]
    else:
        letter = {SHORT: "H", LONG: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d"}[kind]
        numbers = list(struct.unpack_from(f"{end}{count}{letter}", raw, at))
    return numbers[0] if len(numbers) == 1 else numbers


def _add(found: dict[str, Any], name: str, value: Any) -> None:
    if isinstance(value, str):
        value = value.strip()
    if isinstance(value, list):  # ISO may be given twice
        value = cast("list[Any]", value)[0]
    if value not in ("", None):
        found[name] = int(value) if isinstance(value, float) and value.is_integer() else value


def _position(raw: bytes, end: str, at: int) -> dict[str, float]:
    values = {
        GPS_TAGS[tag]: _value(raw, end, kind, where, count)
        for tag, kind, where, count in _entries(raw, end, at)
        if tag in GPS_TAGS
    }
    found: dict[str, float] = {}
    for name, minus in (("latitude", "S"), ("longitude", "W")):
        parts = values.get(name)
        if isinstance(parts, list) and len(cast("list[float]", parts)) == 3:
            degrees, minutes, seconds = cast("list[float]", parts)
            sign = -1.0 if values.get(minus) == minus else 1.0
            found[name] = sign * (degrees + minutes / 60 + seconds / 3600)
    return found


def _rows(values: Mapping[str, Any], tags: Mapping[int, tuple[str, int]]) -> list[Row]:
    rows: list[Row] = []
    for tag, (name, kind) in sorted(tags.items()):
        with contextlib.suppress(struct.error, TypeError, ValueError, OverflowError):
            if values.get(name) is not None:
                data = _data(values[name], kind)
                count = len(data) if kind == ASCII else 1
                rows.append((tag, kind, count, data))
    return rows


def _data(value: Any, kind: int) -> bytes:
    if kind == ASCII:
        return str(value).replace("\0", " ").encode("utf-8") + b"\0"
    if kind == SHORT:
        return struct.pack("<H", min(int(value), 65535))
    ratio = Fraction(value).limit_denominator(100_000)
    return struct.pack("<II" if kind == RATIONAL else "<ii", ratio.numerator, ratio.denominator)


def _gps_rows(position: Mapping[str, Any]) -> list[Row]:
    rows: list[Row] = []
    for tag, name, letters in ((1, "latitude", "NS"), (3, "longitude", "EW")):
        if name in position:
            degrees = float(position[name])
            letter = letters[degrees < 0].encode() + b"\0"
            minutes, seconds = divmod(round(abs(degrees) * 3600e4), 60 * 10**4)
            parts = (minutes // 60, 1, minutes % 60, 1, seconds, 10**4)
            rows.append((tag, ASCII, 2, letter))
            rows.append((tag + 1, RATIONAL, 3, struct.pack("<6I", *parts)))
    return rows


def _length(rows: list[Row]) -> int:
    return 6 + 12 * len(rows) + sum(_even(len(row[3])) for row in rows if len(row[3]) > 4)


def _even(size: int) -> int:
    return size + size % 2


def directory(rows: list[Row], at: int) -> bytes:
    """The bytes of a directory that will lie at offset `at`."""
    rows = sorted(rows)
    table, rest = struct.pack("<H", len(rows)), b""
    begin = at + 6 + 12 * len(rows)
    for tag, kind, count, data in rows:
        if len(data) > 4:
            value = struct.pack("<I", begin + len(rest))
            rest += data.ljust(_even(len(data)), b"\0")
        else:
            value = data.ljust(4, b"\0")
        table += struct.pack("<HHI", tag, kind, count) + value
    return table + bytes(4) + rest
