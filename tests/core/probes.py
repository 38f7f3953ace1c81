"""Methods whose result is known in closed form, images of every shape, and the engine by hand.

Nothing here uses tiles, plans or kernels: the whole image is mirrored, packed and filtered at once.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
from hypothesis import strategies as st

from core.cache import Cache
from core.desk import Desk
from core.image import Array, Cfa, Image, Levels
from core.mask import LEAST, Mask, Shape
from core.method import Choice, Context, Method, Needs, Slider
from core.noise.model import PoissonGaussian
from core.ops.planes import Packing, packing
from core.recipe import Recipe, Step
from core.render import Renderer, Tile, assemble
from core.tiles import Region, mirror

NOISE = PoissonGaussian((0.0,), (1.0,))
AXES = ("yx", "cyx", "tyx", "zyx", "byx", "tcyx", "ctyx", "qzyx", "zqyx", "tzcyx", "qcbyx")
TOGETHER = ("yx", "zyx", "tyx", "byx", "qzyx")
DTYPES = ("uint8", "uint16", "int16", "float32", "float64", "float16", ">u2")
BAYER = ((0, 1), (1, 2))
XTRANS = ("102120", "211011", "011211", "120102", "011211", "211011")
NO_DATA = (np.nan, np.inf, -np.inf)


def smooth(planes: Array, deep: int, halo: int, reach: int) -> Array:
    """A filter that looks `halo` far, no two of its directions alike, other for each plane."""
    out = 0.4 * planes
    for dy, dx, share in ((-halo, 0, 0.2), (0, halo, 0.1), (halo, -halo // 2, 0.15)):
        out = out + share * np.roll(planes, (dy, dx), (-2, -1))
    number = np.arange(planes.shape[1]).reshape(-1, *[1] * (deep + 2))
    out = out + (0.05 + 0.02 * number) * np.roll(planes, (-halo, halo), (-2, -1))
    for axis in range(2, 2 + deep):
        pad = [(reach, reach) if a == axis else (0, 0) for a in range(planes.ndim)]
        wide, size = np.pad(planes, pad, "symmetric"), planes.shape[axis]
        later = np.take(wide, range(2 * reach, 2 * reach + size), axis)
        out = out + 0.1 * axis * later + 0.07 * np.take(wide, range(size), axis)
    return out.astype(planes.dtype)


CALLS: list[Method] = []


class Local(Method):
    """The filter, in the needs that a test wishes; keeps note of its calls."""

    title = "Local"
    domain = "signal"
    tensors = False

    halo: Annotated[int, Slider(0, 9, "", "How far it looks.")] = 1
    align: Annotated[int, Slider(1, 9, "", "Where tiles begin.")] = 1
    tile: Annotated[int, Slider(1, 99, "", "Their size.")] = 8
    axes_: Annotated[Literal["yx", "zyx", "tyx", "byx", "qzyx"], Choice("What it gets.")] = "yx"
    depth: Annotated[int, Slider(0, 9, "", "Slices of a tile.")] = 0
    reach: Annotated[int, Slider(0, 9, "", "Slices around them.")] = 0

    def needs(self, image: Image) -> Needs:
        return Needs(self.halo, self.align, self.tile, 8.0, self.axes_, self.depth, self.reach)

    def run(self, tile: Any, state: Any, ctx: Context) -> Any:
        numbers = np.asarray(tile)
        assert numbers.shape[1] == len(ctx.planes)
        assert numbers.ndim == 2 + len(self.axes_)
        assert np.isfinite(numbers).all(), "no-data reached a method"
        CALLS.append(self)
        found = smooth(numbers, len(self.axes_) - 2, self.halo, self.reach)
        if isinstance(tile, np.ndarray):
            return found
        import torch

        assert str(tile.device).startswith(ctx.device[:3])
        return torch.from_numpy(found)


class White(Local):
    domain = "white"


class Tensors(Local):
    tensors = True


class Dark(Method):
    """Minus its dark frame, and a map that tells the planes apart."""

    title = "Dark"
    domain = "signal"
    tensors = False
    inputs = ("dark",)
    axes_: Annotated[Literal["yx", "zyx", "qzyx"], Choice("What it gets.")] = "yx"

    def needs(self, image: Image) -> Needs:
        return Needs(1, 1, 5, 8.0, self.axes_, 2, 1)

    def run(self, tile: Any, state: Any, ctx: Context) -> Any:
        assert set(ctx.inputs) == {"dark"}
        number = np.arange(tile.shape[1]).reshape(-1, *[1] * (tile.ndim - 2))
        return {"image": tile - ctx.inputs["dark"], "sigma": (3 * tile + number).astype(np.float32)}


# --- images ------------------------------------------------------------------------------------


@st.composite
def images(draw: st.DrawFn, axes: tuple[str, ...] = AXES, lost: bool = False) -> Image:
    """Any axes, size, dtype, memory order, CFA in any shift, black levels; some with no-data."""
    letters = draw(st.sampled_from(axes))
    edge = st.one_of(st.integers(1, 9), st.sampled_from([17, 25, 33]), st.integers(10, 40))
    sizes = [draw(st.integers(1, 4)) for _ in letters[:-2]] + [draw(edge), draw(edge)]
    cfa = None if "c" in letters else draw(cfas())
    kind = np.dtype(draw(st.sampled_from(DTYPES[3:6] if lost else DTYPES)))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    black = rng.uniform(0, 20, draw(st.tuples(st.integers(1, 3), st.integers(1, 6))))
    values = rng.uniform(0, 200, sizes) + (0 if kind.kind == "u" else -50)
    if lost:
        where = rng.random(sizes) < draw(st.sampled_from([0.02, 0.3, 1.0]))
        values[where] = rng.choice(NO_DATA, int(where.sum()))
    order = draw(st.permutations(range(len(sizes))))
    pixels = np.ascontiguousarray(values.astype(kind).transpose(order))
    pixels = pixels.transpose(np.argsort(order))
    white = draw(st.sampled_from([np.inf, 150.0]))
    levels = Levels(tuple(map(tuple, black.tolist())), white)
    return Image(pixels, letters, "mosaic" if cfa else "array", levels, cfa)


@st.composite
def cfas(draw: st.DrawFn) -> Cfa | None:
    patterns = (None, BAYER, tuple(tuple(map(int, row)) for row in XTRANS))
    pattern = draw(st.sampled_from(patterns))
    if pattern is None:
        return None
    return Cfa(pattern).shifted(draw(st.integers(0, 5)), draw(st.integers(0, 5)))


@st.composite
def methods(draw: st.DrawFn, *classes: type[Local]) -> Local:
    small = st.integers(0, 2)
    return draw(st.sampled_from(classes or (Local,)))(
        halo=draw(st.sampled_from([0, 1, 2, 3, 5])),
        align=draw(st.integers(1, 4)),
        tile=draw(st.integers(1, 24)),
        axes_=draw(st.sampled_from(TOGETHER)),
        depth=draw(st.integers(0, 3)),
        reach=draw(small),
    )


@st.composite
def regions(draw: st.DrawFn, image: Image) -> Region:
    """A part of an image, of all slices or of some."""

    def span(length: int) -> tuple[int, int]:
        start = draw(st.integers(0, length - 1))
        return start, draw(st.integers(start + 1, length))

    sizes = dict(zip(image.axes, image.pixels.shape, strict=True))
    (y0, y1), (x0, x1) = span(image.height), span(image.width)
    front = tuple(span(sizes[letter]) for letter in image.stack) if draw(st.booleans()) else ()
    return Region(y0, x0, y1, x1, front)


@st.composite
def masks(draw: st.DrawFn, height: int, width: int) -> Mask:
    def shape() -> Shape:
        kind = draw(st.sampled_from([*LEAST]))
        corner = st.tuples(st.floats(-9, height + 9), st.floats(-9, width + 9))
        more = draw(st.integers(0, 3)) if kind in ("polygon", "stroke") else 0
        points = tuple(draw(corner) for _ in range(LEAST[kind] + more))
        if kind == "gradient":  # of some length
            points = (points[0], (points[0][0] + draw(st.floats(1, 20)), points[1][1]))
        thick = draw(st.sampled_from([0.7, 3.3, 21.7])) if kind == "stroke" else 0.0
        return Shape(kind, points, draw(st.booleans()), thick)  # type: ignore[arg-type]

    shapes = tuple(shape() for _ in range(draw(st.integers(0, 3))))
    image = None
    if draw(st.booleans()):
        shades = np.random.default_rng(draw(st.integers(0, 99))).random((height, width), np.float32)
        image = Image(shades, levels=Levels(((0.1,),), 0.8), path=f"/masks/{id(shades)}.npy")
    return Mask(shapes, draw(st.sampled_from([0.0, 0.5, 1.5, 4.0])), draw(st.booleans()), image)


# --- by hand -----------------------------------------------------------------------------------


def by_hand(image: Image, work: Callable[[Array], Array], together: str, pad: int) -> Array:
    """Black off, mirrored, packed, worked on, and back: at once. `work` gets (1, P, *deep, h, w).

    `pad`: cells of the border that are mirrored.
    """
    sizes, letters = dict(zip(image.axes, image.pixels.shape, strict=True)), image.axes
    pack = packing(image.cfa, sizes.get("c", 1))
    black = np.broadcast_to(
        np.asarray(image.levels.black_map(0, 0, *image.pixels.shape[-2:]), float),
        image.pixels.shape[-2:],
    )
    stored = np.asarray(image.pixels, float)
    front = [a for a in letters[:-2] if a not in together + "c"]
    deep = [a for a in together[:-2] if a in letters]
    order = [letters.index(a) for a in (*front, *deep, *"c"[: "c" in letters], "y", "x")]
    signal = (stored - black).transpose(order)
    shape = signal.shape
    lengths = [sizes.get(a, 1) for a in together[:-2]]
    flat = signal.reshape(-1, int(np.prod(lengths)), sizes.get("c", 1), *shape[-2:])
    done = np.stack([_one(each, lengths, pack, work, pad) for each in flat])
    found = done.reshape(shape).transpose(np.argsort(order)) + black
    found = np.where(stored >= image.levels.white, np.maximum(found, stored), found)
    return np.where(np.isfinite(stored), found, stored)


def _one(
    flat: Array, lengths: list[int], pack: Packing, work: Callable[[Array], Array], pad: int
) -> Array:
    """(D, C, H, W) there and back."""
    height, width = flat.shape[-2:]
    edge = -(-pad * pack.period // pack.phase) * pack.phase
    rows, cols = (
        mirror(-edge, -(-size // pack.phase) * pack.phase + edge, size, pack.phase)
        for size in (height, width)
    )
    wide = flat[..., rows, :][..., cols]
    planes = np.empty((len(flat), len(pack.planes), *(n // pack.period for n in wide.shape[-2:])))
    for packed, stored in _pairs(pack):
        planes[packed] = wide[stored]
    apart = np.moveaxis(planes.reshape(*lengths, *planes.shape[1:]), len(lengths), 0)[None]
    done = np.moveaxis(work(apart)[0], 0, len(lengths)).reshape(planes.shape)
    back = np.empty(wide.shape)
    for packed, stored in _pairs(pack):
        back[stored] = done[packed]
    return back[..., edge : edge + height, edge : edge + width]


def _pairs(pack: Packing) -> list[tuple[Any, Any]]:
    every, n = slice(None), pack.cells
    if pack.period == 1:
        return [((every, plane), (every, plane)) for plane in range(len(pack.planes))]
    return [
        (
            (every, plane, slice(i // n, None, n), slice(i % n, None, n)),
            (every, 0, slice(y, None, pack.phase), slice(x, None, pack.phase)),
        )
        for plane, sites in enumerate(pack.sites)
        for i, (y, x) in enumerate(sites)
    ]


def expected(image: Image, method: Local) -> Array:
    deep = len(method.axes_) - 2
    pad = 2 * method.halo + 1
    return by_hand(image, lambda p: smooth(p, deep, method.halo, method.reach), method.axes_, pad)


def _share(shape: Shape, rows: Array, cols: Array) -> Array:
    """How much of each pixel a shape covers: complex numbers instead of rows and columns."""
    if shape.kind not in ("stroke", "gradient"):
        return _odd(shape.outline(), rows, cols)
    ends, at = [complex(x, y) for y, x in shape.points], cols + 1j * rows
    found = np.zeros(at.shape)
    for a, b in itertools.pairwise(ends if len(ends) > 1 else ends * 2):
        along = ((at - a) / (b - a)).real if a != b else np.zeros(at.shape)
        if shape.kind == "gradient":
            return np.clip(1 - along, 0, 1)
        found = np.maximum(found, abs(at - a - np.clip(along, 0, 1) * (b - a)) <= shape.width / 2)
    return found


def shares(mask: Mask | None, height: int, width: int) -> Array:
    """A mask's weights by hand: corners counted one by one, a blur as the formula says."""
    if mask is None:
        return np.ones((height, width))
    reach = 2 * int(np.ceil(2 * mask.feather)) + 2
    rows, cols = np.arange(-reach, height + reach), np.arange(-reach, width + reach)
    found = np.zeros((len(rows), len(cols)))
    if mask.image is not None:
        grey = np.clip((mask.image.pixels[...].astype(float) - 0.1) / 0.7, 0, 1)
        found[:] = np.pad(grey, reach, "symmetric")
    elif mask.shapes and mask.shapes[0].subtract:
        found[:] = 1
    for shape in mask.shapes:
        share = _share(shape, rows[:, None] + 0.5, cols + 0.5)
        found = np.minimum(found, 1 - share) if shape.subtract else np.maximum(found, share)
    if mask.feather:
        at = np.arange(-np.ceil(2 * mask.feather), np.ceil(2 * mask.feather) + 1)
        kernel = np.exp(-(at**2) / (2 * (mask.feather / 2) ** 2))
        for axis in (0, 1):
            found = np.apply_along_axis(np.convolve, axis, found, kernel / kernel.sum(), "same")
    inner = found[reach : reach + height, reach : reach + width]
    return 1 - inner if mask.invert else inner


