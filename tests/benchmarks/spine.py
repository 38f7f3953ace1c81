"""What does the spine cost? A full-frame render over the bare method on the same tiles. By hand:

    python tests/benchmarks/spine.py [FILE] [--method ID] [--repeat 3]

"Bare" is a loop over tiles that were cut, stabilised and laid out beforehand and calls nothing but
the method's run(); "to a picture" adds what a program without a spine needs as well: stabilisation,
its inverse, and a picture that the tiles are put into; "render" is core.render to the same picture,
with its planning, cancelling, cache and progress. One thread; CPU seconds, the least of some
alternating runs; peak memory of the process. Without FILE a 6-megapixel mosaic is simulated.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.cache import Cache
from core.desk import Desk
from core.files import open_image
from core.image import Array, Cfa, Image, Levels
from core.method import Context
from core.noise.estimate import measure
from core.noise.model import PoissonGaussian
from core.noise.simulate import sensor
from core.ops.domain import Domain
from core.recipe import Recipe, Step
from core.render import Renderer, assemble, plan
from core.tiles import Region, cut, tiles


def simulated() -> tuple[Image, PoissonGaussian]:
    """A smooth Bayer mosaic of 6 megapixels with known noise."""
    y, x = np.mgrid[:2000, :3000] / 400.0
    signal = 3000 + 2500 * np.sin(y) * np.cos(x * y / 3)
    pixels = sensor(signal, 12, 24, np.random.default_rng(0), quantise=1, black=600, white=15520)
    cfa, levels = Cfa(((0, 1), (1, 2))), Levels(((600.0,),), 15520.0)
    image = Image(pixels.astype(np.uint16), "yx", "mosaic", levels, cfa)
    return image, PoissonGaussian((12.0,) * 3, (24.0,) * 3)


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process, all threads."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def main() -> None:
    options = argparse.ArgumentParser(description="Benchmark the spine's overhead.")
    options.add_argument("file", nargs="?", type=Path)
    options.add_argument("--method", default="fast")
    options.add_argument("--repeat", type=int, default=3)
    args = options.parse_args()
    cv2.setNumThreads(1)
    desk = Desk(cache=Cache(1 << 30), threads=1)
    if args.file:
        image = open_image(desk.registry, args.file, lambda: False, desk.decoder, "")
        noise = measure(image).model
    else:
        image, noise = simulated()
    recipe = Recipe((Step(desk.registry.methods[args.method]()),))
    whole = Region.whole(image.height, image.width)
    laid = plan(recipe.steps[0].method, image)
    colors = laid.packing.planes
    white = PoissonGaussian((0.0,) * len(colors), (1.0,) * len(colors))
    context = Context(white, colors, "cpu", 1, lambda: False)
    domain = Domain(laid.packing, image.levels).over(noise)
    given: list[tuple[Region, Array, Array]] = []
    regions = tiles(whole, laid.grid, image.height, image.width)
    for region in regions:
        need = laid.need(region.aligned(laid.align))
        source, _ = laid.flat(cut(image.pixels, need, laid.packing.phase))
        inner, _ = laid.flat(image.pixels[region.slices])
        given.append((need, np.ascontiguousarray(source), np.ascontiguousarray(inner)))
    stable = [domain.enter(source, need.y0, need.x0) for need, source, _ in given]
    halo = laid.halo // laid.packing.period

    def bare() -> None:
        for planes in stable:
            laid.method.run(planes, None, context)

    def picture() -> None:
        out = np.empty(image.pixels.shape, np.float32)
        for (need, source, inner), region in zip(given, regions, strict=True):
            planes = laid.method.run(domain.enter(source, need.y0, need.x0), None, context)
            y, x = need.y0 + laid.halo, need.x0 + laid.halo
            out[region.slices] = domain.leave(planes, inner, y, x, halo)[0, 0]

    def render() -> None:
        desk.cache = Cache(1 << 30)
        assemble(Renderer(image, noise, recipe, desk), whole)

    for work in (bare, render):  # compile and load once
        work()
    runs = [[cpu(work) for work in (bare, picture, render)] for _ in range(args.repeat)]
    least = np.min(runs, axis=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak *= 1 if sys.platform == "darwin" else 1024
    print("| method | MP | bare, s/MP | to a picture | render | render / bare | render / picture |")
    print("|---" * 7 + "|")
    each = " | ".join(f"{value / image.megapixels:.3f}" for value in least)
    print(
        f"| {args.method} | {image.megapixels:.1f} | {each} | {least[2] / least[0]:.3f}"
        f" | {least[2] / least[1]:.3f} |\npeak {peak / 2**20:.0f} MiB"
    )


if __name__ == "__main__":
    main()
