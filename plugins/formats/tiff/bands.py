"""TIFF as a cube of bands: where it lies, what GDAL says of it, how it is laid out again."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from html import escape, unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.exif import ASCII, SIZES, Row
from core.format import file_order
from core.image import Array, Image, Pixels
from core.lazy import slabs

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

# IPTC, Photoshop, GeoTIFF (33550...34737), GDAL's metadata and no-data
KEPT = (33723, 34377, 33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113)
METADATA, NODATA = 42112, 42113
HUGE = 1 << 30  # bytes from which a cube is written in slabs, unpacked
LARGEST = 16 << 20  # bytes of a tag
ITEM = re.compile(r"<Item\s([^>]*)>([^<]*)</Item>")
WORD = re.compile(r'(\w+)="([^"]*)"')


def rows(file: TiffFile) -> list[Row]:
    """The kept tags of a BigTIFF's first page, their values as little-endian bytes."""
    found: list[Row] = []
    for tag in file.pages.first.tags.values():
        size = SIZES.get(int(tag.dtype), 0) * tag.count
        if tag.code not in KEPT or not 0 < size < LARGEST:
            continue
        file.filehandle.seek(tag.valueoffset)
        data = file.filehandle.read(size)
        width = {5: 4, 10: 4}.get(int(tag.dtype), SIZES[int(tag.dtype)])
        if file.byteorder == ">" and width > 1:
            data = np.frombuffer(data, f">u{width}").astype(f"<u{width}").tobytes()
        found.append((tag.code, int(tag.dtype), tag.count, data))
    return found


def layout(series: TiffPageSeries) -> dict[str, Any]:
    """How the samples lie, to write them in the same way."""
    page = series.keyframe
    found: dict[str, Any] = {"packed": int(page.compression) != 1, "dtype": str(series.dtype)}
    if page.is_tiled and not page.tilelength % 16 and not page.tilewidth % 16:
        found["tile"] = (page.tilelength, page.tilewidth)
    elif 0 < page.rowsperstrip < page.imagelength:
        found["rows"] = page.rowsperstrip
    if int(page.photometric) == 2:
        found["extra"] = [int(one) for one in page.extrasamples]
    return found


def mapped(path: Path, file: TiffFile, series: TiffPageSeries) -> Array | None:
    """The samples as a map of the file, where they lie there in one unpacked piece."""
    if series.dataoffset is None or series.dtype is None or series.dtype.kind == "b":
        return None
    if series.keyframe.bitspersample != series.dtype.itemsize * 8:
        return None
    dtype = series.dtype.newbyteorder(file.byteorder)
    return np.memmap(path, dtype, "r", series.dataoffset, tuple(series.shape))


def nodata(tags: list[Any], kind: str) -> float | None:
    """What GDAL says stands for no measurement, where the type can hold it and it is no NaN."""
    for tag, _, _, data in tags:
        if tag == NODATA:
            try:
                value = float(bytes(data).split(b"\0")[0])
            except ValueError:
                return None
            if not np.isfinite(value):
                return None
            dtype = np.dtype(kind)
            if dtype.kind in "iu":
                ends = np.iinfo(dtype)
                return value if value.is_integer() and ends.min <= value <= ends.max else None
            return value
    return None


