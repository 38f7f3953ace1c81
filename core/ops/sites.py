"""Sites: a mosaic as a network sees it: three colours that only guess, and whose noise is where.

Joint demosaicing and denoising on top of an interpolation; the guide tells measured from guessed
sites and how noisy each colour is: sigma where a colour was measured, 0 where it was not. So the
whole stays homogeneous, f(a x, a sigma) = a f(x, sigma). After Gharbi et al., ACM TOG 35(6), 2016.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.develop import demosaic
from core.image import Array, Cfa

MARGIN = 12  # pixels at the border in which the interpolation is not to be used
CELL = 2  # of core.ops.unet.Shape: pixels along each edge of a coarse pixel
GUIDES = 3 * CELL * CELL


def colours(mosaic: Array, cfa: Cfa) -> Array:
    """(h, w), green with noise near 1, to (3, h, w): what was measured, and guesses elsewhere."""
    return demosaic.interpolated(mosaic, cfa)


def guide(cfa: Cfa, sigmas: Sequence[float], height: int, width: int) -> Array:
    """(GUIDES, h / CELL, w / CELL): sigma of each colour at its sites, pixel-unshuffled."""
    sites = cfa.colors(height, width)
    planes = np.stack([np.where(sites == c, np.float32(s), 0) for c, s in enumerate(sigmas)])
    coarse = planes.reshape(3, height // CELL, CELL, width // CELL, CELL)
    return coarse.transpose(0, 2, 4, 1, 3).reshape(GUIDES, height // CELL, width // CELL)


def measured(colors: Array, cfa: Cfa) -> Array:
    """(3, h, w) back to the (h, w) mosaic."""
    sites = cfa.colors(*colors.shape[1:])[None].astype(np.intp)
    return np.take_along_axis(colors, sites, 0)[0]
