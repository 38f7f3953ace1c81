"""FITS: images of astronomy, plain numbers with all cards of their header."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import IO, Any

import numpy as np

from core.format import Format, Output, Rounded, UnreadableFile, UnwritableFile, arrange, file_order
from core.image import Array, Image, Pixels
from core.lazy import slabs
from plugins.formats.fits.cards import BLOCK, TYPES, Unit, Value, card, changed, find

ORDERS = {2: "yx", 3: "zyx", 4: "tzyx"}
SPECTRAL = ("WAVE", "AWAV", "FREQ", "WAVN", "ENER", "VELO", "VRAD", "VOPT", "ZOPT")
EXIF = {"EXPTIME": "exposure", "TELESCOP": "make", "INSTRUME": "model"}
SUMS = {"CHECKSUM", "DATASUM"}  # of other pixels
WIDTH = 70  # characters of a line of history
OFFSETS = {"u1": -128, ">i2": 1 << 15, ">i4": 1 << 31, ">i8": 1 << 63}  # of the other sign
FLIPPED = 4  # EXIF: the first row of a FITS image is the lowest


class Fits(Format):
    """The first image of a file, the cards of its header verbatim, other units copied.

    Numbers stay as they are stored, BSCALE and BZERO are kept as their scale, BLANK is no
    measurement. Unsigned numbers (BZERO of half the range) are read as such. A third axis with a
    spectral CTYPE3 is one of bands.
    """

    title = "FITS"
    suffixes = (".fits", ".fit", ".fts")
    writes = (".fits", ".fit", ".fts")
    takes = ("array", "scan", "cube")

    def sniff(self, head: bytes, name: str) -> bool:
        return head.startswith(b"SIMPLE  =")

    def header(self, path: Path) -> dict[str, Any]:
        unit = _judged(path)
        order, kind, meta, nodata, coords = _said(unit)
        found = {"kind": kind, "axes": order, "shape": list(unit.sizes[::-1]), **meta}
        found["fits"] = dict(unit.values)
        if nodata is not None:
            found["nodata"] = nodata
        if "b" in coords:
            found["wavelengths"] = coords["b"].tolist()
        return found

    def read(self, path: Path) -> Image:
        unit = _judged(path)
        order, kind, meta, nodata, coords = _said(unit)
        stored = np.memmap(path, TYPES[unit.bits], "r", unit.data, unit.sizes[::-1])
        pixels: Array = _other_sign(stored) if meta["fits"]["unsigned"] else stored
        view, axes = arrange(pixels, order)
        return Image(view, axes, kind, orientation=FLIPPED, coords=coords,
                     meta={**meta, "order": order}, nodata=nodata)  # fmt: skip

    def stored(self, image: Image, output: Output) -> Pixels:
        kind = str(image.meta.get("dtype", image.pixels.dtype.newbyteorder("=")))
        kind = {"bool": "uint8", "float16": "float32"}.get(kind, kind)
        return Rounded(image.pixels, kind, image.nodata)

    def write(self, path: Path, image: Image, source: Image, output: Output) -> None:
        pixels, order = self.stored(image, output), file_order(image, source)
        if order[-2:] != "yx" or len(order) > 4 or pixels.dtype.kind not in "iuf":
            raise UnwritableFile(f"{path.name} cannot hold {pixels.dtype} with axes {order}.")
        kind = pixels.dtype.newbyteorder("=").str[1:]
        bits = {"i1": 8, "u1": 8}.get(kind, (-8 if kind[0] == "f" else 8) * int(kind[1:]))
        unsigned = kind in ("i1", "u2", "u4", "u8")
        axes = [image.axes.index(letter) for letter in order]
        sizes = [pixels.shape[axis] for axis in axes]
        own = source.meta.get("fits", {})
        head = _head(own, bits, sizes, unsigned, image, output)
        with path.open("wb") as file:
            before, after = _around(own, source, file)
            if own and not before and head.startswith(b"XTENSION"):  # it stands alone now
                head = changed(card("SIMPLE", True) + head[80:], {}, {"PCOUNT", "GCOUNT"}, [])
            file.write(head)
            for part in slabs(pixels, axes[0]):  # it may not fit into memory
                key = [slice(None)] * len(axes)
                key[axes[0]] = part
                block = np.asarray(pixels[tuple(key)]).transpose(axes)
                block = _other_sign(block) if unsigned else block
                file.write(np.ascontiguousarray(block, TYPES[bits]).data)
            file.write(b"\0" * (-file.tell() % BLOCK))
            if before:
                _copy(Path(source.path), after, file)


def _judged(path: Path) -> Unit:
    """The image's unit, with what cannot be read refused."""
    unit, name = find(path), path.name
    if len(unit.sizes) not in ORDERS:
        raise UnreadableFile(f"{name} has {len(unit.sizes)} dimensions: save 2 to 4 of them.")
    need = math.prod(unit.sizes) * abs(unit.bits) // 8
    if path.stat().st_size - unit.data < need:
        raise UnreadableFile(f"{name} ends too early: copy it again.")
    return unit


