"""The header of NIfTI-1 and NIfTI-2: 348 or 540 bytes, in either byte order, then extensions."""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.anatomy import Affine, steps, turned, usable
from core.format import UnreadableFile
from core.image import Array

ONE = np.dtype([
    ("sizeof_hdr", "i4"), ("data_type", "S10"), ("db_name", "S18"), ("extents", "i4"),
    ("session_error", "i2"), ("regular", "S1"), ("dim_info", "u1"), ("dim", "i2", 8),
    ("intent_p1", "f4"), ("intent_p2", "f4"), ("intent_p3", "f4"), ("intent_code", "i2"),
    ("datatype", "i2"), ("bitpix", "i2"), ("slice_start", "i2"), ("pixdim", "f4", 8),
    ("vox_offset", "f4"), ("scl_slope", "f4"), ("scl_inter", "f4"), ("slice_end", "i2"),
    ("slice_code", "u1"), ("xyzt_units", "u1"), ("cal_max", "f4"), ("cal_min", "f4"),
    ("slice_duration", "f4"), ("toffset", "f4"), ("glmax", "i4"), ("glmin", "i4"),
    ("descrip", "S80"), ("aux_file", "S24"), ("qform_code", "i2"), ("sform_code", "i2"),
    ("quatern_b", "f4"), ("quatern_c", "f4"), ("quatern_d", "f4"), ("qoffset_x", "f4"),
    ("qoffset_y", "f4"), ("qoffset_z", "f4"), ("srow_x", "f4", 4), ("srow_y", "f4", 4),
    ("srow_z", "f4", 4), ("intent_name", "S16"), ("magic", "S4"),
])  # fmt: skip
TWO = np.dtype([
    ("sizeof_hdr", "i4"), ("magic", "V8"), ("datatype", "i2"), ("bitpix", "i2"),
    ("dim", "i8", 8), ("intent_p1", "f8"), ("intent_p2", "f8"), ("intent_p3", "f8"),
    ("pixdim", "f8", 8), ("vox_offset", "i8"), ("scl_slope", "f8"), ("scl_inter", "f8"),
    ("cal_max", "f8"), ("cal_min", "f8"), ("slice_duration", "f8"), ("toffset", "f8"),
    ("slice_start", "i8"), ("slice_end", "i8"), ("descrip", "S80"), ("aux_file", "S24"),
    ("qform_code", "i4"), ("sform_code", "i4"), ("quatern_b", "f8"), ("quatern_c", "f8"),
    ("quatern_d", "f8"), ("qoffset_x", "f8"), ("qoffset_y", "f8"), ("qoffset_z", "f8"),
    ("srow_x", "f8", 4), ("srow_y", "f8", 4), ("srow_z", "f8", 4), ("slice_code", "i4"),
    ("xyzt_units", "i4"), ("intent_code", "i4"), ("intent_name", "S16"), ("dim_info", "u1"),
    ("unused", "S15"),
])  # fmt: skip
MAGIC_TWO = b"\r\n\x1a\n"
RGB = 128
KINDS = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", RGB: "u1", 256: "i1", 512: "u2", 768: "u4",
    1024: "i8", 1280: "u8",
}  # fmt: skip
REFUSED = {32: "complex", 1792: "complex", 2048: "complex", 1536: "128-bit", 2304: "RGBA", 1: "bit"}
LETTERS = "xyztqb"
MILLIMETRES = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
SECONDS = {8: 1.0, 16: 0.001, 24: 0.000001}
GZIP = b"\x1f\x8b"
PACKED = 1100  # times that gzip can make data smaller
MOST = 1 << 24  # bytes of header and extensions


@dataclass(frozen=True)
class Head:
    """A header, and what it says."""

    raw: bytes  # header and extensions, up to the pixels
    fields: Any  # a record of ONE or TWO
    data: Path  # the file with the pixels: another one for a pair of .hdr and .img
    packed: bool
    offset: int
    kind: np.dtype[Any]  # with the file's byte order
    sizes: tuple[int, ...]  # the slowest axis first
    axes: str

    @property
    def count(self) -> int:
        """Numbers in all."""
        return math.prod(self.sizes)


def looks_like(head: bytes) -> bool:
    """A header at the beginning, or at that of what gzip packed."""
    if head[:2] == GZIP:
        try:
            head = zlib.decompressobj(31).decompress(head, 600)
        except zlib.error:
            return False
    return _layout(head) is not None


def _layout(head: bytes) -> np.dtype[Any] | None:
    """How to read the header; None where there is none."""
    if len(head) >= 348 and head[344:347] in (b"n+1", b"ni1"):
        return ONE.newbyteorder("<" if head[:4] == b"\x5c\1\0\0" else ">")
    if len(head) >= 540 and head[4:7] in (b"n+2", b"ni2") and head[8:12] == MAGIC_TWO:
        return TWO.newbyteorder("<" if head[:4] == b"\x1c\2\0\0" else ">")
    return None


