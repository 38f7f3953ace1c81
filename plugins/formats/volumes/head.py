"""What the headers of NRRD and MetaImage say alike, and the numbers behind them."""

from __future__ import annotations

import bz2
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from core.format import UnreadableFile
from core.image import Array, Image, Pixels
from core.lazy import slabs

LONGEST = 32 << 20  # bytes of a header
PACKED = {
    "raw": 1,
    "zlib": 1100,
    "bzip2": 50000,
    "text": 1,
}  # times that data gets smaller, at most
CHUNK = 4 << 20
STAMP = re.compile(r"seq_frame(\d+)_timestamp", re.IGNORECASE)
SCALE = "Sordino scale"  # of neither format: slope, intercept and unit


@dataclass(frozen=True)
class Head:
    """A header, and where and how its numbers lie."""

    raw: bytes
    path: Path
    data: Path  # the file with the numbers
    offset: int  # of the first byte; -1: so that they end with the file
    packing: str  # raw, zlib (gzip, too), bzip2, text
    skip: int  # bytes to leave out once unpacked
    kind: np.dtype[Any]  # with its byte order
    sizes: tuple[int, ...]  # the slowest axis first
    order: str  # letters of them
    coords: dict[str, Any] = field(default_factory=dict[str, Any])
    shown: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def image_kind(self) -> str:
        """Echoes, frames of an ultrasound machine, colours, or else a scan."""
        low = {name.lower(): value for name, value in self.shown.items()}
        if low.get("ultrasoundimagetype", low.get("ultrasound image type", "")).startswith("RF"):
            return "rf"
        if "c" in self.order:
            return "display"
        plus = any(name.startswith(("ultrasound", "seq_frame")) for name in low)
        return "clip" if plus and "t" in self.order else "scan"


def judged(head: Head) -> Head:
    """The same. Raises UnreadableFile where the file is too short for what it says."""
    name, sizes = head.path.name, tuple(reversed(head.sizes))
    if not {"y", "x"} <= set(head.order) or len(set(head.order)) != len(head.order):
        raise UnreadableFile(f"{name} has the dimensions {sizes}, which make no picture: save 2.")
    if min(sizes) < 1:
        raise UnreadableFile(f"{name} says its size is {sizes}, which holds no pixels: damaged.")
    held = max(head.data.stat().st_size - max(head.offset, 0), 0) * PACKED[head.packing]
    if math.prod(sizes) * (1 if head.packing == "text" else head.kind.itemsize) > held:
        raise UnreadableFile(f"{name} is shorter than its size {sizes} says: copy it again.")
    return head


def beside(path: Path, named: str) -> Path:
    """The data file that a header names. Raises UnreadableFile for one that lies elsewhere."""
    if "/" in named or "\\" in named or named in ("", ".", "..") or "\0" in named:
        raise UnreadableFile(f"{path.name} keeps its data in {named[:80]!r}: put it beside it.")
    found = path.with_name(named)
    if not found.is_file():
        raise UnreadableFile(f"{path.name} keeps its data in {named[:80]}: put it beside it.")
    return found


def letters(known: Mapping[int, str], count: int) -> str:
    """Letters of the axes, the fastest first; `known` are those that are not of space."""
    free = iter("xyztqb")
    named = [known.get(axis) or next(a for a in free if a not in known.values())
             for axis in range(count)]  # fmt: skip
    return "".join(named)


