"""The headers of a FITS file: cards of 80 characters, in blocks of 2880 bytes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.format import UnreadableFile

BLOCK, CARD = 2880, 80
MOST = 2000  # blocks of a header
UNITS = 1000  # header-data units that are looked through
TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
STRING = re.compile(r"'((?:[^']|'')*)'")
Value = str | int | float | bool


@dataclass(frozen=True)
class Unit:
    """A header-data unit: its header as it is, where header and data begin, where it ends."""

    head: bytes
    start: int
    data: int
    end: int
    values: dict[str, Value]

    def number(self, name: str, default: float) -> float:
        """Of a card; the default where it is no finite number."""
        value = self.values.get(name, default)
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else default

    @property
    def sizes(self) -> tuple[int, ...]:
        """NAXIS1 first: the fastest."""
        count = int(self.number("NAXIS", 0))
        return tuple(int(self.number(f"NAXIS{n + 1}", 0)) for n in range(max(min(count, 999), 0)))

    @property
    def bits(self) -> int:
        """BITPIX."""
        return int(self.number("BITPIX", 0))

    @property
    def picture(self) -> bool:
        """Is it an image with rows and columns?"""
        kind = str(self.values.get("XTENSION", "IMAGE")).strip()
        return kind == "IMAGE" and len(self.sizes) >= 2 and math.prod(self.sizes) > 0


def find(path: Path) -> Unit:
    """The first unit that holds an image. Raises UnreadableFile."""
    size, at, packed = path.stat().st_size, 0, False
    with path.open("rb") as file:
        for _ in range(UNITS):
            if at >= size:
                break
            unit = _unit(file, at, path.name)
            if unit.picture:
                return unit
            packed = packed or bool(unit.values.get("ZIMAGE"))
            at = unit.end
    if packed:
        raise UnreadableFile(f"{path.name} is a packed image: unpack it with funpack first.")
    raise UnreadableFile(f"{path.name} holds no image: save one as the primary unit.")


def _unit(file: IO[bytes], start: int, name: str) -> Unit:
    file.seek(start)
    head, values, ended = b"", dict[str, Value](), False
    while not ended:
        block = file.read(BLOCK)
        if len(block) < BLOCK or len(head) > MOST * BLOCK:
            raise UnreadableFile(f"{name} has no end of its header: copy it again.")
        for card in (block[at : at + CARD] for at in range(0, BLOCK, CARD)):
            if card.rstrip() == b"END":
                ended = True
                break
            if card[8:10] == b"= ":
                word = card[:8].decode("latin-1").strip()
                values.setdefault(word, _value(card[10:].decode("latin-1")))
        head += block
    found = Unit(head, start, start + len(head), 0, values)
    if found.sizes and (found.bits not in TYPES or min(found.sizes) < 0):
        raise UnreadableFile(f"{name} has a damaged header: copy it again.")
    count = math.prod(found.sizes) if found.sizes else 0
    count += int(found.number("PCOUNT", 0)) if found.sizes else 0
    count = max(count, 0) * max(int(found.number("GCOUNT", 1)), 1) * abs(found.bits) // 8
    end = found.data + -(-count // BLOCK) * BLOCK
    return Unit(head, start, found.data, end, values)


def _value(text: str) -> Value:
    """What a card says; its comment is in the header that is kept."""
    if hit := STRING.match(text.lstrip()):
        return hit[1].replace("''", "'").rstrip()
    word = text.partition("/")[0].strip()
    if word in ("T", "F"):
        return word == "T"
    try:
        return int(word)
    except ValueError:
        pass
    try:
        return float(word.upper().replace("D", "E"))
    except ValueError:
        return word


def card(name: str, value: Value, comment: str = "") -> bytes:
    """A card in fixed format."""
    if isinstance(value, bool):
        text = f"{'T' if value else 'F':>20}"
    elif isinstance(value, str):
        text = "'" + f"{value[:60].replace(chr(39), chr(39) * 2):8}" + "'"
    else:
        text = f"{value!r:>20}".upper()
    line = f"{name:8}= {text}" + (f" / {comment}" if comment else "")
    return line[:CARD].ljust(CARD).encode("ascii", "replace")


def changed(head: bytes, new: dict[str, Value], dropped: set[str], history: list[str]) -> bytes:
    """A header with some values replaced in their place, cards left out, and lines of history."""
    found = [head[at : at + CARD] for at in range(0, len(head), CARD)]
    kept: list[bytes] = []
    left = dict(new)
    for one in found:
        word = one[:8].decode("latin-1").strip()
        if one.rstrip() == b"END":
            break
        if word in left:
            kept.append(card(word, left.pop(word)))
        elif word not in dropped:
            kept.append(one)
    kept += [card(name, value) for name, value in left.items()]
    kept += [f"HISTORY {line}"[:CARD].ljust(CARD).encode("ascii", "replace") for line in history]
    text = b"".join([*kept, b"END".ljust(CARD)])
    return text.ljust(-(-len(text) // BLOCK) * BLOCK)
