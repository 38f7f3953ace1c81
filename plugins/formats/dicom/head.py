"""What a DICOM file says before its pixels, judged before anything is decoded."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from core.format import UnreadableFile

if TYPE_CHECKING:
    from pydicom import Dataset

PIXELS = {0x7FE00010: "PixelData", 0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData"}
DIRECTORY = "1.2.840.10008.1.3.10"
BIG, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
NATIVE = {IMPLICIT, EXPLICIT, BIG, DEFLATED, "1.2.840.113619.5.2"}
PACKED = 4000  # times that a compressed image may be larger than its file
UNDEFINED = 0xFFFFFFFF
INFLATED = 1 << 27  # bytes of a file that is deflated as a whole, at most
VRS = frozenset(
    (
        "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "OB", "OD", "OF",
        "OL", "OV", "OW", "PN", "SH", "SL", "SQ", "SS", "ST", "SV", "TM", "UC", "UI", "UL", "UN",
        "UR", "US", "UT", "UV",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Head:
    """A file's elements, and what they say of its pixels."""

    path: Path
    data: Dataset  # without the pixels
    syntax: str  # transfer syntax
    element: str  # PixelData, or one of the two with floats
    offset: int  # of the first byte of the pixels; 0 when the file is deflated
    length: int  # in bytes; UNDEFINED when they are encapsulated
    start: int  # of the element
    rows: int
    columns: int
    samples: int
    frames: int
    allocated: int
    stored: int
    high: int
    signed: bool
    photometric: str
    planar: int

    @property
    def native(self) -> bool:
        """Not compressed?"""
        return self.syntax in NATIVE

    @property
    def kind(self) -> np.dtype[Any]:
        """Type of a stored number, in the byte order of this machine."""
        if self.element != "PixelData":
            return np.dtype("f4" if self.element == "FloatPixelData" else "f8")
        if self.allocated == 1:
            return np.dtype("u1")
        return np.dtype(f"{'i' if self.signed else 'u'}{self.allocated // 8}")

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest number that the bits in use can hold."""
        if self.element != "PixelData":
            return -float("inf"), float("inf")
        if self.signed:
            return -(2.0 ** (self.stored - 1)), 2.0 ** (self.stored - 1) - 1
        return 0.0, 2.0**self.stored - 1

    @property
    def palette(self) -> bool:
        """Are the stored numbers places in a table of colours?"""
        return self.photometric == "PALETTE COLOR"

    @property
    def colour(self) -> bool:
        """Has it red, green and blue when it is decoded?"""
        return self.samples == 3 or self.palette


def looks_like(head: bytes, name: str) -> bool:
    """DICM behind the preamble, or a first element as files from before DICOM 3 have it."""
    if head[128:132] == b"DICM":
        return True
    if len(head) < 16 or head[:2] not in (b"\x08\0", b"\x02\0") or head[3] > 1:
        return False
    if head[4:6].decode("latin-1") in VRS:
        return True
    length = int.from_bytes(head[4:8], "little")
    follows = head[8 + length : 10 + length]
    return 0 < length < 4000 and length % 2 == 0 and follows in (b"\x08\0", b"\x02\0")


def is_directory(path: Path) -> bool:
    """Is this the table of contents of a disk (DICOMDIR)?"""
    with path.open("rb") as file:
        return DIRECTORY.encode() in file.read(512)


def parse(file: BinaryIO, name: str) -> Dataset:
    """All elements before the pixels; the file then stands at them. Raises UnreadableFile."""
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.dcmread(file, stop_before_pixels=True, force=True)
    except Exception as error:
        raise UnreadableFile(f"{name} is a damaged DICOM file ({_why(error)}): copy it again.") \
            from None  # fmt: skip


def load(path: Path) -> Head:
    """Read and judge. Raises UnreadableFile with what is wrong."""
    name = path.name
    with path.open("rb") as file:
        deflated = DEFLATED.encode() in file.read(1024)  # pydicom would inflate it without bounds
        file.seek(0)
        data = inflated(path) if deflated else parse(file, name)
        start, size = file.tell(), path.stat().st_size
        syntax = DEFLATED if deflated else syntax_of(data)
        if syntax == DEFLATED:
            element, offset, length = _deflated(data)
        else:
            element, offset, length = _pixels(file, start, syntax)
    if not element:
        what = str(text(data, "Modality") or "it")
        if "Rows" in data and "BitsAllocated" in data:
            raise UnreadableFile(f"{name} ends before its pixels: copy it again.")
        raise UnreadableFile(
            f"{name} is a DICOM file without a picture ({what}): open one that has one."
        )
    head = _described(path, data, syntax, element, offset, length, start)
    _fits(head, size)
    return head


def syntax_of(data: Dataset) -> str:
    """The transfer syntax; of files that do not say it, how they could be parsed."""
    named = str(data.file_meta.get("TransferSyntaxUID", "") or "")
    if named:
        return named
    implicit, little = data.original_encoding
    return IMPLICIT if implicit else (BIG if little is False else EXPLICIT)


def _pixels(file: BinaryIO, start: int, syntax: str) -> tuple[str, int, int]:
    """Name, offset and length of the element with the pixels that begins at `start`."""
    file.seek(start)
    first = file.read(12)
    order = ">" if syntax == BIG else "<"
    if len(first) < 12:
        return "", 0, 0
    group, member = struct.unpack(f"{order}HH", first[:4])
    found = PIXELS.get(group << 16 | member, "")
    if first[4:6].decode("latin-1") in VRS:
        return found, start + 12, struct.unpack(f"{order}I", first[8:12])[0]
    return found, start + 8, struct.unpack(f"{order}I", first[4:8])[0]


def _deflated(data: Dataset) -> tuple[str, int, int]:
    """Of a file that is deflated as a whole all is there already."""
    for name in PIXELS.values():
        if name in data:
            return name, 0, len(data[name].value or b"")
    return "", 0, 0


def inflated(path: Path) -> Dataset:
    """All of a deflated file, within bounds. Raises UnreadableFile."""
    import zlib

    import pydicom
    from pydicom.filereader import read_file_meta_info

    data = path.read_bytes()
    try:
        begin = 128 + 4 + 12 + int(read_file_meta_info(path).FileMetaInformationGroupLength)
        plain = zlib.decompressobj(-15).decompress(data[begin:], INFLATED)
        return pydicom.dcmread(io.BytesIO(_explicit(plain)), force=True)
    except Exception as error:
        raise UnreadableFile(f"{path.name} is damaged ({_why(error)}): copy it again.") from None


def _explicit(elements: bytes) -> bytes:
    """A file of explicit little endian elements."""
    uid = EXPLICIT.encode() + b"\0"
    element = struct.pack("<HH2sH", 2, 0x10, b"UI", len(uid)) + uid
    group = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(element))
    return bytes(128) + b"DICM" + group + element + elements


def _described(
    path: Path, data: Dataset, syntax: str, element: str, offset: int, length: int, start: int
) -> Head:
    def whole(name: str, default: int | None = None) -> int:
        value: Any = get(data, name, default)
        try:
            return int(value)
        except (TypeError, ValueError):
            raise UnreadableFile(
                f"{path.name} has no readable {name}, it is damaged: copy it again."
            ) from None

    allocated = whole("BitsAllocated", 64 if element.startswith("Double") else 16)
    stored = whole("BitsStored", allocated)
    return Head(
        path=path, data=data, syntax=syntax, element=element, offset=offset, length=length,
        start=start, rows=whole("Rows"), columns=whole("Columns"),
        samples=whole("SamplesPerPixel", 1), frames=whole("NumberOfFrames", 1) or 1,
        allocated=allocated, stored=stored, high=whole("HighBit", stored - 1),
        signed=bool(whole("PixelRepresentation", 0)),
        photometric=text(data, "PhotometricInterpretation") or "MONOCHROME2",
        planar=whole("PlanarConfiguration", 0),
    )  # fmt: skip


def _fits(head: Head, size: int) -> None:
    """Raises UnreadableFile where numbers contradict each other or the size of the file."""
    name, shape = head.path.name, (head.frames, head.rows, head.columns)
    if min(shape) < 1 or max(shape[1:]) > 65535:
        raise UnreadableFile(f"{name} says its size is {shape}, which holds no pixels: damaged.")
    if head.samples not in (1, 3) or head.allocated not in (1, 8, 16, 32, 64):
        raise UnreadableFile(
            f"{name} has {head.samples} numbers of {head.allocated} bits in a pixel: convert it to"
            " 8, 16 or 32 bits."
        )
    floats = head.element != "PixelData"
    if not floats and not (0 < head.stored <= head.allocated and head.high < head.allocated):
        raise UnreadableFile(
            f"{name} says that {head.stored} of {head.allocated} bits are used: it is damaged."
        )
    bits = head.rows * head.columns * head.samples * head.frames * head.allocated
    if "422" in head.photometric:
        bits = bits * 2 // 3
    if head.syntax == DEFLATED:
        short = -(-bits // 8) > head.length
    elif head.native:
        short = -(-bits // 8) > min(size - head.offset, head.length)
    else:
        short = bits / 8 > PACKED * (size - head.offset) + 65536
    if short:
        raise UnreadableFile(f"{name} is shorter than its size {shape} says: copy it again.")


def get(data: Any, name: str, default: Any = None) -> Any:
    """A value, or the default where there is none or it cannot be understood."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = data.get(name)
            value = getattr(value, "value", value) if name[:1] == "(" else value
    except Exception:
        return default
    return default if value is None or value == "" else value


def text(data: Any, name: str) -> str:
    """A value as text, values of several joined by backslashes as in the file."""
    value = get(data, name)
    if value is None:
        return ""
    many = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    return "\\".join(str(one) for one in value) if many else str(value)


def numbers(data: Any, name: str, count: int = 1) -> tuple[float, ...] | None:
    """At least `count` finite numbers, or None."""
    value = get(data, name)
    try:
        many = value if hasattr(value, "__iter__") and not isinstance(value, str) else (value,)
        found = tuple(float(one) for one in many)
    except (TypeError, ValueError):
        return None
    return found if len(found) >= count and np.all(np.isfinite(found)) else None


def _why(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:100].rstrip(".")
