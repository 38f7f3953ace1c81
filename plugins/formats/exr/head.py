"""The header of an OpenEXR file: its attributes byte for byte, and back into a file."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.format import UnreadableFile

MAGIC = b"\x76\x2f\x31\x01"
DEEP, PARTS, LONG = 0x800, 0x1000, 0x400  # flags of the version
KINDS = {0: "uint32", 1: "float16", 2: "float32"}
PACKING = ("none", "rle", "zips", "zip", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab")
LARGEST = 16 << 20  # bytes of an attribute
MOST = 4096  # attributes
OWN = {  # what belongs to the pixels as they lie, not to what they show
    "channels", "compression", "dataWindow", "lineOrder", "tiles", "type", "chunkCount", "version",
    "name", "maxSamplesPerPixel", "dwaCompressionLevel",
}  # fmt: skip

Attribute = tuple[str, str, bytes]


@dataclass(frozen=True)
class Head:
    """Of the first part; `end` is where it ends in the file."""

    flags: int
    attributes: tuple[Attribute, ...]
    end: int

    def value(self, name: str) -> bytes:
        """Of an attribute, b"" without."""
        return next((data for found, _, data in self.attributes if found == name), b"")

    @property
    def window(self) -> tuple[int, int, int, int]:
        """First and last column and row that have pixels: x0, y0, x1, y1."""
        return struct.unpack("<4i", self.value("dataWindow"))

    @property
    def packing(self) -> str:
        """Name of the compression."""
        code = self.value("compression")[0]
        return PACKING[code] if code < len(PACKING) else str(code)

    @property
    def channels(self) -> dict[str, tuple[str, int, int]]:
        """Name -> dtype and steps of its columns and rows."""
        found: dict[str, tuple[str, int, int]] = {}
        data, at = self.value("channels"), 0
        while at < len(data) and data[at]:
            end = data.index(b"\0", at)
            kind, _, x, y = struct.unpack_from("<iB3xii", data, end + 1)
            found[data[at:end].decode("utf-8", "replace")] = KINDS[kind], x, y
            at = end + 17
        return found


def parse(path: Path) -> Head:
    """Raises UnreadableFile."""
    damaged = UnreadableFile(f"{path.name} has a damaged header: copy it again.")
    with path.open("rb") as file:
        if file.read(4) != MAGIC:
            raise damaged
        try:
            flags = struct.unpack("<I", file.read(4))[0]
            found: list[Attribute] = []
            while name := _text(file):
                kind, size = _text(file), struct.unpack("<i", file.read(4))[0]
                data = file.read(size) if 0 <= size <= LARGEST else b""
                if len(data) != size or len(found) > MOST:
                    raise damaged
                found.append((name, kind, data))
            head = Head(flags, tuple(found), file.tell())
            _ = head.window, head.packing, head.channels  # they must be readable
        except (struct.error, ValueError, KeyError, IndexError):
            raise damaged from None
    return head


def _text(file: IO[bytes]) -> str:
    """A name that ends in a zero."""
    data = b""
    while len(data) < 256:
        byte = file.read(1)
        if not byte:
            raise ValueError
        if byte == b"\0":
            return data.decode("utf-8", "surrogateescape")
        data += byte
    raise ValueError


def splice(path: Path, kept: list[Attribute]) -> None:
    """Put attributes into a file of one part of scan lines, over those of the same name."""
    head = parse(path)
    names = {name for name, _, _ in kept}
    rows = [row for row in head.attributes if row[0] not in names] + kept
    rows.sort(key=lambda row: row[0])
    long = LONG if any(len(text) > 31 for name, kind, _ in rows for text in (name, kind)) else 0
    text = b"".join(
        name.encode("utf-8", "surrogateescape") + b"\0" + kind.encode("utf-8", "surrogateescape")
        + b"\0" + struct.pack("<i", len(data)) + data
        for name, kind, data in rows
    )  # fmt: skip
    new = MAGIC + struct.pack("<I", head.flags | long) + text + b"\0"
    part = path.with_name(path.name + ".head")
    try:
        with path.open("rb") as old, part.open("wb") as out:
            old.seek(head.end)
            first = struct.unpack("<Q", old.read(8))[0]
            count = (first - head.end) // 8  # the table of the chunks' places ends at the first
            old.seek(head.end)
            places = struct.unpack(f"<{count}Q", old.read(8 * count))
            moved = len(new) - head.end
            out.write(new + struct.pack(f"<{count}Q", *(place + moved for place in places)))
            while block := old.read(8 << 20):
                out.write(block)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
