"""Develop: stored pixels to what the eye sees, on one path for before, after and export.

Two halves. `develop` (store.py) turns a region of stored pixels into a uint16 *store*: black and
white levels, white balance, demosaic, binning to a display level. `to_screen` (screen.py) turns a
store, at screen resolution, into 8-bit RGB: exposure, matrix, tone, monitor profile. The first runs
when pixels, white balance, highlights or quality change, the second on every repaint.
"""

from core.develop.bandmap import BandMap
from core.develop.falsecolor import chosen, nanometers
from core.develop.icc import BadProfile, complaint, embedded, parse
from core.develop.look import STRETCHED, Look, balance, settle, stretched, temperature
from core.develop.profile import Curve, Profile
from core.develop.proxy import proxy, proxy_noise
from core.develop.screen import export_rgb, thumbnail, to_screen, upright, upright_point
from core.develop.store import (
    develop,
    false_color,
    levels,
    reach,
    region_pixels,
    spans,
)

__all__ = [
    "STRETCHED",
    "BadProfile",
    "BandMap",
    "Curve",
    "Look",
    "Profile",
    "balance",
    "chosen",
    "complaint",
    "develop",
    "embedded",
    "export_rgb",
    "false_color",
    "levels",
    "nanometers",
    "parse",
    "proxy",
    "proxy_noise",
    "reach",
    "region_pixels",
    "settle",
    "spans",
    "stretched",
    "temperature",
    "thumbnail",
    "to_screen",
    "upright",
    "upright_point",
]
