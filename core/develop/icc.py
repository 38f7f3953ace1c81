"""ICC profiles of versions 2 and 4, as far as matrix and curves go: RGB and grey.

After ICC.1:2022 (www.color.org): a header of 128 bytes, a table of tags, tags. Colorants are XYZ
relative to D50, whatever the white of the device, so one fixed matrix leads on to linear sRGB.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.develop.profile import IDENTITY, POINTS, Curve, Profile, Triple, srgb_encode
from core.image import Image

F64 = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]
LARGEST = 16 << 20  # bytes
TAGS = 1000
WANTED = b"rXYZ gXYZ bXYZ rTRC gTRC bTRC kTRC desc".split()
PARAMETERS = (1, 3, 4, 5, 7)  # of a parametric curve, by its type
# XYZ from linear sRGB, adapted from D65 to D50 (Bradford)
_SRGB_D50 = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169],
     [0.0139322, 0.0971045, 0.7141733]]
)  # fmt: skip
_SAME = 0.002  # of 0..1: half an 8-bit level, below which a profile is taken for sRGB itself


class BadProfile(ValueError):
    """A profile that cannot be used. The message completes "its colour profile ..."."""


def embedded(image: Image) -> Profile:
    """What the numbers of a display image mean: sRGB without a profile that can be used."""
    data = image.meta.get("icc")
    return _judged(data)[0] if image.kind == "display" and isinstance(data, bytes) else Profile()


def complaint(data: bytes) -> str:
    """One sentence for the user when an embedded profile cannot be used, else ""."""
    reason = _judged(data)[1]
    return f"The picture is shown as sRGB: its colour profile {reason}." if reason else ""


@lru_cache(maxsize=8)
def _judged(data: bytes) -> tuple[Profile, str]:
    try:
        return parse(data), ""
    except BadProfile as bad:
        return Profile(), str(bad)


def parse(data: bytes) -> Profile:
    """The profile in an ICC file's bytes; what equals sRGB becomes exactly that.

    Raises BadProfile, and nothing else, whatever the bytes.
    """
    tags = _tags(data)
    space, connection = data[16:20], data[20:24]
    if space not in (b"RGB ", b"GRAY"):
        raise BadProfile(f"is for {_word(space)} pictures, not for RGB or grey ones")
    if connection != b"XYZ " or not tags.keys() & {b"rXYZ", b"kTRC"}:
        raise BadProfile("is made of tables only, which Sordino does not read")
    if space == b"GRAY":
        matrix, curves = IDENTITY, (_curve(tags, b"kTRC"),)
    else:
        matrix = _matrix(tags)
        curves = tuple(_curve(tags, name) for name in (b"rTRC", b"gTRC", b"bTRC"))
    if len(set(curves)) == 1:
        curves = curves[:1]
    if all(_is_srgb(curve) for curve in curves):
        curves = ()
    return Profile(matrix, curves, _name(tags) or "unnamed")


def _tags(data: bytes) -> dict[bytes, bytes]:
    """The wanted tags by name; all of them lie inside the file."""
    if not 132 <= len(data) <= LARGEST or data[36:40] != b"acsp":
        raise BadProfile("is damaged: it has no ICC header")
    if data[12:16] in (b"link", b"abst", b"nmcl"):
        raise BadProfile("is not one of a picture or a screen")
    count = int.from_bytes(data[128:132], "big")
    if count > min(TAGS, (len(data) - 132) // 12):
        raise BadProfile("is damaged: it ends too early")
    tags: dict[bytes, bytes] = {}
    for at in range(132, 132 + 12 * count, 12):
        name, start, size = struct.unpack(">4sII", data[at : at + 12])
        if name in WANTED:
            tags.setdefault(name, data[start : start + size])
            if start + size > len(data):
                raise BadProfile("is damaged: it ends too early")
    return tags


def _matrix(tags: dict[bytes, bytes]) -> tuple[Triple, Triple, Triple]:
    """Linear sRGB to the profile's linear RGB."""
    colorants = np.stack([_xyz(tags, name) for name in (b"rXYZ", b"gXYZ", b"bXYZ")], 1)
    to_srgb: Floats = np.linalg.solve(_SRGB_D50, colorants)
    white = to_srgb.sum(1)
    if (abs(white - 1) > 0.5).any() or abs(float(np.linalg.det(to_srgb))) < 0.01:
        raise BadProfile("is damaged: its primaries make no colours")
    to_srgb /= white[:, None]  # numbers rounded in the file must not tint the greys
    if np.abs(to_srgb - np.eye(3)).max() < _SAME:
        return IDENTITY
    inverse: Floats = np.linalg.inv(to_srgb)
    red, green, blue = ((float(a), float(b), float(c)) for a, b, c in inverse)
    return red, green, blue


