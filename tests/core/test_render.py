from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from typing import Annotated, Any, ClassVar

import numpy as np
import pytest

from core.cache import Cache
from core.desk import Desk
from core.format import as_stored
from core.image import Array, Cfa, Image, Levels
from core.method import Cancelled, Context, Method, Needs, Slider
from core.noise.model import PoissonGaussian
from core.recipe import Recipe, Step
from core.render import Renderer, Tile, assemble, plan
from core.tiles import Region

NOISE = PoissonGaussian((0.0,), (1.0,))


class Probe(Method):
    """Mean of a cross of pixels; counts its calls and fails as a test tells it to."""

    title = "Probe"
    domain = "signal"
    calls: ClassVar[list[str]] = []
    faults: ClassVar[list[BaseException]] = []  # raised by the next calls, one each
    always: ClassVar[type[BaseException] | None] = None
    together: ClassVar[threading.Barrier | None] = None

    strength: Annotated[float, Slider(0, 3, "", "How much.")] = 1.0

    def needs(self, image: Image) -> Needs:
        return Needs(halo=1, tile=16)

    def run(self, tile: Any, state: Any, ctx: Context) -> Any:
        Probe.calls.append(threading.current_thread().name)
        ctx.check()
        if Probe.together is not None:
            Probe.together.wait(30)
        if Probe.always is not None:
            raise Probe.always
        if Probe.faults:
            raise Probe.faults.pop()
        around = tile.clone()
        for shift, axis in ((1, -1), (-1, -1), (1, -2), (-1, -2)):
            around += tile.roll(shift, axis)
        return tile + (around / 5 - tile) * self.strength


class Learner(Method):
    """Its result is what prepare() found: the mean of the image."""

    title = "Learner"
    domain = "signal"
    prepared: ClassVar[list[int]] = []

    def needs(self, image: Image) -> Needs:
        return Needs(tile=16)

    def prepare(self, image: Image, ctx: Context) -> Generator[float, None, Any]:
        Learner.prepared.append(1)
        yield 0.5
        return np.full(1000, image.pixels[...].mean(), np.float32)

    def run(self, tile: Any, state: Any, ctx: Context) -> Any:
        return tile * 0 + float(state[0])


class Keep(Method):
    """Gives its input back."""

    title = "Keep"

    def run(self, tile: Any, state: Any, ctx: Context) -> Any:
        return tile


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    Probe.calls.clear()
    Probe.faults.clear()
    Learner.prepared.clear()
    Probe.always = Probe.together = None


@pytest.fixture
def image() -> Image:
    return Image(np.random.default_rng(0).normal(3, 2, (50, 37)).astype(np.float32))


def by_hand(pixels: Array, strength: float = 1.0) -> Array:
    wide = np.pad(pixels, 1, "symmetric")
    around = wide[1:-1, 1:-1] + wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]
    return pixels + (around / 5 - pixels) * np.float32(strength)


def desk(budget: int = 1 << 26, threads: int = 1, tile: int = 0) -> Desk:
    return Desk(cache=Cache(budget), threads=threads, tile=tile)


def chain(*steps: tuple[float, float]) -> Recipe:
    """Probes of (strength, amount)."""
    return Recipe(tuple(Step(Probe(strength=strength), amount) for strength, amount in steps))


def whole(image: Image) -> Region:
    return Region.whole(image.height, image.width)


def render(image: Image, recipe: Recipe, on: Desk) -> Array:
    return assemble(Renderer(image, NOISE, recipe, on), whole(image))


