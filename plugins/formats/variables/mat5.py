"""MATLAB's level 5 files (v5 to v7): elements are found, read, copied as they are, and written."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from core.format import UnreadableFile, UnwritableFile
from core.image import Array, Pixels
from core.lazy import slabs

CLASSES = {6: "float64", 7: "float32", 8: "int8", 9: "uint8", 10: "int16", 11: "uint16",
           12: "int32", 13: "uint32", 14: "int64", 15: "uint64"}  # fmt: skip
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8",
         13: "u8"}  # fmt: skip
MATRIX, PACKED = 14, 15
COMPLEX = 0x800
DOUBLE = 6
HEAD = 1024  # bytes of an element that hold its name and sizes
DEFLATE = 1040  # zlib packs no better
LARGEST = (1 << 31) - 1  # bytes of an element that MATLAB takes
START = 128


@dataclass(frozen=True)
class Element:
    """A variable of the file; `code` is its MATLAB class, `at` and `size` are those in the file."""

    name: str
    shape: tuple[int, ...]
    code: int
    complex: bool
    flags: int
    stored: str  # dtype of what is stored, with byte order ("" where it is no numeric array)
    packed: bool
    at: int
    size: int
    data: int  # where the samples begin: in the file, of packed ones in what is unpacked

    @property
    def dtype(self) -> str:
        """Of the pixels: integers that stand in for doubles stay integers."""
        if self.code == DOUBLE:
            return str(np.dtype(self.stored).newbyteorder("="))
        return CLASSES[self.code]


def order_of(head: bytes) -> str:
    """Byte order of a level 5 file, as struct writes it; "" where it is none."""
    if len(head) < START or head[124:128] not in (b"\x00\x01IM", b"\x01\x00MI"):
        return ""
    return "<" if head[126:128] == b"IM" else ">"


def elements(path: Path) -> list[Element]:
    """All variables. Raises UnreadableFile."""
    total, found = path.stat().st_size, list[Element]()
    with path.open("rb") as file:
        order = order_of(file.read(START))
        at = START
        while at + 8 <= total:
            file.seek(at)
            kind, size = struct.unpack(order + "II", file.read(8))
            if kind not in (MATRIX, PACKED):
                raise UnreadableFile(f"{path.name} is damaged after {at} bytes: copy it again.")
            if at + 8 + size > total:
                raise UnreadableFile(f"{path.name} ends too early: copy it again.")
            head = file.read(min(size, HEAD))
            try:
                found.append(_parse(head, order, kind == PACKED, at, size + 8))
            except (struct.error, zlib.error, ValueError, StopIteration):
                raise UnreadableFile(
                    f"{path.name} is damaged after {at} bytes: save it again."
                ) from None
            at += 8 + size
    return found


def _parse(head: bytes, order: str, packed: bool, at: int, size: int) -> Element:
    begin = at + 8
    if packed:
        head = zlib.decompressobj().decompress(head, HEAD)
        if struct.unpack_from(order + "I", head)[0] != MATRIX:
            raise ValueError("no matrix")
        head, begin = head[8:], 8
    parts = _parts(head, order)
    _, flags, _ = next(parts)
    word = struct.unpack_from(order + "I", flags)[0]
    code, word = word & 0xFF, word & 0xFF00
    shape, name = (), b""
    if code <= 15:
        _, sizes, _ = next(parts)
        shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
        _, name, _ = next(parts)
    stored, data = "", 0
    if code in CLASSES:
        kind, _, data = next(parts, (0, b"", 0))
        stored = order + TYPES[kind] if kind in TYPES else ""
        if min(shape) < 0:
            raise ValueError("negative size")
    text = name.decode("utf-8", "replace")
    return Element(text, shape, code if stored else 0, bool(word & COMPLEX), word, stored, packed,
                   at, size, begin + data)  # fmt: skip


def _parts(head: bytes, order: str) -> Iterator[tuple[int, bytes, int]]:
    """Type, bytes (as far as they are there) and place of each part of a matrix."""
    at = 0
    while at + 8 <= len(head):
        kind, size = struct.unpack_from(order + "II", head, at)
        if kind >> 16:  # a small part: both in four bytes
            yield kind & 0xFFFF, head[at + 4 : at + 4 + (kind >> 16)], at + 4
            at += 8
        else:
            yield kind, head[at + 8 : at + 8 + size], at + 8
            at += 8 + -(-size // 8) * 8


def check(element: Element, path: Path) -> None:
    """Is there as much as its header says? Raises UnreadableFile."""
    need = math.prod(element.shape) * np.dtype(element.stored).itemsize
    room = element.size * (DEFLATE if element.packed else 1)
    if need > room:
        raise UnreadableFile(
            f"{path.name} is shorter than the shape {element.shape} of {element.name} says: copy"
            " it again."
        )


def load(path: Path, element: Element) -> Array:
    """The array, mapped where it is not packed. Raises UnreadableFile."""
    check(element, path)
    dtype = np.dtype(element.stored)
    if not element.packed:
        pixels: Array = np.memmap(path, dtype, "r", element.data, element.shape, "F")
    else:
        need = math.prod(element.shape) * dtype.itemsize
        data = _unpacked(path, element, element.data + need)
        pixels = np.frombuffer(data, dtype, offset=element.data).reshape(element.shape, order="F")
    if element.code != DOUBLE and dtype.newbyteorder("=") != CLASSES[element.code]:
        return pixels.astype(CLASSES[element.code])
    return pixels


def _unpacked(path: Path, element: Element, need: int) -> bytearray:
    data, unpack = bytearray(need), zlib.decompressobj()
    done, left = 0, element.size - 8
    try:
        with path.open("rb") as file:
            file.seek(element.at + 8)
            while done < need and left:
                block = file.read(min(left, 1 << 20))
                left -= len(block)
                part = unpack.decompress(block, need - done)
                data[done : done + len(part)] = part
                done += len(part)
                if not block:
                    break
            # What is left is padding and the checksum, which zlib compares.
            unpack.decompress(unpack.unconsumed_tail + file.read(min(left, 1 << 16)), 1 << 16)
    except zlib.error as error:
        raise UnreadableFile(f"{path.name} is damaged ({error}): copy it again.") from None
    if done < need:
        raise UnreadableFile(f"{path.name} is damaged, {element.name} ends too early: copy it.")
    return data


def copy(file: IO[bytes], source: Path, element: Element) -> None:
    """Append an element of another file as it is there."""
    with source.open("rb") as other:
        other.seek(element.at)
        left = element.size
        while left:
            block = other.read(min(left, 1 << 20))
            if not block:
                raise UnwritableFile(f"{source.name} has changed on the disk: open it again.")
            file.write(block)
            left -= len(block)


def put(
    file: IO[bytes], order: str, name: str, pixels: Pixels, code: int, flags: int, compress: bool,
    shape: tuple[int, ...],
) -> None:  # fmt: skip
    """Append an array; `pixels` has MATLAB's order of axes, `shape` may have more ones.

    Raises UnwritableFile.
    """
    dtype = pixels.dtype.newbyteorder(">" if order == ">" else "<")
    kinds = {text: kind for kind, text in TYPES.items()}
    size = math.prod(pixels.shape) * dtype.itemsize
    head = _part(order, 6, struct.pack(order + "II", code | flags, 0))
    head += _part(order, 5, struct.pack(f"{order}{len(shape)}i", *shape))
    head += _part(order, 1, name.encode())
    head += struct.pack(order + "II", kinds[dtype.str[1:]], size)
    total = len(head) + -(-size // 8) * 8
    if total > LARGEST:
        raise UnwritableFile("MATLAB's v7 files hold 2 GB of one variable: choose .h5 or .hdr.")
    start = file.tell()
    file.write(struct.pack(order + "II", PACKED if compress else MATRIX, 0 if compress else total))
    squeeze = zlib.compressobj(6) if compress else None

    def out(data: Any) -> None:
        file.write(squeeze.compress(data) if squeeze else data)

    if compress:
        out(struct.pack(order + "II", MATRIX, total))
    out(head)
    last = len(pixels.shape) - 1
    for part in slabs(pixels, last):
        block = np.asarray(pixels[(..., part)])
        out(np.ascontiguousarray(block.transpose(), dtype).data)
    out(b"\0" * (-size % 8))
    if squeeze:
        file.write(squeeze.flush())
        end = file.tell()
        file.seek(start)
        file.write(struct.pack(order + "II", PACKED, end - start - 8))
        file.seek(end)


def _part(order: str, kind: int, data: bytes) -> bytes:
    return struct.pack(order + "II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def new_head() -> bytes:
    """The beginning of a new file."""
    return b"MATLAB 5.0 MAT-file, written by Sordino".ljust(116) + b"\0" * 8 + b"\x00\x01IM"
