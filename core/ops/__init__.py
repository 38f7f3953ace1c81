"""Pixel operations that run on workers: torch, numba and OpenCV are imported here only."""
