"""The header of a MetaImage: lines of `Name = value`, the last says where the numbers are."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from core import anatomy
from core.format import UnreadableFile, UnwritableFile
from core.image import Image, Pixels
from plugins.formats.volumes.head import (
    LONGEST,
    SCALE,
    Head,
    beside,
    judged,
    letters,
    scale_text,
    stamps,
    swapped,
    turned,
)

START = re.compile(rb"^\s*(ObjectType|NDims|DimSize|ElementType|Comment)\s*=", re.MULTILINE)
END = re.compile(rb"^\s*ElementDataFile\s*=[ \t]*([^\r\n]*)(\r?\n|$)", re.MULTILINE)
KINDS = {
    "CHAR": "i1", "UCHAR": "u1", "SHORT": "i2", "USHORT": "u2", "INT": "i4", "UINT": "u4",
    "LONG": "i4", "ULONG": "u4", "LONG_LONG": "i8", "ULONG_LONG": "u8", "FLOAT": "f4",
    "DOUBLE": "f8",
}  # fmt: skip
NAMES = {kind: name for name, kind in KINDS.items() if name not in ("LONG", "ULONG")}
OURS = ("binarydata", "binarydatabyteordermsb", "elementbyteordermsb", "compresseddata",
        "compresseddatasize", "compressionlevel", "headersize", "elementdatafile")  # fmt: skip
WIDTH = 20  # digits that are kept free for the size of compressed data


def looks_like(head: bytes) -> bool:
    """Two of the names that every header has?"""
    found = {hit[1] for hit in START.finditer(head)}
    return len(found) > 1 or b"ObjectType" in found


def load(path: Path) -> Head:
    """Read and judge. Raises UnreadableFile."""
    name = path.name
    with path.open("rb") as file:
        start = file.read(LONGEST)
    end = END.search(start)
    if end is None:
        raise UnreadableFile(f"{name} ends within its header: copy it again.")
    raw = start[: end.start()]
    said = fields(raw)
    low = {key.lower(): value for key, value in said.items()}
    place = end[1].decode("utf-8", "replace").strip()
    if low.get("objecttype", "Image").lower() != "image":
        raise UnreadableFile(f"{name} is a MetaIO {low['objecttype'][:40]}: open an image.")
    kind = KINDS.get(low.get("elementtype", "").removeprefix("MET_"))
    if kind is None:
        what = low.get("elementtype", "unknown")[:40]
        raise UnreadableFile(f"{name} holds {what} numbers: save it as MET_FLOAT.")
    sizes, channels, skip = _sizes(low, name)
    if place.upper().startswith("LIST") or "%" in place:
        raise UnreadableFile(f"{name} keeps its data in many files: save it as one .mha.")
    local = place.upper() == "LOCAL"
    data, offset = (path, end.end()) if local else (beside(path, place), 0)
    packing = "zlib" if _true(low, "compresseddata") else "raw"
    if low.get("binarydata", "True").lower() in ("false", "0"):
        packing = "text"
    if skip == -1 and packing == "raw" and not local:
        offset = -1
    offset += max(skip, 0)
    big = _true(low, "binarydatabyteordermsb") or _true(low, "elementbyteordermsb")
    dtype = np.dtype(kind).newbyteorder(">" if big else "<")
    kinds = low.get("kinds", "").split()
    known = {i: "t" for i, of in enumerate(kinds[: len(sizes)]) if of in ("list", "time")}
    named = letters(dict(list(known.items())[:1]), len(sizes))
    order, shape = turned(named[::-1], sizes[::-1], said)
    if channels > 1:
        colour = channels == 3 and kind in ("u1", "u2")
        order, shape = order + ("c" if colour else "q"), (*shape, channels)
    coords = swapped(_coords(low, named), order)
    if "t" in order:
        coords |= stamps(said, shape[order.index("t")])
    return judged(Head(raw, path, data, offset, packing, 0, dtype, shape, order, coords, said))


def fields(raw: bytes) -> dict[str, str]:
    """Names and values."""
    lines = (line.partition("=") for line in raw.decode("utf-8", "replace").splitlines())
    return {name.strip(): value.strip() for name, sign, value in lines if sign}


def _true(low: dict[str, str], name: str) -> bool:
    return low.get(name, "").lower() in ("true", "1", "t", "yes")


def _sizes(low: dict[str, str], name: str) -> tuple[tuple[int, ...], int, int]:
    """Sizes (the fastest first), channels, and the header of the data file."""
    try:
        count = int(low["ndims"])
        sizes = tuple(int(size) for size in low["dimsize"].split())
        channels = int(low.get("elementnumberofchannels", "1"))
        skip = int(low.get("headersize", "0"))
    except (KeyError, ValueError):
        raise UnreadableFile(f"{name} has a damaged MetaImage header: copy it again.") from None
    if count != len(sizes) or not 2 <= count <= 5 or channels < 1:
        raise UnreadableFile(f"{name} has {count} dimensions of sizes {sizes}: save 2 to 5.")
    return sizes, channels, skip


def _values(low: dict[str, str], *names: str) -> list[float]:
    """Finite numbers of the first of the names that is there."""
    for name in names:
        try:
            found = [float(word) for word in low.get(name, "").split()]
        except ValueError:
            continue
        if found and all(math.isfinite(value) for value in found):
            return found
    return []


def _coords(low: dict[str, str], named: str) -> dict[str, Any]:
    """Spacing and affine; the file's system is LPS, as ITK has it."""
    count = len(named)
    steps = _values(low, "elementspacing", "elementsize")
    if len(steps) != count or min(steps) <= 0:
        return {}
    found: dict[str, Any] = {
        "spacing": {a: step for a, step in zip(named, steps, strict=True) if a in "xyz"}
    }
    matrix = _values(low, "transformmatrix", "rotation", "orientation")
    origin = _values(low, "offset", "origin", "position")
    if named[:3] != "xyz" or len(matrix) != count * count or len(origin) != count:
        return found
    rows = np.asarray(matrix).reshape(count, count)[:3, :3] * np.asarray(steps)[:3, None]
    affine = anatomy.affine_of(rows, origin[:3])
    return found | ({"affine": affine} if anatomy.usable(affine) else {})


