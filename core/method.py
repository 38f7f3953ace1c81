"""Method: what a denoiser is. One file in plugins/methods: settings, `needs`, `run`.

class Average(Method):
    \"\"\"Tooltip of the method: when to use it.\"\"\"

    title = "Average"
    assumption = "White noise."
    strength: Annotated[float, Slider(0, 3, "σ", "How much to smooth.")] = 1.0

    def run(self, tile, state, ctx):
        return tile * (1 - self.strength) + tile.mean((-2, -1), keepdim=True) * self.strength
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import (
    Any,
    ClassVar,
    Literal,
    TypeGuard,
    dataclass_transform,
    get_args,
    get_origin,
)

import numpy as np

from core.image import Array, Image
from core.learn.card import Card
from core.learn.lesson import Learned, Lesson
from core.noise.model import Noise
from core.precision import FULL
from core.tiles import Region

Planes = Any  # (batch, planes, *axes) float32: a torch tensor, or a NumPy array (Method.tensors)


def is_array(tile: Planes) -> TypeGuard[Array]:
    """A NumPy array: for kernels of the CPU. Else a tensor, for torch on its device."""
    return isinstance(tile, np.ndarray)


class Cancelled(Exception):
    """Raised by Context.check() when the user no longer wants the result."""


@dataclass(frozen=True)
class Slider:
    """A number the user sets: range, unit, one sentence of help."""

    minimum: float
    maximum: float
    unit: str = ""
    help: str = ""
    log: bool = False  # a logarithmic slider
    advanced: bool = False  # folded away at first
    tune: tuple[float, ...] = ()  # values to try where settings are suggested (core.tune)


@dataclass(frozen=True)
class Choice:
    """A switch (bool) or one of several words (Literal): one sentence of help."""

    help: str = ""
    advanced: bool = False
    tune: tuple[str | bool, ...] = ()  # see Slider


@dataclass(frozen=True)
class Teach:
    """What a network learns from the image itself (core.learn.lesson), as text: one sentence."""

    help: str = ""
    advanced: bool = False


@dataclass(frozen=True)
class Control:
    """One setting of a method as panel, command line and documentation read it."""

    name: str
    label: str
    type: str  # float, int, bool, choice, lesson
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    help: str = ""
    log: bool = False
    advanced: bool = False
    choices: tuple[str, ...] = ()
    tune: tuple[Any, ...] = ()

    def parse(self, value: Any) -> Any:
        """A value of the right type and range, from text or JSON. Raises ValueError saying why."""
        if self.type == "bool":
            words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
            found = words.get(str(value).lower())
            if found is None:
                raise ValueError(f"{self.name} is on or off, not {value!r}")
            return found
        if self.type == "lesson":
            return str(Lesson.parse(value))
        if self.type == "choice":
            if value not in self.choices:
                raise ValueError(f"{self.name} is one of {', '.join(self.choices)}, not {value!r}")
            return value
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"{self.name} is a number, not {value!r}") from None
        low, high = self.minimum, self.maximum
        if (
            not (number == number)
            or (low is not None and number < low)
            or (high is not None and number > high)
        ):
            raise ValueError(f"{self.name} lies between {low:g} and {high:g}, not {value}")
        if self.type == "int":
            if number != int(number):
                raise ValueError(f"{self.name} is a whole number, not {value}")
            return int(number)
        return number


@dataclass(frozen=True)
class Needs:
    """What a method needs of the tiles it gets, in pixels of the tile as `run` sees it.

    The engine adds the halo on every side (mirrored at the border of the image), starts tiles at
    multiples of `align`, and cuts the halo off afterwards. Methods never pad. Axes of the image
    that are not in `axes` come one slice at a time.
    """

    halo: int = 0  # along y and x
    align: int = 1
    tile: int = 256  # edge of a tile without its halo
    cost: float = 8.0  # peak memory as a multiple of the tile's
    axes: str = "yx"  # what run() gets together: "zyx", "tyx", "byx", "qzyx"; y x come last
    depth: int = 0  # edge of a tile along the other axes of `axes`; 0: always all of them
    reach: int = 0  # halo along them, where depth is not 0
    blend: int = 0  # pixels by which tiles overlap to be blended: for unbounded support
    batch: int = 1  # tiles of one size that run() may get together: (batch, planes, *axes)
    gaps: bool = False  # run() gets NaN where nothing was measured, and what it has there is kept


@dataclass(frozen=True)
class Context:
    """All that a running method may ask for.

    `noise` is in the units of the tile: unit-variance white for domain "white", else the image's
    model. `planes` gives the colour of each channel of the tile: (0, 1, 1, 2) for packed RGGB.
    `region` is what the tile covers of the image, halo included, in stored pixels (None for several
    tiles together). `inputs` are the step's further images (dark frame...), laid out as the tile.
    In `prepare`, `source` gives what `run` will see of a region, as an array without halo: NaN
    where there is no measurement, and slices that come one at a time along the batch. None: there
    is no image yet. `say` tells the user a sentence about what was prepared.
    `span`, for a method that is `ranged`: between what values nearly all of the image is, in the
    units of the tile. `series` has a function for each image of the method's series: what `run`
    would see of a region, if that were the image (mirrored where it reaches outside).
    """

    noise: Noise | None = None
    planes: tuple[int, ...] = (0,)
    device: str = "cpu"
    threads: int = 1
    cancelled: Callable[[], bool] = lambda: False
    region: Region | None = None
    inputs: Mapping[str, Planes] = field(default_factory=dict[str, Any])
    source: Callable[[Region], Array] | None = None
    say: Callable[[str], object] = lambda _: None
    span: tuple[float, float] = (0.0, 1.0)
    series: Mapping[str, tuple[Callable[[Region], Array], ...]] = field(
        default_factory=dict[str, Any]
    )

    def check(self) -> None:
        """Call in every long loop. Raises Cancelled."""
        if self.cancelled():
            raise Cancelled


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Method:
    """A denoiser. The class says what it is; an instance is one choice of its settings."""

    title: ClassVar[str] = ""
    assumption: ClassVar[str] = ""  # about the noise, one sentence for the user
    paper: ClassVar[str] = ""
    family: ClassVar[Literal["classical", "learned", "self-supervised"]] = "classical"
    kinds: ClassVar[tuple[str, ...]] = ("photo", "raw")
    axes: ClassVar[str] = "yx"
    version: ClassVar[int] = 1  # raise it when the same settings give other pixels
    domain: ClassVar[Literal["white", "signal"]] = "white"
    # white: variance-stabilised planes, noise of standard deviation 1; signal: above black
    tensors: ClassVar[bool] = True  # False: run() takes NumPy arrays, too, and gets them on the CPU
    cpu_seconds: ClassVar[float] = 1.0  # of one core per megasample, as docs/BENCHMARKS.md has it:
    # for choices made before a first run
    cpu_only: ClassVar[bool] = False  # its kernels are the CPU's: no other device is tried
    repairs: ClassVar[bool] = False  # takes out defects only: the noise stays for a further step
    isolated: ClassVar[bool] = False  # runs in a child process: holds the GIL, may crash or hang
    ranged: ClassVar[bool] = False  # it needs ctx.span
    precisions: ClassVar[tuple[str, ...]] = (FULL,)  # ("float32", "bfloat16"): run() is called
    # under torch.autocast where the second is faster here and agrees; it still returns float32
    card: ClassVar[Card | None] = None  # of a learned method: its data, licence, limits, figures
    develops: ClassVar[bool] = False  # of a mosaic it also returns "red", "green" and "blue" above
    # black, of every pixel, laid out as the mosaic: what is written where a picture is wanted
    inputs: ClassVar[tuple[str, ...]] = ()  # names of further images that a step must bring
    series: ClassVar[tuple[str, ...]] = ()  # and names of which it may bring any number, or none:
    # exposures of one scene... (bundled methods only: a process of its own is not given them)

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, kw_only=True)(cls)  # settings become a frozen, hashable value

    @classmethod
    def id(cls) -> str:
        """Its file's name: what recipes and the command line call it."""
        return cls.__module__.rpartition(".")[2]

    def needs(self, image: Image) -> Needs:
        """Axes, halo, alignment and cost for an image (its pixels are not to be read here)."""
        return Needs()

    def prepare(self, image: Image, ctx: Context) -> Generator[float, None, Any]:
        """Once per image, before its tiles: yield progress 0..1, return the state for run()."""
        yield 1.0
        return None

    @property
    def prepares_by(self) -> Method:
        """The settings that prepare() goes by: equal ones share what was prepared."""
        return self

    def study(
        self, image: Image, ctx: Context, lesson: Lesson, enough: Callable[[], bool] | None = None
    ) -> Generator[float, None, tuple[Any, Learned]]:
        """Of a method with a setting `learn`: learn from the image; the state for run(), and why.

        `enough`: see core.learn.internal.tuned. prepare() of the lesson found gives the same state.
        """
        raise NotImplementedError

    def coarser(self, level: int) -> Any:
        """The same for a proxy of the image at 1 / level."""
        return self

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes | Mapping[str, Planes]:
        """Denoise a tile: (batch, planes, *axes) float32 with its halo, same shape out.

        Never clips, never shifts the mean, never changes its input, calls ctx.check() in long
        loops. More than the image is returned by name: {"image": ..., "sigma": ...}.
        """
        raise NotImplementedError

    def left(self, noise: Noise, images: int) -> Noise:
        """The noise that following steps find, of a step with so many further images."""
        return noise

    @classmethod
    def controls(cls) -> tuple[Control, ...]:
        """The settings, in the order of the file."""
        return _controls(cls)

    def settings(self) -> dict[str, Any]:
        """Name and value of every setting."""
        return {control.name: getattr(self, control.name) for control in self.controls()}

    @classmethod
    def make(cls, settings: dict[str, Any]) -> Any:
        """An instance from names and values (text or JSON). Raises ValueError in one sentence."""
        known = {control.name: control for control in cls.controls()}
        for name in settings:
            if name not in known:
                has = ", ".join(known) or "none"
                raise ValueError(f"{cls.id()} has no setting {name!r} (it has: {has})")
        return cls(**{name: known[name].parse(value) for name, value in settings.items()})


@functools.cache
def _controls(method: Any) -> tuple[Control, ...]:
    hints = typing.get_type_hints(method, include_extras=True)
    fields = dataclasses.fields(method)
    return tuple(_control(field.name, hints[field.name], field.default) for field in fields)


def _control(name: str, hint: Any, default: Any) -> Control:
    label = name.replace("_", " ").capitalize()
    if get_origin(hint) is not typing.Annotated:
        raise TypeError(f"setting {name} has no Slider or Choice")
    base, extra = get_args(hint)[:2]
    if isinstance(extra, Teach):
        return Control(name, label, "lesson", default, **dataclasses.asdict(extra))
    if isinstance(extra, Slider):
        kind = "int" if base is int else "float"
        return Control(name, label, kind, default, **dataclasses.asdict(extra))
    if base is bool:
        return Control(name, label, "bool", default, **dataclasses.asdict(extra))
    return Control(
        name, label, "choice", default, choices=get_args(base), **dataclasses.asdict(extra)
    )
