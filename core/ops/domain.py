"""Domain: from stored pixels to what a method sees, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.image import Array, Levels
from core.method import Planes, is_array
from core.noise.model import Mapped, Noise, Sliced
from core.ops import vst
from core.ops.planes import Packing
from core.ops.vst import Curves
from core.tiles import mirror


@dataclass(frozen=True)
class Domain:
    """Black off, mosaic packed, variance stabilised by the curves of its planes."""

    packing: Packing
    levels: Levels
    curves: Curves = ()  # see `over`
    device: str = "cpu"
    lane: Any = None  # core.cuda.Lane, where the device has streams
    size: tuple[int, int] = (0, 0)  # of the image that cuts are mirrored into; (0, 0): none are
    scale: Array | None = None  # of `source`, (D or 1, 1, H, W): the signal is divided by it first

    def over(self, noise: Noise | None, letters: str = "", deep: Sequence[int] = ()) -> Domain:
        """The domain of a tile with this noise (None: leave the signal as it is).

        `noise` is the model of just what the tile covers (`Noise.over`); `letters` and `deep` are
        the axes that its D is made of, and their sizes.
        """
        planes, factors = self.packing.planes, None
        grids = zip(letters, np.indices(tuple(deep)), strict=True)
        at: dict[str, NDArray[np.intp]] = {letter: grid.ravel() for letter, grid in grids}
        if isinstance(noise, Mapped):
            slices = at.get(noise.axis, np.zeros(1, np.intp)) if noise.axis else slice(None)
            factors, noise = noise.map.reshape(-1, 1, *noise.map.shape[-2:])[slices], noise.model
        if noise is None:
            rows = ((vst.SIGNAL,) * len(planes),)
        elif isinstance(noise, Sliced) and noise.axis in at:
            made = [tuple(model.curve(color) for color in planes) for model in noise.models]
            rows = tuple(made[int(index)] for index in at[noise.axis])
        else:
            rows = (tuple(noise.curve(color) for color in planes),)
        return replace(self, curves=rows, scale=factors)

    def enter(self, source: Array, y0: int, x0: int) -> Planes:
        """Stored (D, C, H, W) from pixel (y0, x0) on to (D, P, h, w) float32.

        H, W, y0 and x0 are multiples of the packing's phase. An array on the CPU, else a tensor.
        """
        if self.device != "cpu":
            return self._enter_torch(source, y0, x0)
        from core.ops import planes_cpu

        source, black = self._site_black(_numbers(source), y0, x0)
        depth, _, height, width = source.shape
        period = self.packing.period
        shape = (depth, len(self.packing.planes), height // period, width // period)
        planes = np.empty(shape, np.float32)
        layout = self.packing.phase, self.packing.cells, self.packing.table
        for given, made, row in zip(source, planes, self._rows(depth), strict=True):
            planes_cpu.stabilise(given, *layout, black, vst.tables(row), made)
            for plane, curve in enumerate(row):
                if not isinstance(curve, vst.Vst):
                    made[plane] = curve.forward(made[plane])
        return planes

    def leave(self, planes: Planes, source: Array, y0: int, x0: int, halo: int) -> Array:
        """Denoised (D, P, h, w), less `halo` cells all around, to stored units like `source`.

        `source` is (D, C, H, W) from pixel (y0, x0) on, what the result is made from, any dtype.
        Clipped sites stay clipped (never magenta), and what is no number stays as it is.
        """
        white = self.levels.white
        if not is_array(planes):
            return self._leave_torch(planes, source, y0, x0, halo)
        from core.ops import planes_cpu

        source = _numbers(source)
        shifted, black = self._site_black(source, y0, x0)
        own = shifted is source  # has every site its own level?
        out = np.empty(source.shape, np.float32)
        layout = self.packing.phase, self.packing.cells, self.packing.table
        for index, row in enumerate(self._rows(len(out))):
            bent = planes[index]
            if not all(isinstance(curve, vst.Vst) for curve in row):
                pairs = zip(row, bent, strict=True)
                bent = np.stack([p if isinstance(c, vst.Vst) else c.inverse(p) for c, p in pairs])
            given = bent, halo, *layout, black, white if own else np.inf, vst.tables(row)
            planes_cpu.restore(*given, source[index], out[index])
        if not own:
            if self.scale is not None:
                out *= self.scale
            out += self._black(y0, x0, *source.shape[-2:])
            out = np.where(source >= white, np.maximum(out, source), out)
        return out

    def plain(self, planes: Planes, like: Array, halo: int) -> Array:
        """Another layer than the image: (D, P, h, w) laid out as stored pixels, its units kept."""
        same = Domain(self.packing, Levels(), device=self.device, lane=self.lane).over(None)
        return same.leave(planes, np.zeros(like.shape, np.float32), 0, 0, halo)

    def _rows(self, depth: int) -> Curves:
        """The curves of each of D slices."""
        return self.curves if len(self.curves) == depth else self.curves * depth

    def _site_black(self, source: Array, y0: int, x0: int) -> tuple[Array, Any]:
        """The black level of every site of the packing, subtracted beforehand if it has no such.

        So it is where there is a scale.
        """
        block, table = np.asarray(self.levels.black, np.float32), self.packing.table
        small = min(self.size) < self.packing.phase and self.size != (0, 0)  # what `mirror` clips
        if self.scale is None and (
            block.size == 1 or (not small and all(self.packing.phase % n == 0 for n in block.shape))
        ):
            rows, cols = (table[:, 4] + y0) % block.shape[0], (table[:, 5] + x0) % block.shape[1]
            return source, np.ascontiguousarray(block[rows, cols])
        black = self._black(y0, x0, *source.shape[-2:])
        signal = source - black
        if self.scale is not None:
            signal /= self.scale
        return signal, np.zeros(len(table), np.float32)

    def _black(self, y0: int, x0: int, height: int, width: int) -> Array:
        """The black level of every pixel of a cut: where it was mirrored, of the pixel taken."""
        block, phase = np.asarray(self.levels.black, np.float32), self.packing.phase
        if block.size == 1 or self.size == (0, 0):
            return self.levels.black_map(y0, x0, height, width)
        rows = mirror(y0, y0 + height, self.size[0], phase) % block.shape[0]
        cols = mirror(x0, x0 + width, self.size[1], phase) % block.shape[1]
        return block[np.ix_(rows, cols)]

    def _enter_torch(self, source: Array, y0: int, x0: int) -> Planes:
        import torch

        black = self._black(y0, x0, *source.shape[-2:])
        dark = source.astype(np.float32) - black
        if self.scale is not None:
            dark /= self.scale
        signal = self.lane.upload(dark) if self.lane else torch.as_tensor(dark).to(self.device)
        return vst.forward(self.packing.pack(signal), self.curves)

    def _leave_torch(self, planes: Planes, source: Array, y0: int, x0: int, halo: int) -> Array:
        bottom, right = planes.shape[-2] - halo, planes.shape[-1] - halo
        inner = vst.inverse(planes[..., halo:bottom, halo:right], self.curves)
        height, width = source.shape[-2:]
        full = self.packing.unpack(inner)
        found = self.lane.download(full) if self.lane else full.cpu().numpy()
        found = found[..., :height, :width]
        if self.scale is not None:
            found = found * self.scale
        found = found + self.levels.black_map(y0, x0, height, width)
        found = np.where(source >= self.levels.white, np.maximum(found, source), found)
        return np.where(np.isfinite(source), found, source).astype(np.float32, copy=False)


def _numbers(source: Array) -> Array:
    """uint16 or float32, contiguous, writable: kernels are compiled for those two only."""
    kind = np.uint16 if source.dtype == np.uint16 else np.float32
    return np.require(source, kind, ["C", "W"])


def lost(source: Array) -> bool:
    """Are there samples that are no finite number in float32 (no-data)?"""
    if source.dtype.kind != "f":
        return False
    return not bool((np.abs(source) <= np.finfo(np.float32).max).all())


def filled(source: Array, period: int, reach: int) -> Array:
    """No-data filled from its neighbours of the same CFA site, ring by ring, `reach` rings deep.

    What a denoiser sees of a lost pixel then depends on near pixels only, whatever the tile.
    """
    import cv2

    source = np.array(source, np.float32, order="C")  # what reshape() gives below is a view

    def box(values: Array) -> Array:
        edge = cv2.BORDER_CONSTANT
        return np.asarray(cv2.boxFilter(values, -1, (3, 3), normalize=False, borderType=edge))

    for plane in source.reshape(-1, *source.shape[-2:]):
        for y in range(period):
            for x in range(period):
                part = plane[y::period, x::period]
                known = np.isfinite(part)
                values = np.where(known, part, np.float32(0))
                for _ in range(-(-reach // period)):
                    if known.all() or not known.any():
                        break
                    sums = box(values)
                    counts = box(known.astype(np.float32))
                    new = ~known & (counts > 0)
                    values[new] = sums[new] / counts[new]
                    known |= new
                part[:] = values
    return source


__all__ = ["Domain", "filled", "lost"]
