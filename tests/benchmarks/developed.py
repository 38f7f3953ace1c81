"""Developed photographs with real noise, measured blind and denoised. By hand:

    python tests/benchmarks/developed.py NOISY [--clean FOLDER] [--every N] [--method dct]
        [--sigmas 9 12]

NOISY holds pairs NAME_real.JPG and NAME_mean.JPG (PolyU: J. Xu et al., arXiv 1804.02603), `--clean`
photographs without noise, of which as much as possible should be left: there the PSNR is that of
the result against the picture itself. `--sigmas`: also with white noise of one sigma for all.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from core.cache import Cache
from core.desk import Desk
from core.image import Image, Levels
from core.noise.estimate import measure
from core.noise.model import Noise, PoissonGaussian
from core.recipe import Recipe, Step
from core.render import Renderer, assemble
from core.tiles import Region


def pixels(path: Path) -> Any:
    """(3, H, W) bytes."""
    from PIL import Image as Pil

    return np.ascontiguousarray(np.asarray(Pil.open(path).convert("RGB")).transpose(2, 0, 1))


def psnr(found: Any, truth: Any) -> float:
    """In dB, of bytes."""
    error = np.mean((np.asarray(found, np.float64) - truth) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-6)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("noisy", type=Path)
    parser.add_argument("--clean", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--method", default="dct")
    parser.add_argument("--sigmas", type=float, nargs="*", default=[])
    args = parser.parse_args()
    desk = Desk(cache=Cache(0), threads=1)
    method = desk.registry.methods[args.method]()

    def rows(given: Any, truth: Any) -> list[float]:
        image = Image(given, "cyx", "display", Levels(white=255.0))
        models: list[Noise] = [measure(image).model]
        models += [PoissonGaussian((0.0,), (sigma,)) for sigma in args.sigmas]
        found = [psnr(given, truth)]
        for model in models:
            renderer = Renderer(image, model, Recipe((Step(method),)), desk)
            found.append(psnr(assemble(renderer, Region.whole(*given.shape[-2:])), truth))
        return found

    pairs = sorted(args.noisy.glob("*_real.*"))[:: args.every]
    names = ["as it is", "blind", *(f"white, {sigma:g}" for sigma in args.sigmas)]
    both = [(pixels(f), pixels(f.with_name(f.name.replace("_real", "_mean")))) for f in pairs]
    table = np.array([rows(*each) for each in both])
    print(
        f"{len(table)} pairs:", *(f"{n} {v:.2f}" for n, v in zip(names, table.mean(0), strict=True))
    )
    if args.clean:
        whole = [pixels(file) for file in sorted(args.clean.iterdir())[:: args.every]]
        kept = np.array([rows(each, each)[1:] for each in whole])
        for name, column in zip(names[1:], kept.T, strict=True):
            low = np.quantile(column, 0.1)
            print(
                f"clean, {name}: mean {column.mean():.1f}, 10 % {low:.1f}, least {column.min():.1f}"
            )


if __name__ == "__main__":
    main()
