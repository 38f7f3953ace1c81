"""The Works: open, measure, export, and what all Works tell. Frozen values; called, generators."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from core.byproducts import What, as_picture, noise_map, pictures, residual
from core.children import MethodCrashed
from core.choose import choose
from core.desk import Desk
from core.develop import (
    Look,
    export_rgb,
    settle,
)
from core.develop.icc import srgb_profile
from core.files import open_image, save_image
from core.format import Output, UnreadableFile, UnwritableFile, suffix_of
from core.image import Array, Image, Levels
from core.noise.estimate import measure, measure_flat
from core.noise.model import Noise, PoissonGaussian
from core.noise.profiles import calibrated
from core.precision import FULL
from core.recipe import BadRecipe, Recipe, Step, to_json
from core.registry import Registry
from core.spill import scratch
from core.tiles import Region

if TYPE_CHECKING:
    from core.patch import Tile

Stop = Callable[[], bool]
T = TypeVar("T")
AT_ONCE = 0.002  # seconds within which a tile comes from the cache, and never from a computation


@dataclass(frozen=True)
class Opened:
    """An image and the look it is first shown with."""

    image: Image
    look: Look


@dataclass(frozen=True)
class Open:
    """Decode a file; yields one Opened."""

    path: str
    axes: str = ""  # names of the dimensions where the file cannot say them
    worker: ClassVar[str] = "files"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Opened]:
        image = open_image(desk.registry, Path(self.path), cancelled, desk.decoder, self.axes)
        yield Opened(image, settle(image, Look()))


@dataclass(frozen=True)
class MeasureNoise:
    """Measure the noise model, from the whole image or a flat area the user picked.

    `profiled`: where the user has calibrated its camera, take that instead.
    """

    image: Image
    flat: Region | None = None
    profiled: bool = False
    worker: ClassVar[str] = "light"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Any]:
        if self.profiled and (known := calibrated(self.image)):
            yield known
            return
        yield measure(self.image) if self.flat is None else measure_flat(self.image, self.flat)


@dataclass(frozen=True)
class Progress:
    """How far a Work has come; `rate` in megapixels per second (None: nothing computed yet)."""

    done: float
    rate: float | None
    stage: str = "denoise"


@dataclass(frozen=True)
class Told:
    """A sentence for the status line: where a Work computes and why, or why no longer there.

    `aside`: the devices that failed and are not used for it any more, a sentence each.
    """

    text: str
    device: str = ""
    aside: tuple[str, ...] = ()
    precision: str = FULL
    news: str = ""  # what else there is to say, once


def told(renderer: Any, text: str = "") -> Told:
    """Where a renderer computes, and why; or what it has to say."""
    last = renderer.runners[-1]
    news = "" if text == last.why else text
    return Told(text or last.why, last.device.name, last.aside, last.precision, news)


def sentence(error: BaseException) -> str:
    """What an error of a Work says to the user."""
    ready = UnreadableFile | UnwritableFile | BadRecipe | MemoryError | MethodCrashed | OSError
    if isinstance(error, ready) and str(error):
        return str(error)
    if isinstance(error, MemoryError):
        return "There was not enough memory: close other programs."
    text = (str(error).splitlines() or [""])[0].rstrip(".")
    return f"{type(error).__name__}: {text}. Choose other settings or another method."


class Pace:
    """How fast tiles are computed, in megapixels (samples) per second.

    Only waiting for tiles counts, not what is done with them or for others meanwhile; those that
    come from the cache are there at once, before all others, and do not count either.
    """

    def __init__(self) -> None:
        self._waited = self._spent = self._done = 0.0

    @property
    def rate(self) -> float | None:
        """None until something was computed."""
        return self._done / self._spent if self._spent else None

    def over(self, tiles: Iterator[T]) -> Iterator[T]:
        """The same tiles, each wait measured."""
        while True:
            begin = time.monotonic()
            try:
                tile = next(tiles)
            except StopIteration:
                return
            self._waited = time.monotonic() - begin
            yield tile

    def add(self, samples: int) -> None:
        """Count the tile that came last."""
        if self._spent or self._waited > AT_ONCE:
            self._spent += self._waited
            self._done += samples / 1e6


def denoised(
    image: Image, noise: Noise, recipe: Recipe, desk: Desk, cancelled: Stop, colors: bool = False
) -> Iterator[Progress | Told | Image]:
    """The whole image, denoised: Progress up to 1.0, last the Image (itself, without steps).

    Its pixels lie in a file where they would take too much memory. `colors`: of a mosaic the three
    colours of every pixel, where the last step gives them and nothing is blended.
    """
    if not recipe.active.steps:
        yield image
        return
    yield Progress(0.0, None, "prepare")
    from core.render import Renderer, Tile

    whole = Region.whole(image.height, image.width)
    renderer = Renderer(image, noise, recipe, desk, cancelled)
    yield told(renderer)
    last = renderer.recipe.steps[-1]
    colors = colors and has_colors(image, last)
    try:
        pixels = scratch((3, *image.pixels.shape) if colors else image.pixels.shape, desk.room)
    except OSError as error:
        raise MemoryError(f"The result fits neither memory nor disk: {error}.") from None
    done, pace = 0, Pace()
    for tile in pace.over(renderer.tiles(whole)):
        if not isinstance(tile, Tile):
            yield told(renderer, tile) if isinstance(tile, str) else Progress(0.0, None, "prepare")
            continue
        pace.add(tile.after.size)
        if colors:
            pixels[(slice(None), *tile.region.slices)] = colors_of(tile)
        else:
            pixels[tile.region.index(image.axes)] = tile.blended(last)
        done += tile.after.size
        yield Progress(done / prod(image.pixels.shape), pace.rate)
    place = told(renderer)
    computed = {"device": place.device, "precision": place.precision}
    if colors:
        yield in_colors(image, pixels, computed)
        return
    yield replace(image, pixels=pixels, meta={**image.meta, "computed": computed})


def has_colors(image: Image, step: Step) -> bool:
    """Does the step make three colours of every pixel of a mosaic, and is nothing blended?"""
    whole = step.method.develops and step.amount == 1 and step.mask is None
    return whole and image.cfa is not None and image.cfa.names == "RGB"


def colors_of(tile: Tile) -> Array:
    """These three colours, (3, h, w) above black."""
    return np.stack([tile.layers[name] for name in ("red", "green", "blue")])


def in_colors(image: Image, pixels: Array, computed: dict[str, str] | None = None) -> Image:
    """What becomes of a mosaic: three colours above black, (3, H, W)."""
    levels = Levels(white=image.levels.white - float(np.mean(np.asarray(image.levels.black))))
    meta = {**image.meta, "computed": computed} if computed else image.meta
    return Image(
        pixels, "cyx", "linear", levels, None, image.color, image.orientation,
        meta=meta, path=image.path,
    )  # fmt: skip


@dataclass(frozen=True)
class Exported:
    """A file was written: where, and what a record of it says."""

    path: Path
    seconds: float
    rate: float


@dataclass(frozen=True)
class Export:
    """Denoise the whole image and write it; yields Progress, last an Exported.

    Without a `path` only the `byproducts` are written.
    """

    image: Image
    noise: Noise
    recipe: Recipe
    path: str
    look: Look = field(default_factory=Look)
    output: Output = field(default_factory=Output)
    record: tuple[tuple[str, Any], ...] = ()  # what else the file tells of how it was made
    byproducts: tuple[tuple[What, str], ...] = ()  # further files: see core.byproducts
    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Progress | Told | Exported]:
        begin = time.monotonic()
        result = self.image
        colors = self.picture(desk) and not self.byproducts  # those are of the stored pixels
        for value in denoised(self.image, self.noise, self.recipe, desk, cancelled, colors):
            if isinstance(value, Progress):
                yield replace(value, done=0.95 * value.done)
            elif isinstance(value, Told):
                yield value
            else:
                result = value
        rate = self.image.megapixels / max(time.monotonic() - begin, 1e-6)
        yield Progress(0.95, None, "write")
        written = [self.write(result, desk, cancelled)] if self.path else []
        for what, path in self.byproducts:
            written.append(self._byproduct(what, path, result, desk, cancelled))
        yield Exported(written[0], time.monotonic() - begin, rate)

    def write(self, result: Image, desk: Desk, cancelled: Stop) -> Path:
        """Write the denoised image; returns its path. Raises UnwritableFile or Cancelled."""
        path = Path(self.path)
        if self.picture(desk) and result.color is not None:
            result = self._developed(result)
        output = self.output
        if self.recipe.active.steps:  # without steps it is a copy, not a denoised picture
            recipe = to_json(self.recipe, self.noise)
            computed = {**result.meta.get("computed", {}), **dict(self.record)}
            output = replace(output, note={"recipe": recipe, **computed})
        return save_image(desk.registry, path, result, self.image, output, cancelled)

    def picture(self, desk: Desk) -> bool:
        """Is the file to be a picture as the screen shows it, as its format takes nothing else?"""
        suffix = suffix_of(Path(self.path)).lower()
        takes = {k for f in desk.registry.formats if suffix in f.writes for k in f.takes}
        return self.image.kind not in takes and "display" in takes

    def _byproduct(self, what: What, path: str, result: Image, desk: Desk, cancelled: Stop) -> Path:
        """Write what was removed, or the noise map. Raises UnwritableFile or Cancelled."""
        if what == "residual":
            made = residual(self.image, result, desk.room)
        else:
            made = noise_map(self.image, result, self.noise, desk.room)
        note: dict[str, Any] = {"recipe": to_json(self.recipe, self.noise)}
        suffix, formats = suffix_of(Path(path)).lower(), desk.registry.formats
        takes = {kind for one in formats if suffix in one.writes for kind in one.takes}
        if made.kind not in takes and suffix in pictures(desk.registry, self.image):
            made, told = as_picture(made)
            note["byproduct"] = {"what": what, **told}
        output = replace(self.output, bits=16, note=note)
        return save_image(desk.registry, Path(path), made, made, output, cancelled)

    def _developed(self, result: Image) -> Image:
        """A RAW image as the screen shows it, upright, for formats that hold pictures."""
        pixels = export_rgb(result, self.look, self.output.bits)
        levels = Levels(white=float(2**self.output.bits - 1))
        picture = np.moveaxis(pixels, -1, 0)
        meta = {**result.meta, "icc": srgb_profile()}
        return Image(picture, "cyx", "display", levels, meta=meta, path=result.path)


@dataclass(frozen=True)
class LoadMethods:
    """Find the plugins; yields the Registry."""

    worker: ClassVar[str] = "light"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Registry]:
        yield desk.registry


@dataclass(frozen=True)
class Warm:
    """Load the kernels before they are wanted, and look which devices there are."""

    worker: ClassVar[str] = "compute"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Progress]:
        from core.render import Renderer

        yield Progress(0.0, None, "load")
        tiny = Image(np.zeros((64, 64), np.uint16), levels=Levels(white=255.0))
        recipe, _ = choose(desk.registry.methods, tiny)
        renderer = Renderer(tiny, PoissonGaussian((0.0,), (1.0,)), recipe, desk, cancelled)
        for _ in renderer.tiles(Region.whole(64, 64)):
            pass
        yield Progress(1.0, None, "load")