def _odd(corners: Array, y: Array, x: Array) -> Array:
    odd = np.zeros(np.broadcast_shapes(y.shape, x.shape), bool)
    for (ya, xa), (yb, xb) in zip(corners, np.roll(corners, -1, 0), strict=True):
        slope = (xb - xa) / (yb - ya) if yb != ya else 0.0
        odd ^= ((ya > y) != (yb > y)) & (x >= xa + (y - ya) * slope)
    return odd


# --- the engine --------------------------------------------------------------------------------


def desk(tile: int = 0, threads: int = 1, budget: int = 1 << 26) -> Desk:
    return Desk(cache=Cache(budget), threads=threads, tile=tile)


def whole(image: Image) -> Region:
    return Region.whole(image.height, image.width)


def render(
    image: Image, recipe: Recipe | Method, on: Desk | None = None, region: Region | None = None
) -> Array:
    recipe = recipe if isinstance(recipe, Recipe) else Recipe((Step(recipe),))
    found = assemble(Renderer(image, NOISE, recipe, on or desk()), region or whole(image))
    assert not [t for t in threading.enumerate() if t.name.startswith("tile")]
    return found


def layer(image: Image, recipe: Recipe, name: str, on: Desk) -> Array:
    out = np.full(image.pixels.shape, np.nan, np.float32)
    for tile in Renderer(image, NOISE, recipe, on).tiles(whole(image)):
        if isinstance(tile, Tile):
            out[tile.region.index(image.axes)] = tile.layers[name]
    return out


def spread(image: Image) -> float:
    values = np.asarray(image.pixels, float)
    known = values[np.isfinite(values)]
    return float(np.ptp(known)) + 1.0 if known.size else 1.0
