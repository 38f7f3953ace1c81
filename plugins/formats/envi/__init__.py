"""ENVI: a hyperspectral cube as plain numbers, with a header of text beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.format import Format, Output, Rounded, UnreadableFile, UnwritableFile, file_order
from core.image import Image, Pixels
from core.lazy import slabs
from plugins.formats.envi import header as head
from plugins.formats.envi.header import is_header

DATA = (".img", ".dat", ".raw", ".bsq", ".bil", ".bip")  # and .sli, which is a library of spectra
KEPT = {"float16": "float32", "int8": "int16", "bool": "uint8"}  # types that ENVI has not


class Envi(Format):
    """Both files are opened by the name of either; the data stay where they are when large.

    Whatever the header says is kept, in its order, with its comments; so are interleave, type and
    byte order. Complex numbers are refused. Spectra per band: coords["b"], meta["fwhm"],
    meta["bbl"] (0: a bad band), meta["band_names"], meta["default_bands"] (from 0).
    """

    title = "ENVI"
    suffixes = (".hdr", *DATA, ".sli")
    writes = (".hdr", *DATA)
    takes = ("cube",)

    def sniff(self, head: bytes, name: str) -> bool:
        return is_header(head)

    def describes(self, path: Path) -> bool:
        return _header_of(path) is not None

    def companions(self, path: Path) -> tuple[Path, ...]:
        if path.suffix.lower() != ".hdr":
            return (path.with_suffix(".hdr"),)
        data = path.with_suffix("")
        return (data if data.suffix.lower() in DATA else path.with_suffix(".img"),)

    def header(self, path: Path) -> dict[str, Any]:
        _, where, meta, coords = _find(path)
        shape = [where.bands, where.lines, where.samples]
        listed = {"wavelengths": coords["b"].tolist()} if "b" in coords else {}
        units = {"wavelength_units": coords["units"]["b"]} if "units" in coords else {}
        return {"kind": "cube", "axes": "byx", "shape": shape, **meta, **listed, **units}

    def read(self, path: Path) -> Image:
        data, where, meta, coords = _find(path)
        order = meta["order"]
        sizes = {"b": where.bands, "y": where.lines, "x": where.samples}
        dtype = np.dtype(where.dtype).newbyteorder(">" if where.big else "<")
        shape = tuple(sizes[letter] for letter in order)
        stored = np.memmap(data, dtype, "r", where.offset, shape)
        pixels = stored.transpose([order.index(letter) for letter in "byx"])
        nodata = meta.pop("nodata", None)
        return Image(pixels, "byx", "cube", coords=coords, meta=meta, nodata=nodata)

    def stored(self, image: Image, output: Output) -> Pixels:
        kind = str(image.meta.get("dtype", image.pixels.dtype.newbyteorder("=")))
        return Rounded(image.pixels, KEPT.get(kind, kind), image.nodata)

    def write(self, path: Path, image: Image, source: Image, output: Output) -> None:
        pixels = self.stored(image, output)
        codes = {name: code for code, name in head.TYPES.items()}
        if image.axes != "byx" or str(pixels.dtype) not in codes:
            raise UnwritableFile(
                f"{path.name} cannot hold {pixels.dtype} with axes {image.axes}: choose another"
                " format."
            )
        order = file_order(image, source)
        known: Mapping[str, Any] = source.meta.get("envi", {})
        big = bool(known.get("big", False))
        bands, lines, samples = pixels.shape
        interleaves = {axes: name for name, axes in head.ORDERS.items()}
        new = {} if known else head.of_image(source.meta, source.coords, bands)
        new |= {
            "samples": str(samples),
            "lines": str(lines),
            "bands": str(bands),
            "header offset": "0",
            "data type": str(codes[str(pixels.dtype)]),
            "interleave": interleaves.get(order, "bsq"),
            "byte order": str(int(big)),
        }
        if image.nodata is not None:
            new["data ignore value"] = f"{image.nodata:.9g}"
        note = json.dumps(dict(output.note)) if output.note else ""
        text = "\n".join(head.written(known.get("lines", []), new, output.strip, note)) + "\n"
        (other,) = self.companions(path)
        texts, data = (path, other) if path.suffix.lower() == ".hdr" else (other, path)
        texts.write_bytes(text.encode(str(known.get("encoding", "utf-8")), "replace"))
        _put(data, pixels, order if order in interleaves else "byx", big)


def _put(path: Path, pixels: Pixels, order: str, big: bool) -> None:
    axes = ["byx".index(letter) for letter in order]
    dtype = pixels.dtype.newbyteorder(">" if big else "<")
    with path.open("wb") as file:
        for part in slabs(pixels, axes[0]):  # it may not fit into memory
            key = [slice(None)] * 3
            key[axes[0]] = part
            block = np.asarray(pixels[tuple(key)]).transpose(axes)
            file.write(np.ascontiguousarray(block, dtype).data)


def _header_of(path: Path) -> Path | None:
    """The header beside a data file."""
    for name in (path.with_suffix(".hdr"), path.with_name(path.name + ".hdr"),
                 path.with_suffix(".HDR"), path.with_name(path.name + ".HDR")):  # fmt: skip
        if name != path and name.is_file():
            with name.open("rb") as file:
                if is_header(file.read(8)):
                    return name
    return None


def _data_of(header: Path, need: int, name: str) -> Path:
    """The data beside a header: of several the one of the right size. Raises UnreadableFile."""
    base = header.with_suffix("")
    named = [base.with_name(base.name + s) for low in (*DATA, ".sli", ".hyspex")
             for s in (low, low.upper())]  # fmt: skip
    own = base.suffix.lower() in (*DATA, ".sli")  # scene.img.hdr
    found = [p for p in ([base, *named] if own else [*named, base]) if p.is_file()]
    if not found:
        raise UnreadableFile(
            f"{name} is a header without its data: put {base.name}.img (or .dat, .raw, .bsq…)"
            " beside it."
        )
    sizes = [one.stat().st_size for one in found]
    return next((one for one, size in zip(found, sizes, strict=True) if size == need), found[0])


def _find(path: Path) -> tuple[Path, head.Layout, dict[str, Any], dict[str, Any]]:
    """The data file, where its samples lie, meta and coords. Raises UnreadableFile."""
    with path.open("rb") as file:
        is_text = is_header(file.read(8))
    texts = path if is_text else _header_of(path)
    if texts is None:
        raise UnreadableFile(f"{path.name} has no ENVI header beside it: copy that, too.")
    try:
        entries, encoding = head.read(texts)
        fields = head.values(entries)
        where, warnings = head.layout(fields, texts.name)
    except UnreadableFile as error:
        if path.name in str(error):
            raise
        raise UnreadableFile(f"{path.name} has a header with an error: {error}") from None
    need = where.offset + where.nbytes
    data = _data_of(texts, need, path.name) if is_text else path
    size = data.stat().st_size
    if size < need:
        raise UnreadableFile(
            f"{path.name} describes {need} bytes, its data have {size}: copy both files again."
        )
    if size > need:
        warnings.append(f"The data are {size - need} bytes longer than the header says.")
    meta, coords, more = _said(fields, where)
    meta |= {
        "order": head.ORDERS[where.interleave],
        "dtype": where.dtype,
        "envi": {"lines": entries, "big": where.big, "encoding": encoding},
    }
    if warnings + more:
        meta["warnings"] = warnings + more
    return data, where, meta, coords


def _said(
    fields: Mapping[str, str], where: head.Layout
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """What the header says of the bands: meta, coords, and what of it cannot be used."""
    meta: dict[str, Any] = {}
    coords: dict[str, Any] = {}
    unused: list[str] = []
    for name in ("wavelength", "fwhm", "bbl"):
        if name in fields:
            listed = head.numbers(fields[name])
            if listed is None or len(listed) != where.bands:
                unused.append(f"The header's {name} is not one number for each band: not used.")
            elif name == "wavelength":
                coords["b"] = np.asarray(listed)
            else:
                meta[name] = [int(one) for one in listed] if name == "bbl" else listed
    if "b" in coords and fields.get("wavelength units"):
        coords["units"] = {"b": fields["wavelength units"]}
    names = head.words(fields.get("band names", ""))
    if len(names) == where.bands and any(names):
        meta["band_names"] = names
    shown = head.numbers(fields.get("default bands", "")) or []
    if len(shown) in (1, 3) and all(1 <= one <= where.bands for one in shown):
        meta["default_bands"] = [int(one) - 1 for one in shown]
    for name in ("description", "map info", "coordinate system string"):
        if fields.get(name):
            meta[name.replace(" ", "_")] = fields[name]
    factor = head.numbers(fields.get("reflectance scale factor", "")) or [0.0]
    if factor[0] > 0:
        meta["scale"] = (1 / factor[0], 0.0, "reflectance")
    ignored = head.numbers(fields.get("data ignore value", "")) or []
    if ignored:
        if _holds(where.dtype, ignored[0]):
            meta["nodata"] = ignored[0]
        else:
            unused.append(f"The data ignore value {ignored[0]:g} is no {where.dtype}: not used.")
    return meta, coords, unused


def _holds(kind: str, value: float) -> bool:
    if kind.startswith("float"):
        return True
    ends = np.iinfo(kind)
    return value.is_integer() and ends.min <= value <= ends.max
