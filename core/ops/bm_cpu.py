# pyright: basic
# (numba's decorators are untyped)
"""Block matching and collaborative filtering on the CPU, single-threaded, without the GIL.

Sixteen reference blocks of a row are filtered side by side, one per SIMD lane: lane k * SIDE + r is
the k-th match of reference r, so that the transform along the matches runs over whole registers.
Distances are computed offset by offset for a whole row of reference blocks.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from core.ops.dct_cpu import _forward, _inverse

Floats = NDArray[np.float32]
Places = NDArray[np.int32]

B = 8  # edge of a block
SIDE = 16  # reference blocks done side by side
MOST = 32  # matches of a block at most
LANES = SIDE * MOST + SIDE  # no power of two, or all would meet in one set of the cache
HALF = np.float32(0.5**0.5)
_LOW = (0.0165728151840597, -0.0165728151840597, -0.1215339780164379, 0.1215339780164379,
        0.7071067811865476, 0.7071067811865476, 0.1215339780164379, -0.1215339780164379,
        -0.0165728151840597, 0.0165728151840597)  # fmt: skip


def _bior() -> tuple[Floats, Floats]:
    """Biorthogonal 1.5 wavelet of a block's row, periodic, rows of length 1; and its inverse."""
    matrix, size = np.eye(B), B
    while size > 1:
        level = np.eye(B)
        level[:size, :size] = 0
        for i in range(size // 2):
            for k, value in enumerate(_LOW):
                level[i, (2 * i + k - 4) % size] += value
            level[size // 2 + i, 2 * i : 2 * i + 2] = -(0.5**0.5), 0.5**0.5
        matrix, size = level @ matrix, size // 2
    matrix /= np.sqrt(np.square(matrix).sum(1, keepdims=True))
    return matrix.astype(np.float32), np.linalg.inv(matrix).astype(np.float32)


BIOR, UNBIOR = _bior()
ONE, ZERO, FAR, LEAST = np.float32(1), np.float32(0), np.float32(3e38), np.float32(0.01)

fast = njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")


@fast
def match(
    guide: Floats,
    y: int,
    left: int,
    step: int,
    radius: int,
    most: int,
    places: Places,
    far: Floats,
) -> None:
    """The `most` blocks nearest to each reference block of row y: places[r, k] = row * W + column.

    Reference r begins at column left + r * step; `guide` is (H, W), `far` (R, most) takes the
    distances, sums of squared differences. Each block is its own first match.
    """
    height, width = guide.shape
    count = places.shape[0]
    column, pair = np.empty(width, np.float32), np.empty(width, np.float32)
    far[:] = FAR
    worst, found = np.full(count, FAR), np.empty(count + 1, np.int64)
    for up in range(2 * radius + 1):  # near blocks first: they are the likelier matches
        dy = (up + 1) // 2 if up % 2 else -(up // 2)
        if y + dy < 0 or y + dy > height - B:
            continue
        for out in range(2 * radius + 1):
            dx = (out + 1) // 2 if out % 2 else -(out // 2)
            x0 = max(0, -dx)
            n = width - abs(dx)
            if n < B:
                continue
            _columns(guide, y, x0, dy, dx, n, column)
            for j in range(n - 1):
                pair[j] = column[j] + column[j + 1]
            for j in range(n - 3):
                column[j] = pair[j] + pair[j + 2]
            for j in range(n - 7):
                pair[j] = column[j] + column[j + 4]
            start = max((x0 - left + step - 1) // step, 0)
            stop = min((x0 + n - B - left) // step + 1, count)
            if dy == 0 and dx == 0:
                pair[:] = -ONE
            if start >= stop:
                continue
            given, limit, hits = pair[left + start * step - x0 :], worst[start:], 0
            for i in range(stop - start):  # without a branch: most are no match
                found[hits] = i
                hits += given[i * step] < limit[i]
            for hit in range(hits):
                i = found[hit]
                r, place = start + i, (y + dy) * width + left + (start + i) * step + dx
                worst[r] = _insert(far[r], places[r], given[i * step], place)


@fast
def _insert(far, places, apart, place):
    """Put a match where it belongs, the last one falls out; returns the distance of the last."""
    k = len(far) - 1
    while k > 0 and far[k - 1] > apart:
        far[k] = far[k - 1]
        places[k] = places[k - 1]
        k -= 1
    far[k] = apart
    places[k] = place
    return far[-1]


@fast
def _columns(guide, y, x0, dy, dx, n, out):
    """Squared differences of B rows, summed by column: two rows a pass, more LLVM would not do."""
    for i in range(0, B, 2):
        a0, a1 = guide[y + i, x0:], guide[y + i + 1, x0:]
        b0, b1 = guide[y + i + dy, x0 + dx :], guide[y + i + 1 + dy, x0 + dx :]
        if i == 0:
            for j in range(n):
                p, q = a0[j] - b0[j], a1[j] - b1[j]
                out[j] = p * p + q * q
        else:
            for j in range(n):
                p, q = a0[j] - b0[j], a1[j] - b1[j]
                out[j] += p * p + q * q


@fast
def _transform(a, stride, lanes, kind, spare):
    """Along one axis of the blocks, in place. kind 0: DCT, 1: wavelet; 2 and 3: their inverses."""
    if kind == 0:
        _forward(a, stride, lanes)
    elif kind == 2:
        _inverse(a, stride, lanes)
    else:
        matrix = BIOR if kind == 1 else UNBIOR
        for i in range(B):
            to, factor = spare[i * LANES :], matrix[i, 0]
            for lane in range(lanes):
                to[lane] = factor * a[lane]
            for k in range(1, B):
                of, factor = a[k * stride :], matrix[i, k]
                if factor != ZERO:
                    for lane in range(lanes):
                        to[lane] += factor * of[lane]
        for i in range(B):
            to, of = a[i * stride :], spare[i * LANES :]
            for lane in range(lanes):
                to[lane] = of[lane]


@fast
def _gather(plane, places, first, used, most, lanes, kind, coefs, spare):
    """Spectra of SIDE references and their matches: coefs[(8 i + j) * LANES + k * SIDE + r]."""
    width = plane.shape[1]
    for r in range(SIDE):
        of = first + min(r, used - 1)
        for k in range(most):
            y, x = places[of, k] // width, places[of, k] % width
            lane = k * SIDE + r
            for i in range(B):
                row, to = plane[y + i, x:], coefs[i * B * LANES + lane :]
                for j in range(B):
                    to[j * LANES] = row[j]
    for i in range(B):
        _transform(coefs[i * B * LANES :], LANES, lanes, kind, spare)
    for j in range(B):
        _transform(coefs[j * LANES :], B * LANES, lanes, kind, spare)


@fast
def _haar(coefs, most, inverse, spare):
    """Orthonormal Haar transform along the matches, of every coefficient, in place."""
    for n in range(B * B):
        row = coefs[n * LANES :]
        size = 2 if inverse else most
        while 2 <= size <= most:
            half = size // 2 * SIDE
            if inverse:
                for m in range(size // 2):
                    low, high, to = row[m * SIDE :], row[half + m * SIDE :], spare[2 * m * SIDE :]
                    for r in range(SIDE):
                        to[r] = (low[r] + high[r]) * HALF
                        to[SIDE + r] = (low[r] - high[r]) * HALF
                size, moved = size * 2, size * SIDE
            else:
                for m in range(size // 2):
                    of, low, high = row[2 * m * SIDE :], spare[m * SIDE :], spare[half + m * SIDE :]
                    for r in range(SIDE):
                        low[r] = (of[r] + of[SIDE + r]) * HALF
                        high[r] = (of[r] - of[SIDE + r]) * HALF
                size, moved = size // 2, size * SIDE
            for r in range(moved):
                row[r] = spare[r]


@fast
def _hard(coefs, lanes, levels, shares, weight):
    """Drop coefficients below `levels` but the mean of all; weight[r] = 1 / noise power kept."""
    weight[:] = ZERO
    for n in range(B * B):
        row, level, share = coefs[n * LANES :], levels[n], shares[n]
        for lane in range(0, lanes, SIDE):
            part = row[lane:]
            least = -ONE if n + lane == 0 else level
            for r in range(SIDE):
                keep = abs(part[r]) > least
                part[r] = part[r] if keep else ZERO
                weight[r] += share if keep else ZERO
    for r in range(SIDE):
        weight[r] = ONE / weight[r]


@fast
def _wiener(coefs, pilot, lanes, levels, shares, weight):
    """Empirical Wiener factors from the pilot's coefficients; weight[r] = 1 / noise power left."""
    weight[:] = ZERO
    for n in range(B * B):
        row, known = coefs[n * LANES :], pilot[n * LANES :]
        variance, share = levels[n], shares[n]
        for lane in range(0, lanes, SIDE):
            part, guide = row[lane:], known[lane:]
            for r in range(SIDE):
                power = guide[r] * guide[r]
                factor = power / (power + variance)
                part[r] *= factor
                weight[r] += factor * factor * share
    for r in range(SIDE):
        weight[r] = ONE / max(weight[r], LEAST)  # all is dark: nothing may become infinite


@fast
def _scatter(coefs, weight, window, places, first, used, most, lanes, kind, spare, sums, mass):
    """Back to pixels: weighted blocks to sums, and the weight of each to mass at its corner."""
    width = sums.shape[1]
    for j in range(B):
        _transform(coefs[j * LANES :], B * LANES, lanes, kind + 2, spare)
    for i in range(B):
        _transform(coefs[i * B * LANES :], LANES, lanes, kind + 2, spare)
    for r in range(used):
        share = weight[r]
        for k in range(most):
            y, x = places[first + r, k] // width, places[first + r, k] % width
            mass[y, x] += share
            lane = k * SIDE + r
            for i in range(B):
                row, of = sums[y + i, x:], coefs[i * B * LANES + lane :]
                bend = share * window[i]
                for j in range(B):
                    row[j] += bend * window[j] * of[j * LANES]


@fast
def collaborate(
    noisy: Floats,
    guide: Floats,
    places: Places,
    levels: Floats,
    shares: Floats,
    window: Floats,
    sums: Floats,
    mass: Floats,
) -> None:
    """Filter the groups of one row of reference blocks of a plane (H, W); add to sums and mass.

    With a `guide` (H, W; else no rows) empirical Wiener shrinkage of DCTs with noise variances
    `levels` (64: one for each coefficient), without it hard thresholding of wavelets at `levels`;
    `shares` (64) are the noise's powers, for the groups' weights. `window` (8) weighs a block's
    rows and columns.
    """
    count, most = places.shape
    coefs, pilot = np.empty(B * B * LANES, np.float32), np.empty(B * B * LANES, np.float32)
    spare, weight = np.empty(B * LANES, np.float32), np.empty(SIDE, np.float32)
    lanes, kind = SIDE * most, 0 if guide.shape[0] else 1
    for first in range(0, count, SIDE):
        used = min(SIDE, count - first)
        _gather(noisy, places, first, used, most, lanes, kind, coefs, spare)
        _haar(coefs, most, False, spare)
        if guide.shape[0]:
            _gather(guide, places, first, used, most, lanes, kind, pilot, spare)
            _haar(pilot, most, False, spare)
            _wiener(coefs, pilot, lanes, levels, shares, weight)
        else:
            _hard(coefs, lanes, levels, shares, weight)
        _haar(coefs, most, True, spare)
        _scatter(coefs, weight, window, places, first, used, most, lanes, kind, spare, sums, mass)


@fast
def merge(sums: Floats, mass: Floats, window: Floats, out: Floats) -> None:
    """sums / (mass spread by the window) where a block has been; elsewhere `out` stays."""
    height, width = sums.shape
    wide, tall = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    for y in range(height):
        for j in range(B):
            of, to, bend = mass[y], wide[y, j:], window[j]
            for x in range(width - B + 1):
                to[x] += bend * of[x]
    for i in range(B):
        for y in range(height - B + 1):
            of, to, bend = wide[y], tall[y + i], window[i]
            for x in range(width):
                to[x] += bend * of[x]
    for y in range(height):
        total, given, to = tall[y], sums[y], out[y]
        for x in range(width):
            if total[x] > ZERO:
                to[x] = given[x] / total[x]