def load(path: Path) -> Head:
    """Read and judge. Raises UnreadableFile with what is wrong."""
    name = path.name
    with path.open("rb") as file:
        packed = file.read(2) == GZIP
    first = start(path, packed, 540)
    layout = _layout(first)
    if layout is None:
        raise UnreadableFile(f"{name} has a damaged NIfTI header: copy it again.")
    fields: Any = np.frombuffer(first[: layout.itemsize], layout)[0]
    single = bytes(first[345:346] if layout.itemsize == 348 else first[5:6]) == b"+"
    offset = float(fields["vox_offset"])
    data = path if single else _other(path)
    if not 0 <= offset < 1 << 60 or offset != int(offset):
        raise UnreadableFile(f"{name} says that its pixels begin at {offset}: it is damaged.")
    least = layout.itemsize + 4 if single else 0
    begin = max(int(offset), layout.itemsize if single else 0) if offset else least
    if single and begin > MOST:
        raise UnreadableFile(f"{name} says that its pixels begin at {begin}: it is damaged.")
    raw = start(path, packed, begin) if single else start(path, packed, MOST)
    if not single:
        with data.open("rb") as file:
            packed = file.read(2) == GZIP
    kind, sizes, axes = _pixels(fields, layout, name)
    head = Head(raw, fields, data, packed, begin, kind, sizes, axes)
    size = data.stat().st_size * (PACKED if packed else 1)
    if head.count * kind.itemsize > size - begin:
        shown = tuple(reversed(sizes))
        raise UnreadableFile(f"{name} is shorter than its size {shown} says: copy it again.")
    return head


def start(path: Path, packed: bool, count: int) -> bytes:
    """The first `count` bytes, unpacked. Raises UnreadableFile."""
    try:
        with open_plain(path, packed) as file:
            return file.read(count)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFile(f"{path.name} is damaged ({error}): copy it again.") from None


def open_plain(path: Path, packed: bool) -> Any:
    """The file, open; unpacked as it is read."""
    return gzip.open(path, "rb") if packed else path.open("rb")


def _other(path: Path) -> Path:
    """The file with the pixels, of a pair."""
    stem = path.name.removesuffix(".gz").removesuffix(path.suffix if path.suffix != ".gz" else "")
    stem = stem.removesuffix(".hdr")
    for suffix in (".img", ".img.gz", ".IMG"):
        other = path.with_name(stem + suffix)
        if other.is_file() and other != path:
            return other
    raise UnreadableFile(f"{path.name} is a header only: put {stem}.img beside it.")


def _pixels(
    fields: Any, layout: np.dtype[Any], name: str
) -> tuple[np.dtype[Any], tuple[int, ...], str]:
    """Type, sizes and axes. Raises UnreadableFile."""
    code = int(fields["datatype"])
    if code in REFUSED:
        raise UnreadableFile(f"{name} holds {REFUSED[code]} numbers: save it as float32.")
    if code not in KINDS:
        raise UnreadableFile(f"{name} holds numbers of an unknown type ({code}): it is damaged.")
    order = "<" if layout["sizeof_hdr"].str[0] == "<" else ">"
    kind = np.dtype(KINDS[code]).newbyteorder(order)
    dims = [int(size) for size in fields["dim"]]
    if not 1 <= dims[0] <= 7 or min(dims[1 : dims[0] + 1]) < 1:
        raise UnreadableFile(f"{name} says its size is {dims}, which holds no pixels: damaged.")
    sizes = dims[1 : dims[0] + 1] + [1] * (2 - dims[0])
    if any(size > 1 for size in sizes[len(LETTERS) :]) or math.prod(sizes) > 1 << 50:
        raise UnreadableFile(f"{name} has too many or too long dimensions ({sizes}): damaged.")
    letters = LETTERS[: len(sizes)]
    kept = [(s, a) for s, a in zip(sizes, letters, strict=False) if s > 1 or a in "xy"]
    shape, axes = tuple(s for s, _ in reversed(kept)), "".join(a for _, a in reversed(kept))
    return kind, (*shape, 3) if code == RGB else shape, axes + ("c" if code == RGB else "")


def affine_of(fields: Any) -> Affine | None:
    """Voxels to RAS: of the sform, else of the qform, else None."""
    if int(fields["sform_code"]) > 0:
        rows = [[float(v) for v in fields[f"srow_{axis}"]] for axis in "xyz"]
        found: Affine = [*rows, [0.0, 0.0, 0.0, 1.0]]
        return found if usable(found) else None
    if int(fields["qform_code"]) <= 0:
        return None
    b, c, d = (float(fields[f"quatern_{axis}"]) for axis in "bcd")
    a = math.sqrt(max(1.0 - (b * b + c * c + d * d), 0.0))
    turn = np.array([
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ])  # fmt: skip
    size: Array = np.abs(np.asarray(fields["pixdim"][1:4], float))
    size[2] *= -1.0 if float(fields["pixdim"][0]) < 0 else 1.0
    affine = np.eye(4)
    affine[:3, :3] = turn * size
    affine[:3, 3] = [float(fields[f"qoffset_{axis}"]) for axis in "xyz"]
    return affine.tolist() if usable(affine) else None


def coords_of(head: Head) -> dict[str, Any]:
    """Spacing, affine (LPS) and times."""
    fields, units = head.fields, int(head.fields["xyzt_units"])
    millimetre, second = MILLIMETRES.get(units & 7, 1.0), SECONDS.get(units & 56, 0.0)
    found: dict[str, Any] = {}
    size = [abs(float(value)) * millimetre for value in fields["pixdim"][1:5]]
    affine = affine_of(fields)
    if affine is not None:
        scaled = np.diag((millimetre, millimetre, millimetre, 1.0)) @ np.asarray(affine)
        found["affine"] = turned(scaled)
        found["spacing"] = steps(scaled)
    elif all(math.isfinite(value) and value > 0 for value in size[:3]):
        found["spacing"] = dict(zip("xyz", size, strict=False))
    step = float(fields["pixdim"][4]) * second
    if "t" in head.axes and math.isfinite(step) and step > 0:
        count = head.sizes[head.axes.index("t")]
        found["t"] = np.arange(count) * step
        found["units"] = {"t": "s"}
    return found
