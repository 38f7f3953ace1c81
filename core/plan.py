"""Plan: how one step is laid over one image: its grid, its halo, the order of its axes."""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm, prod

import numpy as np
from numpy.typing import NDArray

from core.image import Array, Image
from core.method import Method, Needs, Planes, is_array
from core.ops.planes import Packing, packing
from core.tiles import Region, tiles


@dataclass(frozen=True)
class Axis:
    """An axis of the stack: its length, the edge of a tile, and its halo (0: none)."""

    letter: str
    length: int
    edge: int
    halo: int


@dataclass(frozen=True)
class Plan:
    """The grid belongs to method and image alone; memory only decides how many tiles at a time."""

    method: Method
    packing: Packing
    needs: Needs
    axes: str  # of the stored image
    sizes: tuple[int, ...]
    tile: int = 0  # edge in pixels that the user asked for; 0: what the method likes

    @property
    def grid(self) -> int:
        """Edge of a tile in pixels of the image."""
        edge = self.tile or self.needs.tile * self.packing.period
        return -(-edge // self.align) * self.align

    @property
    def align(self) -> int:
        """Tiles are worked on in multiples of this many pixels."""
        return lcm(self.packing.phase, self.needs.align * self.packing.period)

    @property
    def halo(self) -> int:
        """Halo in pixels of the image, in whole steps of the grid."""
        return -(-self.needs.halo * self.packing.period // self.align) * self.align

    @property
    def blend(self) -> int:
        """How far tiles overlap to be blended, in pixels; never more than half a tile."""
        wish = -(-self.needs.blend * self.packing.period // self.align) * self.align
        return min(wish, self.grid // 2 // self.align * self.align)

    @property
    def channels(self) -> int:
        """Of the stored image: planes given to a method belong together."""
        return self.sizes[self.axes.index("c")] if "c" in self.axes else 1

    @property
    def stack(self) -> tuple[Axis, ...]:
        """The axes of the stack, in the image's order."""
        found: list[Axis] = []
        for letter, length in zip(self.axes, self.sizes, strict=True):
            if letter in "cyx":
                continue
            if letter not in self.needs.axes:
                found.append(Axis(letter, length, 1, 0))
            elif not self.needs.depth or self.needs.depth >= length:
                found.append(Axis(letter, length, length, 0))
            else:
                found.append(Axis(letter, length, self.needs.depth, self.needs.reach))
        return tuple(found)

    @property
    def grids(self) -> tuple[tuple[int, int], ...]:
        """Length and tile edge of each axis of the stack, as `tiles` wants them."""
        return tuple((axis.length, axis.edge) for axis in self.stack)

    def cells(self) -> list[Region]:
        """All tiles of the grid, the middle of the image first."""
        height, width = self.sizes[-2:]
        return tiles(Region.whole(height, width), self.grid, height, width, self.grids)

    @property
    def deep(self) -> tuple[int, ...]:
        """Halo along each axis of the stack."""
        return tuple(axis.halo for axis in self.stack)

    def need(self, area: Region) -> Region:
        """What must be known to compute an aligned area."""
        return area.grow(self.halo, self.deep)

    @property
    def letters(self) -> tuple[str, str]:
        """The axes in the order in which `flat` lays them out, and those that make its D."""
        together = self.needs.axes.replace("y", "").replace("x", "")
        alone = "".join(a for a in self.axes[:-2] if a not in together + "c")
        order = "".join(a for a in together if a in self.axes)
        return alone + order + ("c" if "c" in self.axes else "") + "yx", together

    def flat(self, stored: Array) -> tuple[Array, tuple[int, ...]]:
        """A cut of the image to (D, C, H, W), and the sizes that D is made of.

        D are the axes that the method wants together, in its order; what the image lacks counts 1.
        """
        letters, together = self.letters
        size = dict(zip(self.axes, stored.shape, strict=True))
        deep = tuple(size.get(letter, 1) for letter in together)
        moved = stored.transpose([self.axes.index(a) for a in letters])
        return moved.reshape(prod(deep), self.channels, *stored.shape[-2:]), deep

    def stored(self, flat: Array, shape: tuple[int, ...]) -> Array:
        """The inverse of `flat`, for a cut of this shape."""
        letters, size = self.letters[0], dict(zip(self.axes, shape, strict=True))
        found = flat.reshape([size[a] for a in letters])
        return found.transpose([letters.index(a) for a in self.axes])

    def together(self, planes: Planes, deep: tuple[int, ...]) -> Planes:
        """(D, P, h, w) to what `run` gets: (1, P, *deep, h, w)."""
        if not deep:
            return planes
        apart = planes.reshape(*deep, *planes.shape[1:])
        return _moved(apart, len(deep), 0)[None]

    def apart(self, planes: Planes, deep: tuple[int, ...]) -> Planes:
        """The inverse of `together`, without the halo along the stack: (D, P, h, w)."""
        if not deep:
            return planes
        inner = _moved(planes[0], 0, len(deep))[self._inner(deep)]
        return inner.reshape(-1, *inner.shape[len(deep) :])

    def _inner(self, deep: tuple[int, ...]) -> tuple[slice, ...]:
        halo = {axis.letter: axis.halo for axis in self.stack}
        pairs = zip(self.letters[1], deep, strict=True)
        return tuple(slice(halo.get(a, 0), n - halo.get(a, 0)) for a, n in pairs)

    def weights(self, patch: Region, cell: Region) -> tuple[NDArray[np.float32], ...]:
        """How much a blended patch counts along y and along x; all patches add up to 1.

        It rises over twice `blend` across each edge of its cell where there is a neighbour.
        """
        height, width = self.sizes[-2:]
        spans = ((patch.y0, patch.y1, cell.y0, cell.y1, height),
                 (patch.x0, patch.x1, cell.x0, cell.x1, width))  # fmt: skip
        found: list[NDArray[np.float32]] = []
        for start, stop, low, high, size in spans:
            at, ramp = np.arange(start, stop) + 0.5, 2 * max(self.blend, 1)
            rise = (at - low) / ramp + 0.5 if low > 0 else np.ones(len(at))
            fall = (high - at) / ramp + 0.5 if high < size else np.ones(len(at))
            found.append(np.clip(np.minimum(rise, fall), 0, 1).astype(np.float32))
        return tuple(found)


def _moved(planes: Planes, source: int, target: int) -> Planes:
    if is_array(planes):
        return np.moveaxis(planes, source, target)
    return planes.movedim(source, target)


def plan(method: Method, image: Image, tile: int = 0) -> Plan:
    """Lay a method over an image."""
    channels = image.pixels.shape[image.axes.index("c")] if "c" in image.axes else 1
    pack = packing(image.cfa, channels)
    return Plan(method, pack, method.needs(image), image.axes, tuple(image.pixels.shape), tile)


__all__ = ["Axis", "Plan", "plan"]
