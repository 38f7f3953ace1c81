"""From a store to the screen: matrix, exposure, tone and monitor, at screen resolution."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.develop.demosaic import as_u16
from core.develop.icc import embedded
from core.develop.look import Look, settle
from core.develop.profile import IDENTITY, Curve, Profile, decoded, encoded, srgb_decode
from core.develop.store import (
    PEDESTAL,
    develop,
    headroom,
    levels,
    multipliers,
    region_pixels,
)
from core.image import Array, Image
from core.tiles import Region

F64 = NDArray[np.float64]
FILMIC_WHITE = 4.0  # linear value that the filmic tone shows as white
KNEE = 0.7  # where highlight recovery begins to bend
LIGHT = (Curve.of(np.array([0.0, 1.0])),)  # a screen's curve that keeps light as it is


def to_screen(
    store: NDArray[np.uint16], image: Image, look: Look, stored: Look | None = None, bits: int = 8
) -> Array:
    """A store (h, w, 3), or one resampled from it, to display RGB uint8 (uint16 for `bits` 16).

    The numbers of a display image mean what its embedded ICC profile says, else sRGB.

    `look` is settled. `stored` is the look the store was developed with, when it is another one:
    a new white balance is then shown at once, exact but for highlights already clipped.
    """
    import cv2

    source = stored or look
    out = look.profile or Profile()
    if image.kind == "display" or image.numbers:
        window, numbers = (*_window(image, look, source), look.curve), embedded(image)
        wb = np.asarray(look.wb or (1, 1, 1), float)
        matrix = np.asarray(out.matrix, float) @ numbers.to_srgb @ np.diag(wb / wb[1])
        if np.allclose(matrix, np.eye(3), atol=1e-6):  # one table does it all
            table = _shown(*window, look.exposure, numbers.curves, out.curves, bits)
            return np.asarray(cv2.LUT(store, table))
        store = as_u16(cv2.LUT(store, _lit(*window, numbers.curves)))
        store = as_u16(cv2.transform(store, _affine(matrix, look, 0, 1, 1)))
        return np.asarray(cv2.LUT(store, _tone("srgb", False, 1.0, out.curves, bits)))
    color = np.asarray(image.color.matrix if image.color else IDENTITY, float)
    change = np.asarray(multipliers(image, look)) / np.asarray(multipliers(image, source))
    matrix, recover = color @ np.diag(change), look.highlights == "recover"
    top = FILMIC_WHITE if look.tone == "filmic" or recover else 1.0
    bends = look.tone != "srgb" or recover
    if not bends:
        matrix = np.asarray(out.matrix, float) @ matrix
    matrix = _affine(matrix, look, PEDESTAL, headroom(image, source), top)
    store = as_u16(cv2.transform(store, matrix))
    if not bends or out.matrix == IDENTITY:
        return np.asarray(cv2.LUT(store, _tone(look.tone, recover, top, out.curves, bits)))
    # A tone bends sRGB's channels, as in every export; the screen's are made of the result.
    store = as_u16(cv2.LUT(store, _tone(look.tone, recover, top, LIGHT, 16)))
    store = as_u16(cv2.transform(store, np.asarray(out.matrix, float)))
    return np.asarray(cv2.LUT(store, _tone("srgb", False, 1.0, out.curves, bits)))


def _affine(matrix: F64, look: Look, pedestal: int, room: float, top: float) -> F64:
    """3x4: pedestal off, exposure, and `top` at 65535, where the saturation of uint16 clips."""
    scaled = matrix * (2**look.exposure * room / (65535 - pedestal) * 65535 / top)
    return np.hstack([scaled, -scaled.sum(1, keepdims=True) * pedestal])


def _window(image: Image, look: Look, source: Look) -> tuple[float, float]:
    """The fractions of the store's range shown as black and as white."""
    if image.kind == "display":
        return 0.0, 1.0
    extent = source.extent or settle(image, source).extent or (0.0, 1.0)
    window = look.window or settle(image, look).window or extent
    low, span = extent[0], extent[1] - extent[0]
    return (window[0] - low) / span, (window[1] - low) / span


def _fractions(black: float, white: float, curve: tuple[float, ...] | None) -> F64:
    """0..1 between black and white, for every store value; a curve bends what lies between."""
    x = (np.arange(65536) - PEDESTAL) / (65535 - PEDESTAL)
    span = white - black  # below 0 where a window is turned round
    x = np.clip((x - black) / (span if abs(span) > 1e-9 else 1e-9), 0, 1)
    if curve is None:
        return x
    places = np.linspace(0, 1, len(curve))  # upwards in value, whichever end is black
    return np.interp(x, places, curve) if span > 0 else 1 - np.interp(1 - x, places, curve)


