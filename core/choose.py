"""choose(): the method and settings for an image, and why, in one line."""

from __future__ import annotations

from collections.abc import Mapping

from core.image import Image
from core.method import Method
from core.ops.volume import is_volume
from core.recipe import Recipe, Step

BEST, FAST, VOLUME = "dct", "fast", "dct3d"
SPECKLE, ECHOES, CUBE = "speckle", "rf", "subspace"
LARGE = 60.0  # megapixels from which the fast method is the better start


def choose(methods: Mapping[str, type[Method]], image: Image) -> tuple[Recipe, str]:
    """A recipe of one step at its defaults (they follow the measured noise), and the reason."""
    if image.kind == "scan" and VOLUME in methods and is_volume(image):
        method = methods[VOLUME]()
        why = f"{method.title}: the best of our tables for volumes, in their time."
    elif image.kind == "clip" and SPECKLE in methods:
        method = methods[SPECKLE]()
        why = f"{method.title}: the best of our tables for compressed echoes."
    elif image.kind == "rf" and ECHOES in methods:
        method = methods[ECHOES]()
        why = f"{method.title}: the only one for echoes before detection."
    elif image.kind == "cube" and CUBE in methods:
        method = methods[CUBE]()
        why = f"{method.title}: ahead of all others of our tables for cubes."
    elif image.megapixels > LARGE and FAST in methods:
        method = methods[FAST]()
        why = f"{method.title}: the image has {image.megapixels:.0f} megapixels."
    else:
        method = methods[BEST]()
        why = f"{method.title}: the best of our tables for {image.kind} images of this size."
    return Recipe((Step(method),)), why
