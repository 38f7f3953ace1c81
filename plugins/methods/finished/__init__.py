"""A network for developed photographs, whose noise a camera and JPEG have already worked on.

Its result and that of the overlapped DCT, which knows the noise's spectrum, err in different
places: their mean is nearer to the truth than either, and leaves more of what is no noise.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from core.image import Image
from core.learn.card import read
from core.method import Context, Method, Needs, Planes, Slider
from core.noise.correlated import like_white, spectra_of
from core.ops.color import mix, sigmas, unmix
from core.ops.planes import basis

if TYPE_CHECKING:
    from core.ops.unet import UNet

ALIGN = 8  # of core.ops.unet.Shape: three levels on pixels taken two by two
STEPS, SCALES = (1, 1), 2  # of the DCT, whose reach is larger than the network's
NAME = "finished"
CARD = read(Path(__file__).parent)


class Finished(Method):
    """For JPEG and other developed photographs: knows blotches, soft grain and compression."""

    title = "Network for JPEG"
    cpu_seconds = 1.0
    assumption = "Noise as cameras and JPEG leave it: soft, coarse in colour, uneven in brightness."
    paper = "Mohan et al., ICLR 2020; Guo et al., CVPR 2019; Yu and Sapiro, IPOL 2011"
    family = "learned"
    kinds = ("photo",)
    card = CARD
    precisions = ("float32", "bfloat16")

    strength: Annotated[
        float, Slider(0.0, 3.0, "×", "Noise to remove, as a multiple of the noise model's.")
    ] = 1.0
    chroma: Annotated[
        float, Slider(0.0, 3.0, "×", "Colour noise to remove, relative to the strength.")
    ] = 1.0

    def needs(self, image: Image) -> Needs:
        """As far as the DCT looks; the network holds tens of features for each pixel."""
        from core.ops import dct

        return Needs(halo=dct.reach(STEPS, SCALES), align=ALIGN, tile=512, cost=50.0)

    def prepare(self, image: Image, ctx: Context) -> Generator[float, None, Any]:
        """Load the weights."""
        from core.ops.unet import shipped

        net = shipped(CARD, NAME, ctx.device)
        yield 1.0
        return net

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run."""
        if not self.strength:
            return tile
        blocks = self._by_blocks(tile, ctx)
        if ctx.planes not in ((0,), (0, 1, 2)):
            return blocks  # of a mosaic, which is not developed: the DCT's alone
        return (self._by_color(tile, state, ctx) + blocks) / 2

    def _by_blocks(self, tile: Any, ctx: Context) -> Any:
        """What the DCT makes of the tile. A tensor on the CPU goes through the CPU's kernels."""
        from core.ops import dct

        noise = sigmas(ctx.planes, self.strength, self.chroma)
        planes, spectra = mix(tile, ctx.planes), spectra_of(ctx.noise, SCALES)
        given = planes.numpy() if ctx.device == "cpu" else planes
        margin = dct.reach(STEPS, SCALES)
        found = dct.denoise(given, noise, STEPS, SCALES, margin, ctx.check, spectra)
        return unmix(tile.new_tensor(found) if ctx.device == "cpu" else found, ctx.planes)

    def _by_color(self, tile: Any, net: UNet, ctx: Context) -> Any:
        """What the network makes of it, colour noise with a strength of its own."""
        kinds = basis(ctx.planes)[1]
        found = self._clean(tile, net, self.strength, ctx)
        if self.chroma == 1.0 or "chroma" not in kinds:
            return found
        sigma = self.strength * self.chroma
        other = self._clean(tile, net, sigma, ctx) if sigma else tile
        luma, chroma = mix(found, ctx.planes), mix(other, ctx.planes)
        for row, kind in enumerate(kinds):
            if kind == "chroma":
                luma[:, row] = chroma[:, row]
        return unmix(luma, ctx.planes)

    def _clean(self, tile: Any, net: UNet, strength: float, ctx: Context) -> Any:
        """The tile without noise of so many times the model's; grey as a picture of three."""
        import torch

        sigma = strength * like_white(ctx.noise)
        with torch.inference_mode():
            found = net.denoise(tile.expand(-1, 3, -1, -1), sigma, ctx.check)
            return found.clone() if len(ctx.planes) == 3 else found.mean(1, keepdim=True)
