"""MP-PCA: the components of a diffusion or functional series that rise above noise."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Annotated, Any

import numpy as np

from core.image import Array, Image
from core.method import Context, Method, Needs, Planes, Slider
from core.noise.model import Rician
from core.ops import mppca
from core.ops.volume import Extent

LEAST = 6  # volumes that a series needs


class MpPca(Method):
    """For series of MR volumes (diffusion, functional): each voxel's course over the series."""

    title = "MP-PCA"
    cpu_seconds = 0.5
    assumption = "Noise alike in all volumes of the series, of any strength: it is measured here."
    paper = "Veraart et al., NeuroImage 142, 2016; Gavish and Donoho, IEEE TIT 63, 2017"
    kinds = ("mr",)
    axes = "qzyx"
    domain = "signal"
    tensors = False
    cpu_only = True

    step: Annotated[
        int, Slider(1, 4, "px", "Distance of the cubes: 1 is the finest and slow.", advanced=True)
    ] = 2

    def needs(self, image: Image) -> Needs:
        """A voxel depends on the cubes over it; the series always comes whole."""
        axes = _axes(image)
        sizes = dict(zip(image.axes, image.pixels.shape, strict=True))
        edge = mppca.edges_for(sizes.get(axes[0], 1), sizes.get("z", 1))[2]
        halo = -(-edge // self.step) * self.step
        return Needs(halo=halo, align=self.step, tile=48, cost=8.0, axes=axes)

    def prepare(self, image: Image, ctx: Context) -> Generator[float, None, Extent]:
        """See Method.prepare: how large the scan is."""
        yield 1.0
        return Extent.of(image)

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes | Mapping[str, Planes]:
        """See Method.run; further layers: sigma and rank, alike for all volumes."""
        if tile.ndim < 6 or tile.shape[2] < LEAST:  # no series
            return tile
        layers = {name: np.zeros_like(tile) for name in ("image", "sigma", "rank")}
        edges = mppca.edges_for(*tile.shape[2:4])
        box = state.box(tile.shape, ctx.region, 0)  # what is mirrored would count twice as noise
        for item in range(tile.shape[0]):
            for plane, series in enumerate(tile[item]):
                found = mppca.denoise(series[(..., *box)], edges, self.step, ctx.check)
                for name, part in zip(layers, found, strict=True):
                    layers[name][(item, plane, ..., *box)] = part
        if isinstance(ctx.noise, Rician):
            layers["image"] = _without_floor(layers["image"], ctx.noise)
        return layers


def _without_floor(mean: Array, noise: Rician) -> Array:
    """The true signal of expected magnitudes, float32, same shape."""
    from core.ops.vst_rician import moments

    nu, magnitude, _ = moments(noise.coils)
    relative = mean / max(noise.scale, 1e-30)
    found = np.where(relative < magnitude[-1], np.interp(relative, magnitude, nu), relative)
    return (found * noise.scale if noise.scale > 0 else mean).astype(np.float32)


def _axes(image: Image) -> str:
    return "tzyx" if "t" in image.axes and "q" not in image.axes else "qzyx"
