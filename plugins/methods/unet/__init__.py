"""A small network of our own, guided by the measured noise: one for grey planes, one for RGB."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from core.image import Image
from core.learn.card import read
from core.method import Context, Method, Needs, Planes, Slider
from core.noise.correlated import like_white
from core.ops.color import mix, unmix
from core.ops.planes import basis

if TYPE_CHECKING:
    from core.ops.unet import UNet

ALIGN, REACH = 8, 48  # of core.ops.unet.Shape: three levels on pixels taken two by two
NAMES = {1: "grey", 3: "rgb"}
CARD = read(Path(__file__).parent)


class Network(Method):
    """The finest of the quick ones: keeps texture and edges that filters lose. Start with this."""

    title = "Network"
    assumption = "Noise independent from pixel to pixel, its strength known from the noise model."
    paper = "Mohan et al., ICLR 2020; Zhang, Zuo and Zhang, IEEE TIP 2018"
    family = "learned"
    card = CARD
    precisions = ("float32", "bfloat16")

    strength: Annotated[
        float, Slider(0.0, 3.0, "×", "Noise to remove, as a multiple of the noise model's.")
    ] = 1.0
    chroma: Annotated[
        float, Slider(0.0, 3.0, "×", "Colour noise to remove, relative to the strength.")
    ] = 1.0

    def needs(self, image: Image) -> Needs:
        """As far as the network looks; it holds tens of features for each pixel."""
        return Needs(halo=REACH, align=ALIGN, tile=512, cost=50.0)

    def prepare(self, image: Image, ctx: Context) -> Generator[float, None, Any]:
        """Load the weights."""
        nets = {count: self._net(name, ctx.device) for count, name in NAMES.items()}
        yield 1.0
        return nets

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run."""
        if not self.strength:
            return tile
        kinds, strength = basis(ctx.planes)[1], self.strength * like_white(ctx.noise)
        found = self._clean(tile, state, strength, ctx)
        if self.chroma == 1.0 or "chroma" not in kinds:
            return found
        sigma = strength * self.chroma
        other = self._clean(tile, state, sigma, ctx) if sigma else tile
        luma, chroma = mix(found, ctx.planes), mix(other, ctx.planes)
        for row, kind in enumerate(kinds):
            if kind == "chroma":
                luma[:, row] = chroma[:, row]
        return unmix(luma, ctx.planes)

    def _clean(self, tile: Any, nets: dict[int, UNet], sigma: float, ctx: Context) -> Any:
        """The tile without noise of `sigma`: RGB at once, other planes by luma and chroma."""
        import torch

        with torch.inference_mode():
            if ctx.planes == (0, 1, 2):
                return nets[3].denoise(tile, sigma, ctx.check).clone()
            planes = mix(tile, ctx.planes).flatten(0, 1)[:, None]
            found = [nets[1].denoise(plane[None], sigma, ctx.check) for plane in planes]
            return unmix(torch.cat(found).view_as(tile), ctx.planes)

    def _net(self, name: str, device: str) -> UNet:
        from core.ops.unet import Shape, trained

        file, sha256 = CARD.weights(name)
        return trained(Shape(**CARD.networks[name].shape), file, sha256, device)
