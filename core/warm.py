"""`python -m core.warm`: compile every kernel into its cache, so that no picture waits for it.

Set-up runs it once; it takes a minute on a small machine and says nothing where all is there.
"""

from __future__ import annotations

import sys

import numpy as np

from core.desk import Desk
from core.image import Cfa, Image, Levels
from core.noise.model import PoissonGaussian, Rician, Speckle
from core.recipe import Recipe, Step
from core.render import Renderer
from core.tiles import Region

EDGE = 64  # pixels of an image that every method is tried on


def main() -> int:
    """Run every method that has kernels of its own on tiny images of both compiled types."""
    desk, whole = Desk(threads=1), Region.whole(EDGE, EDGE)
    mosaic = np.full((EDGE, EDGE), 900, np.uint16)
    grey = Image(mosaic.astype(np.float32))
    raw = Image(mosaic, "yx", "mosaic", Levels(((600.0,),), 15520.0), Cfa(((0, 1), (1, 2))))
    noise = PoissonGaussian((2.0,), (5.0,))
    for name, method in desk.registry.methods.items():
        if method.tensors or name in desk.registry.outside:
            continue
        for image in (raw, grey):
            for _ in Renderer(image, noise, Recipe((Step(method()),)), desk).tiles(whole):
                pass
    for curve in (Rician(1.0).curve(0), Speckle().curve(0)):
        curve.inverse(curve.forward(grey.pixels[...].astype(np.float32)))
    desk.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
