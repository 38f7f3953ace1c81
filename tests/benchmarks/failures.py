"""Where the networks fail: pictures that are hard for them, in, out and what was taken away.

By hand:

    python tests/benchmarks/failures.py [--out docs/benchmarks] [--method unet] [--set learn=150]

Gradients, text, stars, fabric, skin-like texture, and nothing but noise; the noise model is given.
Writes failures.png (clean, noisy, denoised, removed; one row each) and prints PSNR, what is left of
the noise, and how much the removed looks like the clean picture (correlation; noise gives 0).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.cache import Cache
from core.desk import Desk
from core.image import Image
from core.noise.model import PoissonGaussian
from core.recipe import Recipe, Step
from core.render import Renderer, assemble
from core.tiles import Region

SIZE = 160
Floats = np.ndarray[Any, Any]


def scenes() -> dict[str, Floats]:
    """Clean pictures of values 0 to 255, (SIZE, SIZE) float32."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    rng = np.random.default_rng(0)
    text = np.full((SIZE, SIZE), 220, np.uint8)
    for row, scale in enumerate((0.9, 0.6, 0.45, 0.35, 0.3)):
        at = (4, 24 + 30 * row)
        cv2.putText(text, "Sordino 0123", at, cv2.FONT_HERSHEY_SIMPLEX, scale, 30, 1, cv2.LINE_AA)
    stars = np.full((SIZE, SIZE), 20, np.float32)
    for bright in np.geomspace(20, 230, 60):
        cy, cx = rng.uniform(4, SIZE - 4, 2)
        stars += bright * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 0.8**2))
    fabric = 120 + 35 * np.sign(np.sin(x * 1.3)) * np.sign(np.sin(y * 1.3)) + 25 * np.sin(y / 20)
    grain = cv2.GaussianBlur(rng.standard_normal((SIZE, SIZE)).astype(np.float32), (0, 0), 1.5)
    skin = 150 + 30 * np.sin(x / 60) + 9 * grain / grain.std()
    found = {
        "gradient": 60 + 100 * x / SIZE + 20 * y / SIZE,
        "text": text, "stars": stars, "fabric": fabric, "skin-like": skin,
        "nothing": np.full((SIZE, SIZE), 128),
    }  # fmt: skip
    return {name: np.asarray(each, np.float32) for name, each in found.items()}


def main() -> None:
    options = argparse.ArgumentParser(description="Show where a denoiser fails.")
    options.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    options.add_argument("--method", default="unet")
    options.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    options.add_argument("--sigma", type=float, default=25)
    args = options.parse_args()
    desk = Desk(cache=Cache(0), threads=1)
    desk.roster.pin_precision("float32")
    settings = dict(pair.split("=") for pair in args.set)
    recipe = Recipe((Step(desk.registry.methods[args.method].make(settings)),))
    model = PoissonGaussian((0.0,), (args.sigma,))
    sheet: list[Floats] = []
    print("| scene | PSNR, dB | left in flat, of sigma | correlation |\n|---|---|---|---|")
    for seed, (name, clean) in enumerate(scenes().items()):
        noise = np.random.default_rng(seed).standard_normal(clean.shape, np.float32)
        noisy = clean + np.float32(args.sigma) * noise
        renderer = Renderer(Image(noisy), model, recipe, desk)
        found = assemble(renderer, Region.whole(SIZE, SIZE))
        removed = noisy - found
        psnr = 10 * np.log10(255**2 / np.mean((found - clean) ** 2))
        fine = clean - cv2.GaussianBlur(clean, (0, 0), 4)
        flat, alike = f"{found.std() / args.sigma:.3f}", ""
        if fine.std() > 0.1:
            flat, alike = "", f"{np.mean(removed * fine) / (removed.std() * fine.std()):.2f}"
        print(f"| {name} | {psnr:.2f} | {flat} | {alike} |")
        sheet.append(np.hstack([clean, noisy, found, 128 + removed]))
    picture = np.clip(np.rint(np.vstack(sheet)), 0, 255).astype(np.uint8)
    args.out.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(args.out / "failures.png"), picture)


if __name__ == "__main__":
    main()