@lru_cache(maxsize=32)
def _shown(
    black: float,
    white: float,
    curve: tuple[float, ...] | None,
    exposure: float,
    numbers: tuple[Curve, ...],
    out: tuple[Curve, ...],
    bits: int,
) -> NDArray[Any]:
    """Store value of an encoded image to display value; exposure acts in linear light."""
    x = _fractions(black, white, curve)
    if not exposure and numbers == out:
        return _whole([x], bits)
    light = [np.minimum(y * 2**exposure, 1) for y in decoded(numbers, x)]
    return _whole(encoded(out, light), bits)


@lru_cache(maxsize=8)
def _lit(
    black: float, white: float, curve: tuple[float, ...] | None, numbers: tuple[Curve, ...]
) -> NDArray[Any]:
    """Store value of an encoded image to linear light, 65535 = white."""
    return _whole(decoded(numbers, _fractions(black, white, curve)), 16)


@lru_cache(maxsize=32)
def _tone(tone: str, recover: bool, top: float, out: tuple[Curve, ...], bits: int) -> NDArray[Any]:
    """Linear value (65535 = top) to display value."""
    x = np.arange(65536) / 65535 * top
    if tone == "filmic":
        x = _filmic(x)
    elif recover:
        x = np.where(x < KNEE, x, 1 - (1 - KNEE) * np.exp(-(x - KNEE) / (1 - KNEE)))
    x = np.clip(x, 0, 1)
    if tone == "bt709":
        x = np.where(x < 0.018054, 4.5 * x, 1.0993 * x**0.45 - 0.0993)
        if not out:
            return _whole([x], bits)
        x = srgb_decode(x)  # the light that these values stand for on an sRGB screen
    return _whole(encoded(out, [x]), bits)


def _whole(planes: list[F64], bits: int) -> NDArray[Any]:
    """A table of whole numbers, (65536,), or (1, 65536, 3) where the channels differ."""
    top = 2**bits - 1
    tables = [np.rint(x * top).astype(np.uint8 if bits == 8 else np.uint16) for x in planes]
    return tables[0] if len(tables) == 1 else np.stack(tables, -1)[None]


def _filmic(x: F64) -> F64:
    """A gentle S curve: middle grey stays, two stops over white are kept."""
    c, grey = 1.25, 0.18
    a = (1 - grey) * grey**c / (grey - (grey / FILMIC_WHITE) ** c)
    return (1 + a / FILMIC_WHITE**c) * x**c / (x**c + a)


def upright(array: Array, orientation: int) -> Array:
    """(h, w) or (h, w, c) turned so that EXIF `orientation` 1..8 stands upright. A view."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return array[:, ::-1] if orientation in (2, 3, 6, 7) else array


def upright_point(
    x: float, y: float, width: float, height: float, orientation: int
) -> tuple[float, float]:
    """Where point (x, y) of a picture width x height lies after `upright`; edges, not centres."""
    if orientation >= 5:
        x, y, width, height = y, x, height, width
    if orientation in (3, 4, 7, 8):
        y = height - y
    return (width - x if orientation in (2, 3, 6, 7) else x), y


def _strips(image: Image, level: int, look: Look, bits: int) -> Array:
    """The whole image at 1 / level, made in strips."""
    height, width = -(-image.height // level), -(-image.width // level)
    out = np.empty((height, width, 3), np.uint8 if bits == 8 else np.uint16)
    rows = 256
    for y in range(0, height, rows):
        region = Region(y * level, 0, min((y + rows) * level, image.height), image.width)
        pixels = region_pixels(image.pixels, image, region, level, look)
        store = develop(pixels, image, region, level, look)
        out[y : y + rows] = to_screen(store, image, look, bits=bits)
    return out


def thumbnail(image: Image, size: int, look: Look | None = None) -> NDArray[np.uint8]:
    """A small upright picture, uint8 RGB, its long edge `size` (never enlarged)."""
    import cv2

    look = settle(image, look or Look(quality="fast"))
    edge = max(image.height, image.width)
    level = max(found for found in levels(image) if found == 1 or edge >= found * size)
    picture = _strips(image, level, look, 8)
    scale = min(size / max(picture.shape[:2]), 1.0)
    height, width = (max(round(n * scale), 1) for n in picture.shape[:2])
    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(upright(np.asarray(picture), image.orientation))


def export_rgb(image: Image, look: Look, bits: int = 8) -> Array:
    """The whole image as display RGB, upright: the very pixels of the screen at 100 %.

    uint8 or (bits 16) uint16, shape (h, w, 3). Settle the look with the source beforehand where
    `image` was computed from one.
    """
    look = settle(image, look)
    return np.ascontiguousarray(upright(_strips(image, 1, look, bits), image.orientation))
