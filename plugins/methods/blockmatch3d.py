"""Block matching in volumes: like cubes are found, stacked and filtered together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from core.image import Array, Image
from core.method import Context, Needs, Slider
from core.ops.volume import ByVolume, Extent, thickness

if TYPE_CHECKING:
    from core.ops import bm4d

STEP = 3  # voxels between reference cubes
EDGE = 6  # mirrored voxels kept around the scan, in whole steps
DEPTH = 96  # slices of a tile, in whole steps
AROUND = 16  # pixels to look around in slices by themselves


class BlockMatch3d(ByVolume):
    """The finest for MR and CT volumes, and the slowest: thin structures stay. For the export."""

    title = "Block matching 3-D"
    cpu_seconds = 2.9
    paper = "Maggioni, Katkovnik, Egiazarian and Foi, IEEE TIP 2013"

    search: Annotated[
        int, Slider(2, 7, "px", "How far to look for like cubes: costs time.", advanced=True)
    ] = 5

    def volume_needs(self, image: Image) -> Needs:
        """Two stages, each as far as a cube, its reference and the reference's other matches."""
        reach, halo = self._search(thickness(image)).reach
        return Needs(halo, STEP, tile=144, cost=12.0, axes="zyx", depth=DEPTH, reach=reach)

    def slice_needs(self) -> Needs:
        """The same in the plane."""
        from core.ops import bm

        return Needs(halo=bm.reach(STEP, AROUND), align=STEP, tile=480, cost=14.0)

    def clean_volume(self, volume: Array, extent: Extent, ctx: Context) -> Array:
        """See ByVolume.clean_volume."""
        from core.ops import bm4d

        search, found = self._search(extent.thickness), volume.copy()
        box = extent.box(volume.shape, ctx.region, EDGE)
        deep, halo = search.reach
        margins = deep if extent.sizes[0] > DEPTH else 0, halo, halo
        z, y, x = (
            slice(max(far - part.start, 0), size - far - part.start)
            for part, size, far in zip(box, volume.shape, margins, strict=True)
        )
        given = volume[box], self.strength, search, (z, y, x), ctx.check
        found[box] = bm4d.denoise(*given, extent.spectrum or None)
        return found

    def clean_slices(
        self, planes: Array, sigmas: tuple[float, ...], check: Callable[[], None]
    ) -> Array:
        """See ByVolume.clean_slices."""
        from core.ops import bm

        return bm.denoise(planes, sigmas, STEP, AROUND, bm.reach(STEP, AROUND), check)

    def _search(self, thick: float) -> bm4d.Search:
        from core.ops import bm4d

        return bm4d.Search(STEP, max(round(self.search / max(thick, 1.0)), 1), self.search)
