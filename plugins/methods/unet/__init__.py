"""A small network of our own, guided by the measured noise: one for grey planes, one for RGB."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from core.image import Image
from core.learn.card import read
from core.learn.lesson import Learned, Lesson
from core.method import Choice, Context, Method, Needs, Planes, Slider, Teach
from core.noise.correlated import like_white
from core.ops.color import mix, sigmas, unmix
from core.ops.planes import basis

if TYPE_CHECKING:
    from core.ops.unet import UNet

ALIGN, REACH = 8, 48  # of core.ops.unet.Shape: three levels on pixels taken two by two
NAMES = {1: "grey", 3: "rgb"}
STEP = 2  # pixels between the blocks of `strict`
CARD = read(Path(__file__).parent)


class Network(Method):
    """The finest of the quick ones: keeps texture and edges that filters lose. Start with this."""

    title = "Network"
    cpu_seconds = 0.67
    assumption = "Noise independent from pixel to pixel, its strength known from the noise model."
    paper = "Mohan et al., ICLR 2020; Zhang, Zuo and Zhang, IEEE TIP 2018"
    family = "learned"
    version = 2
    card = CARD
    precisions = ("float32", "bfloat16")

    strength: Annotated[
        float, Slider(0.0, 3.0, "×", "Noise to remove, as a multiple of the noise model's.")
    ] = 1.0
    chroma: Annotated[
        float, Slider(0.0, 3.0, "×", "Colour noise to remove, relative to the strength.")
    ] = 1.0

    strict: Annotated[
        bool,
        Choice("Only take away: of each block's frequencies none is raised, whatever the network"
               " says. For those who must not add anything.", advanced=True),
    ] = False  # fmt: skip
    learn: Annotated[
        str,
        Teach("What the network learns from this image before it denoises: 150 steps take some"
              " seconds of a core and help where something repeats."),
    ] = ""  # fmt: skip

    def needs(self, image: Image) -> Needs:
        """As far as the network looks; it holds tens of features for each pixel. A graphics card is
        busy with some tiles together only; see Runner.batch."""
        halo = REACH + (ALIGN if self.strict else 0)
        return Needs(halo=halo, align=ALIGN, tile=512, cost=50.0, batch=4)

    def prepare(self, image: Image, ctx: Context) -> Generator[float, None, Any]:
        """Load the weights; let the network that is used learn from the image."""
        lesson = Lesson.parse(self.learn)
        if lesson.steps and ctx.source is not None:
            nets, learned = yield from self.study(image, ctx, lesson)
            ctx.say(learned.words)
            return nets
        yield 1.0
        return self._nets(ctx)

    def study(
        self, image: Image, ctx: Context, lesson: Lesson, enough: Callable[[], bool] | None = None
    ) -> Generator[float, None, tuple[Any, Learned]]:
        """See Method.study. At the noise model's own strength, whatever is asked for later."""
        from core.learn.internal import tuned
        from core.learn.pieces import pieces

        nets = self._nets(ctx)
        count = 3 if ctx.planes == (0, 1, 2) else 1
        parts = pieces(image, ctx, lesson, count == 3)
        if not parts[0]:
            yield 1.0
            return nets, Learned.nothing(lesson)
        work = tuned(nets[count], parts, like_white(ctx.noise), lesson, ctx.check, enough)
        net, learned = yield from work
        return {**nets, count: net}, learned

    @property
    def prepares_by(self) -> Network:
        """Only what is learned: the same for every strength."""
        return Network(learn=self.learn)

    def coarser(self, level: int) -> Network:
        """What is learned is of the real pixels: a proxy is shown without."""
        return replace(self, learn="")

    def _nets(self, ctx: Context) -> dict[int, UNet]:
        from core.ops.unet import shipped

        return {count: shipped(CARD, name, ctx.device) for count, name in NAMES.items()}

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        """See Method.run."""
        if not self.strength:
            return tile
        strength = self.strength * like_white(ctx.noise)
        found = self._by_color(tile, state, strength, ctx)
        return self._attenuated(tile, found, strength, ctx) if self.strict else found

    def _attenuated(self, tile: Any, found: Any, strength: float, ctx: Context) -> Any:
        """The tile's own frequencies, each times the gain that what was found gives it (Wiener).

        A tensor on the CPU goes through the CPU's kernels.
        """
        from core.ops import dct

        noise = sigmas(ctx.planes, strength, self.chroma)
        given, guide = mix(tile, ctx.planes), mix(found, ctx.planes)
        if ctx.device == "cpu":
            given, guide = given.numpy(), guide.numpy()
        shrunk = dct.shrink(given, guide, noise, STEP, ctx.check)
        return unmix(tile.new_tensor(shrunk) if ctx.device == "cpu" else shrunk, ctx.planes)

    def _by_color(self, tile: Any, state: Any, strength: float, ctx: Context) -> Any:
        """The tile without its noise, that of chroma times what was asked for."""
        kinds = basis(ctx.planes)[1]
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
