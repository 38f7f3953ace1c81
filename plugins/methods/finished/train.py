"""Train the network of this method from a folder of photographs:

    python -m plugins.methods.finished.train FOLDER --samples 120000 --seed 0 --out finished.ckpt \\
        [--grow plugins/methods/unet/rgb.safetensors] [--ship finished] [--skip cc_by_sa_ ...]

Stopped (Ctrl+C) and called again with the same --out it goes on where it was. See
plugins/methods/unet/train.py for the budget and for --ship; --grow begins with a network that
takes away white noise.
"""

from __future__ import annotations

import sys
from pathlib import Path

from core.learn import program

KINDS = {3: 1}  # channels, and planes that guide
KIND = "core.learn.developed:Finishing"


def main(words: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    return program.main(words, __doc__, Path(__file__).parent, KINDS, KIND)


if __name__ == "__main__":
    sys.exit(main())
