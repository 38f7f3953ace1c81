"""A DNG from a DNG: the source's bytes and tags stay, sensor image and previews are replaced."""

from __future__ import annotations

import struct

from core.format import Output
from core.image import Image
from plugins.formats.raw import dng
from plugins.formats.raw import tags as t
from plugins.formats.raw.dng import U16, Sink
from plugins.formats.raw.info import Info, raw_ifd
from plugins.formats.raw.tags import Ifd, Tag, Tiff

# GPS, serial numbers, owner, artist, copyright, maker notes, original file name, IPTC, XMP.
PRIVATE = {t.GPS_IFD, 315, 700, 33432, 33723, 34377, 37500, 37510, 42032, 42033, 42037}
PRIVATE |= {40092, 40093, 40094, 40095, 50735, 50740, 50781, 50827, 50828, 50831, 50833}
POINTERS = {t.SUB_IFDS, 50933, 40965}  # hold offsets, which a new file does not have
_KEPT_SUB_IFDS = (4, 8, 65540)  # transparency, depth and semantic masks
_LINEARISED = {50712, 50715, 50716}  # linearisation table, black level deltas
_OPCODES_1, _OPCODES_2 = 51008, 51009
_FIX_LISTED_PIXELS, _POLYNOMIAL = 5, 8
_LOSSY = 34892


def patch(tiff: Tiff, pixels: U16, image: Image, tags: Info, output: Output) -> bytes:
    """The new file. With `output.strip` nothing of the old file stays but the tags we know."""
    offset, old = raw_ifd(tiff)
    first = tiff.ifd(tiff.first)
    subs = _subs(tiff, first, offset)
    if output.strip:
        sink = Sink(tiff.order, bytearray(bytes(tiff.data[:4]) + bytes(4)))
        first, old, subs = _copied(tiff, sink, _public(first)), _public(old), []
    else:
        sink = Sink(tiff.order, bytearray(tiff.data), _holes(tiff))
    single = offset == tiff.first
    sensor = _sensor(tiff, sink, first if single else old, pixels, image, tags, output)
    preview = dng.preview_tags(sink, image)
    if single:
        top, extra = sensor, preview
    else:
        drop = dng.STORAGE | dng.stale(output)
        top, extra = {c: tag for c, tag in first.items() if c not in drop} | preview, sensor
    top = _top(tiff, sink, top, output)
    top[t.SUB_IFDS] = sink.tag(t.LONG, [sink.directory(extra), *subs])
    sink.data[4:8] = struct.pack(sink.order + "I", sink.directory(top))
    return bytes(sink.data)


def _subs(tiff: Tiff, first: Ifd, sensor: int) -> list[int]:
    """Sub-directories that stay true: masks. Previews and enhanced copies show the old pixels."""
    found = [int(offset) for offset in tiff.values(first.get(t.SUB_IFDS))]
    kinds = {offset: tiff.values(tiff.ifd(offset).get(254)) for offset in found}
    return [o for o in found if o != sensor and kinds[o][:1] and kinds[o][0] in _KEPT_SUB_IFDS]


def _sensor(
    tiff: Tiff, sink: Sink, old: Ifd, pixels: U16, image: Image, tags: Info, output: Output
) -> Ifd:
    """The sensor image's directory: its old tags, with the new storage and levels."""
    drop = dng.STORAGE | dng.stale(output)
    kept = {code: tag for code, tag in old.items() if code not in drop}
    samples = 1 if pixels.ndim == 2 else 3
    same_scale = tags.white == image.levels.white and not tags.warnings
    if 50714 not in old or not same_scale or samples == 3:
        kept = {code: tag for code, tag in kept.items() if code not in _LINEARISED}
        kept |= dng.level_tags(sink, image, samples)
    kept.pop(50712, None)  # the values are linear now
    if 50713 not in kept:
        kept[50713] = sink.tag(t.SHORT, [1, 1])
    for code, listed in ((_OPCODES_1, False), (_OPCODES_2, True)):
        if code in kept and (changed := _opcodes(kept.pop(code), old, tiff, listed)):
            kept[code] = changed
    kept |= dng.raster(sink, pixels, output.compress) | dng.marks(sink, output)
    kept[262] = old[262]
    return kept


def _opcodes(tag: Tag, old: Ifd, tiff: Tiff, second: bool) -> Tag | None:
    """An opcode list without what is already in the pixels, or None when nothing is left.

    List 1 works on values before linearisation: only its list of bad pixels, which are places,
    stays. From list 2 LibRaw has applied the polynomials of lossy files.
    """
    lossy = _LOSSY in tiff.values(old.get(259))
    try:
        (count,) = struct.unpack_from(">I", tag.data)
        kept, at = list[bytes](), 4
        for _ in range(count):
            code, _, _, size = struct.unpack_from(">IIII", tag.data, at)
            if (second and not (lossy and code == _POLYNOMIAL)) or code == _FIX_LISTED_PIXELS:
                kept.append(tag.data[at : at + 16 + size])
            at += 16 + size
    except struct.error:
        return None
    data = struct.pack(">I", len(kept)) + b"".join(kept)
    return Tag(tag.kind, len(data), data) if kept else None


def _top(tiff: Tiff, sink: Sink, ifd: Ifd, output: Output) -> Ifd:
    """The first directory with our name, XMP and a version that allows what we wrote."""
    ifd = dict(ifd)
    if output.note is not None:
        ifd[305] = sink.tag(t.ASCII, dng.SOFTWARE)
        ifd[700] = sink.tag(t.BYTE, dng.xmp(output.note, ifd[700].data if 700 in ifd else b""))
    if tiff.values(ifd.get(50706)) < (1, 4):
        ifd[50706] = sink.tag(t.BYTE, [1, 4, 0, 0])
    return ifd


def _public(ifd: Ifd) -> Ifd:
    return {code: tag for code, tag in ifd.items() if code not in PRIVATE | POINTERS}


def _copied(tiff: Tiff, sink: Sink, first: Ifd) -> Ifd:
    """The first directory for a new file, with a copy of its Exif directory."""
    pointer = first.pop(t.EXIF_IFD, None)
    if pointer and (exif := _public(tiff.ifd(int(tiff.values(pointer)[0])))):
        first[t.EXIF_IFD] = sink.tag(t.LONG, sink.directory(exif))
    return first


def _holes(tiff: Tiff) -> list[tuple[int, int]]:
    """Where the old pixels and previews lie, joined: their bytes are of no more use."""
    spans = list[tuple[int, int]]()
    for _, ifd in tiff.tree():
        if (tiff.values(ifd.get(254)) or (0,))[0] in _KEPT_SUB_IFDS:
            continue
        for where, size in ((273, 279), (324, 325), (513, 514)):
            starts, sizes = tiff.values(ifd.get(where)), tiff.values(ifd.get(size))
            spans += [(int(a), int(a + n)) for a, n in zip(starts, sizes, strict=False)]
    joined = list[tuple[int, int]]()
    for start, stop in sorted(spans):
        stop = min(stop, len(tiff.data))
        if joined and start <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        elif 8 <= start < stop:
            joined.append((start + start % 2, stop))
    return joined
