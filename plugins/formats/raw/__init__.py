"""Camera RAW: every file LibRaw reads, in; DNG out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.format import Format, Output
from core.image import Array, Image
from plugins.formats.raw.tags import Tiff

_MAGIC = (
    (0, b"FUJIFILMCCD-RAW"),
    (4, b"ftypcrx "),  # Canon CR3
    (0, b"IIRO"),  # Olympus
    (0, b"IIRS"),
    (0, b"MMOR"),
    (0, b"IIU\0"),  # Panasonic, Leica
    (0, b"FOVb"),  # Sigma
    (0, b"\0MRM"),  # Minolta
    (6, b"HEAPCCDR"),  # Canon CRW
    (8, b"CR\x02\0"),  # Canon CR2
)
_SUFFIXES = (
    ".dng .nef .nrw .cr2 .cr3 .crw .arw .sr2 .srf .raf .orf .ori .rw2 .rwl .pef .srw .x3f .3fr"
    " .fff .iiq .dcr .kdc .erf .mef .mos .mrw .gpr .dcs .ptx"
)
_TIFF_MAGIC = (b"II*\0", b"MM\0*")
_DNG_VERSION = 50706


class Raw(Format):
    """Mosaics as the sensor gave them, through LibRaw; written as 16-bit DNG."""

    title = "Camera RAW"
    suffixes = tuple(_SUFFIXES.split())
    writes = (".dng",)
    takes = ("mosaic", "linear")
    rank = 10  # before TIFF, which most RAW files are, too

    def sniff(self, head: bytes, name: str) -> bool:
        """RAW by content; a TIFF is ours when it says DNG or bears a camera's suffix."""
        if any(head[at : at + len(magic)] == magic for at, magic in _MAGIC):
            return True
        if len(head) < 8 or head[:4] not in _TIFF_MAGIC:
            return False
        tiff = Tiff(head)
        return name.lower().endswith(self.suffixes) or _DNG_VERSION in tiff.ifd(tiff.first)

    def header(self, path: Path) -> dict[str, Any]:
        """Kind, axes, shape, dtype, orientation and meta. Raises UnreadableFile."""
        from plugins.formats.raw.reader import header

        return header(path)

    def read(self, path: Path) -> Image:
        """The active area: a mosaic "yx" uint16, or linear "cyx" (or "yx") when demosaiced.

        Raises UnreadableFile.
        """
        from plugins.formats.raw.reader import read

        return read(path)

    def write(self, path: Path, image: Image, source: Image, output: Output) -> None:
        """A DNG: the source patched when it is one, else built new. Raises UnwritableFile."""
        from plugins.formats.raw.dng import write

        write(path, image, source, output)

    def stored(self, image: Image, output: Output) -> Array:
        """The values as 16-bit integers on the image's own scale."""
        from plugins.formats.raw.dng import stored

        return stored(image)
