"""Multi-scale overlapped-DCT denoising of planes with unit white noise, on any device.

Yu and Sapiro, "DCT image denoising", IPOL 2011; empirical Wiener second pass and block weights
after Dabov et al. (BM3D), IEEE TIP 2007; scales after Pierazzo and Facciolo, "Multi-scale DCT
denoising", IPOL 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import lcm

import numpy as np

from core.image import Array
from core.method import Planes, is_array
from core.noise.spectrum import WHITE, Spectrum, halved
from core.ops.scales import add_doubled, halve

EDGE = 8  # of a block
THRESHOLD = 2.7  # of the first pass, in noise standard deviations
BAND = 1_000_000  # samples between two checks


def align(steps: Sequence[int], scales: int) -> int:
    """Tiles must start at multiples of this, so that blocks and coarse pixels fall alike."""
    return lcm(*steps) << scales


def reach(steps: Sequence[int], scales: int) -> int:
    """How far, in pixels, a result depends on its surroundings; a multiple of `align`."""
    far = (EDGE - 1) * len(steps)
    for _ in range(scales):
        far = 2 * (far + 2) + 1
    unit = align(steps, scales)
    return -(-far // unit) * unit


def denoise(
    tile: Planes,
    sigmas: Sequence[float],
    steps: Sequence[int],
    scales: int,
    margin: int,
    check: Callable[[], None],
    spectra: Sequence[Spectrum] = (WHITE,),
) -> Planes:
    """Denoise (N, P, H, W) planes of noise `sigmas`; right inside `margin` pixels of the border.

    `steps` has one entry per pass, the distance between blocks: the first pass is hard
    thresholding, every other Wiener shrinkage guided by the result before. On each of `scales`
    coarser scales (half the size) the same is done and corrects what is left of the noise there.
    `spectra` are those of noise of 1, here and on coarser scales (see core.noise.spectrum).
    An array is done by the CPU's kernels, a tensor by torch on its device.
    """
    skip = max(margin - EDGE * len(steps) - 8, 0) // lcm(*steps) * lcm(*steps)
    inner = slice(skip, tile.shape[-2] - skip), slice(skip, tile.shape[-1] - skip)
    fine = guide = _own(tile[(..., *inner)])
    for number, step in enumerate(steps):
        guide = shrink(fine, guide if number else None, sigmas, step, check, spectra[0])
    if not scales and not skip:
        return guide
    result = _own(tile, copy=True)
    result[(..., *inner)] = guide
    if not scales:
        return result
    near = max((margin - 1) // 2 - 2, 0)
    coarse = denoise(
        halve(tile), sigmas, steps, scales - 1, near, check, spectra[1:] or (halved(spectra[0]),)
    )
    coarse -= halve(result)
    return add_doubled(result, coarse)


def _own(tile: Planes, copy: bool = False) -> Planes:
    """Contiguous where it is an array, as kernels want it; a copy if asked for."""
    if is_array(tile):
        return tile.copy() if copy else np.ascontiguousarray(tile)
    return tile.clone() if copy else tile


def shrink(
    noisy: Planes,
    guide: Planes | None,
    sigmas: Sequence[float],
    step: int,
    check: Callable[[], None],
    spectrum: Spectrum = WHITE,
) -> Planes:
    """One pass over (N, P, H, W) planes: blocks every `step` pixels from the top left corner."""
    if min(noisy.shape[-2:]) < EDGE + step:
        return noisy
    if is_array(noisy):
        return _shrink_cpu(noisy, guide, sigmas, step, check, spectrum)
    from core.ops import dct_torch

    return dct_torch.shrink(noisy, guide, sigmas, step, check, spectrum)


def _shrink_cpu(
    noisy: Array,
    guide: Array | None,
    sigmas: Sequence[float],
    step: int,
    check: Callable[[], None],
    spectrum: Spectrum,
) -> Array:
    from core.ops import dct_cpu

    height, width = noisy.shape[-2:]
    rows = max(BAND // width // step, 1) * step
    none = np.zeros((0, step, 1), np.float32)
    result = noisy.copy()
    each = np.asarray(spectrum, np.float32)
    shares = np.square(each)
    for item in range(noisy.shape[0]):
        for plane, sigma in enumerate(sigmas):
            if sigma <= 0:
                continue
            source = dct_cpu.phases(noisy[item, plane], step)
            pilot = none if guide is None else dct_cpu.phases(guide[item, plane], step)
            white = THRESHOLD * sigma if guide is None else sigma * sigma
            levels = np.float32(white) * (each if guide is None else shares)
            sums, weights = np.zeros_like(source), np.zeros_like(source)
            for first in range(0, height, rows):
                check()
                dct_cpu.shrink(source, pilot, levels, shares, sums, weights, first, first + rows)
            dct_cpu.merge(sums, weights, result[item, plane])
    return result
