"""JPEG: 8-bit photographs, in and out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core import exif
from core.develop import complaint
from core.format import Format, Output, UnreadableFile, UnwritableFile, encoded
from core.image import Array, Image, Levels

if TYPE_CHECKING:
    from PIL.JpegImagePlugin import JpegImageFile

PIXELS_PER_BYTE = 2000  # a flat progressive JPEG packs no more
LONGEST = 65535


class Jpeg(Format):
    """Grey and RGB; ICC, EXIF, XMP and resolution are kept. Written with full colour resolution."""

    title = "JPEG"
    suffixes = (".jpg", ".jpeg", ".jpe")
    writes = (".jpg", ".jpeg")
    takes = ("display",)
    tolerance = 30.0  # levels: tells a picture from another one, also at quality 1

    def sniff(self, head: bytes, name: str) -> bool:
        return head.startswith(b"\xff\xd8\xff")

    def header(self, path: Path) -> dict[str, Any]:
        with _open(path) as file:
            grey = file.mode == "L"
            shape = [file.height, file.width] if grey else [3, file.height, file.width]
            axes = "yx" if grey else "cyx"
            meta = _meta(file)
        return {"kind": "display", "axes": axes, "shape": shape, "dtype": "uint8", **meta}

    def read(self, path: Path) -> Image:
        with _open(path) as file:
            meta = _meta(file)
            try:
                pixels: Array = np.asarray(file)
            except (OSError, SyntaxError, ValueError) as error:
                raise UnreadableFile(f"{path.name} is damaged ({error}): copy it again.") from None
        axes = "yx"
        if pixels.ndim == 3:
            pixels, axes = np.moveaxis(pixels, -1, 0), "cyx"
        meta["order"] = "yxc" if axes == "cyx" else "yx"
        turn = exif.orientation(meta["exif"])
        return Image(pixels, axes, "display", Levels(white=255.0), orientation=turn, meta=meta)

    def stored(self, image: Image, output: Output) -> Array:
        return encoded(image, 8)

    def write(self, path: Path, image: Image, source: Image, output: Output) -> None:
        from PIL import Image as Pillow

        if image.axes not in ("yx", "cyx") or (image.axes == "cyx" and image.channels != "RGB"):
            raise UnwritableFile("JPEG files hold grey or RGB pictures: choose TIFF or NumPy.")
        if max(image.height, image.width) > LONGEST:
            raise UnwritableFile(f"JPEG ends at {LONGEST} pixels a side: choose TIFF.")
        pixels = encoded(image, 8)
        if pixels.ndim == 3:
            pixels = np.ascontiguousarray(np.moveaxis(pixels, 0, -1))
        meta = {**source.meta, **image.meta}
        extra: dict[str, Any] = {"icc_profile": meta.get("icc") or None}
        if block := exif.for_export(image, source, output.strip):
            extra["exif"] = exif.HEADER + block.removeprefix(exif.HEADER)
        if "xmp" in meta and not output.strip:
            extra["xmp"] = meta["xmp"]
        if "dpi" in meta:
            extra["dpi"] = tuple(meta["dpi"])
        if output.note:
            extra["comment"] = json.dumps(dict(output.note))[:65000]
        sampling = 0 if output.quality >= 85 else 2
        try:
            with path.open("wb") as file:
                Pillow.fromarray(pixels).save(
                    file, "JPEG", quality=output.quality, subsampling=sampling, **extra
                )
        except ValueError as error:  # a metadata block beyond 64 KiB
            raise UnwritableFile(
                f"{path.name}: its metadata does not fit into a JPEG ({error}): choose TIFF."
            ) from None


def _open(path: Path) -> JpegImageFile:
    """The file with its header parsed and judged. Only the JPEG parser ever sees it."""
    from PIL.JpegImagePlugin import JpegImageFile

    try:
        file = JpegImageFile(path)
    except Exception as error:
        raise UnreadableFile(f"{path.name} is a damaged JPEG ({error}): copy it again.") from None
    if file.mode not in ("L", "RGB"):
        raise UnreadableFile(f"{path.name} is a {file.mode} picture: convert it to RGB.")
    if file.width * file.height > PIXELS_PER_BYTE * path.stat().st_size:
        size = f"{file.width}x{file.height}"
        raise UnreadableFile(f"{path.name} says {size} pixels but is too short: copy it again.")
    return file


def _meta(file: JpegImageFile) -> dict[str, Any]:
    raw = bytes(file.info.get("exif") or b"").removeprefix(exif.HEADER)
    meta: dict[str, Any] = {"exif": exif.parse(raw)}
    if raw:
        meta["exif_raw"] = raw
    for ours, theirs in (("icc", "icc_profile"), ("xmp", "xmp")):
        if file.info.get(theirs):
            meta[ours] = bytes(file.info[theirs])
    if "icc" in meta and (why := complaint(meta["icc"])):
        meta["warnings"] = [why]
    if "dpi" in file.info:
        meta["dpi"] = tuple(float(value) for value in file.info["dpi"])
    return meta
