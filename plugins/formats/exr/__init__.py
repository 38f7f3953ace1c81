"""OpenEXR: scene-linear pictures and any channels, half, float and whole numbers."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from core.format import Format, Output, Rounded, UnreadableFile, UnwritableFile, arrange
from core.image import Array, Color, Image, Pixels
from plugins.formats.exr.head import DEEP, MAGIC, OWN, PARTS, Head, parse, splice

LOSSLESS = ("none", "rle", "zips", "zip", "piz")
DEFLATE = 1040  # zlib packs no better; a run of PIZ packs less
LONGEST = 1 << 16
RENDERED = {"float16": "float16", "float32": "float32", "uint32": "uint32"}
EXIF = {"expTime": "exposure", "isoSpeed": "iso", "aperture": "aperture"}


class Exr(Format):
    """RGB and Y as scene-linear, other channels as plain bands; written with ZIP or as it was.

    All attributes are kept byte for byte, also the chromaticities, and so are alpha and the
    channels that are not shown. Of several parts the first is taken. Tiles become scan lines.
    """

    title = "OpenEXR"
    suffixes = (".exr",)
    writes = (".exr",)
    takes = ("linear", "array")

    def sniff(self, head: bytes, name: str) -> bool:
        return head.startswith(MAGIC)

    def header(self, path: Path) -> dict[str, Any]:
        head = _judged(path)
        names, kind, axes, shape, dtype = _layout(head, path)
        return {"kind": kind, "axes": axes, "shape": shape, "dtype": dtype, **_meta(head, names)}

    def read(self, path: Path) -> Image:
        head = _judged(path)
        names, kind, axes, _, _ = _layout(head, path)
        found = _decoded(path)
        try:
            planes = [found[name] for name in names]
            pixels = np.stack(planes) if len(axes) == 3 else planes[0]
            others = {name: one for name, one in found.items() if name not in names}
        except (KeyError, ValueError):
            raise UnreadableFile(
                f"{path.name} lacks some of its channels: save it again."
            ) from None
        meta = {**_meta(head, names), "order": axes}
        if others:
            meta["exr"]["others"] = others
        colour = Color() if kind == "linear" and len(axes) == 3 else None
        view, axes = arrange(pixels, axes)
        return Image(view, axes, kind, color=colour, meta=meta)

    def stored(self, image: Image, output: Output) -> Pixels:
        kind = str(image.meta.get("exr", {}).get("dtype", image.pixels.dtype))
        black, white = float(np.mean(image.levels.black)), image.levels.white
        if image.kind == "linear" and math.isfinite(white):  # 1 is white in OpenEXR
            return _Scaled(image.pixels, black, white)
        return Rounded(image.pixels, RENDERED.get(kind, "float32"))

    def write(self, path: Path, image: Image, source: Image, output: Output) -> None:
        import OpenEXR

        own = source.meta.get("exr", {})
        pixels = np.asarray(self.stored(image, output)[...])
        planes = dict(zip(_names(image, own), pixels.reshape(-1, *pixels.shape[-2:]), strict=True))
        for name, one in own.get("others", {}).items():
            if one.shape == pixels.shape[-2:]:
                planes.setdefault(name, np.asarray(one))
        packing = own.get("compression", "zip") if output.compress else "none"
        packing = packing if packing in LOSSLESS else "zip"
        x, y = own.get("corner", (0, 0))
        ends = np.array([x, y], "i4"), np.array([x + image.width - 1, y + image.height - 1], "i4")
        head = {"type": OpenEXR.scanlineimage, "dataWindow": ends,
                "compression": getattr(OpenEXR, f"{packing.upper()}_COMPRESSION"
                                       if packing != "none" else "NO_COMPRESSION")}  # fmt: skip
        try:
            channels = {name: np.ascontiguousarray(one) for name, one in planes.items()}
            with OpenEXR.File(head, channels, num_threads=1) as file:
                file.write(str(path))
        except (RuntimeError, ValueError, TypeError) as error:
            reason = str(error).splitlines()[0][:100]
            raise UnwritableFile(f"{path.name} does not fit into an OpenEXR ({reason}).") from None
        kept = [tuple(row) for row in own.get("attributes", ())]
        if not own:
            said = {**source.meta.get("exif", {}), **image.meta.get("exif", {})}
            numbers = {ours: said.get(name) for ours, name in EXIF.items()}
            kept = [
                (ours, "float", struct.pack("<f", value))
                for ours, value in numbers.items()
                if isinstance(value, int | float)
            ]
        elif own.get("size") != [image.width, image.height]:
            kept = [row for row in kept if row[0] != "displayWindow"]
        if kept:
            splice(path, kept)


class _Scaled(Rounded):
    """Pixels between black and white as 0 to 1, in slabs."""

    def __init__(self, pixels: Pixels, black: float, white: float) -> None:
        super().__init__(pixels, "float32")
        object.__setattr__(self, "black", np.float32(black))
        object.__setattr__(self, "span", np.float32(white - black))

    def __getitem__(self, key: Any, /) -> Array:
        return (np.asarray(self.pixels[key], np.float32) - self.black) / self.span  # type: ignore[attr-defined]


def _judged(path: Path) -> Head:
    """The header, with what cannot be read refused."""
    head, name = parse(path), path.name
    if head.flags & DEEP or b"deep" in head.value("type"):
        raise UnreadableFile(f"{name} is a deep image: flatten it first.")
    x0, y0, x1, y1 = head.window
    width, height = x1 - x0 + 1, y1 - y0 + 1
    if not (0 < width <= LONGEST and 0 < height <= LONGEST) or not head.channels:
        raise UnreadableFile(f"{name} says it is {width} x {height} pixels large: copy it again.")
    size = sum(np.dtype(kind).itemsize for kind, x, y in head.channels.values() if x == y == 1)
    if size * width * height > DEFLATE * path.stat().st_size:
        raise UnreadableFile(f"{name} is shorter than its size says: copy it again.")
    return head


def _layout(head: Head, path: Path) -> tuple[list[str], str, str, list[int], str]:
    """The channels that are shown, kind, axes, shape, dtype."""
    whole = {name: kind for name, (kind, x, y) in head.channels.items() if x == y == 1}
    if {"RY", "BY"} & head.channels.keys() or len(whole) < len(head.channels):
        raise UnreadableFile(f"{path.name} has channels of fewer pixels: save it as RGB.")
    layers = sorted({name[:-1] for name in whole if name.endswith("R")}, key=len)
    names, kind = [], "array"
    for layer in layers:
        three = [layer + one for one in "RGB"]
        if len({whole.get(one) for one in three}) == 1 and three[0] in whole:
            names, kind = three, "linear"
            break
    if not names and "Y" in whole:
        names, kind = ["Y"], "linear"
    if not names:
        first = next(iter(whole.values()))
        names = [name for name, one in whole.items() if one == first and name != "A"] or ["A"]
    dtype = whole[names[0]]
    x0, y0, x1, y1 = head.window
    shape = [y1 - y0 + 1, x1 - x0 + 1]
    if len(names) == 1:
        return names, kind, "yx", shape, dtype
    return names, kind, "cyx" if kind == "linear" else "byx", [len(names), *shape], dtype


def _meta(head: Head, names: list[str]) -> dict[str, Any]:
    x0, y0, x1, y1 = head.window
    kept = [list(row) for row in head.attributes if row[0] not in OWN]
    own = {
        "channels": names,
        "dtype": head.channels[names[0]][0],
        "compression": head.packing,
        "corner": [x0, y0],
        "size": [x1 - x0 + 1, y1 - y0 + 1],
        "attributes": kept,
    }
    meta: dict[str, Any] = {"exr": own}
    said = {
        EXIF[name]: struct.unpack("<f", data)[0]
        for name, kind, data in head.attributes
        if name in EXIF and kind == "float" and len(data) == 4
    }
    if said:
        meta["exif"] = said
    if head.flags & PARTS:
        meta["warnings"] = ["The file has several parts: the first is shown, and written alone."]
    return meta


def _decoded(path: Path) -> dict[str, Array]:
    """All channels of the first part."""
    import OpenEXR

    try:
        with OpenEXR.File(str(path), separate_channels=True, num_threads=1) as file:
            return {name: np.array(one.pixels) for name, one in file.channels(0).items()}
    except Exception as error:
        reason = str(error).splitlines()[0][:100] if str(error) else "no pixels"
        raise UnreadableFile(f"{path.name} is damaged ({reason}): copy it again.") from None


def _names(image: Image, own: dict[str, Any]) -> list[str]:
    """Of the channels to write."""
    count = image.pixels.shape[0] if len(image.axes) == 3 else 1
    if len(image.axes) > 3:
        raise UnwritableFile("An OpenEXR file holds one picture: choose .tif or .npy.")
    names = own.get("channels", [])
    if len(names) == count:
        return list(names)
    if image.axes == "cyx" and count == 3:
        return ["R", "G", "B"]
    return ["Y"] if count == 1 else [f"{image.axes[0]}{n:04}" for n in range(count)]
