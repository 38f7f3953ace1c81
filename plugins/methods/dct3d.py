"""Overlapped DCT of cubes with a Wiener second pass, for volumes."""

from __future__ import annotations

from collections.abc import Callable

from core.image import Array, Image
from core.method import Context, Needs
from core.ops.volume import ByVolume, Extent

STEP = 1  # voxels between cubes: every cube there is
DEPTH = 64  # slices of a tile
STEPS, SCALES = (1, 1), 2  # of slices by themselves


class Dct3d(ByVolume):
    """Fast and fine for MR and CT volumes: whole scans in seconds. Start with this."""

    title = "DCT 3-D"
    cpu_seconds = 0.2
    paper = "Yu and Sapiro, IPOL 2011; Maggioni, Katkovnik, Egiazarian and Foi, IEEE TIP 2013"

    def volume_needs(self, image: Image) -> Needs:
        """Cubes reach 3 voxels in each pass."""
        from core.ops import dct3d

        reach = dct3d.reach(STEP)
        return Needs(halo=reach, tile=192, cost=8.0, axes="zyx", depth=DEPTH, reach=reach)

    def slice_needs(self) -> Needs:
        """Blocks reach 7 pixels in each pass, on every scale."""
        from core.ops import dct

        halo, align = dct.reach(STEPS, SCALES), dct.align(STEPS, SCALES)
        return Needs(halo=halo, align=align, tile=480, cost=10.0)

    def clean_volume(self, volume: Array, extent: Extent, ctx: Context) -> Array:
        """See ByVolume.clean_volume."""
        from core.ops import dct3d

        return dct3d.denoise(volume, self.strength, STEP, ctx.check, extent.spectrum or None)

    def clean_slices(
        self, planes: Array, sigmas: tuple[float, ...], check: Callable[[], None]
    ) -> Array:
        """See ByVolume.clean_slices."""
        from core.ops import dct

        return dct.denoise(planes, sigmas, STEPS, SCALES, dct.reach(STEPS, SCALES), check)
