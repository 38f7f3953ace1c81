"""The header of an NRRD: lines of `field: value` and `key:=value`, an empty line, the numbers."""

from __future__ import annotations

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

MAGIC = b"NRRD000"
KINDS = {
    "signed char": "i1", "int8": "i1", "int8_t": "i1", "uchar": "u1", "unsigned char": "u1",
    "uint8": "u1", "uint8_t": "u1", "short": "i2", "short int": "i2", "signed short": "i2",
    "signed short int": "i2", "int16": "i2", "int16_t": "i2", "ushort": "u2",
    "unsigned short": "u2", "unsigned short int": "u2", "uint16": "u2", "uint16_t": "u2",
    "int": "i4", "signed int": "i4", "int32": "i4", "int32_t": "i4", "uint": "u4",
    "unsigned int": "u4", "uint32": "u4", "uint32_t": "u4", "longlong": "i8", "long long": "i8",
    "long long int": "i8", "signed long long": "i8", "signed long long int": "i8", "int64": "i8",
    "int64_t": "i8", "ulonglong": "u8", "unsigned long long": "u8",
    "unsigned long long int": "u8", "uint64": "u8", "uint64_t": "u8", "float": "f4",
    "double": "f8",
}  # fmt: skip
NAMES = {"i1": "int8", "u1": "uint8", "i2": "int16", "u2": "uint16", "i4": "int32", "u4": "uint32",
         "i8": "int64", "u8": "uint64", "f4": "float", "f8": "double"}  # fmt: skip
PACKING = {"raw": "raw", "gzip": "zlib", "gz": "zlib", "bzip2": "bzip2", "bz2": "bzip2",
           "txt": "text", "text": "text", "ascii": "text"}  # fmt: skip
SPACES = {
    "left-posterior-superior": (1, 1, 1), "lps": (1, 1, 1), "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1), "left-anterior-superior": (1, -1, 1), "las": (1, -1, 1),
}  # fmt: skip
SPATIAL = ("space", "domain", "???", "none", "")
OURS = ("encoding", "endian", "data file", "datafile", "line skip", "lineskip", "byte skip",
        "byteskip")  # fmt: skip


def load(path: Path) -> Head:
    """Read and judge. Raises UnreadableFile."""
    with path.open("rb") as file:
        start = file.read(LONGEST)
    end = re.search(rb"\r?\n\r?\n", start)
    raw = start[: end.start()] if end else start
    said, keys = fields(raw)
    name = path.name
    if "dimension" not in said or "sizes" not in said or "type" not in said:
        raise UnreadableFile(f"{name} has a damaged NRRD header: copy it again.")
    kind, packing = (
        KINDS.get(said["type"].lower()),
        PACKING.get(said.get("encoding", "raw").lower()),
    )
    if kind is None:
        raise UnreadableFile(f"{name} holds {said['type'][:40]} numbers: save it as float.")
    if packing is None:
        raise UnreadableFile(
            f"{name} is packed as {said['encoding'][:40]}: save it as gzip or raw."
        )
    detached = said.get("data file") or said.get("datafile")
    if detached and (detached.upper().startswith("LIST") or "%" in detached):
        raise UnreadableFile(f"{name} keeps its data in many files: save it as one .nrrd.")
    if not detached and not end:
        raise UnreadableFile(f"{name} ends within its header: copy it again.")
    data, offset = path, end.end() if end else 0
    if detached:
        data, offset = beside(path, detached), 0
    try:
        sizes = tuple(int(size) for size in said["sizes"].split())
        lines = int(said.get("line skip") or said.get("lineskip") or 0)
        skip = int(said.get("byte skip") or said.get("byteskip") or 0)
        count = int(said["dimension"])
    except ValueError:
        raise UnreadableFile(f"{name} has a damaged NRRD header: copy it again.") from None
    if count != len(sizes) or not 2 <= count <= 6:
        raise UnreadableFile(f"{name} has {count} dimensions of sizes {sizes}: save 2 to 6.")
    offset = _after(data, offset, lines) if lines > 0 else offset
    if skip < 0:
        offset, skip = -1, 0
    order = _letters(said, sizes, kind)[::-1]
    order, shape = turned(order, sizes[::-1], keys)
    coords = swapped(_coords(said, _letters(said, sizes, kind)), order)
    if "t" in order:
        coords |= stamps(keys, shape[order.index("t")])
    big = said.get("endian", "little").lower() == "big"
    dtype = np.dtype(kind).newbyteorder(">" if big else "<")
    shown = {**said, **keys}
    return judged(Head(raw, path, data, offset, packing, skip, dtype, shape, order, coords, shown))


