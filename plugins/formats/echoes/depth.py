"""Where echoes come from: the depth of a sample, from the time it took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

SPEED = 1540.0  # m/s in soft tissue, what scanners assume


def coordinates(said: Mapping[str, Any], samples: int, first: float = 0.0) -> dict[str, Any]:
    """`Image.coords` of y (depth) and x (lines), in millimetres, as far as the file says it.

    `said` has "sampling" in Hz, "pitch" in m; `first` is the number of the first sample.
    """
    spacing: dict[str, float] = {}
    found: dict[str, Any] = {"units": {"t": "s"}}
    if said.get("sampling", 0) > 0:
        step = 1e3 * SPEED / (2 * said["sampling"])  # there and back
        spacing["y"] = step
        found["y"] = (np.arange(samples) + first) * step
        found["units"]["y"] = "mm"
    if said.get("pitch", 0) > 0:
        spacing["x"] = 1e3 * said["pitch"]
    return {**found, "spacing": spacing} if spacing else found
