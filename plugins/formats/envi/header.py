"""The text of an ENVI header: read with every line kept, and written again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.format import UnreadableFile

MAGIC = b"ENVI"
LARGEST = 8 << 20  # bytes of a header: 30 lists of 10 000 bands
TYPES = {
    1: "uint8", 2: "int16", 3: "int32", 4: "float32", 5: "float64", 12: "uint16", 13: "uint32",
    14: "int64", 15: "uint64",
}  # fmt: skip
COMPLEX = (6, 9)
ORDERS = {"bsq": "byx", "bil": "ybx", "bip": "yxb"}
PLACES = ("map info", "projection info", "coordinate system string", "geo points", "rpc info")
PRIVATE = ("serial", "owner", "operator", "gps", "latitude", "longitude")

Entry = list[str]  # its lower-case name ("" of a line that is no field) and its lines as they are


@dataclass(frozen=True)
class Layout:
    """Where the samples lie."""

    samples: int
    lines: int
    bands: int
    dtype: str
    interleave: str
    big: bool  # endian
    offset: int

    @property
    def nbytes(self) -> int:
        """Bytes of the samples."""
        width = int("".join(filter(str.isdigit, self.dtype))) // 8
        return self.samples * self.lines * self.bands * width


def is_header(head: bytes) -> bool:
    """Does a file begin as a header does?"""
    return head.startswith(MAGIC) and head[4:5] in (b"\n", b"\r", b" ", b"\t")


def encoding(data: bytes) -> str:
    """Of a header's text."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def read(path: Path) -> tuple[list[Entry], str]:
    """All lines of a header as entries, and the encoding. Raises UnreadableFile."""
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if not is_header(data) or len(data) > LARGEST:
        raise UnreadableFile(f"{path.name} is no ENVI header: open another file.")
    text = data.decode(encoding(data))
    entries: list[Entry] = []
    lines = iter(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[1:])
    for line in lines:
        name, equals, value = line.partition("=")
        if line.lstrip().startswith(";") or not equals:
            entries.append(["", line])
            continue
        if value.lstrip().startswith("{"):
            while "}" not in value:
                more = next(lines, None)
                if more is None:
                    raise UnreadableFile(
                        f"{path.name} never closes the brace of {name.strip()!r}: add it."
                    )
                line, value = f"{line}\n{more}", f"{value}\n{more}"
        entries.append([" ".join(name.lower().split()), line])
    while entries and entries[-1] == ["", ""]:
        entries.pop()
    return entries, encoding(data)


def values(entries: list[Entry]) -> dict[str, str]:
    """What the fields say, without braces; of a name that comes twice the first."""
    found: dict[str, str] = {}
    for name, text in entries:
        value = text.partition("=")[2].strip()
        if value.startswith("{"):
            value = value[1:].partition("}")[0].strip()
        if name:
            found.setdefault(name, value)
    return found


def layout(fields: Mapping[str, str], name: str) -> tuple[Layout, list[str]]:
    """Where the samples lie, and what had to be guessed. Raises UnreadableFile."""
    samples, lines, bands = (_whole(fields, one, name) for one in ("samples", "lines", "bands"))
    if min(samples, lines, bands) < 1:
        shown = f"{samples} x {lines} x {bands}"
        raise UnreadableFile(f"{name} says {shown} samples, lines, bands: correct the header.")
    kind = _whole(fields, "data type", name)
    if kind in COMPLEX:
        raise UnreadableFile(f"{name} holds complex numbers: save their magnitude.")
    if kind not in TYPES:
        raise UnreadableFile(f"{name} says data type {kind}, which ENVI does not know: correct it.")
    interleave = fields.get("interleave", "bsq").lower()
    if interleave not in ORDERS:
        raise UnreadableFile(f"{name} says interleave {interleave[:20]!r}: it is bsq, bil or bip.")
    offset = _whole(fields, "header offset", name, 0)
    if offset < 0:
        raise UnreadableFile(f"{name} says header offset {offset}: correct the header.")
    _refuse(fields, name)
    order, said = _whole(fields, "byte order", name, 0), list[str]()
    if order not in (0, 1):
        raise UnreadableFile(f"{name} says byte order {order}: it is 0 (little endian) or 1 (big).")
    if "byte order" not in fields and TYPES[kind] != "uint8":
        said.append("The header names no byte order: little endian is assumed.")
    if "interleave" not in fields and bands > 1:
        said.append("The header names no interleave: bsq is assumed.")
    where = Layout(samples, lines, bands, TYPES[kind], interleave, order == 1, offset)
    return where, said


