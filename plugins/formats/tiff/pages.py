"""TIFF as a stack of pages: ImageJ's and OME's axes, distances and times, and back again."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.exif import ASCII
from core.format import file_order
from core.image import Array, Image, Pixels
from core.lazy import slabs

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

DESCRIPTION = 270
HUGE = 1 << 30  # bytes from which a stack is written in slabs, unpacked
LARGEST = 16 << 20  # bytes of a description
MILLIMETRES = {
    "m": 1e3, "cm": 10.0, "mm": 1.0, "um": 1e-3, "µm": 1e-3, "μm": 1e-3, "micron": 1e-3,
    "microns": 1e-3, "micrometer": 1e-3, "\\u00b5m": 1e-3, "nm": 1e-6, "inch": 25.4, "in": 25.4,
}  # fmt: skip
SECONDS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "min": 60.0, "h": 3600.0}
IMAGEJ = ("uint8", "uint16", "int16", "float32")  # types of pixels that ImageJ knows
EXTRA = ("Info", "Labels", "Ranges", "LUTs", "Plot", "ROI", "Overlays", "Properties", "Prop")


def is_stack(file: TiffFile, series: TiffPageSeries, kind: str) -> bool:
    """Several pages as one image, or a microscope's file: plain numbers all of them."""
    return kind == "array" and (len(series.pages) > 1 or file.is_imagej or file.is_ome)


