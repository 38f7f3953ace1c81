"""Batch: what is done to each file of a queue, in three Works: Load, Denoise, Write.

Reading and writing have a worker of their own; denoising shares that of the visible tiles, which
come first (see RANK), and takes further devices for further files (see Roster.share). Nothing of it
enters the cache that the open image lives on.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, cast

from core.cache import Cache
from core.choose import choose
from core.desk import Desk
from core.develop import Look, settle
from core.files import open_image, read_header
from core.folders import on_disk
from core.format import Output, suffix_of
from core.image import Image
from core.job import Export, Progress, Told, denoised
from core.noise.estimate import measure
from core.noise.model import Noise
from core.noise.profiles import calibrated
from core.recipe import Recipe

RANK = 20  # after the picture (0) and after an export (10)
OWN_CACHE = 64 << 20  # bytes: what methods prepare for an image

Stop = Callable[[], bool]


@dataclass(frozen=True)
class Item:
    """A file to denoise: where from, where to, how."""

    source: str
    target: str
    recipe: Recipe | None = None  # None: chosen for each file
    noise: Noise | None = None  # None: measured in each file
    look: Look | None = None  # for formats that hold pictures; None: as it is first shown
    output: Output = field(default_factory=Output)
    budget: str = "balanced"  # where the recipe is chosen: see core.choose


@dataclass(frozen=True)
class Inspect:
    """How large a file is, without decoding it; yields megapixels."""

    source: str
    worker: ClassVar[str] = "batch"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[float]:
        header = read_header(desk.registry, Path(self.source), cancelled)
        shape = cast("list[int]", header["shape"])
        yield math.prod(shape) / 1e6


@dataclass(frozen=True)
class Loaded:
    """An item that is ready to be denoised, and why so where the recipe was chosen for it."""

    export: Export
    why: str = ""


@dataclass(frozen=True)
class Load:
    """Decode, measure the noise, choose the method; yields one Loaded."""

    item: Item
    worker: ClassVar[str] = "batch"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Progress | Loaded]:
        item = self.item
        yield Progress(0.0, None, "open")
        image = open_image(desk.registry, Path(item.source), cancelled)
        yield Progress(0.0, None, "measure")
        noise, measured = item.noise, None
        if noise is None:
            measured = calibrated(image) or measure(image)
            noise = measured.model
        recipe, why = item.recipe, ""
        if recipe is None:
            methods, threads = desk.registry.methods, desk.threads
            recipe, why = choose(methods, image, measured, item.budget, threads)
        look = settle(image, item.look or Look())
        yield Loaded(Export(image, noise, recipe, item.target, look, item.output), why)


@dataclass(frozen=True)
class Denoise:
    """The long part; yields Progress after each tile, last an Image.

    `device` is one that takes its share of the queue ("": as for the picture), `among` how many
    files are denoised at a time.
    """

    export: Export
    device: str = ""
    among: int = 1
    worker: ClassVar[str] = "compute"

    @property
    def recipe(self) -> Recipe:
        """What is done: tells the engine on which device."""
        return self.export.recipe

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Progress | Told | Image]:
        e, own = self.export, aside(desk)
        own.device, own.sharing = self.device, desk.sharing * self.among
        return denoised(e.image, e.noise, e.recipe, own, cancelled, e.picture(desk))


@dataclass(frozen=True)
class Write:
    """Write what Denoise made; yields the path. On cancel nothing is left of it."""

    export: Export
    result: Image
    worker: ClassVar[str] = "batch"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Progress | Path]:
        yield Progress(1.0, None, "write")
        yield self.export.write(self.result, desk, cancelled)


def aside(desk: Desk) -> Desk:
    """The same desk with a small cache of its own: a batch throws nobody's tiles out."""
    _ = desk.registry  # loaded once, before it is copied
    own = copy.copy(desk)
    own.cache = Cache(OWN_CACHE)
    return own


def target_of(source: str, folder: str, suffix: str, others: int = 0) -> str:
    """Where a file goes: beside its source, or into a folder, under a name that says what it is.

    `others` of a queue would get the same name: this one is numbered.
    """
    path, number = Path(source), f"-{others + 1}" if others else ""
    home = Path(folder) if folder else on_disk(path).parent
    stem = path.name.removesuffix(suffix_of(path))
    return str(home / f"{stem}-sordino{number}{suffix}")
