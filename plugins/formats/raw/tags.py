"""TIFF tags: read and build image file directories in both byte orders (classic TIFF, struct only).

DNG and most camera files are TIFFs. What a RAW decoder does not tell exactly (active area, crop,
noise profile) is read here; the DNG writer builds its directories here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL, DOUBLE = 1, 2, 3, 4, 5, 7, 10, 12
_CODES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 7: "s", 8: "h", 9: "i", 10: "ii"}
_CODES |= {11: "f", 12: "d", 13: "I"}
_SIZES = {kind: struct.calcsize("=" + code) for kind, code in _CODES.items()}

SUB_IFDS, EXIF_IFD, GPS_IFD = 330, 34665, 34853
Number = int | float


@dataclass(frozen=True)
class Tag:
    """One directory entry: TIFF type, number of values, and their bytes in the file's order."""

    kind: int
    count: int
    data: bytes


Ifd = dict[int, Tag]


class Tiff:
    """The directories of a TIFF held in memory (bytes or mmap). Raises ValueError if it is none."""

    def __init__(self, data: Any) -> None:
        head = bytes(data[:8])
        if len(head) < 8 or head[:4] not in (b"II*\0", b"MM\0*"):
            raise ValueError("not a TIFF")
        self.data = data
        self.order = "<" if head[:2] == b"II" else ">"
        self.first = int(struct.unpack(self.order + "I", head[4:])[0])

    def ifd(self, offset: int) -> Ifd:
        """The directory at `offset`; entries that point outside of the file are left out."""
        found: Ifd = {}
        if offset < 8 or offset + 2 > len(self.data):
            return found
        (count,) = struct.unpack(self.order + "H", self.data[offset : offset + 2])
        room = len(self.data)  # a lying directory may point to the same bytes many times
        for at in range(offset + 2, offset + 2 + 12 * count, 12):
            entry = bytes(self.data[at : at + 12])
            if len(entry) < 12:
                break
            code, kind, number = struct.unpack(self.order + "HHI", entry[:8])
            size = _SIZES.get(kind, 0) * number
            room -= size
            if not size or room < 0:
                continue
            (where,) = struct.unpack(self.order + "I", entry[8:])
            raw = entry[8 : 8 + size] if size <= 4 else bytes(self.data[where : where + size])
            if len(raw) == size:
                found[code] = Tag(kind, number, raw)
        return found

    def values(self, tag: Tag | None) -> tuple[Number, ...]:
        """The numbers of a tag, rationals as floats (0 where the denominator is 0)."""
        if tag is None:
            return ()
        if tag.kind in (ASCII, UNDEFINED):
            return tuple(tag.data)
        code = _CODES[tag.kind]
        numbers = struct.unpack(f"{self.order}{tag.count * len(code)}{code[0]}", tag.data)
        if tag.kind in (RATIONAL, SRATIONAL):
            pairs = zip(numbers[::2], numbers[1::2], strict=True)
            return tuple(a / b if b else 0.0 for a, b in pairs)
        return numbers

    def tree(self) -> Iterator[tuple[int, Ifd]]:
        """IFD0 and its sub-directories, (offset, directory), each once even if they loop."""
        waiting, seen = [self.first], set[int]()
        while waiting and len(seen) < 32:
            offset = waiting.pop(0)
            if offset in seen:
                continue
            seen.add(offset)
            if found := self.ifd(offset):
                yield offset, found
                waiting += [int(sub) for sub in self.values(found.get(SUB_IFDS))[:16]]

    def text(self, tag: Tag | None) -> str:
        """An ASCII tag, unreadable characters replaced."""
        return "" if tag is None else tag.data.split(b"\0")[0].decode("utf-8", "replace").strip()


def make(order: str, kind: int, values: Any) -> Tag:
    """A tag from numbers, a str or bytes. Rationals are given as numbers; 0/0 as None."""
    if isinstance(values, str):
        values = values.encode("utf-8", "replace") + b"\0"
    if isinstance(values, bytes):
        return Tag(kind, len(values), values)
    numbers: Sequence[Any] = values if isinstance(values, Sequence) else (values,)
    if kind in (RATIONAL, SRATIONAL):
        flat = [part for number in numbers for part in _ratio(number)]
    else:
        flat = list(numbers)
    return Tag(kind, len(numbers), struct.pack(order + _CODES[kind] * len(numbers), *flat))


def _ratio(number: float | Fraction | None) -> tuple[int, int]:
    """Numerator and denominator of at most 31 bits; 0/0 says unknown."""
    if number is None or not abs(number) < 1 << 31:
        return 0, 0
    most = min(1_000_000, int((1 << 31) / max(abs(number), 1)))
    exact = Fraction(number).limit_denominator(max(most, 1))
    return exact.numerator, exact.denominator


def pack(order: str, ifd: Mapping[int, Tag], at: int) -> bytes:
    """A directory as bytes to be placed at the even offset `at`, long values behind it."""
    table = struct.pack(order + "H", len(ifd))
    extra = b""
    start = at + 2 + 12 * len(ifd) + 4
    start += start % 2
    for code in sorted(ifd):
        tag = ifd[code]
        table += struct.pack(order + "HHI", code, tag.kind, tag.count)
        if len(tag.data) <= 4:
            table += tag.data.ljust(4, b"\0")
        else:
            table += struct.pack(order + "I", start + len(extra))
            extra += tag.data + b"\0" * (len(tag.data) % 2)
    return (table + bytes(4)).ljust(start - at, b"\0") + extra
