#!/usr/bin/env python3
"""Make Sordino's samples: RAW files of a still life that never was, ultrasound, MR, CT, a cube.

    python resources/samples/make.py [FOLDER] [--truth]

The scene (scene.py) is drawn in linear light by numpy alone, seen through a colour filter array,
and given the noise of a sensor: photon noise of a known gain, Gaussian read noise. No camera took
part, and the files say so. The seeds are fixed: one machine gives the same files, always.
`--truth` writes the noise-free mosaics (.npy, float32, stored units) beside them.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from core.format import Output  # noqa: E402
from core.image import Cfa, Color, Image, Levels  # noqa: E402
from core.noise.simulate import mosaic, sensor  # noqa: E402
from resources.samples import clip, pictures, scans, spectral  # noqa: E402
from resources.samples.scene import render  # noqa: E402

Floats = NDArray[np.floating[Any]]

HEIGHT, WIDTH = 768, 1152
LEVELS = Levels(((1024.0,),), 16383.0)
WB = (2.0, 1.0, 1.6)
COLOR = Color(WB, "as shot", WB, ((1.75, -0.6, -0.15), (-0.2, 1.55, -0.35), (0.02, -0.47, 1.45)))
XTRANS = tuple(tuple("RGB".index(c) for c in row) for row in (
    "GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG"))  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """One file to make: sensor and exposure. `gain` in stored units per electron."""

    name: str
    model: str
    cfa: Cfa
    iso: int
    gain: float
    read: float
    seed: int


SAMPLES = (
    Sample("bayer_iso12800", "synthetic Bayer", Cfa(((0, 1), (1, 2))), 12800, 48.0, 90.0, 1),
    Sample("xtrans_iso6400", "synthetic X-Trans", Cfa(XTRANS), 6400, 24.0, 40.0, 2),
)


def truth(scene: Floats, cfa: Cfa) -> NDArray[np.float32]:
    """The noise-free mosaic above black in stored units, unclipped."""
    camera = np.maximum(scene @ np.linalg.inv(np.asarray(COLOR.matrix)).T, 0) / np.asarray(WB)
    return mosaic(np.moveaxis(camera * LEVELS.span, -1, 0), cfa)


def photograph(sample: Sample, scene: Floats) -> Image:
    """The noisy mosaic with its levels, colour and metadata."""
    rng = np.random.default_rng(sample.seed)
    signal = truth(scene, sample.cfa)
    black, white = LEVELS.black[0][0], LEVELS.white
    noisy = sensor(signal, sample.gain, sample.read, rng, quantise=1, black=black, white=white)
    shown = {
        "make": "Sordino",
        "model": sample.model,
        "description": "Synthetic picture made by Sordino's resources/samples/make.py; no camera",
        "copyright": "Sordino, Apache-2.0",
        "iso": sample.iso,
        "exposure": 1 / 60,
        "aperture": 2.8,
        "focal_length": 35,
    }
    pixels = noisy.astype(np.uint16)
    return Image(pixels, "yx", "mosaic", LEVELS, sample.cfa, COLOR, meta={"exif": shown})


def make(folder: Path, height: int = HEIGHT, width: int = WIDTH, clean: bool = False) -> list[Path]:
    """Write every sample into `folder`; returns the DNGs. `clean` adds the noise-free mosaics."""
    from plugins.formats.raw import Raw

    scene, made = render(height, width), list[Path]()
    for sample in SAMPLES:
        image = photograph(sample, scene)
        made.append(folder / f"{sample.name}.dng")
        Raw().write(made[-1], image, image, Output())  # no note: nothing was denoised
        if clean:
            values = truth(scene, sample.cfa) + LEVELS.black[0][0]
            np.save(folder / f"{sample.name}_truth.npy", values)
    return made


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Make Sordino's synthetic sample RAW files.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    parser.add_argument("--truth", action="store_true", help="write the noise-free mosaics, too")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    made = make(options.folder, clean=options.truth)
    made.append(clip.make(options.folder, clean=options.truth))
    made.extend(scans.make(options.folder, clean=options.truth))
    made.append(spectral.make(options.folder, clean=options.truth))
    made.extend(pictures.make(made, options.folder))
    for path in made:
        print(f"{path} {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
