"""choose(): the method and settings for an image, and why, in one line.

By the tables of docs/BENCHMARKS.md: for each kind of image the methods on the front of quality
against time, the finest first. The budget says how much time there is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from core.image import Image
from core.method import Method
from core.noise.measured import CANNOT_TELL, Measured
from core.ops.volume import is_volume
from core.recipe import Recipe, Step

BUDGETS: Mapping[str, float] = {"fast": 10.0, "balanced": 30.0, "best": 900.0}
# seconds that the whole image may take; beyond, the next cheaper method is taken
BEST = "dct"  # where only settings are given
FEW = 3  # frames that help each other
_MADE_FOR = {  # kinds of methods for those of images
    "mosaic": {"raw"},
    "linear": {"raw", "photo"},
    "cube": {"hyperspectral"},
    "clip": {"ultrasound", "clip"},
    "rf": {"ultrasound"},
}


def suited(method: type[Method], image: Image) -> bool:
    """Is the method made for images of this kind? Others work on them, too."""
    kinds = _MADE_FOR.get(image.kind, {"photo"})
    if image.kind == "scan" and is_volume(image):
        kinds = {"mr", "ct"}
    return not kinds.isdisjoint(method.kinds)


@dataclass(frozen=True)
class _Rung:
    """A method on the front of a table, and what for."""

    method: str
    why: str
    budgets: tuple[str, ...] = ("fast", "balanced", "best")
    white: bool = False  # only for noise that is white once its variance is stabilised
    torch: bool = False
    settings: tuple[tuple[str, Any], ...] = ()


_FINEST, _UNHURRIED = ("best",), ("balanced", "best")
_PHOTO = (
    _Rung("unet", "the finest of our tables for photographs in little time", _FINEST, True, True),
    _Rung("blockmatch", "the finest classical one of our tables", _FINEST, True),
    _Rung("dct", "the best of our tables in seconds", _UNHURRIED),
    _Rung("fast", "the quickest of our tables"),
)
_LADDERS: Mapping[str, tuple[_Rung, ...]] = {
    "photo": _PHOTO,
    "developed": (
        _Rung("finished", "the finest of our tables for the correlated noise of developed"
              " photographs", _UNHURRIED, torch=True),
        *_PHOTO[2:],
    ),
    "mosaic": (
        _Rung("mosaic", "the finest of our tables for RAW, with colours of its own in TIFF, PNG and"
              " JPEG", _FINEST, True, True),
        *_PHOTO[1:],
    ),
    "mr": (
        _Rung("blockmatch3d", "the finest of our tables for MR", _FINEST, True),
        _Rung("dct3d", "the best of our tables for volumes, in their time"),
    ),
    "ct": (_Rung("dct3d", "ahead of all others of our tables for CT, whose noise is correlated"),),
    "series": (
        _Rung("mppca", "it measures the noise of a series itself, which is not known otherwise"),
    ),
    "clip": (
        _Rung("clip", "the best of our tables for clips: frames help each other", _UNHURRIED),
        _Rung("local", "the quickest of our tables for speckle"),
    ),
    "speckle": (
        _Rung("speckle", "the best of our tables for compressed echoes", _UNHURRIED),
        _Rung("local", "the quickest of our tables for speckle"),
    ),
    "rf": (_Rung("rf", "the only one for echoes before detection"),),
    "cube": (
        _Rung("subspace", "ahead of all others of our tables for cubes", _FINEST,
              settings=(("images", "best"),)),
        _Rung("subspace", "ahead of all others of our tables for cubes, in their time"),
    ),
}  # fmt: skip


def choose(
    methods: Mapping[str, type[Method]],
    image: Image,
    measured: Measured | None = None,
    budget: str = "balanced",
    threads: int = 0,
) -> tuple[Recipe, str]:
    """A recipe of one step, whose settings follow the measured noise, and the reason.

    `measured` is None before the noise was measured: then it is taken for white. `threads` that
    compute at once, 0: as many as there are processors.
    """
    if budget not in BUDGETS:
        raise ValueError(f"there is no budget {budget!r}; there are: {', '.join(BUDGETS)}")
    white, threads = measured is None or measured.white, threads or os.cpu_count() or 1
    ladder = _LADDERS[_table(image, measured)]
    for rungs in (ladder, _PHOTO):  # the second where plugins lack
        able = [each for each in rungs if each.method in methods and budget in each.budgets]
        able = [each for each in able if not each.torch or find_spec("torch") is not None]
        right = [each for each in able if white or not each.white]
        if right:
            break
    else:
        method = next(iter(methods.values()))()
        return Recipe((Step(method),)), f"{method.title}: nothing else is installed."

    def spent(rung: _Rung) -> float:
        return image.megapixels * methods[rung.method].cpu_seconds / threads

    taken = next((each for each in right if spent(each) <= BUDGETS[budget]), right[-1])
    kind, slower = methods[taken.method], right[: right.index(taken)]
    reasons = [taken.why]
    if able[0] not in right:
        finer = methods[able[0].method].title
        reasons.append(f"the noise is correlated, on which {finer} was not measured")
    if slower:
        title = methods[slower[0].method].title
        reasons.append(f"{title} would take too long for {image.megapixels:.0f} MP")
    if measured is not None and measured.verdict == CANNOT_TELL and kind.id() != "mppca":
        reasons.append("how strong the noise is cannot be told, so set the strength by eye")
    return Recipe((Step(kind.make(dict(taken.settings))),)), f"{kind.title}: {'; '.join(reasons)}."


def _table(image: Image, measured: Measured | None) -> str:
    """The table that an image belongs to."""
    if image.kind == "scan":
        series = dict(zip(image.axes, image.pixels.shape, strict=True)).get("q", 1) >= 6
        if series and measured is not None and measured.verdict == CANNOT_TELL:
            return "series"
        if is_volume(image):
            from core.noise.scans import is_ct

            return "ct" if is_ct(image) else "mr"
    if image.kind == "clip":
        frames = dict(zip(image.axes, image.pixels.shape, strict=True)).get("t", 1)
        return "clip" if frames >= FEW else "speckle"
    if image.kind in ("rf", "cube"):
        return image.kind
    if image.kind == "display" and measured is not None and not measured.white:
        return "developed"
    return "mosaic" if image.cfa is not None and image.cfa.names == "RGB" else "photo"


__all__ = ["BEST", "BUDGETS", "choose", "suited"]
