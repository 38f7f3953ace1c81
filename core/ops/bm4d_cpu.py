# pyright: basic
# (numba's decorators are untyped)
"""Block matching and shrinkage of groups of cubes on the CPU, single-threaded, without the GIL.

Sixteen reference cubes of a row are filtered side by side, one per SIMD lane: lane k * SIDE + r is
the k-th match of reference r, so that the transform along the matches runs over whole registers.
Distances are computed offset by offset for a whole row of reference cubes.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from core.ops.dct3d_cpu import B, forward, inverse

Floats = NDArray[np.float32]
Places = NDArray[np.int32]

SIDE = 16  # reference cubes done side by side
MOST = 32  # matches of a cube at most
LANES = SIDE * MOST + SIDE  # no power of two, or all would meet in one set of the cache
HALF = np.float32(0.5**0.5)
ONE, ZERO, FAR, LEAST = np.float32(1), np.float32(0), np.float32(3e38), np.float32(0.01)

fast = njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")


@fast
def match(
    guide: Floats,
    z: int,
    y: int,
    left: int,
    step: int,
    deep: int,
    radius: int,
    places: Places,
    far: Floats,
) -> None:
    """The cubes nearest to each reference cube of row (z, y): places[r, k] = (z * H + y) * W + x.

    Reference r begins at column left + r * step; `guide` is (D, H, W); cubes lie up to `deep`
    slices and `radius` pixels away; `far` (R, K) takes the distances, sums of squared differences.
    Each cube is its own first match.
    """
    depth, height, width = guide.shape
    count = len(places)
    column, pair = np.empty(width, np.float32), np.empty(width, np.float32)
    far[:] = FAR
    worst, found = np.full(count, FAR), np.empty(count + 1, np.int64)
    for back in range(2 * deep + 1):  # near cubes first: they are the likelier matches
        dz = (back + 1) // 2 if back % 2 else -(back // 2)
        if z + dz < 0 or z + dz > depth - B:
            continue
        for up in range(2 * radius + 1):
            dy = (up + 1) // 2 if up % 2 else -(up // 2)
            if y + dy < 0 or y + dy > height - B:
                continue
            for out in range(2 * radius + 1):
                dx = (out + 1) // 2 if out % 2 else -(out // 2)
                x0 = max(0, -dx)
                n = width - abs(dx)
                if n < B:
                    continue
                _columns(guide, z, y, x0, dz, dy, dx, n, column)
                for j in range(n - 1):
                    pair[j] = column[j] + column[j + 1]
                for j in range(n - 3):
                    column[j] = pair[j] + pair[j + 2]
                if dz == 0 and dy == 0 and dx == 0:
                    column[:] = -ONE
                start = max((x0 - left + step - 1) // step, 0)
                stop = min((x0 + n - B - left) // step + 1, count)
                if start >= stop:
                    continue
                given, limit, hits = column[left + start * step - x0 :], worst[start:], 0
                for i in range(stop - start):  # without a branch: most are no match
                    found[hits] = i
                    hits += given[i * step] < limit[i]
                row = ((z + dz) * height + y + dy) * width + left + dx
                for hit in range(hits):
                    i = found[hit]
                    r = start + i
                    worst[r] = _insert(far[r], places[r], given[i * step], row + r * step)


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
def _columns(guide, z, y, x0, dz, dy, dx, n, out):
    """Squared differences of B x B rows, summed by column."""
    for i in range(B):
        one, other = guide[z + i], guide[z + i + dz]
        a0, a1, a2, a3 = one[y, x0:], one[y + 1, x0:], one[y + 2, x0:], one[y + 3, x0:]
        b0, b1 = other[y + dy, x0 + dx :], other[y + dy + 1, x0 + dx :]
        b2, b3 = other[y + dy + 2, x0 + dx :], other[y + dy + 3, x0 + dx :]
        if i == 0:
            for j in range(n):
                p, q = a0[j] - b0[j], a1[j] - b1[j]
                out[j] = p * p + q * q
        else:
            for j in range(n):
                p, q = a0[j] - b0[j], a1[j] - b1[j]
                out[j] += p * p + q * q
        for j in range(n):
            p, q = a2[j] - b2[j], a3[j] - b3[j]
            out[j] += p * p + q * q


@fast
def _gather(volume, places, first, used, most, lanes, coefs):
    """Spectra of SIDE references and their matches: coefs[n * LANES + k * SIDE + r]."""
    height, width = volume.shape[1], volume.shape[2]
    for r in range(SIDE):
        of = first + min(r, used - 1)
        for k in range(most):
            place, lane = places[of, k], k * SIDE + r
            z, y, x = place // width // height, place // width % height, place % width
            for i in range(B):
                for j in range(B):
                    row, to = volume[z + i, y + j, x:], coefs[(i * B + j) * B * LANES + lane :]
                    for m in range(B):
                        to[m * LANES] = row[m]
    _turn(coefs, lanes, False)


@fast
def _turn(coefs, lanes, back):
    """Three-dimensional DCT of every lane's cube, or its inverse."""
    for n in range(B * B):
        if back:
            inverse(coefs[n * B * LANES :], LANES, lanes)
        else:
            forward(coefs[n * B * LANES :], LANES, lanes)
    for n in range(B * B):
        if back:
            inverse(coefs[(n // B * B * B + n % B) * LANES :], B * LANES, lanes)
        else:
            forward(coefs[(n // B * B * B + n % B) * LANES :], B * LANES, lanes)
    for n in range(B * B):
        if back:
            inverse(coefs[n * LANES :], B * B * LANES, lanes)
        else:
            forward(coefs[n * LANES :], B * B * LANES, lanes)


@fast
def _haar(row, most, back, spare):
    """Orthonormal Haar transform of one coefficient along the matches, in place."""
    size = 2 if back else most
    while 2 <= size <= most:
        half = size // 2 * SIDE
        moved = size * SIDE
        if back:
            for m in range(size // 2):
                low, high, to = row[m * SIDE :], row[half + m * SIDE :], spare[2 * m * SIDE :]
                for r in range(SIDE):
                    to[r] = (low[r] + high[r]) * HALF
                    to[SIDE + r] = (low[r] - high[r]) * HALF
            size *= 2
        else:
            for m in range(size // 2):
                of, low, high = row[2 * m * SIDE :], spare[m * SIDE :], spare[half + m * SIDE :]
                for r in range(SIDE):
                    low[r] = (of[r] + of[SIDE + r]) * HALF
                    high[r] = (of[r] - of[SIDE + r]) * HALF
            size //= 2
        for r in range(moved):
            row[r] = spare[r]


@fast
def _hard(coefs, most, levels, weight, spare):
    """Drop coefficients below their level but the mean of all; weight[r] = 1 / number kept."""
    weight[:] = ZERO
    for n in range(B * B * B):
        row, level = coefs[n * LANES :], levels[n]
        _haar(row, most, False, spare)
        for lane in range(0, most * SIDE, SIDE):
            part = row[lane:]
            least = -ONE if n + lane == 0 else level
            for r in range(SIDE):
                keep = abs(part[r]) > least
                part[r] = part[r] if keep else ZERO
                weight[r] += ONE if keep else ZERO
        _haar(row, most, True, spare)
    for r in range(SIDE):
        weight[r] = ONE / weight[r]


@fast
def _wiener(coefs, pilot, most, levels, weight, spare):
    """Empirical Wiener factors from the pilot's coefficients; weight[r] = 1 / their energy."""
    weight[:] = ZERO
    for n in range(B * B * B):
        row, known, variance = coefs[n * LANES :], pilot[n * LANES :], levels[n] * levels[n]
        _haar(row, most, False, spare)
        _haar(known, most, False, spare)
        for lane in range(0, most * SIDE, SIDE):
            part, guide = row[lane:], known[lane:]
            for r in range(SIDE):
                power = guide[r] * guide[r]
                factor = power / (power + variance)
                part[r] *= factor
                weight[r] += factor * factor
        _haar(row, most, True, spare)
    for r in range(SIDE):
        weight[r] = ONE / max(weight[r], LEAST)  # all is dark: nothing may become infinite


@fast
def _scatter(coefs, weight, places, first, used, most, lanes, sums, mass):
    """Back to voxels: weighted cubes to sums, and the weight of each to mass at its corner."""
    _turn(coefs, lanes, True)
    height, width = sums.shape[1], sums.shape[2]
    for r in range(used):
        share = weight[r]
        for k in range(most):
            place, lane = places[first + r, k], k * SIDE + r
            z, y, x = place // width // height, place // width % height, place % width
            mass[z, y, x] += share
            for i in range(B):
                for j in range(B):
                    row, of = sums[z + i, y + j, x:], coefs[(i * B + j) * B * LANES + lane :]
                    for m in range(B):
                        row[m] += share * of[m * LANES]


@fast
def collaborate(
    noisy: Floats,
    pilot: Floats,
    places: Places,
    levels: Floats,
    sums: Floats,
    mass: Floats,
) -> None:
    """Filter the groups of one row of reference cubes of a volume (D, H, W); add to sums and mass.

    `levels` (64) belong to the coefficients of a cube: with a `pilot` (D, H, W; else no slices) the
    noise's standard deviations for empirical Wiener shrinkage, without it thresholds.
    """
    count, most = places.shape
    coefs, known = np.empty(B**3 * LANES, np.float32), np.empty(B**3 * LANES, np.float32)
    spare, weight = np.empty(LANES, np.float32), np.empty(SIDE, np.float32)
    lanes = SIDE * most
    for first in range(0, count, SIDE):
        used = min(SIDE, count - first)
        _gather(noisy, places, first, used, most, lanes, coefs)
        if pilot.shape[0]:
            _gather(pilot, places, first, used, most, lanes, known)
            _wiener(coefs, known, most, levels, weight, spare)
        else:
            _hard(coefs, most, levels, weight, spare)
        _scatter(coefs, weight, places, first, used, most, lanes, sums, mass)