def turned(
    order: str, sizes: tuple[int, ...], said: Mapping[str, str]
) -> tuple[str, tuple[int, ...]]:
    """Depth down, as ultrasound is looked at, and I and Q as two channels; slowest axis first.

    `said` are Plus's notes: an orientation that begins with F or N has depth as its first axis.
    """
    low = {name.lower().replace(" ", ""): value for name, value in said.items()}
    if low.get("ultrasoundimageorientation", "")[:1] in ("F", "N") and order.endswith("yx"):
        order = order[:-2] + "xy"
    kind = low.get("ultrasoundimagetype", "")
    if kind == "RF_I_LINE_Q_LINE" and order.endswith("xy") and sizes[-2] % 2 == 0:
        return order[:-1] + "cy", (*sizes[:-2], sizes[-2] // 2, 2, sizes[-1])
    if kind == "RF_IQ_LINE" and order.endswith("xy") and sizes[-1] % 2 == 0:
        return order + "c", (*sizes[:-1], sizes[-1] // 2, 2)
    return order, sizes


def swapped(coords: dict[str, Any], order: str) -> dict[str, Any]:
    """Coordinates of a file whose first two axes changed their letters (see `turned`)."""
    if order.index("x") > order.index("y"):
        return coords
    spacing = coords.get("spacing", {})
    change = {"x": "y", "y": "x"}
    return {"spacing": {change.get(a, a): v for a, v in spacing.items()}} if spacing else {}


def stamps(said: Mapping[str, str], count: int) -> dict[str, Any]:
    """Seconds of each frame, from Plus's time stamps."""
    found: dict[int, float] = {}
    for name, value in said.items():
        if hit := STAMP.fullmatch(name):
            try:
                found[int(hit[1])] = float(value)
            except ValueError:
                return {}
    times = np.array([found[key] for key in sorted(found)])
    if len(times) != count or not np.all(np.isfinite(times)):
        return {}
    return {"t": times - times[0], "units": {"t": "s"}}


def numbers(head: Head) -> Array:
    """The numbers, mapped where they lie bare. Raises UnreadableFile."""
    count, size = math.prod(head.sizes), head.data.stat().st_size
    if head.packing == "raw":
        offset = size - count * head.kind.itemsize if head.offset < 0 else head.offset + head.skip
        if offset < 0 or offset + count * head.kind.itemsize > size:
            raise UnreadableFile(f"{head.path.name} is shorter than its size says: copy it again.")
        return np.memmap(head.data, head.kind, "r", offset, head.sizes)
    native = head.kind.newbyteorder("=")
    if head.packing == "text":
        return _typed(head, count, native)
    out = np.empty(count, native)
    view: Any = out.view(np.uint8).data
    done, left = 0, head.skip
    with head.data.open("rb") as file:
        file.seek(head.offset)
        for piece in _unpacked(file, head):
            part = piece[left:]
            left -= len(piece) - len(part)
            part = part[: len(view) - done]
            view[done : done + len(part)] = part
            done += len(part)
            if done == len(view):
                break
    if done < len(view):
        raise UnreadableFile(f"{head.path.name} ends too early: copy it again.")
    if not head.kind.isnative:
        out.byteswap(inplace=True)
    return out.reshape(head.sizes)


def _unpacked(file: BinaryIO, head: Head) -> Iterator[bytes]:
    """What was packed, in pieces of bounded size."""
    bz = head.packing == "bzip2"
    unpack: Any = bz2.BZ2Decompressor() if bz else zlib.decompressobj(47)  # zlib and gzip
    waiting = b""
    try:
        while True:
            if not waiting and not (bz and not unpack.needs_input and not unpack.eof):
                waiting = file.read(CHUNK)
                if not waiting:
                    return
            yield unpack.decompress(waiting, CHUNK)
            waiting = b"" if bz else unpack.unconsumed_tail
            if unpack.eof:
                waiting = unpack.unused_data  # another member may follow
                if not waiting.strip(b"\0\n\r "):
                    return
                unpack = bz2.BZ2Decompressor() if bz else zlib.decompressobj(47)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise UnreadableFile(f"{head.path.name} is damaged ({error}): copy it again.") from None


def _typed(head: Head, count: int, kind: np.dtype[Any]) -> Array:
    """Numbers that are written out as text."""
    with head.data.open("rb") as file:
        file.seek(head.offset)
        words = file.read(40 * count + 4096).split()[:count]
    try:
        found = np.array(words, "S").astype(np.float64).astype(kind)
    except (ValueError, OverflowError):
        raise UnreadableFile(
            f"{head.path.name} holds words where numbers belong: damaged."
        ) from None
    if len(found) < count:
        raise UnreadableFile(f"{head.path.name} ends too early: copy it again.")
    return found.reshape(head.sizes)


def scale_of(said: Mapping[str, str]) -> dict[str, Any]:
    """The scale that we wrote, or nothing."""
    slope, _, rest = said.get(SCALE, "").partition(" ")
    intercept, _, unit = rest.partition(" ")
    try:
        return {"scale": (float(slope), float(intercept), unit)}
    except ValueError:
        return {}


def scale_text(image: Image) -> str:
    """The scale as a value of a header; empty where there is none."""
    scale = image.meta.get("scale")
    return f"{scale[0]!r} {scale[1]!r} {scale[2]}".strip() if scale else ""


def write_numbers(file: BinaryIO, stored: Pixels, axes: str, order: str, packed: str) -> int:
    """Little endian, in the file's order, by slabs; returns how many bytes were written."""
    to = [axes.index(letter) for letter in order]
    kind = stored.dtype.newbyteorder("<")
    pack = zlib.compressobj(4, zlib.DEFLATED, 31 if packed == "gzip" else 15)
    begin = file.tell()
    for part in slabs(stored, to[0]):
        key = [slice(None)] * len(axes)
        key[to[0]] = part
        block = np.asarray(stored[tuple(key)]).transpose(to)
        data = np.ascontiguousarray(block.astype(kind, copy=False)).tobytes()
        file.write(data if packed == "raw" else pack.compress(data))
    if packed != "raw":
        file.write(pack.flush())
    return file.tell() - begin
