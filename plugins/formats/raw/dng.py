"""Writing DNG: what both ways share, and the choice between them.

A DNG source is patched (patch.py): every byte and tag stays, a new sensor image and a new first
directory are added. For any other source a DNG is built (build.py) from the image's metadata.
"""

from __future__ import annotations

import io
import json
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from core import __version__
from core.format import Output, UnreadableFile, UnwritableFile
from core.image import Array, Image, Levels
from plugins.formats.raw import tags as t
from plugins.formats.raw.info import XMP_NAMESPACE, Info, info
from plugins.formats.raw.tags import Ifd, Tag, Tiff, make

U16 = NDArray[np.uint16]
SOFTWARE = f"Sordino {__version__}"
TILE = 256
CHUNK = 1 << 16  # samples
PREVIEW = 1024  # long edge
SMALLEST = 22  # LibRaw opens nothing smaller

# Tags of the sensor image that a new one replaces, and of any image in a directory.
STORAGE = {256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 339, 347}
STORAGE |= {254, 255, 512, 513, 514, 529, 530, 531, 532, 50974, 50975, 52547, 52553, 52554, 52555}
_DIGESTS = {50972, 51111, 50781}  # of the old values, and their unique id
_OLD_PREVIEW = {50966, 50967, 50969, 50970, 50971, 50973}
_NOISE = {50935, 51041}  # noise reduction applied, noise profile


def stale(output: Output) -> set[int]:
    """Tags that the new pixels make untrue; a plain conversion keeps what tells of the noise."""
    return _DIGESTS | _OLD_PREVIEW | (_NOISE if output.note is not None else set())


@dataclass
class Sink:
    """The file being made: bytes, and holes of the old pixel data that may be used again."""

    order: str = "<"
    data: bytearray = field(default_factory=bytearray)
    holes: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def put(self, block: bytes) -> int:
        """Place a block in the first hole that takes it, else at the end; returns its offset."""
        for index, (start, stop) in enumerate(self.holes):
            if stop - start >= len(block):
                self.holes[index] = (start + len(block) + len(block) % 2, stop)
                self.data[start : start + len(block)] = block
                return start
        self.data += bytes(len(self.data) % 2)
        start = len(self.data)
        self.data += block
        return start

    def directory(self, ifd: Ifd) -> int:
        """Append a directory; returns its offset."""
        self.data += bytes(len(self.data) % 2)
        start = len(self.data)
        self.data += t.pack(self.order, ifd, start)
        return start

    def tag(self, kind: int, values: Any) -> Tag:
        """A tag in the file's byte order."""
        return make(self.order, kind, values)


