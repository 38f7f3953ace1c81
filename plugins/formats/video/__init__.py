"""Video clips: AVI, Matroska, MOV and MP4 through OpenCV's FFmpeg, in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from core.format import Format, Output
from core.image import Image, Pixels
from plugins.formats.video import reader, writer

EBML = b"\x1a\x45\xdf\xa3"
OLD = (b"moov", b"mdat", b"wide", b"free", b"skip")  # how a MOV without a brand begins
BRANDS = (b"iso", b"mp4", b"avc", b"M4V", b"MSN", b"3gp", b"3g2", b"das", b"mmp", b"f4v", b"XAV")


class Clip(Format):
    """AVI, Matroska, WebM and QuickTime, written without loss.

    Grey clips are "tyx", coloured ones "tcyx", 8 bits; grey FFV1 may have 16. The time of each
    frame and the rotation are kept; sound, subtitles and titles are not. AVI and MKV are written
    as FFV1 (AVI with an odd width or height as PNG pictures, which FFV1 through OpenCV cannot),
    MOV as PNG pictures.
    """

    title = "Video clip"
    suffixes: ClassVar[tuple[str, ...]] = (".avi", ".mkv", ".mov", ".webm", ".qt")
    writes: ClassVar[tuple[str, ...]] = (".avi", ".mkv", ".mov")
    takes = ("clip",)

    def sniff(self, head: bytes, name: str) -> bool:
        if head[:4] == EBML or (head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"AVIX")):
            return True
        old = head[4:8] in OLD and name.lower().endswith((".mov", ".qt"))
        return old or head[4:12] == b"ftypqt  "

    def header(self, path: Path) -> dict[str, Any]:
        return reader.header(path)

    def read(self, path: Path) -> Image:
        return reader.read(path)

    def stored(self, image: Image, output: Output) -> Pixels:
        return writer.stored(image)

    def write(self, path: Path, image: Image, source: Image, output: Output) -> None:
        writer.write(path, image, source)


class Mp4(Clip):
    """MP4, written as MPEG-4 Part 2 with loss: for sharing, not for measuring."""

    title = "MP4 clip"
    suffixes = (".mp4", ".m4v", ".3gp")
    writes = (".mp4",)
    tolerance = 30.0  # levels: tells a clip from another one, also of pure noise

    def sniff(self, head: bytes, name: str) -> bool:
        old = head[4:8] in OLD and name.lower().endswith(self.suffixes)
        return old or (head[4:8] == b"ftyp" and head[8:11] in BRANDS)
