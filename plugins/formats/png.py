"""PNG: 8 and 16 bits, in and out. OpenCV decodes the pixels, chunks are read and written here."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core import exif
from core.develop import complaint
from core.format import Format, Output, UnreadableFile, UnwritableFile, encoded
from core.image import Array, Image, Levels

MAGIC = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # samples by colour type
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
DEFLATE = 1040  # zlib never packs more than 1032 bytes into one
UNPACKED = 16 << 20  # bytes of a compressed profile
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
COLOURS = (b"cHRM", b"gAMA", b"sRGB", b"cICP")
XMP = b"XML:com.adobe.xmp\0"


class Png(Format):
    """Grey and RGB; profile, EXIF, resolution and texts are kept.

    Transparency is not denoised: it waits in meta["alpha"], (y, x) in the units of the file, and
    goes back into a PNG. Palettes, and grey with transparency, are read as RGB.
    """

    title = "PNG"
    suffixes = (".png",)
    writes = (".png",)
    takes = ("display",)

    def sniff(self, head: bytes, name: str) -> bool:
        return head.startswith(MAGIC)

    def header(self, path: Path) -> dict[str, Any]:
        head, chunks = _scan(path)
        shape = [head.height, head.width] if head.grey else [3, head.height, head.width]
        axes = "yx" if head.grey else "cyx"
        dtype = "uint16" if head.depth == 16 else "uint8"
        return {"kind": "display", "axes": axes, "shape": shape, "dtype": dtype, **_meta(chunks)}

    def read(self, path: Path) -> Image:
        import cv2

        head, chunks = _scan(path)
        meta = _meta(chunks)
        data = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        if data is None or data.shape[:2] != (head.height, head.width):
            raise UnreadableFile(f"{path.name} is damaged: copy it again.")
        pixels: Array = data
        if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
            meta["alpha"] = np.ascontiguousarray(pixels[..., -1])
        if pixels.ndim == 3:
            pixels = pixels[..., 0] if head.grey else np.moveaxis(pixels[..., 2::-1], -1, 0)
        meta["order"] = "yx" if head.grey else "yxc"
        white = 65535.0 if head.depth == 16 else 255.0
        turn = exif.orientation(meta["exif"])
        axes = "yx" if head.grey else "cyx"
        return Image(pixels, axes, "display", Levels(white=white), orientation=turn, meta=meta)

    def stored(self, image: Image, output: Output) -> Array:
        return encoded(image, output.bits)

    def write(self, path: Path, image: Image, source: Image, output: Output) -> None:
        import cv2

        if image.axes not in ("yx", "cyx") or (image.axes == "cyx" and image.channels != "RGB"):
            raise UnwritableFile("PNG files hold grey or RGB pictures: choose TIFF or NumPy.")
        pixels = encoded(image, output.bits)
        if pixels.ndim == 3:
            pixels = np.moveaxis(pixels, 0, -1)[..., ::-1]
        pixels = _with_alpha(pixels, source)
        level = [cv2.IMWRITE_PNG_COMPRESSION, 4 if output.compress else 0]
        done, data = cv2.imencode(".png", np.ascontiguousarray(pixels), level)
        if not done:
            raise UnwritableFile(f"{path.name} could not be encoded as PNG: choose TIFF.")
        ihdr = len(MAGIC) + 25  # metadata goes behind the first chunk, before all pixels
        with path.open("wb") as file:
            file.write(data[:ihdr].tobytes())
            for name, body in _extra(image, source, output):
                crc = zlib.crc32(name + body)
                file.write(struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc))
            file.write(data[ihdr:].data)


class _Head:
    """IHDR, judged. Raises UnreadableFile."""

    def __init__(self, body: bytes, path: Path) -> None:
        if len(body) != 13:
            raise UnreadableFile(f"{path.name} is a damaged PNG: copy it again.")
        self.width, self.height, self.depth, self.colour = struct.unpack(">IIBB", body[:10])
        self.grey = self.colour == 0
        if self.depth not in DEPTHS.get(self.colour, ()) or not self.width or not self.height:
            raise UnreadableFile(f"{path.name} has a nonsense header: copy it again.")
        bits = self.width * self.height * self.depth
        bits *= 1 if self.colour == 3 else CHANNELS[self.colour]
        if bits / 8 > DEFLATE * path.stat().st_size:
            size = f"{self.width}x{self.height}"
            raise UnreadableFile(f"{path.name} says {size} pixels but is too short: copy it again.")


Chunks = list[tuple[bytes, bytes]]


def _scan(path: Path) -> tuple[_Head, Chunks]:
    """The header, and all chunks but the pixels; checks every length and checksum."""
    kept: Chunks = []
    head: _Head | None = None
    ended = False
    with path.open("rb") as file:
        file.read(len(MAGIC))
        while not ended:
            start = file.read(8)
            if len(start) < 8:
                raise UnreadableFile(f"{path.name} ends too early: copy it again.")
            length, name = struct.unpack(">I4s", start)
            body = file.read(length) if length <= path.stat().st_size else b""
            check = file.read(4)
            if len(body) != length or len(check) != 4:
                raise UnreadableFile(f"{path.name} ends too early: copy it again.")
            if struct.unpack(">I", check)[0] != zlib.crc32(body, zlib.crc32(name)):
                raise UnreadableFile(f"{path.name} is damaged (bad checksum): copy it again.")
            if head is None:
                head = _Head(body if name == b"IHDR" else b"", path)
            elif name not in (b"IDAT", b"fdAT"):
                kept.append((name, body))
            ended = name == b"IEND"
    assert head is not None
    return head, kept


def _meta(chunks: Chunks) -> dict[str, Any]:
    first = {name: body for name, body in reversed(chunks)}
    raw = first.get(b"eXIf", b"")
    meta: dict[str, Any] = {"exif": exif.parse(raw)}
    if raw:
        meta["exif_raw"] = raw
    if b"iCCP" in first:
        packed = first[b"iCCP"].partition(b"\0")[2][1:]
        try:
            profile = zlib.decompressobj().decompress(packed, UNPACKED)
        except zlib.error:
            profile = b""  # a broken profile is no reason to refuse the picture
        if profile:
            meta["icc"] = profile
        if why := complaint(profile):
            meta["warnings"] = [why]
    if len(first.get(b"pHYs", b"")) == 9:
        x, y, unit = struct.unpack(">IIB", first[b"pHYs"])
        if unit == 1:
            meta["dpi"] = (x * 0.0254, y * 0.0254)
    texts = [[name.decode(), body] for name, body in chunks if name in TEXTS]
    if texts:
        meta["png_text"] = texts
        meta["text"] = dict(_readable(texts))
    for _, body in texts:
        if body.startswith(XMP):
            meta["xmp"] = body[len(XMP) :].split(b"\0", 4)[-1]
    colours = [[name.decode(), body] for name, body in chunks if name in COLOURS]
    if colours:
        meta["png_colour"] = colours
    return meta


def _readable(texts: list[list[Any]]) -> Iterator[tuple[str, str]]:
    for name, body in texts:
        key, _, value = body.partition(b"\0")
        if name == "tEXt":
            yield key.decode("latin-1"), value.decode("latin-1")


def _with_alpha(pixels: Array, source: Image) -> Array:
    """BGRA, where the source had transparency and still has the same size."""
    alpha = source.meta.get("alpha")
    if not isinstance(alpha, np.ndarray) or alpha.shape != pixels.shape[:2]:
        return pixels
    if alpha.dtype != pixels.dtype:
        ratio = np.iinfo(pixels.dtype).max / np.iinfo(alpha.dtype).max
        alpha = np.rint(alpha * ratio).astype(pixels.dtype)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    return np.dstack([pixels, alpha])


def _extra(image: Image, source: Image, output: Output) -> Iterator[tuple[bytes, bytes]]:
    """Metadata chunks in the order that the standard asks for."""
    meta = {**source.meta, **image.meta}
    if meta.get("icc"):
        yield b"iCCP", b"ICC profile\0\0" + zlib.compress(meta["icc"])
    elif "icc" not in meta:
        for name, body in meta.get("png_colour", ()):
            yield name.encode(), body
    if "dpi" in meta:
        x, y = (round(value / 0.0254) for value in meta["dpi"])
        yield b"pHYs", struct.pack(">IIB", x, y, 1)
    if block := exif.for_export(image, source, output.strip):
        yield b"eXIf", block.removeprefix(exif.HEADER)
    if not output.strip:
        for name, body in meta.get("png_text", ()):
            yield name.encode(), body
        if "xmp" in meta and "png_text" not in meta:
            yield b"iTXt", XMP + b"\0\0\0\0" + meta["xmp"]
    if output.note:
        note = json.dumps(dict(output.note)).encode()
        yield b"tEXt", b"Sordino\0" + note
