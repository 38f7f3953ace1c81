"""NIfTI (.nii, .nii.gz, .hdr + .img): volumes and series of volumes, stored numbers as they are."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core import anatomy
from core.format import (
    Format,
    Output,
    Rounded,
    UnreadableFile,
    arrange,
    encoded,
    suffix_of,
)
from core.image import Array, Image, Levels, Pixels
from core.lazy import slabs
from plugins.formats.nifti.head import Head, coords_of, load, looks_like, open_plain
from plugins.formats.nifti.make import made, order_of

CHUNK = 8 << 20


class Nifti(Format):
    """NIfTI-1 and NIfTI-2 with 1 to 6 dimensions; the header and its extensions are kept.

    What a number means (scl_slope, scl_inter) is in meta["scale"]. Uncompressed files are mapped.
    Pairs of .hdr and .img are read, and written as one file.
    """

    title = "NIfTI"
    suffixes = (".nii", ".nii.gz", ".hdr")
    writes = (".nii", ".nii.gz")
    takes = ("scan", "clip", "array", "display")

    def sniff(self, head: bytes, name: str) -> bool:
        return looks_like(head)

    def header(self, path: Path) -> dict[str, Any]:
        head = load(path)
        _, axes = arrange(np.empty((1,) * len(head.axes)), head.axes)
        sizes = [head.sizes[head.axes.index(letter)] for letter in axes]
        kind = "display" if "c" in axes else "scan"
        return {"kind": kind, "axes": axes, "shape": sizes, **_meta(head)}

    def read(self, path: Path) -> Image:
        head = load(path)
        if head.packed:
            pixels: Array = _unpacked(head)
        else:
            pixels = np.memmap(head.data, head.kind, "r", head.offset, head.sizes)
        view, axes = arrange(pixels, head.axes)
        coords = coords_of(head)
        turn = anatomy.upright(coords["affine"]) if "affine" in coords else 1
        colour = "c" in axes
        meta = {**_meta(head), "nifti_header": head.raw, "order": head.axes}
        levels = Levels(white=255.0 if colour else math.inf)
        kind = "display" if colour else "scan"
        return Image(view, axes, kind, levels, orientation=turn, coords=coords, meta=meta)

    def stored(self, image: Image, output: Output) -> Pixels:
        if image.kind == "display":
            return encoded(image, 8)
        kind = np.dtype(str(image.meta.get("dtype") or image.pixels.dtype))
        if kind == np.float16 or kind.kind not in "iuf":
            kind = np.dtype(np.float32)
        return Rounded(image.pixels, str(kind.newbyteorder("=")), image.nodata)

    def write(self, path: Path, image: Image, source: Image, output: Output) -> None:
        stored = self.stored(image, output)
        known = source.meta.get("nifti_header")
        if known is not None and sorted(str(source.meta["order"])) == sorted(image.axes):
            before, order = _single(bytes(known)), str(source.meta["order"])
        else:
            before, order = made(image, stored), order_of(image)
        swapped = before[:4] in (b"\0\0\1\x5c", b"\0\0\2\x1c")
        chunks = _chunks(stored, image.axes, order, swapped)
        if suffix_of(path).lower() != ".nii.gz":
            with path.open("wb") as file:
                file.write(before)
                for chunk in chunks:
                    file.write(chunk)
            return
        pack = zlib.compressobj(4, zlib.DEFLATED, 31)  # gzip without a name and a time
        with path.open("wb") as file:
            file.write(pack.compress(before))
            for chunk in chunks:
                file.write(pack.compress(chunk))
            file.write(pack.flush())


def _meta(head: Head) -> dict[str, Any]:
    fields = head.fields
    shown = {
        name: bytes(fields[name]).split(b"\0")[0].decode("utf-8", "replace")
        for name in ("descrip", "intent_name", "aux_file")
    }
    shown |= {name: int(fields[name]) for name in ("intent_code", "qform_code", "sform_code")}
    meta: dict[str, Any] = {
        "dtype": str(head.kind.newbyteorder("=")),
        "nifti": {name: value for name, value in shown.items() if value},
    }
    slope, inter = float(fields["scl_slope"]), float(fields["scl_inter"])
    if math.isfinite(slope) and math.isfinite(inter) and slope and (slope, inter) != (1.0, 0.0):
        meta["scale"] = (slope, inter, "")
    else:
        slope, inter = 1.0, 0.0
    low, high = float(fields["cal_min"]), float(fields["cal_max"])
    if math.isfinite(low) and math.isfinite(high) and low < high:
        first, last = sorted(((low - inter) / slope, (high - inter) / slope))
        meta["window"] = (first, last)
    return meta


def _unpacked(head: Head) -> Array:
    """The numbers of a compressed file: as many as the header says, however many there are."""
    out = np.empty(head.count, head.kind.newbyteorder("="))
    view: Any = out.view(np.uint8).data
    name, done = head.data.name, 0
    try:
        with open_plain(head.data, True) as file:
            file.seek(head.offset)
            while done < len(view):
                count = file.readinto(view[done : done + CHUNK])
                if not count:
                    raise UnreadableFile(f"{name} ends too early: copy it again.")
                done += count
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFile(f"{name} is damaged ({error}): copy it again.") from None
    if not head.kind.isnative:
        out.byteswap(inplace=True)
    return out.reshape(head.sizes)


def _single(known: bytes) -> bytes:
    """A header for one file; those of pairs say otherwise."""
    one = known[344:347] in (b"n+1", b"ni1")
    at = 344 if one else 4
    if known[at + 1 : at + 2] == b"+":
        return known
    from plugins.formats.nifti.head import ONE, TWO

    layout = ONE if one else TWO
    big = known[0] == 0
    fields: Any = np.frombuffer(
        known[: layout.itemsize], layout.newbyteorder(">" if big else "<")
    ).copy()
    after = known[layout.itemsize :] or bytes(4)
    after += bytes(-(layout.itemsize + len(after)) % 16)
    fields["vox_offset"] = layout.itemsize + len(after)
    head = bytearray(fields.tobytes())
    head[at + 1 : at + 2] = b"+"
    return bytes(head) + after


def _chunks(stored: Pixels, axes: str, order: str, big: bool) -> Iterator[bytes]:
    """The numbers as the file has them, in pieces along its slowest axis."""
    to = [axes.index(letter) for letter in order]
    kind = stored.dtype.newbyteorder(">" if big else "<")
    for part in slabs(stored, to[0]):
        key = [slice(None)] * len(axes)
        key[to[0]] = part
        block = np.asarray(stored[tuple(key)]).transpose(to)
        yield np.ascontiguousarray(block.astype(kind, copy=False)).tobytes()
