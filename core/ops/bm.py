"""Block matching and collaborative filtering of planes with unit white noise, on the CPU.

Dabov, Foi, Katkovnik and Egiazarian, "Image denoising by sparse 3-D transform-domain collaborative
filtering" (BM3D), IEEE TIP 2007; colour: matches are found in one plane and serve all, as there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from core.image import Array
from core.noise.spectrum import WHITE, Spectrum, in_basis

EDGE = 8  # of a block
THRESHOLD = 2.7  # of the first stage, in noise standard deviations
BETA = 2.0  # of the Kaiser window that blocks are added up with
MATCHES = 16, 32  # blocks of a group in the two stages
NOWHERE = 1e38  # no distance of two blocks is larger


def reach(step: int, radius: int) -> int:
    """How far, in pixels, a result depends on its surroundings; a multiple of `step`."""
    return -(-2 * _stage(radius) // step) * step


def _stage(radius: int) -> int:
    """One stage: a block over the pixel, its reference, the reference's other matches."""
    return 2 * (EDGE - 1 + radius)


def denoise(
    tile: Array,
    sigmas: Sequence[float],
    step: int,
    radius: int,
    margin: int,
    check: Callable[[], None],
    spectrum: Spectrum = WHITE,
) -> Array:
    """Denoise (N, P, H, W) planes of noise `sigmas`; right inside `margin` pixels of the border.

    Blocks of 8 pixels are looked for up to `radius` pixels away, for references every `step`
    pixels, in plane 0. First a stage of hard thresholding, then one of Wiener shrinkage. `spectrum`
    is that of noise of 1 (see core.noise.spectrum).
    """
    result = tile.copy()
    if min(tile.shape[-2:]) < EDGE + step:
        return result
    one = (EDGE - 1 + radius) // step * step  # a reference this far from a pixel may touch it
    needed = margin // step * step
    first, last = max(needed - _stage(radius) - one - step, 0), max(needed - one - step, 0)
    for noisy, clean in zip(tile, result, strict=True):
        noisy = np.ascontiguousarray(noisy)
        basic = _pass(noisy, None, sigmas, step, radius, first // step * step, check, spectrum)
        clean[:] = _pass(noisy, basic, sigmas, step, radius, last // step * step, check, spectrum)
    return result


def _pass(
    noisy: Array,
    guide: Array | None,
    sigmas: Sequence[float],
    step: int,
    radius: int,
    skip: int,
    check: Callable[[], None],
    spectrum: Spectrum,
) -> Array:
    """One stage over (P, H, W): references every `step` pixels from `skip` on."""
    from core.ops import bm_cpu

    planes, height, width = noisy.shape
    most = MATCHES[guide is not None]
    rows, columns = (range(skip, n - EDGE - skip + 1, step) for n in (height, width))
    window = np.kaiser(EDGE, BETA).astype(np.float32)
    places = np.zeros((len(columns), most), np.int32)
    far = np.zeros(places.shape, np.float32)
    sums, mass = np.zeros_like(noisy), np.zeros_like(noisy)
    none = np.zeros((0, 1), np.float32)
    if guide is None and spectrum != WHITE:
        spectrum = in_basis(spectrum, bm_cpu.BIOR)  # wavelets, not cosines
    each = np.asarray(spectrum, np.float32)
    shares = np.square(each)
    for y in rows:
        check()
        bm_cpu.match(
            (noisy if guide is None else guide)[0], y, skip, step, radius, most, places, far
        )
        # a small image has too few blocks: matches that are missing are the reference itself
        found = np.where(far > NOWHERE, places[:, :1], places)
        for plane, sigma in enumerate(sigmas):
            if sigma > 0:
                white = THRESHOLD * sigma if guide is None else sigma * sigma
                levels = np.float32(white) * (each if guide is None else shares)
                pilot = none if guide is None else guide[plane]
                given = noisy[plane], pilot, found, levels, shares, window
                bm_cpu.collaborate(*given, sums[plane], mass[plane])
    out = noisy.copy()
    for plane in range(planes):
        bm_cpu.merge(sums[plane], mass[plane], window, out[plane])
    return out
