"""What methods cost, from the tables of docs/BENCHMARKS.md: for choices made before a first run."""

from __future__ import annotations

from core.method import Method

CPU_SECONDS = {  # of one core per megasample, without start-up
    "fast": 0.13, "dct": 0.27, "nlm": 0.18, "unet": 0.67, "blockmatch": 6.9,
    "dct3d": 0.20, "blockmatch3d": 2.9, "mppca": 0.5,
    "speckle": 1.0, "clip": 1.1, "local": 0.1, "rf": 0.2, "subspace": 0.3, "across": 0.05,
    "mosaic": 1.0, "hotpixels": 0.03, "banding": 0.02,
}  # fmt: skip
UNKNOWN = 1.0


def cost_of(method: Method | type[Method]) -> float:
    """CPU seconds per megasample; 1 of a method that is not in the tables."""
    return CPU_SECONDS.get(method.id(), UNKNOWN)
