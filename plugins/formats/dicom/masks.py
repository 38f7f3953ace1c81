"""Masks of one bit a pixel that are packed by run lengths, which pydicom leaves alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.image import Array
from plugins.formats.dicom.head import Head


def masks(head: Head) -> Iterator[Array]:
    """The frames, uint8 (rows, columns) of 0 and 1. Raises ValueError for damaged ones.

    A frame is one segment (DICOM PS3.5 G), which makers fill with bits or with a byte a pixel.
    """
    from pydicom.encaps import generate_frames

    count = head.rows * head.columns
    with head.path.open("rb") as file:
        file.seek(head.offset)
        frames = generate_frames(file, number_of_frames=head.frames)
        for frame in frames:
            begin = int.from_bytes(frame[4:8], "little")
            if int.from_bytes(frame[:4], "little") != 1 or begin < 64:
                raise ValueError("not one segment a frame")
            found = np.frombuffer(_runs(frame[begin:], count), np.uint8)
            if len(found) < count:
                found = np.unpackbits(found, bitorder="little")
            if len(found) < count:
                raise ValueError("a frame is too short")
            yield found[:count].reshape(head.rows, head.columns)


def _runs(packed: bytes, most: int) -> bytes:
    """What run lengths stand for (the PackBits of TIFF), at most `most` bytes."""
    out, at = bytearray(), 0
    while at < len(packed) - 1 and len(out) < most:
        head = packed[at]
        if head < 128:
            out += packed[at + 1 : at + 2 + head]
            at += 2 + head
        else:
            out += packed[at + 1 : at + 2] * (257 - head if head > 128 else 0)
            at += 2 if head > 128 else 1
    return bytes(out[:most])
