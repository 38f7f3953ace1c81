"""AVI with a PNG picture for each frame: without loss, of any size."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

from core.format import UnwritableFile
from core.image import Array

LARGEST = (1 << 32) - (1 << 20)  # RIFF counts in 32 bits
KEY = 0x10  # of the index: a frame that needs no other
HEAD = 12 + 8 + 4 + 64 + 12 + 64 + 48 + 12  # bytes before the first frame
LEVEL = 3  # of deflate: photographs gain little from more


class PngAvi:
    """Frames of 8 bits, (h, w) or (h, w, 3) as BGR, one `add` each. A context manager.

    The index and the header are written at its end.
    """

    def __init__(self, path: Path, size: tuple[int, int], rate: float) -> None:
        self._path, self._size = path, size
        self._rate = Fraction(rate).limit_denominator(100_000)
        self._file = path.open("wb")
        self._index: list[tuple[int, int]] = []

    def __enter__(self) -> PngAvi:
        self._file.write(b"\0" * HEAD)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._file.close()

    def add(self, frame: Array) -> None:
        """Append a frame. Raises UnwritableFile."""
        import cv2

        done, data = cv2.imencode(".png", frame, [cv2.IMWRITE_PNG_COMPRESSION, LEVEL])
        at = self._file.tell()
        if not done or at + len(data) > LARGEST:
            raise UnwritableFile(f"{self._path.name} would be larger than 4 GB: choose .npy.")
        self._index.append((at - HEAD + 4, len(data)))
        self._file.write(struct.pack("<4sI", b"00dc", len(data)))
        self._file.write(data.tobytes() + b"\0" * (len(data) % 2))

    def _finish(self) -> None:
        end = self._file.tell()
        rows = (struct.pack("<4sIII", b"00dc", KEY, *row) for row in self._index)
        index = b"".join(rows)
        self._file.write(struct.pack("<4sI", b"idx1", len(index)) + index)
        total, (height, width) = self._file.tell(), self._size
        count, top = len(self._index), max(size for _, size in self._index)
        scale, rate = self._rate.denominator, self._rate.numerator
        head = struct.pack(
            "<4sI4s 4sI4s 4sI14I", b"RIFF", total - 8, b"AVI ",
            b"LIST", HEAD - 12 - 8 - 12, b"hdrl", b"avih", 56,
            round(1e6 * scale / rate), top, 0, KEY, count, 0, 1, top, width, height, 0, 0, 0, 0,
        )  # fmt: skip
        head += struct.pack(
            "<4sI4s 4sI4s4s8Ii I4H", b"LIST", 4 + 64 + 48, b"strl", b"strh", 56, b"vids", b"MPNG",
            0, 0, 0, scale, rate, 0, count, top, -1, 0, 0, 0, width, height,
        )  # fmt: skip
        head += struct.pack(
            "<4sI IiiHH4sIiiII", b"strf", 40, 40, width, height, 1, 24, b"MPNG",
            3 * width * height, 0, 0, 0, 0,
        )  # fmt: skip
        head += struct.pack("<4sI4s", b"LIST", end - HEAD + 4, b"movi")
        assert len(head) == HEAD
        self._file.seek(0)
        self._file.write(head)
