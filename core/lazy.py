"""FilePixels: samples that stay in their file and are read as they are wanted.

Reads, not a memory map: a file that shrinks or a drive that goes away is then an error, while
touching the page of such a map ends the program.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any, cast

import numpy as np

from core.image import Array, Pixels

RUN = 2048  # bytes in one go at least: fewer, and what lies between is read as well
SLAB = 8 << 20  # bytes of a slab, about


@dataclass(frozen=True)
class FilePixels:
    """Uncompressed samples at `offset` of a file, in C order with the sizes `stored`.

    Axis i of it is axis `order[i]` of what is stored. Raises OSError when the file has changed.
    """

    path: str
    offset: int
    kind: str  # dtype, with its byte order
    stored: tuple[int, ...]
    order: tuple[int, ...]
    stamp: tuple[int, int]  # size and time of the file, in bytes and ns, when it was opened

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes as they are shown."""
        return tuple(self.stored[axis] for axis in self.order)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples, in this machine's byte order."""
        return np.dtype(self.kind).newbyteorder("=")

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.order)

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        return prod(self.stored) * self.dtype.itemsize

    def transpose(self, order: Any) -> FilePixels:
        """The same samples with the axes in another order, as ndarray.transpose."""
        return replace(self, order=tuple(self.order[int(axis)] for axis in order))

    def __getitem__(self, key: Any, /) -> Array:
        """Integers, slices and one Ellipsis, as of an array."""
        keys = _spread(key, self.ndim)
        spans = [range(*k.indices(n)) if isinstance(k, slice) else range(k % n, k % n + 1)
                 for k, n in zip(keys, self.shape, strict=True)]  # fmt: skip
        found = self._read([spans[self.order.index(axis)] for axis in range(self.ndim)])
        shown = found.transpose(self.order)
        return shown[tuple(slice(None) if isinstance(k, slice) else 0 for k in keys)]

    def _read(self, spans: list[range]) -> Array:
        """The samples of a span of each stored axis."""
        item, at = self.dtype.itemsize, self.ndim - 1
        while at > 0 and len(spans[at]) == self.stored[at] and spans[at].step == 1:
            at -= 1  # axes from `at` + 1 on are read whole
        while at > 0 and len(spans[at]) * prod(self.stored[at + 1 :]) * item < RUN:
            at -= 1
        run, inner = spans[at], prod(self.stored[at + 1 :])
        kind = np.dtype(self.kind)
        out = np.empty([len(span) for span in spans], kind)
        if not out.size:
            return out.astype(self.dtype)
        low, high = min(run[0], run[-1]), max(run[0], run[-1]) + 1
        inside = self.stored[at + 1 :]
        straight = run == range(low, high) and all(
            span == range(size) for span, size in zip(spans[at + 1 :], inside, strict=True)
        )
        with open(self.path, "rb", buffering=0) as file:
            self._check(file.fileno())
            for place in product(*(range(len(span)) for span in spans[:at])):
                first = 0
                for axis, i in enumerate(place):
                    first = first * self.stored[axis] + spans[axis][i]
                file.seek((first * self.stored[at] + low) * inner * item + self.offset)
                if straight:
                    _fill(file, out[place])
                    continue
                block = np.empty((high - low, *inside), kind)
                _fill(file, block)
                out[place] = block[np.ix_(np.asarray(run) - low, *map(np.asarray, spans[at + 1 :]))]
        return out.astype(self.dtype, copy=False)

    def _check(self, handle: int) -> None:
        now = os.fstat(handle)
        if (now.st_size, now.st_mtime_ns) != self.stamp:
            raise OSError(f"{os.path.basename(self.path)} has changed on the disk: open it again")


def _fill(file: Any, block: Array) -> None:
    """Read a contiguous array's bytes."""
    left: Any = block.reshape(-1).view(np.uint8).data
    while len(left):
        count: int = file.readinto(left)
        if not count:
            raise OSError("the file ends too early: copy it again")
        left = left[count:]


def _spread(key: Any, count: int) -> list[Any]:
    keys: list[Any] = list(cast("tuple[Any, ...]", key)) if isinstance(key, tuple) else [key]
    for at, each in enumerate(keys):
        if each is Ellipsis:
            keys[at : at + 1] = [slice(None)] * (count - len(keys) + 1)
            break
    return keys + [slice(None)] * (count - len(keys))


def slabs(pixels: Pixels, axis: int = 0) -> Iterator[slice]:
    """Slices along an axis of about SLAB bytes each: to go through what memory cannot hold."""
    length = pixels.shape[axis]
    each = prod(pixels.shape) * pixels.dtype.itemsize // max(length, 1)
    step = max(SLAB // max(each, 1), 1)
    yield from (slice(at, min(at + step, length)) for at in range(0, length, step))
