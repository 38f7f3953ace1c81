"""Ways to look at a cube: what to compute for what the user chose in the strip."""

from __future__ import annotations

import numpy as np

from core.cube import (
    CubeStatistics,
    LookAtBands,
    LookAtEigen,
    LookAtTarget,
    look_at_change,
    without_map,
)
from core.develop import Look
from core.engine import Work
from gui.bands import ANGLE, CHANGE, EIGEN, EIGENS, ONE, OWN, SHARE, Wanted
from gui.session import Document

TURN = 1.0  # degrees shown white where it is not known how far spectra turned


def way(wanted: Wanted, d: Document, found: CubeStatistics | None) -> Look | Work | None:
    """A look, or the Work that yields it; None where there is nothing to look at."""
    if wanted.mode == ONE:
        return without_map(d.look)
    if wanted.mode == CHANGE:
        known = found is not None and np.isfinite(found.angles[1])
        return look_at_change(d.image, d.look, found.angles[1] if known and found else TURN)
    if wanted.mode in (EIGEN, EIGENS):
        return LookAtEigen(d.image, d.look, wanted.numbers)
    if wanted.mode in (SHARE, ANGLE) and d.target is not None:
        return LookAtTarget(d.image, d.look, d.target, wanted.mode)
    if wanted.mode == OWN:
        return LookAtBands(d.image, d.look, wanted.numbers, wanted.stretch)
    return None