def _refuse(fields: Mapping[str, str], name: str) -> None:
    if fields.get("file compression", "0").strip() not in ("0", ""):
        raise UnreadableFile(f"{name} describes compressed data: save it uncompressed.")
    for field in ("major frame offsets", "minor frame offsets"):
        if set(fields.get(field, "")) - set("0 ,.\n"):
            raise UnreadableFile(f"{name} describes data with {field}: save it without them.")


def _whole(fields: Mapping[str, str], field: str, name: str, default: int | None = None) -> int:
    text = fields.get(field)
    if text is None and default is not None:
        return default
    try:
        return int(text or "")
    except ValueError:
        what = "does not say" if text is None else f"gives no whole number for {text[:20]!r} as"
        raise UnreadableFile(f"{name} {what} {field}: correct the header.") from None


def numbers(text: str) -> list[float] | None:
    """The finite numbers of a list, None where one is none."""
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        return None
    return found if all(map(math.isfinite, found)) else None


def words(text: str) -> list[str]:
    """The words of a list."""
    return [" ".join(part.split()) for part in text.split(",")]


def written(entries: list[Entry], new: Mapping[str, str], strip: bool, note: str) -> Iterator[str]:
    """The lines of a header: those of `entries`, with the fields of `new` put in or appended.

    A field that says the same already keeps its line. `strip` leaves out where and whose it is.
    """
    yield "ENVI"
    left, old = dict(new), values(entries)
    for name, text in entries:
        if strip and (name in PLACES or any(word in name for word in PRIVATE)):
            continue
        value = left.pop(name, None)
        if value is None or _alike(value, old[name]):
            yield text
        else:
            yield f"{text.partition('=')[0].rstrip()} = {value}"
    yield from (f"{name} = {value}" for name, value in left.items())
    if note:
        yield f"; Sordino: {note}"


def _alike(one: str, other: str) -> bool:
    if one.strip("{}").split() == other.split():
        return True
    a, b = numbers(one.strip("{}")), numbers(other)
    return a == b if a is not None else one.lower() == other.lower()


def of_image(meta: Mapping[str, Any], coords: Mapping[str, Any], bands: int) -> dict[str, str]:
    """The fields of an image that came from another format."""
    found = {"description": "{Written by Sordino}", "file type": "ENVI Standard"}
    scale = meta.get("scale")
    if scale and scale[0] and not scale[1] and scale[2] == "reflectance":
        found["reflectance scale factor"] = f"{1 / scale[0]:.9g}"
    if unit := coords.get("units", {}).get("b"):
        found["wavelength units"] = str(unit)
    lists = {
        "wavelength": coords.get("b"), "fwhm": meta.get("fwhm"), "bbl": meta.get("bbl"),
    }  # fmt: skip
    for name, listed in lists.items():
        if listed is not None and len(listed) == bands:
            found[name] = "{" + ", ".join(f"{float(one):.9g}" for one in listed) + "}"
    names = meta.get("band_names")
    if names and len(names) == bands and not any(set("{},\n") & set(str(one)) for one in names):
        found["band names"] = "{" + ", ".join(map(str, names)) + "}"
    if shown := meta.get("default_bands"):
        found["default bands"] = "{" + ", ".join(str(int(one) + 1) for one in shown) + "}"
    return found