def fields(raw: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """Fields (names in lower case) and keys."""
    said: dict[str, str] = {}
    keys: dict[str, str] = {}
    for line in raw.decode("utf-8", "replace").splitlines()[1:]:
        if line.startswith("#"):
            continue
        name, sign, value = line.partition(":=")
        if sign and ": " not in name:
            keys[name.strip()] = value.strip()
            continue
        name, sign, value = line.partition(":")
        if sign:
            said[name.strip().lower()] = value.strip()
    return said, keys


def _after(path: Path, offset: int, lines: int) -> int:
    """Where the data begins behind some lines."""
    with path.open("rb") as file:
        file.seek(offset)
        for _ in range(min(lines, 100_000)):
            if not file.readline(1 << 20):
                break
        return file.tell()


def _letters(said: dict[str, str], sizes: tuple[int, ...], kind: str) -> str:
    """Letters of the axes, the fastest first."""
    kinds = [word.lower() for word in said.get("kinds", "").split()]
    steps = _vectors(said.get("space directions", ""))
    known: dict[int, str] = {}
    for axis, size in enumerate(sizes):
        of = kinds[axis] if axis < len(kinds) else ""
        spatial = of in SPATIAL and (axis >= len(steps) or steps[axis] is not None)
        if of.startswith(("rgb", "3-color")) and size == 3 and kind in ("u1", "u2"):
            known[axis] = "c"
        elif of in ("time", "list") and "t" not in known.values():
            known[axis] = "t"
        elif not spatial:
            known[axis] = "q" if "q" not in known.values() else "b"
    return letters(known, len(sizes))


def _vectors(text: str) -> list[list[float] | None]:
    """Space directions: vectors, None for axes that are not of space."""
    found: list[list[float] | None] = []
    for word in re.findall(r"none|\([^)]*\)", text):
        try:
            found.append(None if word == "none" else [float(v) for v in word[1:-1].split(",")])
        except ValueError:
            return []
    return found


def _coords(said: dict[str, str], named: str) -> dict[str, Any]:
    """Spacing and affine (LPS); `named` are the letters, the fastest first."""
    steps = _vectors(said.get("space directions", ""))
    flat = [one for one in steps if one is not None]
    if len(steps) != len(named):
        words = said.get("spacings", "").split()
        try:
            values = {a: abs(float(w)) for a, w in zip(named, words, strict=False) if a in "xyz"}
        except ValueError:
            values = {}
        right = values and all(0 < value < float("inf") for value in values.values())
        return {"spacing": values} if right else {}
    spacing = {
        letter: float(np.linalg.norm(step))
        for letter, step in zip(named, steps, strict=True)
        if step is not None and letter in "xyz"
    }
    found: dict[str, Any] = {"spacing": spacing} if all(spacing.values()) else {}
    signs = SPACES.get(said.get("space", "").lower().removesuffix("-time"))
    origin = _vectors(said.get("space origin", ""))
    volume = {a: step[:3] for a, step in zip(named, steps, strict=True) if step is not None}
    if signs and all(len(one) == 3 for one in flat) and {"x", "y", "z"} <= volume.keys():
        first = origin[0] if origin and origin[0] and len(origin[0]) == 3 else [0.0, 0.0, 0.0]
        affine = np.diag((*signs, 1.0)) @ np.asarray(
            anatomy.affine_of([volume[a] for a in "xyz"], first)
        )
        if anatomy.usable(affine):
            found["affine"] = affine.tolist()
    return found


def header(image: Image, stored: Pixels, known: bytes | None, packed: str) -> bytes:
    """The header to write: the source's, or a new one."""
    lines = _kept(known) if known is not None else _new(image, stored)
    return "\n".join((*lines, "endian: little", f"encoding: {packed}", "", "")).encode()


def _kept(known: bytes) -> list[str]:
    """All lines but those that say how the numbers lie."""
    lines = known.decode("utf-8", "surrogateescape").splitlines()
    ours = [line.partition(":")[0].strip().lower() in OURS and ":=" not in line for line in lines]
    return [line for line, gone in zip(lines, ours, strict=True) if not gone]


def order_of(image: Image) -> str:
    """The axes of a new file, the slowest first: colours are the fastest."""
    plain = [letter for letter in "bqtzyx" if letter in image.axes]
    if "c" in image.axes:
        plain.append("c")
    if len(plain) != len(image.axes):
        raise UnwritableFile(f"NRRD cannot hold the axes {image.axes}: choose .npy.")
    return "".join(plain)


def _new(image: Image, stored: Pixels) -> list[str]:
    named = order_of(image)[::-1]
    sizes = [stored.shape[image.axes.index(letter)] for letter in named]
    kinds = {"c": "RGB-color" if image.channels == "RGB" else "list", "t": "time", "q": "vector",
             "b": "list"}  # fmt: skip
    spacing = image.coords.get("spacing") or {}
    lines = [
        "NRRD0005",
        f"type: {NAMES[stored.dtype.str[1:]]}",
        f"dimension: {len(named)}",
        f"sizes: {' '.join(map(str, sizes))}",
        f"kinds: {' '.join(kinds.get(letter, 'domain') for letter in named)}",
    ]
    if "affine" in image.coords and "z" in named:
        affine = np.asarray(image.coords["affine"])
        steps = {a: affine[:3, i] for i, a in enumerate("xyz")}
        lines.insert(3, "space: left-posterior-superior")
        lines.append("space directions: " + " ".join(_text(steps.get(a)) for a in named))
        lines.append("space origin: " + _text(affine[:3, 3]))
    elif spacing:
        lines.append(f"spacings: {' '.join(str(spacing.get(a, 'nan')) for a in named)}")
    if scale := scale_text(image):
        lines.append(f"{SCALE}:={scale}")
    return lines


def _text(vector: Any) -> str:
    return "none" if vector is None else f"({','.join(repr(float(v)) for v in vector)})"