def order_of(image: Image) -> str:
    """The axes of a new file, the slowest first."""
    plain = [letter for letter in "tzyx" if letter in image.axes]
    plain += [letter for letter in "c" if letter in image.axes]
    if len(plain) != len(image.axes):
        raise UnwritableFile(f"MetaImage cannot hold the axes {image.axes}: choose .npy.")
    return "".join(plain)


def header(image: Image, stored: Pixels, known: bytes | None, packed: bool) -> bytes:
    """The header to write; the size of compressed data is filled in later, see `place_of_size`."""
    if known is not None:
        text = known.decode("utf-8", "surrogateescape").splitlines()
        lines = [line for line in text if line.partition("=")[0].strip().lower() not in OURS]
    else:
        lines = _new(image, stored)
    ours = ["BinaryData = True", "BinaryDataByteOrderMSB = False", f"CompressedData = {packed}"]
    if packed:
        ours.append(f"CompressedDataSize = {'':{WIDTH}}")
    every = [*lines[:2], *ours, *lines[2:], "ElementDataFile = LOCAL", ""]
    return "\n".join(every).encode("utf-8", "surrogateescape")


def place_of_size(header: bytes) -> int:
    """Where the size of compressed data goes."""
    return header.index(b"CompressedDataSize = ") + len(b"CompressedDataSize = ")


def _new(image: Image, stored: Pixels) -> list[str]:
    order = order_of(image)
    named = order.replace("c", "")[::-1]
    sizes = [stored.shape[image.axes.index(letter)] for letter in named]
    spacing = image.coords.get("spacing") or {}
    count = len(named)
    matrix, offset = np.eye(count), np.zeros(count)
    if "affine" in image.coords and "z" in named:
        affine = np.asarray(image.coords["affine"], float)
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        matrix[:3, :3], offset[:3] = (affine[:3, :3] / lengths).T, affine[:3, 3]
        spacing = dict(zip("xyz", lengths, strict=True))
    lines = [
        "ObjectType = Image",
        f"NDims = {count}",
        f"TransformMatrix = {_text(matrix.ravel())}",
        f"Offset = {_text(offset)}",
        f"CenterOfRotation = {_text(np.zeros(count))}",
        f"ElementSpacing = {_text([float(spacing.get(a, 1.0)) for a in named])}",
        f"DimSize = {' '.join(map(str, sizes))}",
    ]
    if "t" in named:
        lines.append(f"Kinds = {' '.join('list' if a == 't' else 'domain' for a in named)}")
    if "c" in order:
        lines.append(f"ElementNumberOfChannels = {stored.shape[image.axes.index('c')]}")
    if scale := scale_text(image):
        lines.append(f"{SCALE} = {scale}")
    return [*lines, f"ElementType = MET_{NAMES[stored.dtype.str[1:]]}"]


def _text(values: Any) -> str:
    return " ".join(f"{float(value):.17g}" for value in values)
