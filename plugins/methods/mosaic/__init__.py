"""A network for RAW files: it sees the whole mosaic at once, and all colours help each other."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from core.image import Array, Cfa, Image
from core.learn.card import read
from core.method import Context, Method, Needs, Planes, Slider, is_array
from core.ops.planes import Packing, packing

if TYPE_CHECKING:
    from core.ops.unet import UNet
    from core.ops.vst import Curve

REACH = 48 + 12  # pixels: the network's, and the interpolation's
EIGHT = 8  # pixels: the network works on multiples
NAME = "mosaic"
LAYERS = "image", "red", "green", "blue", "uncertainty"
GREY = 0.2  # of white: where the three colours of something grey are to be alike
LIMIT = 5.0  # standard deviations, see core.ops.unet
WITHIN = 0.5  # of the noise: as far as a sample may follow its colour, which has no fringes
NEAR = 0.1  # of the noise: as far as interpolating between clipped sites may miss them
CARD = read(Path(__file__).parent)


@dataclass(frozen=True)
class Ready:
    """What `run` needs of an image."""

    net: UNet
    cfa: Cfa
    packing: Packing
    grey: tuple[float, ...]  # signal above black of each colour where the scene is grey
    white: float  # above black: what is measured there is clipped


class Developed(Method):
    """For RAW files: all colours are denoised together, and interpolated (TIFF, PNG, JPEG)."""

    title = "Network for RAW"
    cpu_seconds = 1.0
    assumption = "Noise independent from pixel to pixel, its strength known from the noise model."
    paper = "Gharbi et al., ACM TOG 35(6), 2016; Mohan et al., ICLR 2020"
    family = "learned"
    kinds = ("raw",)
    domain = "signal"
    develops = True
    card = CARD
    precisions = ("float32", "bfloat16")

    strength: Annotated[
        float, Slider(0.0, 3.0, "×", "Noise to remove, as a multiple of the noise model's.")
    ] = 1.0

    def needs(self, image: Image) -> Needs:
        """As far as the network and the interpolation look, in cells of the packed mosaic."""
        period = packing(image.cfa).period
        align = EIGHT // period if EIGHT % period == 0 else EIGHT
        return Needs(halo=-(-REACH // period), align=align, tile=512 // period, cost=60.0)

    def prepare(self, image: Image, ctx: Context) -> Generator[float, None, Ready | None]:
        """Load the weights. No state: there is no mosaic of three colours."""
        from core.ops.unet import shipped

        net = shipped(CARD, NAME, ctx.device)
        yield 1.0
        cfa = image.cfa
        if cfa is None or cfa.names != "RGB":
            return None
        balance = np.clip(image.color.wb if image.color else (1.0, 1.0, 1.0), 0.25, 8.0)
        grey = tuple(float(g) for g in GREY * image.levels.span * balance[1] / balance)
        white = image.levels.white - float(np.max(np.asarray(image.levels.black)))
        return Ready(net, cfa, packing(cfa), grey, white)

    def run(self, tile: Planes, state: Ready | None, ctx: Context) -> Planes | Mapping[str, Planes]:
        """See Method.run; further layers, in stored units: red, green and blue of every pixel, and
        how far they may be from the truth (a standard deviation, root mean square of the three).
        """
        import torch

        if state is None or ctx.noise is None:
            return tile
        given = torch.as_tensor(tile)
        curves = [ctx.noise.curve(color) for color in range(3)]
        even = [curves[color].forward(given[:, p]) for p, color in enumerate(state.packing.planes)]
        mosaics = state.packing.unpack(torch.stack(even, 1))[:, 0].cpu().numpy()
        signals = state.packing.unpack(given)[:, 0].cpu().numpy()
        layers: dict[str, list[Any]] = {name: [] for name in LAYERS}
        for mosaic, signal in zip(mosaics, signals, strict=True):
            found = self._clean(mosaic, signal, state, curves, given.device, ctx)
            for each, made in zip(layers.values(), found, strict=True):
                each.append(made)
        packed = {name: state.packing.pack(torch.stack(each)[:, None].to(given))
                  for name, each in layers.items()}  # fmt: skip
        if is_array(tile):
            packed = {name: each.numpy() for name, each in packed.items()}
        return packed if self.strength else {**packed, "image": tile}

    def _clean(
        self, mosaic: Array, signal: Array, state: Ready, curves: list[Curve], device: Any,
        ctx: Context,
    ) -> list[Any]:  # fmt: skip
        """Of a mosaic with noise of 1: LAYERS as signal, (H, W) tensors."""
        import torch

        from core.ops import sites

        cfa = state.cfa
        gains = alike(curves, state.grey)
        gain = gains[cfa.colors(*mosaic.shape)]
        base = sites.colours(mosaic * gain, cfa)
        guide = sites.guide(cfa, [self.strength * float(g) for g in gains], *mosaic.shape)
        x, sigma = (torch.as_tensor(each)[None].to(device) for each in (base, guide))
        with torch.inference_mode():
            parts = state.net.parts(x, sigma, ctx.check)[0].cpu().numpy()
        noise, sample, doubt = parts[:3], parts[3], np.abs(parts[4:])
        limit = LIMIT * self.strength
        own = mosaic - (sample / gain).clip(-limit, limit)
        near = WITHIN * self.strength
        own += ((sample - sites.measured(noise, cfa)) / gain).clip(-near, near)
        colors, doubts = (torch.as_tensor(each / gains[:, None, None])
                          for each in (base - noise, doubt))  # fmt: skip
        made = [curve.inverse(plane) for curve, plane in zip(curves, colors, strict=True)]
        ends = [curve.inverse(plane + side * wide) for side in (1, -1)
                for curve, plane, wide in zip(curves, colors, doubts, strict=True)]  # fmt: skip
        apart = torch.stack(ends[:3]) - torch.stack(ends[3:])
        image, where = torch.as_tensor(signal).clone(), torch.as_tensor(cfa.colors(*mosaic.shape))
        for color, curve in enumerate(curves):
            here = where == color
            image[here] = curve.inverse(torch.as_tensor(own)[here])
            top = min(state.white, 1e30)
            clipped = torch.as_tensor(base[color] >= gains[color] * at(curve, top) - NEAR)
            made[color] = torch.where(clipped, made[color].clamp_min(top), made[color])
        return [image, *made, (apart / 2).square().mean(0).sqrt()]


def at(curve: Curve, signal: float) -> float:
    """A curve's value."""
    import torch

    return float(curve.forward(torch.tensor(signal)))


def alike(curves: list[Curve], grey: tuple[float, ...]) -> Array:
    """Factors of stabilised red, green, blue by which the three are alike where it is grey.

    The curves begin at black; those of photons alone would not, and are alike at any brightness.
    """
    level: list[float] = []
    for curve, signal in zip(curves, grey, strict=True):
        gain, root = getattr(curve, "gain", 0.0), getattr(curve, "root", 0.0)
        level.append(at(curve, signal) + (2 * root / gain if gain > 0 else 0.0))
    return np.array([level[1] / max(one, 1e-6) for one in level], np.float32)
