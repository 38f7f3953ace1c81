"""Image: pixels, what they mean, and everything a writer must keep."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@runtime_checkable
class Pixels(Protocol):
    """What an Image needs of its pixels: an ndarray, a memmap, or a lazy reader that slices."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def __getitem__(self, key: Any, /) -> Array: ...


@dataclass(frozen=True)
class Cfa:
    """Colour filter array: the colour of each site, repeated over the sensor. Any period.

    `pattern[y % H][x % W]` is an index into `names`, counted from pixel (0, 0) of the Image.
    """

    pattern: tuple[tuple[int, ...], ...]
    names: str = "RGB"

    @property
    def period(self) -> tuple[int, int]:
        """Rows and columns after which the pattern repeats."""
        return len(self.pattern), len(self.pattern[0])

    def shifted(self, dy: int, dx: int) -> Cfa:
        """The pattern as seen from pixel (dy, dx)."""
        h, w = self.period
        rows = tuple(
            tuple(self.pattern[(y + dy) % h][(x + dx) % w] for x in range(w)) for y in range(h)
        )
        return replace(self, pattern=rows)

    def colors(self, height: int, width: int) -> NDArray[np.uint8]:
        """Colour index of every site, shape (height, width)."""
        h, w = self.period
        block = np.asarray(self.pattern, np.uint8)
        return np.tile(block, (-(-height // h), -(-width // w)))[:height, :width]


@dataclass(frozen=True)
class Levels:
    """Where signal begins and ends, in stored units.

    `black` is a block repeated over y and x from pixel (0, 0), 1x1 when there is one level;
    `white` is the value at which the sensor or the file saturates (inf where nothing does).
    """

    black: tuple[tuple[float, ...], ...] = ((0.0,),)
    white: float = float("inf")

    def black_map(self, y0: int, x0: int, height: int, width: int) -> NDArray[np.float32]:
        """Black level, broadcastable to (height, width), for a cut that begins at (y0, x0)."""
        block = np.asarray(self.black, np.float32)
        if block.size == 1:
            return block
        rows = (np.arange(height) + y0) % block.shape[0]
        cols = (np.arange(width) + x0) % block.shape[1]
        return block[np.ix_(rows, cols)]

    @property
    def span(self) -> float:
        """White minus the mean black: the range of the signal (1.0 where nothing saturates)."""
        top = self.white - float(np.mean(np.asarray(self.black)))
        return top if np.isfinite(top) else 1.0


@dataclass(frozen=True)
class Color:
    """How camera RGB becomes colour: white balance, then a matrix to linear sRGB."""

    wb: tuple[float, float, float] = (1.0, 1.0, 1.0)  # multipliers, green = 1
    wb_source: str = "as shot"  # or "daylight", "grey world": shown to the user
    daylight: tuple[float, float, float] = (1.0, 1.0, 1.0)
    matrix: tuple[tuple[float, float, float], ...] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


@dataclass(frozen=True, eq=False)
class Image:
    """Pixels with axes, levels, colour and metadata. Never changed after it was made.

    `pixels` keeps the stored units and dtype (a mosaic stays what the sensor gave); `axes` has one
    letter per dimension, of t z q b c, always ending in y x. `kind` says what the numbers are:
    mosaic (raw CFA), linear (scene-linear channels), display (encoded for a screen, as JPEG), and
    plain numbers: cube (spectral bands), scan (CT, MR: slices and volumes), clip (ultrasound
    frames), rf (echoes before detection), array (not known).

    `coords`, where the file says them: one array per axis letter ("b" wavelengths, "t" seconds, "z"
    millimetres), "units" (letter -> unit), "spacing" (letter -> millimetres between samples),
    "affine" (4x4: voxel (x, y, z) to millimetres in the patient's LPS system, as DICOM counts).
    `meta["scale"]` = (slope, intercept, unit): what a stored number means.
    """

    pixels: Pixels
    axes: str = "yx"
    kind: str = "array"
    levels: Levels = Levels()
    cfa: Cfa | None = None
    color: Color | None = None
    orientation: int = 1  # EXIF 1..8; the pixels themselves are never rotated
    coords: Mapping[str, Any] = field(
        default_factory=dict[str, Any]
    )  # per axis: wavelengths, mm, seconds
    meta: Mapping[str, Any] = field(
        default_factory=dict[str, Any]
    )  # EXIF, ICC...: for display and the writer
    path: str = ""  # where it came from; "" when it was computed
    nodata: float | None = None  # the stored number that stands for no measurement

    def __post_init__(self) -> None:
        if len(self.axes) != len(self.pixels.shape) or not self.axes.endswith("yx"):
            raise ValueError(f"axes {self.axes!r} do not fit the shape {self.pixels.shape}")

    @cached_property
    def id(self) -> str:
        """Content id: equal pixels, levels and CFA give the same id in any process.

        Of samples that stay in their file, where and when that was written stands for them.
        """
        digest = hashlib.blake2b(digest_size=16)
        digest.update(repr((self.axes, self.kind, self.levels, self.cfa, self.nodata)).encode())
        digest.update(repr((self.pixels.shape, str(self.pixels.dtype))).encode())
        if hasattr(self.pixels, "stamp"):
            digest.update(repr(self.pixels).encode())
            return digest.hexdigest()
        for row in range(0, self.pixels.shape[0], 1024):
            digest.update(np.ascontiguousarray(self.pixels[row : row + 1024]).data)
        return digest.hexdigest()

    @property
    def samples(self) -> Pixels:
        """The pixels, with NaN where there is no measurement: for all who compute."""
        return self.pixels if self.nodata is None else _Marked(self.pixels, self.nodata)

    @property
    def numbers(self) -> bool:
        """Are they plain numbers, shown through a window, and neither camera nor screen colours?"""
        return self.kind not in ("mosaic", "linear", "display")

    @property
    def height(self) -> int:
        """Rows."""
        return self.pixels.shape[-2]

    @property
    def width(self) -> int:
        """Columns."""
        return self.pixels.shape[-1]

    @property
    def megapixels(self) -> float:
        """Samples per 1e6: a mosaic's sites, a colour image's pixels times its channels."""
        return float(np.prod(self.pixels.shape)) / 1e6

    @property
    def stack(self) -> str:
        """The axes besides channels, rows and columns: what a Region's front spans."""
        return self.axes[:-2].replace("c", "")

    @property
    def channels(self) -> str:
        """One letter per noise channel: the CFA's colours, R G B of a colour image, else Y."""
        if self.cfa is not None:
            return self.cfa.names
        if "c" in self.axes:
            count = self.pixels.shape[self.axes.index("c")]
            return {1: "Y", 3: "RGB", 4: "RGBA"}.get(count, "Y" * count)
        return "Y"


@dataclass(frozen=True)
class _Marked:
    """Pixels as float32, NaN where they hold the number that stands for no measurement."""

    pixels: Pixels
    nodata: float

    @property
    def shape(self) -> tuple[int, ...]:
        return self.pixels.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    def __getitem__(self, key: Any, /) -> Array:
        stored = np.asarray(self.pixels[key])
        return np.where(stored == self.nodata, np.float32(np.nan), stored.astype(np.float32))
