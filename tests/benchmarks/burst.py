"""Bursts: how much nearer to the truth than one frame, alone and with a step behind it.

python tests/benchmarks/burst.py: a scene of shapes and lines, drawn; frames shifted by up to 20
pixels and turned by up to 0.3 degrees, a disc that crosses them 25 pixels a frame, Poisson and read
noise. PSNR over the whole picture, and where the disc goes.
"""

from __future__ import annotations

import time

import cv2
import numpy as np

from core.cache import Cache
from core.desk import Desk
from core.image import Array, Cfa, Image, Levels
from core.noise.model import PoissonGaussian
from core.noise.simulate import mosaic
from core.recipe import Recipe, Step
from core.registry import load
from core.render import Renderer, assemble
from core.tiles import Region

HEIGHT, WIDTH, EDGE, PEAK = 600, 800, 64, 3276.0
GAIN, READ = 12.0, 10.0
NOISE = PoissonGaussian((GAIN,) * 3, (READ,) * 3)
DISC = ..., slice(HEIGHT // 2 - 40, HEIGHT // 2 + 40), slice(WIDTH // 4 - 40, WIDTH // 4 + 230)


def scene() -> Array:
    """(H, W, 3) linear light, 0..1, wider than the frames by EDGE on each side."""
    rng, (h, w) = np.random.default_rng(0), (HEIGHT + 2 * EDGE, WIDTH + 2 * EDGE)
    y, x = np.mgrid[:h, :w].astype(np.float32)
    found = (0.25 + 0.15 * np.sin(x / 37) + 0.1 * np.cos(y / 53))[..., None] * np.array(
        [1, 0.8, 0.6], np.float32
    )
    for _ in range(160):
        colour = tuple(float(v) for v in rng.uniform(0.05, 0.9, 3))
        at = int(rng.integers(w)), int(rng.integers(h))
        if rng.random() < 0.5:
            cv2.circle(found, at, int(rng.integers(4, 60)), colour, -1)
        else:
            far = at[0] + int(rng.integers(4, 90)), at[1] + int(rng.integers(4, 90))
            cv2.rectangle(found, at, far, colour, -1)
    for _ in range(300):
        at = rng.integers(0, [w, h])
        ends = at.tolist(), (at + rng.integers(-80, 80, 2)).tolist()
        cv2.line(found, *ends, tuple(float(v) for v in rng.uniform(0, 0.9, 3)), 1)
    return cv2.GaussianBlur(found, (0, 0), 0.7)


def frames(count: int, cfa: Cfa | None) -> tuple[list[Image], Array]:
    """Noisy frames, and the first one without noise."""
    big, rng = scene(), np.random.default_rng(0)
    shifts, turns = rng.uniform(-20, 20, (count, 2)), rng.uniform(-0.3, 0.3, count)
    shifts[0] = turns[0] = 0
    found: list[Image] = []
    clean = np.zeros(0)
    for n, (shift, turn) in enumerate(zip(shifts, turns, strict=True)):
        map_ = cv2.getRotationMatrix2D((big.shape[1] / 2, big.shape[0] / 2), turn, 1.0)
        map_[:, 2] += shift
        seen = cv2.warpAffine(big, map_, big.shape[1::-1], flags=cv2.INTER_CUBIC)
        seen = np.clip(seen[EDGE:-EDGE, EDGE:-EDGE], 0, 1)
        at = WIDTH // 4 + n * 25, HEIGHT // 2
        cv2.circle(seen, at, 30, (0.8, 0.2, 0.1), -1)
        cv2.circle(seen, at, 12, (0.1, 0.2, 0.7), -1)
        light = np.moveaxis(seen, -1, 0) * PEAK
        values = light if cfa is None else mosaic(light, cfa)
        clean = clean if n else values
        noisy = rng.poisson(values / GAIN) * GAIN + rng.normal(0, READ, values.shape)
        kind, axes = ("linear", "cyx") if cfa is None else ("mosaic", "yx")
        found.append(Image(noisy.astype(np.float32), axes, kind, Levels(white=1e6), cfa))
    return found, clean


def psnr(found: Array, clean: Array) -> str:
    """Over the picture, and where the disc goes."""
    errors = (found - clean) ** 2
    return " / ".join(f"{10 * np.log10(PEAK**2 / e.mean()):.1f}" for e in (errors, errors[DISC]))


def main() -> None:
    """Print a table."""
    methods = load().methods
    for name, cfa in (("Bayer", Cfa(((0, 1), (1, 2)))), ("RGB", None)):
        for count in (2, 4, 8):
            images, clean = frames(count, cfa)
            burst = Step(methods["burst"]()).with_series("frames", images[1:])
            dct, cells = Step(methods["dct"]()), [name, str(count)]
            cells.append(psnr(np.asarray(images[0].pixels), clean))
            for steps in ((dct,), (burst,), (burst, dct)):
                desk, begin = Desk(cache=Cache(0), threads=1), time.process_time()
                renderer = Renderer(images[0], NOISE, Recipe(steps), desk)
                found = assemble(renderer, Region.whole(HEIGHT, WIDTH))
                spent = time.process_time() - begin
                cells.append(psnr(found, clean))
                if steps == (burst,):
                    cells[1] += f", {spent / (HEIGHT * WIDTH / 1e6):.1f} s/MP"
            print(" | ".join(cells), flush=True)


if __name__ == "__main__":
    main()