def test_one_step_equals_doing_it_by_hand(image: Image) -> None:
    found = render(image, chain((1.0, 1.0)), desk())
    np.testing.assert_allclose(found, by_hand(image.pixels[...]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("tile", [0, 20])
def test_two_steps_with_amounts_equal_doing_them_by_hand(
    image: Image, threads: int, tile: int
) -> None:
    source = image.pixels[...]
    middle = source + 0.6 * (by_hand(source, 1.5) - source)
    expected = middle + 0.25 * (by_hand(middle, 0.5) - middle)
    found = render(image, chain((1.5, 0.6), (0.5, 0.25)), desk(threads=threads, tile=tile))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


def test_three_steps_and_a_region_give_the_bits_of_the_whole(image: Image) -> None:
    recipe = chain((1.0, 0.5), (2.0, 0.3), (0.5, 0.9))
    full = render(image, recipe, desk())
    region = Region(13, 5, 41, 30)
    part = assemble(Renderer(image, NOISE, recipe, desk()), region)
    np.testing.assert_array_equal(part, full[region.slices])


def test_steps_on_a_mosaic_see_their_own_colours() -> None:
    cfa = Cfa(((0, 1), (1, 2)))
    levels = Levels(((10.0, 20.0), (20.0, 40.0)), 16383.0)
    sites = np.array([[110, 220], [220, 440]], np.uint16)
    image = Image(np.tile(sites, (15, 11))[:29, :21], "yx", "mosaic", levels, cfa)
    found = render(image, chain((1.0, 0.5), (2.0, 0.8)), desk())
    np.testing.assert_allclose(found, image.pixels, rtol=1e-6)  # every plane is flat


def test_the_last_amount_never_recomputes(image: Image) -> None:
    on, source = desk(), image.pixels[...]
    full = render(image, chain((1.0, 1.0)), on)
    count = len(Probe.calls)
    assert count == 4 * 3
    for amount in (0.0, 0.3, 1.0):
        found = render(image, chain((1.0, amount)), on)
        np.testing.assert_allclose(found, source + amount * (full - source), rtol=0, atol=1e-6)
    assert len(Probe.calls) == count
    np.testing.assert_array_equal(render(image, chain((1.0, 0.0)), on), source)


def test_strength_noise_and_pixels_recompute(image: Image) -> None:
    on = desk()
    render(image, chain((1.0, 1.0)), on)
    count = len(Probe.calls)
    render(image, chain((1.1, 1.0)), on)
    assert len(Probe.calls) == 2 * count
    other = PoissonGaussian((0.0,), (2.0,))
    assemble(Renderer(image, other, chain((1.0, 1.0)), on), whole(image))
    assert len(Probe.calls) == 3 * count
    render(Image(image.pixels[...] + 1), chain((1.0, 1.0)), on)
    assert len(Probe.calls) == 4 * count
    render(Image(image.pixels[...].copy()), chain((1.0, 1.0)), on)  # equal pixels, equal key
    assert len(Probe.calls) == 4 * count


def test_an_earlier_amount_recomputes_only_what_follows(image: Image) -> None:
    on = desk()
    render(image, chain((1.0, 1.0), (0.5, 1.0)), on)
    count = len(Probe.calls)
    render(image, chain((1.0, 0.4), (0.5, 1.0)), on)
    assert len(Probe.calls) == count + 12
    render(image, chain((1.0, 1.0)), on)  # the first step's tiles are there
    assert len(Probe.calls) == count + 12


def test_cached_tiles_come_first(image: Image) -> None:
    on, recipe = desk(), chain((1.0, 1.0))
    corner = Region(0, 0, 16, 16)
    assemble(Renderer(image, NOISE, recipe, on), corner)
    assert len(Probe.calls) == 1
    tiles = Renderer(image, NOISE, recipe, on).tiles(whole(image))
    assert next(tile.region for tile in tiles if isinstance(tile, Tile)) == corner


def test_the_cache_stays_within_its_budget(image: Image) -> None:
    budget = 3 * 2 * 16 * 16 * 4 + 500
    on = desk(budget)
    found = render(image, chain((1.0, 0.7), (1.0, 0.7)), on)
    assert 0 < on.cache.used <= budget
    np.testing.assert_array_equal(found, render(image, chain((1.0, 0.7), (1.0, 0.7)), desk()))
    nothing = desk(0)
    np.testing.assert_array_equal(found, render(image, chain((1.0, 0.7), (1.0, 0.7)), nothing))
    assert nothing.cache.used == 0


@pytest.mark.parametrize("budget", [1 << 26, 100])
def test_prepared_state_is_made_once_and_outlives_a_small_cache(image: Image, budget: int) -> None:
    on, mean = desk(budget), image.pixels[...].mean()
    recipe = Recipe((Step(Learner()),))
    events = list(Renderer(image, NOISE, recipe, on).tiles(whole(image)))
    assert events[0] == 0.5
    assert all(isinstance(event, Tile) for event in events[1:])
    np.testing.assert_allclose(render(image, recipe, on), mean, rtol=1e-6)
    assert len(Learner.prepared) == (1 if budget > 1000 else 2)


@pytest.mark.parametrize("threads", [2, 3])
def test_out_of_memory_once_gives_the_same_pixels(image: Image, threads: int) -> None:
    expected = render(image, chain((1.0, 1.0)), desk())
    Probe.faults.append(MemoryError())
    found = render(image, chain((1.0, 1.0)), desk(threads=threads))
    assert not Probe.faults
    np.testing.assert_array_equal(found, expected)


def test_out_of_memory_in_tiles_side_by_side_gives_the_same_pixels(image: Image) -> None:
    """Both of two tiles fail together; one at a time they fit."""
    expected = render(image, chain((1.0, 1.0)), desk())

    def both_are_here() -> None:
        Probe.together = None
        Probe.faults[:] = [MemoryError(), MemoryError()]

    Probe.together = threading.Barrier(2, both_are_here)
    found = render(image, chain((1.0, 1.0)), desk(threads=2))
    assert not Probe.faults
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_out_of_memory_everywhere_is_one_sentence(image: Image, threads: int) -> None:
    Probe.always = MemoryError
    with pytest.raises(MemoryError, match=r"^One tile does not fit into memory: .*\.$"):
        render(image, chain((1.0, 1.0)), desk(threads=threads))
    Probe.always = None
    assert np.isfinite(render(image, chain((1.0, 1.0)), desk(threads=threads))).all()


def test_an_error_in_a_method_ends_all_threads(image: Image) -> None:
    Probe.faults.append(ZeroDivisionError("in a plugin"))
    with pytest.raises(ZeroDivisionError, match="in a plugin"):
        render(image, chain((1.0, 1.0)), desk(threads=3))
    assert not [t for t in threading.enumerate() if t.name.startswith("tile")]


def test_cancelling_between_tiles_keeps_what_is_done(image: Image) -> None:
    on, stop = desk(), threading.Event()
    tiles = Renderer(image, NOISE, chain((1.0, 1.0)), on, stop.is_set).tiles(whole(image))
    found = [next(tiles) for _ in range(3)]
    stop.set()
    with pytest.raises(Cancelled):
        list(tiles)
    assert not [t for t in threading.enumerate() if t.name.startswith("tile")]
    Probe.calls.clear()
    render(image, chain((1.0, 1.0)), on)
    assert len(Probe.calls) <= 12 - sum(isinstance(tile, Tile) for tile in found)


def test_closing_the_generator_ends_its_threads(image: Image) -> None:
    tiles = Renderer(image, NOISE, chain((1.0, 1.0)), desk(threads=2)).tiles(whole(image))
    while not isinstance(next(tiles), Tile):
        pass
    tiles.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name.startswith("tile")]


def test_tiles_run_on_as_many_threads_as_asked(image: Image) -> None:
    Probe.together = threading.Barrier(2, lambda: setattr(Probe, "together", None))
    render(image, chain((1.0, 1.0)), desk(threads=2))  # hangs with one thread
    assert len(set(Probe.calls)) == 2


def test_a_method_that_keeps_its_tile_changes_nothing() -> None:
    """The unbiased inverse of the stabiliser must not shift what was never averaged."""
    pixels = np.random.default_rng(1).poisson(3, (40, 40)).astype(np.uint16)
    image, noise = Image(pixels), PoissonGaussian((1.0,), (0.5,))
    renderer = Renderer(image, noise, Recipe((Step(Keep()),)), desk())
    np.testing.assert_array_equal(assemble(renderer, whole(image)), pixels)


def test_the_grid_belongs_to_method_and_image() -> None:
    mosaic = Image(np.zeros((40, 40), np.uint16), cfa=Cfa(((0, 1), (1, 2))))
    laid = plan(Probe(), mosaic)
    assert (laid.grid, laid.align, laid.halo) == (32, 2, 2)
    assert plan(Probe(), mosaic, tile=21).grid == 22
    assert plan(Probe(), Image(np.zeros((9, 9)))).grid == 16


def test_what_cannot_be_rendered_is_refused(image: Image) -> None:
    with pytest.raises(ValueError, match="no steps"):
        Renderer(image, NOISE, Recipe(), desk())
    with pytest.raises(ValueError, match="Complex"):
        Renderer(Image(np.zeros((9, 9), np.complex64)), NOISE, chain((1.0, 1.0)), desk())


def test_assemble_tells_its_progress(image: Image) -> None:
    told: list[float] = []
    assemble(Renderer(image, NOISE, chain((1.0, 1.0)), desk()), Region(5, 5, 45, 30), told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_no_data_of_whole_numbers_stays_and_does_not_spread() -> None:
    rng = np.random.default_rng(0)
    stored = rng.normal(1000, 10, (40, 60)).round().astype(np.int16)
    stored[10:14, 20:30] = -9999
    image = Image(stored, nodata=-9999.0)
    noise = PoissonGaussian((0.0,), (10.0,))
    recipe = Recipe((Step(Probe()),))
    found = assemble(Renderer(image, noise, recipe, desk()), whole(image))
    np.testing.assert_array_equal(np.isnan(found), stored == -9999)
    assert np.nanmin(found) > 950
    back = as_stored(found, stored.dtype, image.nodata)
    np.testing.assert_array_equal(back == -9999, stored == -9999)
    assert back.dtype == np.int16


class Broken(Method):
    """Gives no numbers."""

    title = "Broken"
    tensors = False

    def run(self, tile: Any, state: Any, ctx: Context) -> Any:
        return tile * np.float32(np.nan)


def test_a_method_that_gives_no_numbers_crashes_nothing() -> None:
    image = Image(np.full((40, 40), 9, np.uint16), levels=Levels(((1.0,),), 100.0))
    noise = PoissonGaussian((2.0,), (1.0,))
    found = assemble(Renderer(image, noise, Recipe((Step(Broken()),)), desk()), whole(image))
    assert np.isnan(found).all()
