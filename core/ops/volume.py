"""What methods for volumes share: when slices belong together, colours, the border of the scan.

Imported where plugins are listed: no torch or numba at the top.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np

from core.image import Array, Image
from core.method import Choice, Context, Method, Needs, Planes, Slider
from core.noise.spectrum import cosines
from core.ops.color import mix, unmix
from core.tiles import Region

THIN = 4  # slices that a volume needs: the edge of a cube
THICK = 4.0  # slices further apart than this many pixels tell little of each other
LEAST = 0.02  # variance of a coefficient, where what was measured says less or none

Box = tuple[slice, slice, slice]  # of a volume (D, H, W)


def thickness(image: Image) -> float:
    """Distance of two slices in pixels; 1 where the file does not say."""
    spacing: Mapping[str, float] = image.coords.get("spacing") or {}
    pixel = min(spacing.get("x", 0.0), spacing.get("y", 0.0))
    return float(spacing["z"] / pixel) if pixel > 0 and spacing.get("z", 0.0) > 0 else 1.0


def is_volume(image: Image) -> bool:
    """Are there enough slices, near enough to each other, to be denoised together?"""
    return (
        "z" in image.axes
        and image.pixels.shape[image.axes.index("z")] >= THIN
        and thickness(image) < THICK
    )


@dataclass(frozen=True)
class Extent:
    """Size of a scan in voxels along z, y and x, and the distance of its slices in pixels."""

    sizes: tuple[int, int, int]
    thickness: float
    front: int = 0  # which of a region's front spans is z's
    spectrum: tuple[float, ...] = ()  # of correlated noise, see `spectrum_of`; empty: white

    @staticmethod
    def of(image: Image) -> Extent:
        """That of an image."""
        known = dict(zip(image.axes, image.pixels.shape, strict=True))
        sizes = known.get("z", 1), known["y"], known["x"]
        return Extent(sizes, thickness(image), image.stack.find("z"))

    def box(self, shape: Sequence[int], region: Region | None, margin: int) -> Box:
        """The part of a tile (..., D, H, W) over `region` that is in the scan or near it.

        What is mirrored more than `margin` voxels outside the scan need not be computed.
        """
        whole = slice(0, shape[-3]), slice(0, shape[-2]), slice(0, shape[-1])
        if region is None:
            return whole
        period = max(region.height // shape[-2], 1)  # of a packed mosaic
        z0 = region.front[self.front][0] if region.front and self.front >= 0 else 0
        starts = z0, region.y0 // period, region.x0 // period
        sizes = self.sizes[0], self.sizes[1] // period, self.sizes[2] // period
        spans = [
            (max(-start - margin, 0), min(size - start + margin, full.stop))
            for start, size, full in zip(starts, sizes, whole, strict=True)
        ]
        z, y, x = (slice(a, b) for a, b in spans)
        return z, y, x


def spectrum_of(correlation: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Standard deviations (64) of the DCT coefficients of a cube of unit noise, (kz, ky, kx).

    `correlation[dy][dx]` is the noise's autocorrelation in a slice; slices do not share noise, as
    they have detectors of their own.
    """
    known = np.zeros((THIN, THIN))
    given = np.asarray(correlation, np.float64)[:THIN, :THIN]
    known[: given.shape[0], : given.shape[1]] = given
    at, basis = np.arange(THIN), cosines(THIN)
    lag = np.abs(at[:, None] - at)
    pairs = known[lag[:, None, :, None], lag[None, :, None, :]]  # y x, y x
    variance = np.einsum("ay,bx,yxuv,au,bv->ab", basis, basis, pairs, basis, basis)
    deviation = np.sqrt(np.maximum(variance, LEAST))
    return tuple(np.tile(deviation.ravel(), THIN).tolist())


class ByVolume(Method):
    """Base of methods that clean the planes of a volume, and single slices as pictures."""

    assumption = "Noise of known strength; where neighbours share it, as in CT, that is measured."
    kinds = ("mr", "ct")
    axes = "zyx"
    tensors = False
    cpu_only = True

    strength: Annotated[
        float, Slider(0.0, 3.0, "×", "Noise to remove, as a multiple of the noise model's.")
    ] = 1.0

    def needs(self, image: Image) -> Needs:
        """See Method.needs."""
        return self.volume_needs(image) if is_volume(image) else self.slice_needs()

    def volume_needs(self, image: Image) -> Needs:
        """Of a volume, axes z y x."""
        raise NotImplementedError

    def slice_needs(self) -> Needs:
        """Of slices that stand by themselves."""
        raise NotImplementedError

    correlated: Annotated[
        bool, Choice("Measure how noise of near pixels is alike, as in CT, and use it.", True)
    ] = True

    def prepare(self, image: Image, ctx: Context) -> Generator[float, None, Extent]:
        """See Method.prepare: how large the scan is, how its noise is correlated."""
        yield 0.0
        extent = Extent.of(image)
        if not self.correlated or image.kind != "scan" or not is_volume(image):
            return extent
        from core.noise.estimate import measure

        pattern = measure(image).pattern
        if pattern is None or pattern.white:
            return extent
        return replace(extent, spectrum=spectrum_of(pattern.correlation))

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run."""
        if not self.strength:
            return tile
        flat = tile.reshape(*tile.shape[:2], -1, tile.shape[-1])  # z and y together
        mixed = mix(flat, ctx.planes).reshape(tile.shape)
        if tile.ndim == 4:
            found = self.clean_slices(mixed, (self.strength,) * mixed.shape[1], ctx.check)
        else:
            found = np.empty_like(mixed)
            for volume, clean in zip(mixed.reshape(-1, *mixed.shape[2:]),
                                     found.reshape(-1, *mixed.shape[2:]), strict=True):  # fmt: skip
                clean[:] = self.clean_volume(np.ascontiguousarray(volume), state, ctx)
        return unmix(found.reshape(flat.shape), ctx.planes).reshape(tile.shape)

    def clean_volume(self, volume: Array, extent: Extent, ctx: Context) -> Array:
        """Take noise of `strength` from a volume (D, H, W)."""
        raise NotImplementedError

    def clean_slices(
        self, planes: Array, sigmas: tuple[float, ...], check: Callable[[], None]
    ) -> Array:
        """Take noise of `sigmas`, one per plane, from slices (N, P, H, W)."""
        raise NotImplementedError
