"""Train the networks of this method from a folder of photographs:

    python -m plugins.methods.unet.train FOLDER --size fast --channels 1 --samples 600000 \\
        --seed 0 --out grey.ckpt [--ship grey] [--grow FILE] [--skip cc_by_sa_ ...] [--alone]

Stopped (Ctrl+C) and called again with the same --out it goes on where it was. The budget is fixed
at the start, as the learning rate falls to zero with it; another --samples later moves the schedule
there, and the weights are then none that can be made again. --ship NAME writes NAME.safetensors
beside this file and its entry in card.json when training ends; with a spent budget, that alone.
--alone learns from noisy patches only, of Gaussian noise, photons and speckle (core.learn.score).
"""

from __future__ import annotations

import sys
from pathlib import Path

from core.learn import program

KINDS = {1: 1, 3: 1}  # channels, and planes that guide


def main(words: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    words = list(sys.argv[1:] if words is None else words)
    kind = "core.learn.train:Training"
    if "--alone" in words:
        words.remove("--alone")
        kind = "core.learn.score:Alone"
    return program.main(words, __doc__, Path(__file__).parent, KINDS, kind)


if __name__ == "__main__":
    sys.exit(main())
