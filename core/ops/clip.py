"""Frames of a clip averaged along the motion of what they show, on the CPU.

Each block is followed into the frames before and after (block matching in two scales, as speckle
tracking does: G. E. Trahey et al., IEEE Trans. UFFC 34(3), 1987), and a pixel takes from there as
much as the surroundings agree.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.image import Array

RADIUS = 3  # of patches that have to agree
COARSE, FINE = 3, 1  # pixels that motion is looked for, at half and at full size
STILL = 0.01  # noise variances a pixel of motion is dearer than none
ALIGN = 16  # blocks at half size begin at multiples of this
RATE = 1.0  # how fast weights fall with distance beyond that of noise


def reach() -> int:
    """How far, in pixels, a frame depends on its surroundings in others."""
    return 2 * COARSE + FINE + RADIUS + 1


def blocks() -> int:
    """How far the blocks lie from a pixel that say where it moved, and their matches."""
    from core.ops.clip_cpu import BLOCK

    return 2 * BLOCK + 2 * COARSE + FINE


def average(
    frames: Array, seen: Array, near: int, floor: float, check: Callable[[], None]
) -> Array:
    """Frames (T, P, H, W), each averaged with `near` before and after it, along the motion.

    Motion is found in `seen`, same shape, whose first plane counts; `floor` is the variance of the
    noise in `frames`.
    """
    from core.ops import clip_cpu

    found = np.empty_like(frames)
    count, size = len(frames), frames.shape[-2:]
    small = [halved(frame[0]) for frame in seen]
    carried = np.empty_like(frames[0])
    for at in range(count):
        sums, weights = frames[at].copy(), np.ones((1, *size), np.float32)
        for other in range(max(at - near, 0), min(at + near + 1, count)):
            if other == at:
                continue
            check()
            way = motion(small[at], small[other], seen[at, 0], seen[other, 0])
            clip_cpu.moved(frames[other], way, carried)
            rate = RATE / max(floor, 1e-12)
            clip_cpu.offset(frames[at], carried, carried, rate, floor, 0, 0, RADIUS, sums, weights)
        found[at] = sums / weights
    return found


def motion(small: Array, small_other: Array, one: Array, other: Array) -> Array:
    """Offsets of all blocks (rows, columns, 2) from `one` to `other`, both also at half size."""
    from core.ops import clip_cpu

    step = clip_cpu.STEP
    rows, columns = (-(-n // step) for n in small.shape)
    coarse = np.zeros((rows, columns, 2), np.int32)
    clip_cpu.motion(small, small_other, np.zeros_like(coarse), 1, COARSE, STILL, coarse)
    rows, columns = (-(-n // step) for n in one.shape)
    twice = np.repeat(np.repeat(coarse, 2, 0), 2, 1)
    twice = np.pad(twice, ((0, 1), (0, 1), (0, 0)), "edge")[:rows, :columns]
    found = np.zeros((rows, columns, 2), np.int32)
    clip_cpu.motion(one, other, np.ascontiguousarray(twice), 2, FINE, STILL, found)
    return found


def halved(plane: Array) -> Array:
    """Means of two by two pixels; a last odd row or column is left out."""
    height, width = (max(n // 2 * 2, 2) for n in plane.shape)
    whole = np.pad(plane, [(0, max(2 - n, 0)) for n in plane.shape], "edge")[:height, :width]
    rows = whole[::2] + whole[1::2]
    return np.ascontiguousarray((rows[:, ::2] + rows[:, 1::2]) * np.float32(0.25))
