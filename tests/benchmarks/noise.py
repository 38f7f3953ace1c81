"""How well is noise measured? Known noise on real photographs, one table. Run it by hand:

    python tests/benchmarks/noise.py [FOLDER_OF_PHOTOS] [--dev]

Photographs are reduced 3x (2x the small ones), linearised, made into mosaics, and given noise of
known parameters. Thresholds were chosen on every third photograph (--dev); all others are held out.
Errors are of the predicted sigma at 5, 18 and 70 % of the range, per channel, against the ADDED
noise: the photographs' own grain counts as error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as Pil

sys.path.insert(0, str(Path(__file__).parents[2]))

from core.image import Cfa, Image, Levels
from core.noise.estimate import measure
from core.noise.measured import GOOD, ChannelFit
from core.noise.simulate import mosaic, sensor

BAYER = Cfa(((0, 1), (1, 2)))
XTRANS = Cfa(
    (
        (1, 2, 1, 1, 0, 1),
        (0, 1, 0, 2, 1, 2),
        (1, 2, 1, 1, 0, 1),
        (1, 0, 1, 1, 2, 1),
        (2, 1, 2, 0, 1, 0),
        (1, 0, 1, 1, 2, 1),
    )
)
BLACK, WHITE = 1024.0, 16383.0
SPAN = WHITE - BLACK
LEVELS = np.array([0.05, 0.18, 0.70]) * SPAN
NOISES = ((3.0, 6.0), (12.0, 18.0), (30.0, 45.0), (80.0, 120.0), (0.0, 0.0))


def photographs(folder: Path, dev: bool) -> Iterator[tuple[int, np.ndarray]]:
    """Linear (3, H, W) in 0..1, reduced by averaging; photographs too small for that are left."""
    for index, path in enumerate(sorted(folder.glob("*/*"))):
        with Pil.open(path) as opened:
            width, height = opened.size
            factor = 3 if min(width, height) >= 1700 else 2
            if (index % 3 == 0) != dev or min(width, height) < 1000:
                continue
            wide, tall = (min(n, most * factor) for n, most in ((width, 1200), (height, 900)))
            wide, tall = (n // (12 * factor) * 12 * factor for n in (wide, tall))
            x, y = (width - wide) // 2, (height - tall) // 2
            part = np.asarray(opened.convert("RGB").crop((x, y, x + wide, y + tall)), np.float32)
        part /= 255
        linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
        blocks = linear.reshape(tall // factor, factor, wide // factor, factor, 3)
        yield index, blocks.mean((1, 3)).transpose(2, 0, 1)


def row(label: str, gain: float, read: float, fits: list[ChannelFit]) -> str:
    """One line of the table."""
    good = [f for f in fits if f.verdict == GOOD]
    rest = [f for f in fits if f.verdict != GOOD]

    def errors(some: list[ChannelFit]) -> np.ndarray:
        found = [np.sqrt(f.gain * LEVELS + f.read**2) for f in some]
        return 100 * (np.array(found) / np.sqrt(gain * LEVELS + read**2 + 1 / 12) - 1)

    cells = [label, f"{gain:g}/{read:g}", f"{len(good)}/{len(fits)}"]
    if gain == 0:
        return "| " + " | ".join([*cells, "", "", "", ""]) + " |"
    for some in (good, rest):
        e = errors(some) if some else np.full((1, 3), np.nan)
        cells += [" ".join(f"{v:.1f}" for v in np.median(np.abs(e), axis=0))]
        cells += [" ".join(f"{v:+.0f}" for v in e[np.abs(e).argmax(0), range(3)])]
    given = [f.read_range for f in fits if f.read_range]
    hits = sum(low <= read <= high for low, high in given)
    return "| " + " | ".join([*cells, f"{hits}/{len(given)}"]) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Noise measured blind against noise added.")
    shared = Path(__file__).parents[3] / "shared" / "data" / "train"
    parser.add_argument("photos", nargs="?", type=Path, default=shared)
    parser.add_argument("--dev", action="store_true", help="the photographs thresholds came from")
    chosen = parser.parse_args()
    fits: dict[tuple[str, float, float], list[ChannelFit]] = {}
    for index, photo in photographs(chosen.photos, chosen.dev):
        for label, cfa in (("Bayer", BAYER), ("X-Trans", XTRANS), ("RGB", None)):
            clean = (photo if cfa is None else mosaic(photo, cfa)) * SPAN
            for gain, read in NOISES:
                rng = np.random.default_rng(index)
                noisy = sensor(clean, gain, read, rng, quantise=1, black=BLACK, white=WHITE)
                kind, axes = ("mosaic", "yx") if cfa else ("linear", "cyx")
                levels = Levels(((BLACK,),), WHITE)
                image = Image(noisy.astype(np.uint16), axes, kind, levels, cfa)
                fits.setdefault((label, gain, read), []).extend(measure(image).channels)
    print("| mosaic | gain/read | good | good: median % at 5 18 70 % | worst | ", end="")
    print("others: median | worst | read range holds |\n|" + "---|" * 8)
    for (label, gain, read), found in fits.items():
        print(row(label, gain, read, found))


if __name__ == "__main__":
    main()
