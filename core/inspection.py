"""Inspection: the Work that measures what was drawn in the picture, before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from core import contrast
from core.contrast import speckle_snr
from core.desk import Desk
from core.develop import envelope as bmode
from core.develop.window import scale
from core.image import Array, Image
from core.job import Stop
from core.noise.model import Noise
from core.planes import reformatted
from core.recipe import Recipe
from core.show import JUDGED, centre, one_slice, pair
from core.tiles import Region, Span

Both = tuple[float, float] | None  # before and after
Line = tuple[float, float, float, float]  # y0, x0, y1, x1 in a plane, pixel centres at .5


@dataclass(frozen=True)
class Inspect:
    """Quality of drawn areas and of an edge, in real units, before and after: see core.quality."""

    image: Image
    noise: Noise
    recipe: Recipe
    front: tuple[Span, ...]  # the slice
    areas: tuple[Region, ...] = ()
    line: Line | None = None
    across: str = "z"
    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Any]:
        from core import quality

        plane = reformatted(self.image, self.across)
        slope, intercept, unit = (1.0, 0.0, "") if bmode.echoes(plane) else scale(plane)
        spacing: Mapping[str, float] = plane.coords.get("spacing") or {}
        known = "y" in spacing and "x" in spacing
        edges = (spacing["y"], spacing["x"]) if known else (1.0, 1.0)

        whole, deep = Region.whole(plane.height, plane.width), bmode.depth_halo(plane)

        def real(region: Region) -> tuple[Array, Array]:
            wide = replace(region, y0=region.y0 - deep, y1=region.y1 + deep).meet(whole)
            wide = replace(wide, front=region.front)
            found = pair(self, one_slice(plane, wide), desk, cancelled)
            before, after = (detected(one, plane)[region.within(wide)] for one in found)
            return slope * before + intercept, slope * after + intercept

        drawn = [real(replace(centre(area, JUDGED), front=self.front)) for area in self.areas]
        spectrum = quality.spectrum(*drawn[0], edges) if drawn else None
        edge = None
        if self.line is not None:
            box, line = self._around(plane, self.line)
            edge = quality.edge(*real(box), line, edges)
        areas = tuple((quality.area(before), quality.area(after)) for before, after in drawn)
        length = "mm" if known else "px"
        cnr, gcnr = self._contrast(drawn)
        speckle = tuple((speckle_snr(a), speckle_snr(b)) for a, b in drawn if echoing(self.image))
        yield quality.Quality(unit, length, areas, spectrum, edge, cnr, gcnr, speckle)

    def _contrast(self, drawn: list[tuple[Array, Array]]) -> tuple[Both, Both]:
        """CNR and gCNR of two areas before and after."""
        from core import quality

        if len(drawn) < 2:
            return None, None
        (before, after), (other_before, other_after) = drawn
        pairs = (before, other_before), (after, other_after)
        if echoing(self.image):
            found = [contrast.cnr(a, b) for a, b in pairs]
        else:
            found = [quality.cnr(quality.area(a), quality.area(b)) for a, b in pairs]
        general = [contrast.gcnr(a, b) for a, b in pairs]
        return (found[0], found[1]), (general[0], general[1])

    def _around(self, plane: Image, line: Line) -> tuple[Region, Line]:
        """The pixels that a line's band lies in, and the line counted from there."""
        y0, x0, y1, x1 = (end - 0.5 for end in line)
        room = 12  # of the band, also where voxels are long
        box = Region(
            int(min(y0, y1)) - room, int(min(x0, x1)) - room,
            int(max(y0, y1)) + room + 1, int(max(x0, x1)) + room + 1,
            self.front,
        ).meet(Region.whole(plane.height, plane.width))  # fmt: skip
        return box, (y0 - box.y0, x0 - box.x0, y1 - box.y0, x1 - box.x0)


def echoing(image: Image) -> bool:
    """Is it ultrasound: echoes, or pictures of them?"""
    seen: Mapping[str, Any] = image.meta.get("dicom") or {}
    return image.kind in ("clip", "rf") or seen.get("Modality") in ("US", "IVUS")


def detected(pixels: Array, image: Image) -> Array:
    """One plane (h, w): the strength of echoes, the mean of colours, else the numbers."""
    picked = pixels[tuple(slice(None) if axis in "cyx" else 0 for axis in image.axes)]
    if bmode.echoes(image):
        return bmode.detected(picked, image)
    return picked.mean(0) if picked.ndim == 3 else picked
