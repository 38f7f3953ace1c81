"""Block matching and collaborative filtering of volumes with unit white noise, on the CPU.

Maggioni, Katkovnik, Egiazarian and Foi, "Nonlocal transform-domain filter for volumetric data
denoising and reconstruction" (BM4D), IEEE TIP 2013: a stage of hard thresholding, then one of
Wiener shrinkage. Otherwise than there, the first stage matches in the result of the overlapped DCT
of core.ops.dct3d, which costs little and finds better than the noisy voxels do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.image import Array
from core.ops import dct3d

EDGE = dct3d.EDGE
THRESHOLD = 3.0  # of the first stage, in noise standard deviations
DOUBT = 1.1  # the second takes the noise for this much stronger, as its guide is not the truth
MATCHES = 16, 32  # cubes of a group in the two stages
NOWHERE = 1e38  # no distance of two cubes is larger

Box = tuple[slice, slice, slice]  # of a volume (D, H, W)


@dataclass(frozen=True)
class Search:
    """Where references lie, every `step` voxels, and how far from them cubes are looked for."""

    step: int
    deep: int  # slices
    radius: int  # pixels

    @property
    def far(self) -> tuple[int, int, int]:
        """How far from a reference's corner its group reaches, along z, y and x."""
        return self.deep + EDGE - 1, self.radius + EDGE - 1, self.radius + EDGE - 1

    @property
    def reach(self) -> tuple[int, int]:
        """How far a result depends on its surroundings, in slices and pixels; whole steps."""
        found = (2 * len(MATCHES) * far + dct3d.reach(1) for far in self.far[:2])
        deep, wide = (-(-far // self.step) * self.step for far in found)
        return deep, wide


def denoise(
    volume: Array,
    sigma: float,
    search: Search,
    inner: Box,
    check: Callable[[], None],
    spectrum: Sequence[float] | None = None,
) -> Array:
    """Denoise a volume (D, H, W) of noise `sigma`; what lies outside `inner` may be less clean.

    References begin at multiples of the step. `spectrum`: see `dct3d.denoise`.
    """
    guide = dct3d.denoise(volume, sigma, 1, check, spectrum)
    if min(volume.shape) < EDGE or sigma <= 0:
        return guide
    levels = np.full(EDGE**3, sigma, np.float32)
    if spectrum is not None:
        levels *= np.asarray(spectrum, np.float32)
    noisy = np.ascontiguousarray(volume, np.float32)
    for stage, scale in enumerate((THRESHOLD, DOUBT)):
        left = 2 * (len(MATCHES) - 1 - stage) + 1
        corners = [
            _corners(size, part, left * far, search.step)
            for size, part, far in zip(noisy.shape, inner, search.far, strict=True)
        ]
        guide = _stage(noisy, guide, stage, levels * np.float32(scale), search, corners, check)
    return guide


def _corners(size: int, part: slice, far: int, step: int) -> list[int]:
    """Where references begin along an axis that touch `part` or what it depends on."""
    start, stop, _ = part.indices(size)
    found = range(0, size - EDGE + 1, step)
    return [at for at in found if start - far <= at < stop + far - EDGE + 1]


def _stage(
    noisy: Array,
    guide: Array,
    number: int,
    levels: Array,
    search: Search,
    corners: list[list[int]],
    check: Callable[[], None],
) -> Array:
    from core.ops import bm4d_cpu, dct3d_cpu

    places = np.zeros((len(corners[2]), MATCHES[number]), np.int32)
    far = np.zeros(places.shape, np.float32)
    sums, mass, out = np.zeros_like(noisy), np.zeros_like(noisy), guide.copy()
    left, step = corners[2][0], search.step
    pilot = guide if number else np.zeros((0, 1, 1), np.float32)
    slices = {*corners[0], len(noisy) - EDGE}  # there may be no halo: up to the last slice
    for z in sorted(slices):
        for y in corners[1]:
            check()
            bm4d_cpu.match(guide, z, y, left, step, search.deep, search.radius, places, far)
            # a small volume has too few cubes: matches that are missing are the reference itself
            found = np.where(far > NOWHERE, places[:, :1], places)
            bm4d_cpu.collaborate(noisy, pilot, found, levels, sums, mass)
    for z in range(len(noisy)):
        check()
        dct3d_cpu.merge(sums, mass, z, out)
    return out
