"""Train the network of this method from a folder of photographs:

    python -m plugins.methods.mosaic.train FOLDER --samples 176000 --rate 1.5e-3 --out m.ckpt \\
        [--grow plugins/methods/unet/rgb.safetensors] [--ship mosaic] [--skip cc_by_sa_ ...]

Stopped (Ctrl+C) and called again with the same --out it goes on where it was. See
plugins/methods/unet/train.py for the budget and for --ship; --grow begins with a network that
denoises developed colours.
"""

from __future__ import annotations

import sys
from pathlib import Path

from core.learn import program
from core.ops.sites import GUIDES

KINDS = {3: GUIDES}  # channels, and planes that guide
KIND = "core.learn.mosaics:Developing"


def main(words: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    return program.main(words, __doc__, Path(__file__).parent, KINDS, KIND)


if __name__ == "__main__":
    sys.exit(main())