def said(tags: list[Any], count: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What GDAL's metadata say of the bands: meta and coords."""
    text = next(
        (bytes(row[3]).decode("utf-8", "replace") for row in tags if row[0] == METADATA), ""
    )
    table: dict[str, dict[int, str]] = {}
    for words, value in ITEM.findall(text):
        known = dict(WORD.findall(words))
        band = known.get("sample", "")
        if band.isdigit() and int(band) < count:
            table.setdefault(known.get("name", "").lower(), {})[int(band)] = unescape(
                unescape(value)
            )
    meta: dict[str, Any] = {}
    coords: dict[str, Any] = {}
    for name, unit in (("central_wavelength_um", "um"), ("wavelength", "")):
        if (values := _numbers(table.get(name, {}), count)) is not None and "b" not in coords:
            units = set(table.get("wavelength_units", {}).values())
            coords["b"] = np.asarray(values)
            unit = unit or (units.pop() if len(units) == 1 else "")
            coords["units"] = {"b": unit or ("um" if max(values) < 100 else "nm")}
    for name in ("fwhm_um", "fwhm"):
        if (values := _numbers(table.get(name, {}), count)) is not None:
            meta["fwhm"] = values
            break
    names = table.get("description", {})
    if len(names) == count:
        meta["band_names"] = [names[band] for band in range(count)]
    return meta, coords


def _numbers(values: Mapping[int, str], count: int) -> list[float] | None:
    if len(values) != count:
        return None
    try:
        found = [float(values[band].split()[0]) for band in range(count)]
    except (ValueError, IndexError):
        return None
    return found if np.isfinite(found).all() else None


def tags_of(image: Image) -> list[Row]:
    """GDAL's tags for a cube that came from another format."""
    found: list[Row] = []
    if image.nodata is not None:
        data = f"{image.nodata:.17g}".encode() + b"\0"
        found.append((NODATA, ASCII, len(data), data))
    lists: dict[str, Any] = {}
    unit = str(image.coords.get("units", {}).get("b", "")).lower()
    if "b" in image.coords:
        scale = 1e-3 if unit.startswith(("nm", "nano")) else 1.0
        if unit in ("nm", "um", "µm", "nanometers", "micrometers"):
            lists["CENTRAL_WAVELENGTH_UM"] = [f"{v * scale:.9g}" for v in image.coords["b"]]
            if image.meta.get("fwhm"):
                lists["FWHM_UM"] = [f"{v * scale:.9g}" for v in image.meta["fwhm"]]
    if image.meta.get("band_names"):  # GDAL escapes them twice
        lists["DESCRIPTION"] = [escape(escape(str(name))) for name in image.meta["band_names"]]
    items: list[str] = []
    for name, values in lists.items():
        what = 'role="description"' if name == "DESCRIPTION" else 'domain="IMAGERY"'
        items += [
            f'<Item name="{name}" sample="{band}" {what}>{value}</Item>'
            for band, value in enumerate(values)
        ]
    if items:
        lines = "\n  ".join(items)
        data = f"<GDALMetadata>\n  {lines}\n</GDALMetadata>\n".encode() + b"\0"
        found.append((METADATA, ASCII, len(data), data))
    return found


def write(
    path: Path, image: Image, source: Image, pixels: Pixels, compress: bool,
    options: dict[str, Any],
) -> None:  # fmt: skip
    """Write a cube (axes byx) in the layout of its source, else band after band.

    A huge one is written in slabs, unpacked, into a file that is laid out first. Raises ValueError.
    """
    import tifffile

    if pixels.shape[0] < 2:
        raise ValueError("it has a single band")
    order = file_order(image, source)
    order = order if order in ("byx", "yxb") else "byx"
    axes = ["byx".index(letter) for letter in order]
    huge = math.prod(pixels.shape) * pixels.dtype.itemsize >= HUGE
    options = options | _options(order, source, compress, huge)
    if not huge:
        block = np.ascontiguousarray(np.asarray(pixels[...]).transpose(axes))
        if "compression" in options and block.dtype.kind in "iu":
            options["predictor"] = 2
        tifffile.imwrite(path, block, **options)
        return
    shape = tuple(pixels.shape[axis] for axis in axes)
    out = tifffile.memmap(path, shape=shape, dtype=pixels.dtype, **options)
    for part in slabs(pixels, axes[0]):
        key = [slice(None)] * 3
        key[axes[0]] = part
        out[part] = np.asarray(pixels[tuple(key)]).transpose(axes)
    out.flush()


def _options(order: str, source: Image, compress: bool, huge: bool) -> dict[str, Any]:
    """The layout as options of tifffile."""
    known: Mapping[str, Any] = source.meta.get("tiff", {})
    found: dict[str, Any] = {
        "photometric": "minisblack",
        "planarconfig": "contig" if order == "yxb" else "separate",
    }
    if "extra" in known:
        found |= {"photometric": "rgb", "extrasamples": list(known["extra"])}
    if huge:
        return found
    if "tile" in known:
        found["tile"] = tuple(known["tile"])
    elif "rows" in known:
        found["rowsperstrip"] = int(known["rows"])
    if compress and known.get("packed", True):
        found["compression"] = "zlib"
    return found