def _said(
    unit: Unit,
) -> tuple[str, str, dict[str, Any], float | None, dict[str, Any]]:
    """Order of the axes, kind, meta, no-data and coords."""
    kind, order = TYPES[unit.bits], ORDERS[len(unit.sizes)]
    slope, zero = unit.number("BSCALE", 1), unit.number("BZERO", 0)
    unsigned = slope == 1 and zero == OFFSETS.get(kind)
    dtype = np.dtype(kind).newbyteorder("=")
    if unsigned:
        dtype = np.dtype("i1" if kind == "u1" else f"u{dtype.itemsize}")
    own = {"cards": unit.head, "start": unit.start, "end": unit.end, "unsigned": unsigned,
           "values": dict(unit.values)}  # fmt: skip
    meta: dict[str, Any] = {"fits": own, "dtype": str(dtype)}
    name = str(unit.values.get("BUNIT", ""))
    if (slope, zero) != (1, 0) and not unsigned and slope:
        meta["scale"] = (slope, zero, name)
    elif name:
        meta["scale"] = (1.0, 0.0, name)
    nodata = None
    if "BLANK" in unit.values and unit.bits > 0:
        nodata = unit.number("BLANK", 0) + (zero if unsigned else 0)
    said = {ours: unit.values[one] for one, ours in EXIF.items() if one in unit.values}
    if said:
        meta["exif"] = said
    coords: dict[str, Any] = {}
    spectral = str(unit.values.get("CTYPE3", ""))[:4].upper() in SPECTRAL
    if len(unit.sizes) == 3 and spectral:
        count, step = unit.sizes[2], unit.number("CDELT3", unit.number("CD3_3", 1))
        number = np.arange(1, count + 1) - unit.number("CRPIX3", 1)
        coords["b"] = unit.number("CRVAL3", 0) + number * step
        coords["units"] = {"b": str(unit.values.get("CUNIT3", ""))}
        return "byx", "cube", meta, nodata, coords
    return order, "array", meta, nodata, coords


def _other_sign(values: Array) -> Array:
    """Integers counted from the other end of their sign: int16 to uint16 and back."""
    size = values.dtype.itemsize
    whole = values.astype(values.dtype.newbyteorder("="))
    bits = whole.view(f"u{size}") ^ np.array(1 << (8 * size - 1), f"u{size}")
    return bits.view(f"i{size}") if values.dtype.kind == "u" else bits


def _head(
    own: dict[str, Any],
    bits: int,
    sizes: list[int],
    unsigned: bool,
    image: Image,
    output: Output,
) -> bytes:
    """The cards of the source with what differs replaced, or new ones."""
    shape: dict[str, Value] = {"BITPIX": bits, "NAXIS": len(sizes)}
    shape |= {f"NAXIS{n + 1}": size for n, size in enumerate(reversed(sizes))}
    note = json.dumps(dict(output.note)) if output.note else ""
    lines = [note[at : at + WIDTH] for at in range(0, len(note), WIDTH)]
    history = ["Denoised with Sordino:", *lines] if lines else []
    zero: dict[str, Value] = {}
    if unsigned:
        zero = {"BSCALE": 1, "BZERO": -128 if bits == 8 else 1 << (bits - 1)}
    head = own.get("cards", b"")
    if not own:
        new: dict[str, Value] = {"SIMPLE": True, **shape, **zero}
        slope, offset, name = image.meta.get("scale", (1.0, 0.0, ""))
        if not unsigned and (slope, offset) != (1.0, 0.0):
            new |= {"BSCALE": float(slope), "BZERO": float(offset)}
        if name and str(name).isascii():
            new["BUNIT"] = str(name)
        if image.nodata is not None and bits > 0 and math.isfinite(image.nodata):
            new["BLANK"] = int(image.nodata) - (int(zero["BZERO"]) if unsigned else 0)
        return changed(b"", new, set(), history)
    said = own["values"]
    differs = {name: one for name, one in {**shape, **zero}.items() if said.get(name) != one}
    if differs.keys() & shape.keys():  # these come first, in this order
        old = {name for name in said if name.startswith("NAXIS")} | {"BITPIX"}
        first = changed(head[:80].ljust(BLOCK), {}, set(), [])[:80]
        mandatory = b"".join(card(name, value) for name, value in shape.items())
        head = first + mandatory + changed(head[80:], {}, old, [])
        differs = zero
    return changed(head, differs, SUMS, history)


def _around(own: dict[str, Any], source: Image, file: IO[bytes]) -> tuple[bool, int]:
    """Copy what lies before the image in its file; where the rest begins (False: there is none)."""
    start, end = int(own.get("start", 0)), int(own.get("end", 0))
    path = Path(source.path)
    if not own or not source.path or not path.is_file():
        return False, 0
    with path.open("rb") as old:
        old.seek(start)
        if old.read(len(own["cards"])) != own["cards"]:
            return False, 0
        old.seek(0)
        file.write(old.read(start))
    return True, end


def _copy(path: Path, start: int, file: IO[bytes]) -> None:
    with path.open("rb") as old:
        old.seek(start)
        while block := old.read(8 << 20):
            file.write(block)
