"""Sordino's engine: frozen values in, tiles out. No Qt, no file format, no algorithm.

Read in this order: image (what is passed around), method (what a denoiser is), recipe, render (the
only path from an image to denoised pixels), job (what travels), engine (threads, lanes, cancel).
"""

import os

from core.places import keep_kernels

__version__ = "0.1.0"

# other words open the window
COMMANDS = ("denoise", "convert", "methods", "noise", "info", "calibrate", "weights")

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # tiles are worked on in parallel already
keep_kernels()  # before anything imports numba