def stored(image: Image) -> U16:
    """The image as 16-bit integers on its own scale: rounded and clipped, here and only here.

    A scale that has no integer white (floating-point images) is stretched to 65535. Raises
    UnwritableFile for NaN.
    """
    pixels = np.asarray(image.pixels[...])
    if pixels.dtype == np.uint16:
        return pixels
    scale = np.float32(_stretch(image))
    out = np.empty(pixels.shape, np.uint16)
    lines, found = pixels.reshape(-1, pixels.shape[-1]), out.reshape(-1, pixels.shape[-1])
    step = max(CHUNK // lines.shape[1], 1)
    buffer = np.empty((step, lines.shape[1]), np.float32)
    for y in range(0, len(lines), step):  # few at a time stay in the processor's cache
        values = np.multiply(lines[y : y + step], scale, out=buffer[: len(lines) - y])
        if np.isnan(values.min()):
            raise UnwritableFile(
                "The image holds values that are no numbers: DNG cannot store them."
            )
        np.rint(values, out=values)
        found[y : y + step] = np.clip(values, 0, 65535, out=values)
    return out


def _white(image: Image) -> float:
    """The white level, where there is none the largest value of its numbers."""
    if np.isfinite(image.levels.white):
        return image.levels.white
    return 65535.0 if image.pixels.dtype.kind in "iu" else 1.0


def _stretch(image: Image) -> float:
    """1 for a scale of integers, else what brings white to 65535."""
    white = _white(image)
    return 1.0 if 255 <= white <= 65535 else 65535 / white


def write(path: Path, image: Image, source: Image, output: Output) -> None:
    """Write a DNG. Raises UnwritableFile."""
    from plugins.formats.raw.build import build
    from plugins.formats.raw.patch import patch

    if image.axes not in ("yx", "cyx") or (image.axes == "cyx" and image.pixels.shape[0] != 3):
        raise UnwritableFile("A DNG holds a mosaic, one channel or three: choose TIFF or NumPy.")
    values = stored(image)
    pixels, area = _framed(values, source)
    if min(pixels.shape[:2]) < SMALLEST:
        raise UnwritableFile("The image is too small for a DNG: choose TIFF or NumPy.")
    image = replace(_scaled(image), pixels=values)
    tags = info(Path(source.path)) if source.path else Info()
    same = image.axes == source.axes and (image.cfa is None) == (source.cfa is None)
    try:
        if tags.dng and same and tags.size == pixels.shape[:2] and area == tags.active:
            with (
                Path(source.path).open("rb") as file,
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
            ):
                made = patch(Tiff(data), pixels, image, tags, output)
        else:
            made = build(pixels, area, image, source, output)
    except struct.error:  # an offset over 32 bits
        raise UnwritableFile("The image is too large for a DNG (4 GB): choose TIFF.") from None
    path.write_bytes(made)


def _scaled(image: Image) -> Image:
    """Levels on the scale of `stored`."""
    scale = _stretch(image)
    black = tuple(tuple(value * scale for value in row) for row in image.levels.black)
    return replace(image, levels=Levels(black, _white(image) * scale))


def _framed(values: U16, source: Image) -> tuple[U16, tuple[int, int, int, int]]:
    """The full sensor frame (h, w) or (h, w, 3) with the new active area, and where that lies."""
    from plugins.formats.raw.reader import frame

    values = np.moveaxis(values, 0, -1) if values.ndim == 3 else values
    height, width = values.shape[:2]
    full_size = source.meta.get("frame")
    if not (source.path and full_size) or list(full_size) == [height, width, 0, 0]:
        return np.ascontiguousarray(values), (0, 0, height, width)
    try:
        full, area = frame(Path(source.path))
    except UnreadableFile:  # the source is gone: the active area alone is a whole picture, too
        return np.ascontiguousarray(values), (0, 0, height, width)
    if full.ndim != values.ndim or area[2:] != (height, width):
        return np.ascontiguousarray(values), (0, 0, height, width)
    full[area[0] : area[0] + height, area[1] : area[1] + width] = values
    return full, area


def raster(sink: Sink, pixels: U16, compress: bool) -> Ifd:
    """Put the pixels into the file; the tags that describe how they lie there."""
    height, width = pixels.shape[:2]
    samples = 1 if pixels.ndim == 2 else pixels.shape[2]
    # LibRaw misreads a tile wider than the image, and images of exactly two tiles' width
    compress &= width >= TILE and width != 2 * TILE
    ifd = {
        254: sink.tag(t.LONG, 0),
        256: sink.tag(t.LONG, width),
        257: sink.tag(t.LONG, height),
        258: sink.tag(t.SHORT, [16] * samples),
        259: sink.tag(t.SHORT, 7 if compress else 1),
        277: sink.tag(t.SHORT, samples),
        284: sink.tag(t.SHORT, 1),
        339: sink.tag(t.SHORT, [1] * samples),
    }
    if not compress:
        block = pixels.astype(sink.order + "u2", copy=False).tobytes()
        return ifd | {
            273: sink.tag(t.LONG, sink.put(block)),
            278: sink.tag(t.LONG, height),
            279: sink.tag(t.LONG, len(block)),
        }
    from plugins.formats.raw.ljpeg import encode

    offsets, counts = list[int](), list[int]()
    for y in range(0, height, TILE):
        for x in range(0, width, TILE):
            block = encode(_tile(pixels, y, x))
            offsets.append(sink.put(block))
            counts.append(len(block))
    return ifd | {
        322: sink.tag(t.LONG, TILE),
        323: sink.tag(t.LONG, TILE),
        324: sink.tag(t.LONG, offsets),
        325: sink.tag(t.LONG, counts),
    }


def _tile(pixels: U16, y: int, x: int) -> U16:
    """A whole tile; what lies outside of the image repeats its edge."""
    tile = pixels[y : y + TILE, x : x + TILE]
    missing = [(0, TILE - tile.shape[0]), (0, TILE - tile.shape[1]), (0, 0)][: tile.ndim]
    return np.pad(tile, missing, mode="edge") if tile.shape[:2] != (TILE, TILE) else tile


def level_tags(sink: Sink, image: Image, samples: int) -> Ifd:
    """Black and white. The repeat size always: without it RawTherapee shows X-Trans magenta."""
    black: Array = np.asarray(image.levels.black, float)
    if samples == 3:
        black = np.full((1, 1), black.mean())
    return {
        50713: sink.tag(t.SHORT, black.shape),
        50714: sink.tag(t.RATIONAL, [float(v) for v in black.ravel() for _ in range(samples)]),
        50717: sink.tag(t.LONG, [round(image.levels.white)] * samples),
    }


def preview_tags(sink: Sink, image: Image) -> Ifd:
    """A JPEG rendering of the new pixels, unrotated: viewers show it instead of the sensor's."""
    from PIL import Image as Pictures

    from core.develop import thumbnail

    picture = thumbnail(replace(image, orientation=1), PREVIEW)
    buffer = io.BytesIO()
    Pictures.fromarray(picture).save(buffer, "JPEG", quality=88, subsampling="4:2:0")
    block = buffer.getvalue()
    height, width = picture.shape[:2]
    return {
        254: sink.tag(t.LONG, 1),
        256: sink.tag(t.LONG, width),
        257: sink.tag(t.LONG, height),
        258: sink.tag(t.SHORT, [8, 8, 8]),
        259: sink.tag(t.SHORT, 7),
        262: sink.tag(t.SHORT, 6),
        273: sink.tag(t.LONG, sink.put(block)),
        277: sink.tag(t.SHORT, 3),
        278: sink.tag(t.LONG, height),
        279: sink.tag(t.LONG, len(block)),
        284: sink.tag(t.SHORT, 1),
        530: sink.tag(t.SHORT, [2, 2]),
        531: sink.tag(t.SHORT, 1),
        532: sink.tag(t.RATIONAL, [0, 255, 128, 255, 128, 255]),
        50966: sink.tag(t.ASCII, "Sordino"),
        50967: sink.tag(t.ASCII, __version__),
        50970: sink.tag(t.LONG, 2),  # sRGB
    }


def marks(sink: Sink, output: Output) -> Ifd:
    """Tags of the sensor image that say it is denoised; none for a plain conversion."""
    return {50935: sink.tag(t.RATIONAL, 1)} if output.note is not None else {}


def xmp(note: Mapping[str, Any], packet: bytes = b"") -> bytes:
    """The source's XMP packet with our description and one step of history added."""
    when = datetime.now().astimezone().isoformat(timespec="seconds")
    step = (
        f'<rdf:li stEvt:action="denoised" stEvt:softwareAgent={quoteattr(SOFTWARE)}'
        f' stEvt:when="{when}" stEvt:changed="/"/>'
    )
    history = f"<xmpMM:History><rdf:Seq>{step}</rdf:Seq></xmpMM:History>"
    ours = (
        f'<rdf:Description rdf:about="" xmlns:sordino="{XMP_NAMESPACE}"'
        ' xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"'
        ' xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"'
        f' sordino:version="{__version__}" sordino:note={quoteattr(json.dumps(note, default=str))}>'
    )
    old = packet.rstrip(b"\0 \n").decode("utf-8", "replace")
    head, close, tail = old.rpartition("</rdf:RDF>")
    seq = head.find("</rdf:Seq>", max(head.find("<xmpMM:History>"), 0))
    if XMP_NAMESPACE not in head and close:
        if "<xmpMM:History>" in head and seq > 0 and "xmlns:stEvt" in head:
            head = f"{head[:seq]}{step}{head[seq:]}"
            merged = f"{head}{ours}</rdf:Description>{close}{tail}"
        else:
            merged = f"{head}{ours}{history}</rdf:Description>{close}{tail}"
        try:
            ElementTree.fromstring(merged)
            return merged.encode()
        except ElementTree.ParseError:
            pass  # the source's packet is broken: only ours is written
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f"{ours}{history}</rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="w"?>'
    ).encode()