def said(
    file: TiffFile, series: TiffPageSeries, order: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the writer needs, as meta["stack"], and coords."""
    page = file.pages.first
    kind = "imagej" if file.is_imagej else "ome" if file.is_ome else "pages"
    found: dict[str, Any] = {
        "kind": kind,
        "packed": int(page.compression) != 1,
        "samples": series.axes.endswith("S"),
        "resolution": [page.tags.valueof(282), page.tags.valueof(283), page.tags.valueof(296)],
    }
    tag = page.tags.get(DESCRIPTION)
    if tag is not None and 0 < tag.count <= LARGEST and int(tag.dtype) == ASCII:
        file.filehandle.seek(tag.valueoffset)
        found["description"] = file.filehandle.read(tag.count).split(b"\0")[0]
    if kind == "imagej":
        known = file.imagej_metadata or {}
        found["imagej"] = {name: _kept(known[name]) for name in EXTRA if name in known}
        return found, _imagej(known, page, series, order)
    if kind == "ome":
        images = len(re.findall(rb"<(?:\w{1,20}:)?Image\b", found.get("description", b"")))
        places = [one.index for one in series.pages if one is not None]
        found["others"] = images > 1 or places != list(range(len(places)))
        return found, _ome(found.get("description", b"").decode("utf-8", "replace"), series, order)
    return found, {}


def brief(stack: dict[str, Any]) -> dict[str, Any]:
    """What a header tells of it."""
    return {name: stack[name] for name in ("kind", "packed")}


def write(
    path: Path, image: Image, source: Image, pixels: Pixels, compress: bool,
    options: dict[str, Any],
) -> None:  # fmt: skip
    """Write a page for each (y, x), or (y, x, c) of colours. Raises ValueError."""
    import tifffile

    own: dict[str, Any] = source.meta.get("stack", {})
    order = file_order(image, source)
    if not order.endswith(("yx", "yxc")):
        order = image.axes
    axes = [image.axes.index(letter) for letter in order]
    shape = tuple(pixels.shape[axis] for axis in axes)
    tags = [tag for tag in options.pop("extratags") if tag[0] != DESCRIPTION]
    tags += _described(own, image, order, shape, str(pixels.dtype))
    options |= {"extratags": tags, "photometric": "minisblack", "planarconfig": None}
    if order.endswith("yxc"):
        colours = shape[-1] in (3, 4)
        options |= {"photometric": "rgb" if colours else "minisblack", "planarconfig": "contig"}
        if shape[-1] == 4:
            options["extrasamples"] = ["unassalpha"]
    _resolution(own, image, options)
    if math.prod(shape) * pixels.dtype.itemsize < HUGE:
        if compress and own.get("packed", True):
            options["compression"] = "zlib"
            options["predictor"] = 2 if pixels.dtype.kind in "iu" else None
        block = np.asarray(pixels[...]).transpose(axes)
        tifffile.imwrite(path, np.ascontiguousarray(block), **options)
        return
    out = tifffile.memmap(path, shape=shape, dtype=pixels.dtype, **options)
    for part in slabs(pixels, axes[0]):
        key = [slice(None)] * len(axes)
        key[axes[0]] = part
        out[part] = np.asarray(pixels[tuple(key)]).transpose(axes)
    out.flush()


def takes(image: Image, source: Image) -> bool:
    """Is it to be written page by page?"""
    if image.kind == "display" or (image.nodata is not None and "stack" not in source.meta):
        return False
    deep = any(letter in image.axes for letter in "tzq")
    return len(image.axes) <= 5 and (deep or "stack" in source.meta)


def _kept(value: Any) -> Any:
    """As a value that meta may hold."""
    if isinstance(value, tuple | list):
        return [_kept(one) for one in value]
    return value


def _described(
    own: dict[str, Any], image: Image, order: str, shape: tuple[int, ...], kind: str
) -> list[Any]:
    """The description as it was, or ImageJ's of a stack from elsewhere; ImageJ's own tags."""
    import tifffile

    text: bytes = own.get("description", b"")
    if own.get("kind") == "ome" and own.get("others"):
        text = _alone(text)
    if not own and kind in IMAGEJ and order in ("".join(one for one in "tzcyx" if one in order),):
        text = _new(image, order, shape)
    found: list[Any] = [(DESCRIPTION, ASCII, len(text) + 1, text + b"\0", True)] if text else []
    if own.get("imagej"):
        found += tifffile.imagej_metadata_tag(own["imagej"], "<")
    return found


def _alone(text: bytes) -> bytes:
    """OME's description of the first image, its planes in the order in which they are written."""
    images = _elements(text, b"Image")
    if not images:
        return text
    parts, at = [text[: images[0][1]]], images[0][1]
    for start, end in images[1:]:
        parts.append(text[at:start])
        at = end
    parts.append(text[at:])
    alone = b"".join(parts)
    planes = _elements(alone, b"TiffData")
    if not planes:
        return alone
    start = planes[0][0]
    name = re.match(rb"<((?:\w+:)?TiffData)", alone[start : start + 64])
    parts, at = [alone[:start], b"<" + (name[1] if name else b"TiffData") + b"/>"], planes[0][1]
    for start, end in planes[1:]:
        parts.append(alone[at:start])
        at = end
    return b"".join([*parts, alone[at:]])


def _elements(text: bytes, name: bytes) -> list[tuple[int, int]]:
    """Where the elements of a name begin and end; they do not lie inside each other."""
    found: list[tuple[int, int]] = []
    at = 0
    opening = re.compile(rb"<((?:\w{1,20}:)?)" + name + rb"\b")
    while hit := opening.search(text, at):
        end = text.find(b">", hit.end()) + 1
        if end and text[end - 2 : end - 1] != b"/":
            close = b"</" + hit[1] + name + b">"
            end = text.find(close, end) + len(close)
            end = 0 if end < len(close) else end
        if not end:
            break
        found.append((hit.start(), end))
        at = end
    return found


def _new(image: Image, order: str, shape: tuple[int, ...]) -> bytes:
    """ImageJ's description of a stack."""
    sizes = dict(zip(order, shape, strict=True))
    count = {letter: sizes.get(letter, 1) for letter in "czt"}
    lines = ["ImageJ=1.11a", f"images={math.prod(count.values())}"]
    lines += [f"{name}={count[one]}" for one, name in
              (("c", "channels"), ("z", "slices"), ("t", "frames")) if count[one] > 1]  # fmt: skip
    lines += ["hyperstack=true", "mode=grayscale", "loop=false"]
    spacing = image.coords.get("spacing", {})
    if spacing:
        lines.append("unit=mm")
    if spacing.get("z", 0) > 0:
        lines.append(f"spacing={spacing['z']:.9g}")
    times = np.asarray(image.coords.get("t", ()), float)
    if len(times) > 1 and times[-1] > times[0]:
        lines.append(f"finterval={(times[-1] - times[0]) / (len(times) - 1):.9g}")
    return "\n".join([*lines, ""]).encode("ascii")


def _resolution(own: dict[str, Any], image: Image, options: dict[str, Any]) -> None:
    """The source's, else a pixel's size in millimetres as ImageJ has it."""
    x, y, unit = own.get("resolution", [None] * 3)
    if isinstance(x, tuple) and isinstance(y, tuple):
        options |= {"resolution": (x, y), "resolutionunit": int(unit or 1)}
        return
    spacing = image.coords.get("spacing", {})
    if not own and spacing.get("x", 0) > 0 and spacing.get("y", 0) > 0:
        options |= {"resolution": (1 / spacing["x"], 1 / spacing["y"]), "resolutionunit": 1}


def _imagej(known: dict[str, Any], page: Any, series: TiffPageSeries, order: str) -> dict[str, Any]:
    """Distances and times of ImageJ's description."""
    coords: dict[str, Any] = {}
    unit = MILLIMETRES.get(str(known.get("unit", "")).strip().lower())
    spacing: dict[str, float] = {}
    if unit:
        for letter, code in (("x", 282), ("y", 283)):
            value = page.tags.valueof(code)
            if isinstance(value, tuple) and value[0] and value[1]:
                spacing[letter] = unit * value[1] / value[0]
        if "z" in order and _positive(known.get("spacing")):
            spacing["z"] = unit * float(known["spacing"])
    if spacing:
        coords["spacing"] = spacing
    if "t" in order and _positive(known.get("finterval")):
        count = series.shape[order.index("t")]
        coords |= {"t": np.arange(count) * float(known["finterval"]), "units": {"t": "s"}}
    return coords


def _ome(text: str, series: TiffPageSeries, order: str) -> dict[str, Any]:
    """Distances and times of OME's first image; attributes only, nothing is followed."""
    hit = re.search(r"<(?:\w{1,20}:)?Pixels\b([^>]{1,4000})>", text)
    if hit is None:
        return {}
    said = dict(re.findall(r'(\w+)\s*=\s*"([^"]*)"', hit[1]))
    coords: dict[str, Any] = {}
    spacing: dict[str, float] = {}
    for letter in "xyz":
        name = f"PhysicalSize{letter.upper()}"
        unit = MILLIMETRES.get(said.get(f"{name}Unit", "µm").lower())
        if letter in order and unit and _positive(said.get(name)):
            spacing[letter] = float(said[name]) * unit
    if spacing:
        coords["spacing"] = spacing
    unit = SECONDS.get(said.get("TimeIncrementUnit", "s"))
    if "t" in order and unit and _positive(said.get("TimeIncrement")):
        count = series.shape[order.index("t")]
        times: Array = np.arange(count) * float(said["TimeIncrement"]) * unit
        coords |= {"t": times, "units": {"t": "s"}}
    return coords


def _positive(value: Any) -> bool:
    try:
        return 0 < float(value) < math.inf
    except (TypeError, ValueError):
        return False