def _xyz(tags: dict[bytes, bytes], name: bytes) -> F64:
    data = tags.get(name, b"")
    if len(data) < 20 or data[:4] != b"XYZ ":
        raise BadProfile(f"is damaged: it lacks {_word(name)}")
    return np.frombuffer(data, ">i4", 3, 8) / 65536


def _curve(tags: dict[bytes, bytes], name: bytes) -> Curve:
    """A curveType or parametricCurveType tag."""
    data = tags.get(name, b"")
    if len(data) < 12 or data[:4] not in (b"curv", b"para"):
        raise BadProfile(f"is damaged: it lacks {_word(name)}")
    values = _sampled(data) if data[:4] == b"curv" else _parametric(data)
    rising = np.maximum.accumulate(np.clip(values, 0, 1))
    if not np.isfinite(values).all() or rising[-1] - rising[0] < 0.5:
        raise BadProfile("is damaged: its curves do not rise")
    if (rising - values.clip(0, 1)).max() > 0.05:
        raise BadProfile("is damaged: its curves fall")
    return Curve.of(values)


def _sampled(data: bytes) -> F64:
    """No value: the identity; one: an exponent in 1/256; else a table of 16 bits."""
    count = int.from_bytes(data[8:12], "big")
    if 12 + 2 * count > len(data) or count > 65536:
        raise BadProfile("is damaged: it ends too early")
    values = np.frombuffer(data, ">u2", count, 12).astype(np.float64)
    if count == 0:
        return np.linspace(0, 1, 2)
    if count == 1:
        return np.linspace(0, 1, POINTS) ** (values[0] / 256)
    return values / 65535


def _parametric(data: bytes) -> F64:
    kind = int.from_bytes(data[8:10], "big")
    if kind >= len(PARAMETERS) or 12 + 4 * PARAMETERS[kind] > len(data):
        raise BadProfile("is damaged: it has an unknown kind of curve")
    given = [float(v) / 65536 for v in np.frombuffer(data, ">i4", PARAMETERS[kind], 12)]
    g, a, b, c, d, e, f = given + [0.0] * (7 - len(given))
    x = np.linspace(0, 1, POINTS)
    if kind == 0:
        a = 1.0
    elif kind in (1, 2):  # below -b / a level: at 0, or at c
        if not a:
            raise BadProfile("is damaged: its curves do not rise")
        d, e, f, c = -b / a, c, c, 0.0
    with np.errstate(all="ignore"):  # what is no number in the end is refused
        return np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)


def _is_srgb(curve: Curve) -> bool:
    x = np.linspace(0, 1, 1025)
    return bool(np.abs(srgb_encode(curve.decode(x)) - x).max() < _SAME)


def _name(tags: dict[bytes, bytes]) -> str:
    """The description: ASCII in version 2, the first language's UTF-16 in version 4."""
    data = tags.get(b"desc", b"")
    if data[:4] == b"mluc" and len(data) >= 28:
        size, start = struct.unpack(">II", data[20:28])
        text = data[start : start + min(size, 400)].decode("utf-16-be", "replace")
    else:
        text = data[12 : 12 + min(int.from_bytes(data[8:12], "big"), 200)].decode("latin-1")
    return "".join(c for c in text.partition("\0")[0] if c.isprintable()).strip()


def _word(name: Any) -> str:
    """Four letters of a file, fit for a sentence."""
    return "".join(c for c in bytes(name).decode("latin-1") if c.isalnum()) or "unknown"


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """sRGB (IEC 61966-2-1) as an ICC profile of version 2: for pictures that we develop."""
    text = b"sRGB"
    x = np.arange(1024) / 1023
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    curve = b"curv" + struct.pack(">II", 0, 1024) + np.rint(65535 * linear).astype(">u2").tobytes()
    named = b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" + bytes(78)
    parts = {
        b"desc": named,
        b"cprt": b"text\0\0\0\0No copyright, use freely\0",
        b"wtpt": _written((0.9642, 1.0, 0.8249)),
        b"rXYZ": _written(_SRGB_D50[:, 0]),
        b"gXYZ": _written(_SRGB_D50[:, 1]),
        b"bXYZ": _written(_SRGB_D50[:, 2]),
        b"rTRC": curve,
    }
    count = len(parts) + 2  # all three curves are one
    table, body, at = b"", b"", 128 + 4 + 12 * count
    for name, part in parts.items():
        names = (b"rTRC", b"gTRC", b"bTRC") if name == b"rTRC" else (name,)
        table += b"".join(each + struct.pack(">II", at, len(part)) for each in names)
        body += part + bytes(-len(part) % 4)
        at += len(part) + -len(part) % 4
    head = struct.pack(">I4sI4s4s4s", at, b"\0" * 4, 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    head += _written((0.9642, 1.0, 0.8249))[8:] + bytes(48)
    return head + struct.pack(">I", count) + table + body


def _written(values: Any) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * float(v)) for v in values))
