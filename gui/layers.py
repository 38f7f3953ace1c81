"""Layers: developed pixels before and after, at several binnings, and which of them are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.image import Array
from core.tiles import Region
from gui.camera import Frame


class Canvas:
    """One layer at one binning: pixels (h, w, 3) uint16 and a mark for each of them.

    A mark is 0 where nothing was put, else 2 * age, plus 1 for pixels that are no proxy.
    """

    def __init__(self, height: int, width: int, level: int) -> None:
        shape = -(-height // level), -(-width // level)
        self.level = level
        self.pixels = np.zeros((*shape, 3), np.uint16)  # costs memory only where it is written
        self.marks = np.zeros(shape, np.uint8)
        self.filled = 0  # cells that were ever written

    def put(self, region: Region, store: Array, mark: int) -> None:
        """Writes the developed pixels of a sensor region that begins on a whole cell."""
        y, x = region.y0 // self.level, region.x0 // self.level
        pixels = self.pixels[y : y + store.shape[0], x : x + store.shape[1]]
        pixels[:] = store[: pixels.shape[0], : pixels.shape[1]]
        marks = self.marks[y : y + pixels.shape[0], x : x + pixels.shape[1]]
        self.filled += marks.size - int(np.count_nonzero(marks))
        marks[:] = mark

    @property
    def nbytes(self) -> int:
        """Memory that it takes: what was never written takes none."""
        return self.filled * (self.pixels.itemsize * 3 + 1)

    def box(self, region: Region, margin: int = 0) -> Region:
        """The cells that a sensor region touches."""
        cells = Region(
            region.y0 // self.level,
            region.x0 // self.level,
            -(-region.y1 // self.level),
            -(-region.x1 // self.level),
        )
        return cells.grow(margin).meet(Region.whole(*self.marks.shape))


class Layers:
    """All canvases of one image. `levels` are the binnings that tiles may have, finest first."""

    def __init__(self, height: int, width: int, levels: Sequence[int]) -> None:
        self.height, self.width = height, width
        self.levels = tuple(sorted(levels)) or (1,)
        self.plain = 2.0  # the scale from which on pixels are shown as squares
        self._canvases: dict[tuple[str, int], Canvas] = {}
        self._ages: dict[str, int] = {}

    def level(self, scale: float) -> int:
        """The binning to show at a scale: the coarsest that is not enlarged."""
        fitting = [level for level in self.levels if level * scale <= 1 + 1e-6]
        return fitting[-1] if fitting else self.levels[0]

    @property
    def nbytes(self) -> int:
        """Memory of all canvases."""
        return sum(canvas.nbytes for canvas in self._canvases.values())

    def begin(self, layer: str) -> None:
        """What the layer holds becomes stale: drawn until it is replaced."""
        self._ages[layer] = self._age(layer) + 1
        if self._ages[layer] > 127:  # marks are one byte: make all of them old, start again
            for (name, _), canvas in self._canvases.items():
                if name == layer:
                    np.minimum(canvas.marks, 2, out=canvas.marks)
            self._ages[layer] = 2

    def drop(self, layer: str) -> None:
        """The layer holds nothing any more."""
        for key in [key for key in self._canvases if key[0] == layer]:
            del self._canvases[key]

    def put(self, layer: str, level: int, region: Region, store: Array, proxy: bool) -> None:
        """Takes over developed pixels. Raises ValueError for a level that was not announced."""
        if level not in self.levels:
            raise ValueError(f"binning {level} is none of {self.levels}")
        key = layer, level
        if key not in self._canvases:
            self._canvases[key] = Canvas(self.height, self.width, level)
        self._canvases[key].put(region, store, 2 * self._age(layer) + (not proxy))

    def values(self, layer: str, most: int = 250_000) -> Array:
        """What the finest canvas of a layer holds now, uint16, flat; `most` of it, evenly."""
        for level in self.levels:
            canvas = self._canvases.get((layer, level))
            if canvas is not None:
                step = max(1, round((canvas.marks.size / most) ** 0.5))
                there = canvas.marks[::step, ::step] >= 2 * self._age(layer)
                return canvas.pixels[::step, ::step, 1][there]
        return np.zeros(0, np.uint16)

    def value(self, layer: str, y: int, x: int) -> float | None:
        """The current store value of one pixel at full resolution; None where there is none."""
        canvas = self._canvases.get((layer, 1))
        if canvas is None or canvas.marks[y, x] != 2 * self._age(layer) + 1:
            return None
        return float(canvas.pixels[y, x, 1])

    def state(self, layer: str, level: int, region: Region) -> str:
        """How a region stands: "full", "proxy" (all current, some coarse) or "partial"."""
        fresh = 2 * self._age(layer)
        if self._worst(layer, level, region) == fresh + 1:
            return "full"
        if any(self._worst(layer, each, region) >= fresh for each in self._order(level)):
            return "proxy"
        return "partial"

    def draw(
        self, names: Sequence[str], level: int, frame: Frame
    ) -> tuple[list[Array], Array | None]:
        """The frame's pixels (h, w, 3) uint16 of each layer, and a mask where there are none.

        Current pixels win over stale ones, then the wanted level over others. All layers are taken
        from the same level at each pixel. No arrays when nothing is there; no mask when all is.
        """
        drawn: list[Array] = []
        missing: Array | None = None
        for current in (True, False):
            for each in self._order(level):
                part = frame if missing is None else around(missing, frame)
                pixels, good = self._sampled(names, each, part, current)
                if not pixels:
                    continue
                if missing is None and good is None:
                    return pixels, None
                good = np.ones(pixels[0].shape[:2], np.uint8) if good is None else good
                if missing is None:
                    drawn, missing = pixels, good ^ 1
                else:
                    here = part.box.within(frame.box)
                    fill(drawn, pixels, missing[here] & good, here)
                    missing[here] &= good ^ 1
                if not missing.any():
                    return drawn, None
        return drawn, missing

    def _sampled(
        self, names: Sequence[str], level: int, frame: Frame, current: bool
    ) -> tuple[list[Array], Array | None]:
        """The frame from one level: pixels of each layer, mask of those that are there (or all)."""
        import cv2

        found = [self._canvases.get((name, level)) for name in names]
        canvases = [canvas for canvas in found if canvas is not None]
        if len(canvases) < len(names):
            return [], None
        box = canvases[0].box(frame.region(self.height, self.width), margin=2)
        there = np.ones((box.height, box.width), bool)
        stale = current
        for name, canvas in zip(names, canvases, strict=True):
            marks, fresh = canvas.marks[box.slices], 2 * self._age(name)
            there &= marks >= (fresh if current else 1)
            stale = stale or bool(((marks > 0) & (marks < fresh)).any())
        if not stale or not there.any():  # without stale pixels it is what was drawn as current
            return [], None
        smooth = self._smooth(level, frame.scale) or not frame.square
        pixels = [_resample(c.pixels[box.slices], box, level, frame, smooth) for c in canvases]
        if there.all():
            return pixels, None
        good = there.view(np.uint8)
        if smooth:  # interpolation reaches into neighbours, so they must be there as well
            good = cv2.erode(good, np.ones((3, 3), np.uint8))
        return pixels, _resample(good, box, level, frame, False)

    def _smooth(self, level: int, scale: float) -> bool:
        if level == self.levels[0] and scale >= self.plain:
            return False  # large pixels are shown as pixels
        return abs(scale * level - 1) > 1e-9  # one to one: nothing to interpolate

    def _age(self, layer: str) -> int:
        return self._ages.get(layer, 1)

    def _order(self, level: int) -> list[int]:
        """The wanted level, then coarser ones, then the next finer one (more would be slow)."""
        at = self.levels.index(level)
        return [*self.levels[at:], *self.levels[max(at - 1, 0) : at]]

    def _worst(self, layer: str, level: int, region: Region) -> int:
        canvas = self._canvases.get((layer, level))
        if canvas is None or not region.area:
            return 0
        return int(canvas.marks[canvas.box(region).slices].min())


def around(mask: Array, frame: Frame) -> Frame:
    """The part of a frame in which its mask is not 0."""
    import cv2

    x, y, width, height = cv2.boundingRect(mask)
    top, left = frame.box.y0 + y, frame.box.x0 + x
    return replace(frame, box=Region(top, left, top + height, left + width))


def fill(
    targets: list[Array], sources: list[Array], mask: Array, here: tuple[slice, slice]
) -> None:
    """Copies smaller pictures into a part of larger ones, where the mask says so."""
    import cv2

    for target, source in zip(targets, sources, strict=True):
        target[here] = cv2.copyTo(source, mask, target[here].copy())


def _resample(plane: Array, box: Region, level: int, frame: Frame, smooth: bool) -> Array:
    """The cells of `box` at a binning, resampled onto the frame's device pixels, upright."""
    import cv2

    # bilinear skips pixels below one half: make it twice as large, then take means
    twice = 2 if smooth and frame.scale * level < 0.499 else 1
    step, half = 1 / twice, 0.5  # half: from the index of a pixel to its middle
    x0, y0 = frame.box.x0 + half * step, frame.box.y0 + half * step
    place = np.array([[step, 0, x0], [0, step, y0], [0, 0, 1]])
    cells = np.diag([1 / level, 1 / level, 1.0])
    shift = np.array([[1, 0, -box.x0 - half], [0, 1, -box.y0 - half], [0, 0, 1]])
    matrix = (shift @ cells @ frame.to_sensor @ place)[:2]
    flags = (cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST) | cv2.WARP_INVERSE_MAP
    height, width = frame.box.height, frame.box.width
    size = twice * width, twice * height
    out = cv2.warpAffine(plane, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(out, (width, height), interpolation=cv2.INTER_AREA) if twice > 1 else out
