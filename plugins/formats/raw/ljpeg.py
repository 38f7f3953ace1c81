"""Lossless JPEG (ITU-T T.81 process 14, predictor 1) for 16-bit DNG tiles: the encoder.

DNG readers take it in tiles only: in strips some show a wrong picture without an error. Predictor 1
is the one that all of them know.
"""

from __future__ import annotations

import struct
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

# Category of each difference modulo 2^16: how many bits its magnitude has.
_SIZES = np.frexp(np.abs(np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)))[1]
_SIZES = _SIZES.astype(np.uint8)


def encode(tile: NDArray[np.uint16]) -> bytes:
    """One tile, (rows, columns) or (rows, columns, channels) uint16, as a JPEG stream.

    A mosaic's even and odd columns go as two components, so that red predicts red; its width must
    be even.
    """
    rows = tile.shape[0]
    components = 2 if tile.ndim == 2 else tile.shape[2]
    columns = tile.size // rows // components
    flat = np.ascontiguousarray(tile).reshape(rows, -1)
    differences, counts = _differences(flat, components, _SIZES)
    lengths = _code_lengths(counts.tolist())
    codes, bits, symbols = _canonical(lengths)
    scan = np.empty(8 * tile.size + 16, np.uint8)
    used = _pack(differences, _SIZES, codes, np.asarray(lengths, np.uint8), scan)
    table = bytes([0]) + bytes(bits) + bytes(symbols)
    frame = struct.pack(">BHHB", 16, rows, columns, components)
    frame += b"".join(bytes([c, 0x11, 0]) for c in range(components))
    start = bytes([components]) + b"".join(bytes([c, 0]) for c in range(components))
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xC3, frame),
            _segment(0xC4, table),
            _segment(0xDA, start + bytes([1, 0, 0])),
            scan[:used].tobytes(),
            b"\xff\xd9",
        )
    )


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _code_lengths(counts: list[int]) -> list[int]:
    """Huffman code length of each of the 17 difference categories, at most 16 (Annex K.2).

    An 18th symbol keeps the code of all ones unused, as the standard demands.
    """
    groups = [(count, [symbol]) for symbol, count in enumerate(counts) if count]
    groups.append((0, [len(counts)]))
    lengths = [0] * (len(counts) + 1)
    while len(groups) > 1:
        groups.sort(key=lambda group: (group[0], -max(group[1])))
        (a, first), (b, second), *rest = groups
        for symbol in first + second:
            lengths[symbol] += 1
        groups = [(a + b, first + second), *rest]
    return _limited(lengths)[:-1]


def _limited(lengths: list[int]) -> list[int]:
    """No length over 16; the last symbol keeps a longest code (figure K.3)."""
    while (longest := max(lengths)) > 16:
        first, second = [symbol for symbol, n in enumerate(lengths) if n == longest][:2]
        short = max((n, symbol) for symbol, n in enumerate(lengths) if 0 < n < longest - 1)[1]
        lengths[short] += 1
        lengths[first] = lengths[short]
        lengths[second] -= 1
    at = lengths.index(max(lengths))
    lengths[at], lengths[-1] = lengths[-1], lengths[at]
    return lengths


def _canonical(lengths: list[int]) -> tuple[NDArray[np.uint32], list[int], list[int]]:
    """Codes by symbol, number of codes of each length 1..16, and symbols in code order."""
    codes = np.zeros(len(lengths), np.uint32)
    bits = [lengths.count(length) for length in range(1, 17)]
    symbols = sorted((s for s, n in enumerate(lengths) if n), key=lambda s: (lengths[s], s))
    code, last = 0, 0
    for symbol in symbols:
        code <<= lengths[symbol] - last
        last = lengths[symbol]
        codes[symbol] = code
        code += 1
    return codes, bits, symbols


@numba.njit(cache=True, nogil=True)
def _differences(rows: Any, components: int, sizes: Any) -> Any:
    """Prediction differences modulo 2^16, and how often each category occurs."""
    height, width = rows.shape
    out = np.empty((height, width), np.uint16)
    counts = np.zeros(17, np.int64)
    for y in range(height):
        for x in range(components):
            out[y, x] = rows[y, x] - (rows[y - 1, x] if y else np.uint16(32768))
        for x in range(components, width):
            out[y, x] = rows[y, x] - rows[y, x - components]
        for x in range(width):
            counts[sizes[out[y, x]]] += 1
    return out, counts


@numba.njit(cache=True, nogil=True)
def _pack(differences: Any, sizes: Any, codes: Any, lengths: Any, out: Any) -> int:
    """Huffman code, then the difference's own bits, most significant first; FF becomes FF 00.

    Bits leave the buffer by 32: hardly ever is there an FF among four bytes.
    """
    buffer, filled, used = np.uint64(0), np.uint64(0), 0
    one, half, full = np.uint64(1), np.uint64(32), np.uint64(0xFFFFFFFF)
    for found in differences.ravel():
        value, size = np.uint64(found), np.uint64(sizes[found])
        word, count = np.uint64(codes[size]), np.uint64(lengths[size])
        if size < np.uint64(16):  # 16 means -32768 and has no bits of its own
            own = (value - (value >> np.uint64(15))) & ((one << size) - one)
            word = (word << size) | own
            count += size
        buffer = (buffer << count) | word  # at most 31 old bits and 31 new ones
        filled += count
        if filled >= half:
            filled -= half
            four = (buffer >> filled) & full
            used = _put(four, np.int64(4), out, used)
    rest = (np.uint64(8) - filled % np.uint64(8)) % np.uint64(8)
    buffer = (buffer << rest) | ((one << rest) - one)  # fill up with ones
    count = np.int64((filled + rest) // np.uint64(8))
    return _put(buffer & ((one << np.uint64(8 * count)) - one), count, out, used)


@numba.njit(cache=True, nogil=True)
def _put(word: Any, count: np.int64, out: Any, used: int) -> int:
    """The last `count` bytes of a word, the first of them first; returns where the next goes."""
    inverse = ~word & np.uint64(0xFFFFFFFF)
    stuffed = (inverse - np.uint64(0x01010101)) & ~inverse & np.uint64(0x80808080)
    for index in range(count):
        byte = (word >> np.uint64(8 * (count - 1 - index))) & np.uint64(255)
        out[used] = byte
        used += 1
        if stuffed and byte == np.uint64(255):
            out[used] = 0
            used += 1
    return used
