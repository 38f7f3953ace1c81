"""Look: how an image is shown. Values only; nothing here touches the pixels that are denoised."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.develop import envelope as bmode
from core.develop.bandmap import BandMap
from core.develop.falsecolor import chosen
from core.develop.profile import Profile, Triple
from core.image import Color, Image


@dataclass(frozen=True)
class Look:
    """How to show an image. None = automatic; `settle` fills those in from an image.

    `wb`, `highlights`, `quality`, `extent`, `bands` and `map` shape the store, all others act at
    screen resolution.
    """

    exposure: float = 0.0  # EV, in linear light
    wb: Triple | None = None  # multipliers of R, G, B; None = as shot
    highlights: Literal["clip", "recover"] = "clip"
    tone: Literal["srgb", "bt709", "filmic"] = "srgb"  # of mosaic and linear images
    quality: Literal["fast", "still"] = "still"
    window: tuple[float, float] | None = None  # plain arrays: stored values shown black and white
    extent: tuple[float, float] | None = None  # plain arrays: the stored values a store can hold
    curve: tuple[float, ...] | None = None  # brightness 0..1 at even steps over the window
    dynamic_range: float = 60.0  # dB from black to white, of echoes shown as B-mode
    gain: float = 0.0  # dB by which their strongest lies above white
    profile: Profile | None = None  # of the screen; None = sRGB
    bands: tuple[int, ...] | None = None  # cubes, where a Region names no band: R, G, B, or one
    map: BandMap | None = None  # cubes: instead of these bands; `window` and `extent` are its own

    @property
    def stored(self) -> Look:
        """The part a store depends on: equal `stored` means that a store can be kept."""
        return Look(
            wb=self.wb,
            highlights=self.highlights,
            quality=self.quality,
            extent=self.extent,
            bands=self.bands,
            map=self.map,
        )


def settle(image: Image, look: Look) -> Look:
    """The look with all that is automatic filled in from `image`.

    Settle once, with the source, and show both before and after with the result: else each would
    get a window of its own.
    """
    wb = look.wb or (image.color.wb if image.color else (1.0, 1.0, 1.0))
    if look.bands is None and image.kind == "cube":
        look = settle(image, replace(look, bands=chosen(image)))
        colored = len(look.bands or ()) == 3 and look.map is None
        return stretched(image, look) if colored else replace(look, bands=look.bands or None)
    if not image.numbers or (look.window and look.extent):
        return replace(look, wb=wb)
    if bmode.echoes(image):
        top = bmode.strongest(image)
        extent = look.extent or (top + bmode.ROOM[0], top + bmode.ROOM[1])
        shown = look.window or bmode.window(top, look.dynamic_range, look.gain)
        return replace(look, wb=wb, window=shown, extent=extent)
    values = _sample(image)
    extent = look.extent
    if extent is None:
        low, high = float(values.min()), float(values.max())
        slack = 0.1 * (high - low) or 0.5  # the sample may have missed the extremes
        extent = (low - slack, high + slack)
    window = look.window or _named(image, values)
    curve = look.curve if look.window else _curve(image)
    if window is None:
        curve = None
        low, high = (float(v) for v in np.percentile(values, (0.5, 99.5)))
        window = (low, high) if high > low else (low, low + 1)
    return replace(look, wb=wb, window=window, extent=extent, curve=curve)


def stretched(image: Image, look: Look) -> Look:
    """A settled look at bands of a cube, each between its own 2nd and 98th percentile."""
    bands = look.bands or ()
    weights: list[tuple[float, ...]] = []
    offsets: list[float] = []
    for at, band in enumerate(bands):
        step = max(int((image.height * image.width / 100_000) ** 0.5), 1)
        values = np.asarray(image.samples[band : band + 1, ::step, ::step], np.float32)
        values = values[np.isfinite(values)]
        low, high = np.percentile(values, (2, 98)) if values.size else (0.0, 1.0)
        span = float(high - low) or 1.0
        weights.append(tuple(1 / span if at == n else 0.0 for n in range(len(bands))))
        offsets.append(-float(low) / span)
    back = look.map.back if look.map else (look.window, look.extent)
    shown = BandMap("mix", STRETCHED, bands, tuple(weights), tuple(offsets), "", back)
    return replace(look, map=shown, window=(0.0, 1.0), extent=(-2.0, 3.0))


def _named(image: Image, values: NDArray[np.float32]) -> tuple[float, float] | None:
    """The window that the file asks for in meta["window"], where it shows any of the values.

    It is turned round (white below black) where the file counts darkness.
    """
    named = image.meta.get("window")
    if not named or not np.all(np.isfinite(named)) or named[0] == named[1]:
        return None
    low, high = sorted(float(end) for end in named)
    shows = low < float(values.max()) and high > float(values.min())
    return (float(named[0]), float(named[1])) if shows else None


def _curve(image: Image) -> tuple[float, ...] | None:
    """That of the first window of the file."""
    first = next(iter(image.meta.get("windows") or ()), ())
    return tuple(first[3]) if len(first) > 3 else None


STRETCHED = "Bands"  # name of the map that shows bands, each in its own window
FRAMES = 8  # slices of each axis of a stack that are looked at


def _sample(image: Image, most: int = 1_000_000) -> NDArray[np.float32]:
    """About `most` finite values from all over the image (a single 0 where there are none)."""
    shape = image.pixels.shape
    few = [slice(None, None, -(-n // FRAMES) if a != "c" else 1)
           for a, n in zip(image.axes[:-2], shape[:-2], strict=True)]  # fmt: skip
    count = np.prod([len(range(*f.indices(n))) for f, n in zip(few, shape[:-2], strict=True)])
    step = max(int(np.ceil(np.sqrt(count * shape[-2] * shape[-1] / most))), 1)
    picked = np.asarray(image.samples[(*few, slice(None, None, step), slice(None, None, step))])
    values = picked.astype(np.float32).ravel()
    values = values[np.isfinite(values)]
    return values if values.size else np.zeros(1, np.float32)


_XYZ_TO_SRGB = np.array(
    [[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560],
     [0.0556434, -0.2040259, 1.0572252]]
)  # fmt: skip


def balance(color: Color, kelvin: float, tint: float = 0.0) -> Triple:
    """White balance multipliers (green 1) for light of a colour temperature, 2000..25000 K.

    `tint` in 1/100 EV of green: above 0 more magenta. The light's colour is seen by the camera
    through its matrix and its daylight balance (a D65 matrix, so far from daylight it is a guess).
    """
    camera = np.linalg.inv(np.asarray(color.matrix, float)) @ _XYZ_TO_SRGB @ _white(kelvin)
    seen = np.maximum(camera / np.asarray(color.daylight, float), 1e-4)
    red, green, blue = (float(v) for v in 1 / seen)
    green *= 2 ** (-tint / 100)
    return red / green, 1.0, blue / green


def temperature(color: Color, wb: Triple) -> tuple[float, float]:
    """Kelvin and tint whose `balance` is `wb` (the nearest, where it lies beyond 2000..25000 K)."""
    low, high = 2000.0, 25000.0
    wanted = wb[0] / wb[2]
    for _ in range(40):  # red over blue grows with the temperature
        middle = (low * high) ** 0.5
        red, _, blue = balance(color, middle)
        low, high = (middle, high) if red / blue < wanted else (low, middle)
    red, _, blue = balance(color, low)
    ratio = (wb[0] * wb[2]) ** 0.5 / wb[1] / (red * blue) ** 0.5
    return low, 100 * float(np.log2(ratio))


def _white(kelvin: float) -> NDArray[np.float64]:
    """XYZ of daylight (CIE D series) from 4000 K, of a black body (Kim et al. 2002) below."""
    t = 1e3 / min(max(kelvin, 1667.0), 25000.0)
    if kelvin >= 4000:
        a = (-4.6070, 2.9678, 0.09911, 0.244063) if kelvin <= 7000 else (
            -2.0064, 1.9018, 0.24748, 0.237040)  # fmt: skip
        x = ((a[0] * t + a[1]) * t + a[2]) * t + a[3]
        y = -3.0 * x * x + 2.870 * x - 0.275
    else:
        x = ((-0.2661239 * t - 0.2343589) * t + 0.8776956) * t + 0.179910
        b = (-1.1063814, -1.34811020, 2.18555832, -0.20219683) if kelvin <= 2222 else (
            -0.9549476, -1.37418593, 2.09137015, -0.16748867)  # fmt: skip
        y = ((b[0] * x + b[1]) * x + b[2]) * x + b[3]
    return np.array([x / y, 1.0, (1 - x - y) / y])
