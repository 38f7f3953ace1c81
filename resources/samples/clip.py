"""The sample clip: SYNTHETIC B-mode of moving tissue, as DICOM, with a screen's other things."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from core.format import Output  # noqa: E402
from core.image import Image, Levels  # noqa: E402
from resources.samples.echoes import TARGETS, breathing, grey, scan, textured  # noqa: E402

NAME = "bmode_clip"
FRAMES, HEIGHT, WIDTH = 12, 208, 224
HEAD, BAR = 20, 12  # rows of text above, columns of a grey bar beside the echoes
SECONDS = 1 / 15
LETTERS = {"S": "78861E", "O": "699996", "R": "E99EA9", "D": "E9999E", "I": "E4444E",
           "N": "9DDBB9"}  # fmt: skip


def frames(
    height: int = HEIGHT, width: int = WIDTH, count: int = FRAMES, seed: int = 5
) -> tuple[Image, NDArray[np.float32]]:
    """The clip, 8 bits, "tyx", and what its echoes would show without speckle and noise."""
    seen = scan(textured, height, width, seed, count, breathing, TARGETS)
    echoes = np.stack([np.rint(np.clip(grey(one.decibels), 0, 255)) for one in seen])
    truth = np.stack([grey(one.expected) for one in seen]).astype(np.float32)
    screen = np.zeros((count, HEAD + height, width + BAR), np.uint8)
    screen[:, HEAD:, :width] = echoes
    screen[:, HEAD:, width + 4 :] = np.linspace(255, 0, height).astype(np.uint8)[:, None]
    _write("SORDINO", screen)
    box = HEAD, 0, HEAD + height, width
    meta: dict[str, Any] = {"regions": [{"box": box, "what": "tissue", "form": "picture"}]}
    spacing = {"y": 0.115, "x": 0.115}
    coords = {"t": np.arange(count) * SECONDS, "spacing": spacing, "units": {"t": "s"}}
    return Image(screen, "tyx", "clip", Levels(white=255.0), coords=coords, meta=meta), truth


def _write(words: str, screen: NDArray[np.uint8]) -> None:
    """Letters of four by six dots, two pixels each, into the upper left corner."""
    for place, letter in enumerate(words):
        for row, bits in enumerate(LETTERS[letter]):
            for column in range(4):
                if int(bits, 16) >> (3 - column) & 1:
                    y, x = 4 + 2 * row, 4 + 12 * place + 2 * column
                    screen[:, y : y + 2, x : x + 2] = 200


def make(folder: Path, clean: bool = False, height: int = HEIGHT, width: int = WIDTH) -> Path:
    """Write the clip into `folder`; `clean` adds its truth (.npy, float32, stored units)."""
    from plugins.formats.dicom import Dicom

    image, truth = frames(height, width)
    path = folder / f"{NAME}.dcm"
    Dicom().write(path, image, image, Output())  # no note: nothing was denoised
    if clean:
        np.save(folder / f"{NAME}_truth.npy", truth)
    return path
