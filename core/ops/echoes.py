"""Local Wiener filter of echoes before detection (RF lines, IQ), on the CPU.

Fully developed speckle is, before detection, a Gaussian random field whose spectrum is that of the
pulse and the beam, as strong as the tissue there: the Wiener filter of the local spectrum then errs
least of all filters. The amplifiers' noise is independent from line to line, while a beam covers
several: what power there is at the highest frequencies across the lines is noise. N. Wiener, 1949;
spectra of overlapping windows after P. D. Welch, IEEE Trans. Audio Electroacoust. 15(2), 1967.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from core.image import Array

F32 = NDArray[np.float32]

ROWS, LINES = 32, 16  # samples of depth and lines of a block; blocks overlap by half
BAND = 256  # samples of depth that share a spectrum of the noise
FAR = 0.36  # cycles a line from which on there is noise only
ALIGN = ROWS // 2


def reach() -> int:
    """How far, in samples, a result depends on its surroundings."""
    return ROWS + ALIGN


def window() -> F32:
    """Root of a Hann window: squares of overlapping ones add up to 1."""
    parts = [np.sin(np.pi * (np.arange(n) + 0.5) / n) for n in (ROWS, LINES)]
    return np.outer(*parts).astype(np.float32)


def spectra(plane: Array) -> Array:
    """Spectra (rows, columns, ROWS, frequencies) of all blocks of (H, W), real or complex."""
    views = np.lib.stride_tricks.sliding_window_view(plane, (ROWS, LINES))
    blocks = views[:: ROWS // 2, :: LINES // 2] * window()
    if np.iscomplexobj(plane):
        return np.fft.fft2(blocks)
    return np.fft.rfft2(blocks)


def across(real: bool) -> NDArray[np.bool_]:
    """Which frequencies across the lines are beyond any beam."""
    steps = np.fft.rfftfreq(LINES) if real else np.fft.fftfreq(LINES)
    return np.abs(steps) >= FAR


def noise(blocks: Array, real: bool) -> F32:
    """Power of the noise by frequency of depth, (ROWS,), of blocks (n, ROWS, frequencies)."""
    power = np.abs(blocks[..., across(real)]) ** 2
    # blocks with an edge or a bright reflector have power everywhere: the lower ones are noise
    level = power.mean((1, 2))
    low = level <= np.quantile(level, 0.5)
    return power[low].mean((0, 2)).astype(np.float32)


def denoise(plane: Array, power: F32, strength: float, check: Callable[[], None]) -> Array:
    """One plane (H, W), real or complex; `power` of the noise: (rows of blocks, ROWS).

    Right inside `reach` samples of the border. Smaller than a block, it stays as it is.
    """
    height, width = plane.shape
    if height < ROWS or width < LINES:
        return plane
    check()
    found = spectra(plane)
    check()
    near = _smooth(np.abs(found) ** 2)
    rest = power[: len(near), None, :, None] * np.float32(strength**2)
    found *= np.maximum(1 - rest / np.maximum(near, np.float32(1e-30)), 0)
    check()
    pair = np.iscomplexobj(plane)
    blocks = np.fft.ifft2(found) if pair else np.fft.irfft2(found, (ROWS, LINES))
    return _joined(blocks.astype(plane.dtype, copy=False) * window(), plane)


def _smooth(power: Array) -> Array:
    """Mean of each block's power and its eight neighbours'."""
    for axis in (0, 1):
        moved = np.moveaxis(power, axis, 0)
        total, count = moved.copy(), np.ones(len(moved), np.float32)
        total[1:] += moved[:-1]
        total[:-1] += moved[1:]
        count[1:] += 1
        count[:-1] += 1
        power = np.moveaxis(total / count[:, None, None, None], 0, axis)
    return power


def _joined(blocks: Array, plane: Array) -> Array:
    """Add up overlapping blocks; where none has been, the plane stays."""
    out, mass = np.zeros_like(plane), np.zeros(plane.shape, np.float32)
    square = window() ** 2
    for i in (0, 1):
        for j in (0, 1):
            part = blocks[i::2, j::2]
            if not part.size:
                continue
            rows, columns = part.shape[:2]
            y, x = i * ROWS // 2, j * LINES // 2
            here = slice(y, y + rows * ROWS), slice(x, x + columns * LINES)
            out[here] += part.transpose(0, 2, 1, 3).reshape(rows * ROWS, columns * LINES)
            mass[here] += np.tile(square, (rows, columns))
    known = mass > 1e-3
    return np.where(known, out / np.maximum(mass, 1e-3), plane)
