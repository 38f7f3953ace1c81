"""Can a network learn from noisy images alone? Noise2Score against the same network told the truth.

    python tests/benchmarks/score.py FOLDER [--patches 64000] [--out FOLDER] [--skip WORD ...]

FOLDER: photographs to learn from. Two networks of equal form, seed and patches are trained (called
again they go on from their checkpoints), one from noisy patches alone, one with the clean ones.
Then Set12 with Gaussian noise, photons and speckle, the level told and measured: PSNR in dB.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.image import Array, Image, Levels
from core.learn.patches import Pairs, photographs
from core.learn.score import DARKEST, Alone, Law, Laws, slope
from core.learn.train import Batch, Run, Training, planned, saved, train
from core.noise.estimate import measure_sensor
from core.ops.unet import Shape
from core.tiles import Region

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "photo" / "Set12"
LAWS = (
    Law("gaussian", 25 / 255), Law("gaussian", 50 / 255), Law("poisson", 0.01),
    Law("poisson", 0.05), Law("gamma", 100), Law("gamma", 50),
)  # fmt: skip
SHAPE, RATE = Shape(1, 16, 1), 4e-3


class _Known(Laws):
    """Noisy patches, stabilised, and the clean ones."""

    def batch(self, step: int, count: int) -> tuple[Array, Array, Array, Array]:
        one = np.ones((count, 1, 1, 1), np.float32)
        return *self.patches(step, count), one, one


class Told(Training):
    """The same network, noise and formula, but learning from the clean patches."""

    def pairs(self, pictures: Sequence[Array]) -> Pairs:
        self._laws = _Known(pictures, self.run.seed)
        return self._laws

    def loss(self, batch: Batch, parts: torch.Tensor) -> torch.Tensor:
        law = self._laws.law(self.number)
        error = law.restored(batch.noisy, -parts) - batch.clean
        return (error / (law.deviation(batch.clean) + self.floor)).square().clamp_max(9).mean()


def network(kind: type[Training], args: argparse.Namespace) -> Training:
    """Trained, or taken from its checkpoint."""
    checkpoint = args.out / f"{kind.__name__.lower()}.ckpt"
    state = saved(checkpoint)
    run = planned(state) if state else Run(SHAPE, args.patches, 0, 32, RATE)
    made = kind(run, photographs(args.folder, args.skip))
    if state:
        made.restore(state)
    train(made, checkpoint, lambda line: print(line, file=sys.stderr), lambda: False)
    return made


def measured(law: Law, noisy: Array) -> Law:
    """The level at which the stabilised image has noise of 1, by our own measurement."""
    first = Law(law.name, 1.0)
    flat = first.stabilised(noisy, np.random.default_rng(0))[0, 0]
    if law.name == "poisson":
        flat = 2 * np.sqrt(np.maximum(noisy[0, 0], 0)).astype(np.float32)
    noise = measure_sensor(Image(flat, "yx", "display", Levels()), Region.whole(*flat.shape)).model
    sigma = float(noise.sigma(np.array([np.median(flat)]), 0)[0])
    return Law(
        law.name, sigma**-2 if law.name == "gamma" else sigma ** (1 + (law.name == "poisson"))
    )


def denoised(made: Training, law: Law, noisy: Array) -> Array:
    """By Tweedie's formula."""
    value = torch.as_tensor(law.stabilised(noisy, np.random.default_rng(1)))
    with torch.inference_mode():
        return law.restored(value, slope(made.ema, value)).numpy()


def decibels(found: Array, clean: Array) -> float:
    """PSNR, white being 1."""
    return float(-10 * np.log10(np.mean((found - clean) ** 2)))


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description="Noise2Score against training with the truth.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patches", type=int, default=64_000)
    parser.add_argument("--out", type=Path, default=Path("."))
    parser.add_argument("--skip", nargs="*", default=[])
    args = parser.parse_args()
    torch.set_num_threads(1)
    told, alone = network(Told, args), network(Alone, args)
    print(f"{told.seen} patches: told {told.seconds:.0f} CPU s, alone {alone.seconds:.0f} CPU s")
    print(
        "| noise | noisy | told | alone | alone − told | alone, level measured |\n"
        + "|---" * 6
        + "|"
    )
    for law in LAWS:
        rows: list[list[float]] = []
        for number, file in enumerate(sorted(DATA.glob("*.png"))):
            grey = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
            assert grey is not None, file
            clean = np.asarray(grey[None, None] / 255 * (1 - DARKEST) + DARKEST)
            noisy = law.spoiled(clean, np.random.default_rng(number))
            guessed = measured(law, noisy)
            found = [noisy, denoised(told, law, noisy), denoised(alone, law, noisy),
                     denoised(alone, guessed, noisy)]  # fmt: skip
            rows.append([decibels(each, clean) for each in found])
        a, b, c, d = np.mean(rows, axis=0)
        print(
            f"| {law.name} {law.level:.3g} | {a:.2f} | {b:.2f} | {c:.2f} | {c - b:+.2f} | {d:.2f} |"
        )


if __name__ == "__main__":
    main()
