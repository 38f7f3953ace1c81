"""What must hold for every size, axis, tile, halo and chain. See probes.py for the other side."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from core.devices import CPU, Device
from core.guest import context_from_json, context_to_json
from core.image import Array, Image, Levels
from core.method import Context, Method, Needs
from core.recipe import Recipe, Step, from_json, to_json
from core.render import Renderer, assemble, plan
from core.roster import Roster
from core.tiles import Region, tiles
from tests.core.probes import (
    CALLS,
    NOISE,
    Dark,
    Local,
    Tensors,
    White,
    by_hand,
    desk,
    expected,
    images,
    layer,
    masks,
    methods,
    regions,
    render,
    shares,
    spread,
    whole,
)

# One fixed list of examples, so that a failure is a failure everywhere; no clock. To search for
# more: SORDINO_EXAMPLES=10 (times as many, others each time).
MORE = int(os.environ.get("SORDINO_EXAMPLES", "0"))


def examples(count: int) -> settings:
    return settings(
        max_examples=count * max(MORE, 1),
        derandomize=not MORE,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate, Phase.shrink],
    )


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    CALLS.clear()


def close(found: Array, other: Array, image: Image, share: float = 1e-5) -> None:
    np.testing.assert_allclose(found, other, rtol=0, atol=share * spread(image))


# --- tiles -------------------------------------------------------------------------------------


@examples(150)
@given(images(), methods(Local, Tensors), st.integers(0, 30))
def test_tiles_equal_the_whole_image_at_once(image: Image, method: Local, tile: int) -> None:
    close(render(image, method, desk(tile)), expected(image, method), image)


@examples(40)
@given(
    images(axes=("zqyx", "qzyx", "ztqyx", "zcqyx")),
    methods(Local),
    st.integers(0, 30),
    st.sampled_from(["qzyx", "zyx"]),
)
def test_stacks_in_another_order_than_the_method(
    image: Image, method: Local, tile: int, together: Any
) -> None:
    method = replace(method, axes_=together)
    close(render(image, method, desk(tile)), expected(image, method), image)


@examples(60)
@given(images(), methods(Local, White), st.integers(1, 30), st.data())
def test_any_region_and_threads_give_the_same_bits(
    image: Image, method: Local, tile: int, data: st.DataObject
) -> None:
    full = render(image, method, desk(tile))
    close(full, render(image, method, desk(4096)), image)
    region = data.draw(regions(image))
    threads, budget = data.draw(st.integers(1, 3)), data.draw(st.sampled_from([0, 2000, 1 << 26]))
    part = render(image, method, desk(tile, threads, budget), region)
    np.testing.assert_array_equal(part, full[region.index(image.axes)])


@examples(40)
@given(images(), methods(Local, White, Tensors))
def test_another_device_gives_the_same(image: Image, method: Local) -> None:
    """Pixels go there as tensors: other code than the CPU's."""
    on = desk()
    on.memory = 1 << 30
    on.roster = Roster((CPU, Device("other", "Other", "cpu:0")))
    on.roster.pin("other")
    close(render(image, method, on), render(image, method), image, 2e-5)
    assert on.roster.rows()[1].usable


class Tail(Method):
    """Each pixel sees all others, the less the farther: an infinite response along both axes."""

    domain = "signal"
    tensors = False

    def needs(self, image: Image) -> Needs:
        return Needs(halo=6, tile=16, blend=8)

    def run(self, tile: Any, state: Any, ctx: Context) -> Any:
        for axis in (-2, -1):
            tile = np.flip(lfilter([0.5], [1, -0.5], np.flip(tile, axis), axis), axis)
            tile = lfilter([0.5], [1, -0.5], tile, axis)
        return tile.astype(np.float32)


class Seams(Tail):
    def needs(self, image: Image) -> Needs:
        return replace(super().needs(image), blend=0)


@examples(30)
@given(images(), st.sampled_from([10, 16, 21, 32]), st.data())
def test_blended_tiles_hide_what_a_halo_cuts_off(
    image: Image, tile: int, data: st.DataObject
) -> None:
    image = replace(image, levels=Levels())  # what is clipped jumps: no bound there
    far = by_hand(image, lambda p: Tail().run(p, None, Context()), "yx", 40)
    on = desk(max(tile, 16))
    found = render(image, Tail(), on)
    cells = np.s_[..., 7:-7, 7:-7]  # the response to the border itself belongs to the method
    if min(image.height, image.width) > 20 and plan(Tail(), image).packing.period == 1:
        close(found[cells], far[cells], image, 1e-3)
    region = data.draw(regions(image))
    threads = data.draw(st.integers(1, 3))
    part = render(image, Tail(), desk(on.tile, threads), region)
    np.testing.assert_array_equal(part, found[region.index(image.axes)])


def test_without_blending_there_are_seams() -> None:
    image = Image(np.random.default_rng(0).uniform(0, 200, (64, 64)).astype(np.float32) + 300)
    far = by_hand(image, lambda p: Tail().run(p, None, Context()), "yx", 40)
    inner = np.s_[10:-10, 10:-10]
    close(render(image, Tail())[inner], far[inner], image, 1e-2)
    with pytest.raises(AssertionError):
        close(render(image, Seams())[inner], far[inner], image, 1e-2)


# --- masks (chains: test_chains.py) --------------------------------------------------------------


@st.composite
def recipes(draw: st.DrawFn, image: Image, most: int = 3) -> Recipe:
    def step() -> Step:
        mask = draw(st.none() | masks(image.height, image.width))
        return Step(draw(methods(Local, Tensors)), draw(st.sampled_from([0.0, 0.3, 1.0])), mask)

    return Recipe(tuple(step() for _ in range(draw(st.integers(1, most)))))


@examples(60)
@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_masks_are_the_same_on_every_tile(height: int, width: int, data: st.DataObject) -> None:
    mask = data.draw(masks(height, width))
    full = mask.weights(Region.whole(height, width))
    assert full.dtype == np.float32 and full.min() >= 0 and full.max() <= 1 + 1e-6
    for part in tiles(Region.whole(height, width), data.draw(st.integers(3, 20)), height, width):
        np.testing.assert_allclose(mask.weights(part), full[part.slices], rtol=0, atol=1e-6)
    if height * width < 300:
        np.testing.assert_allclose(full, shares(mask, height, width), rtol=0, atol=1e-5)


# --- no-data -----------------------------------------------------------------------------------


@examples(60)
@given(images(lost=True), methods(Local, White, Tensors), st.integers(1, 30), st.data())
def test_no_data_stays_where_it_is(
    image: Image, method: Local, tile: int, data: st.DataObject
) -> None:
    source = np.asarray(image.pixels, np.float32)
    found = render(image, method, desk(tile))
    known = np.isfinite(source)
    np.testing.assert_array_equal(np.isfinite(found), known)
    np.testing.assert_array_equal(found[~known], source[~known])
    close(found, render(image, method, desk(4096)), image)
    region = data.draw(regions(image))
    part = render(image, method, desk(tile, 2), region)
    np.testing.assert_array_equal(part, found[region.index(image.axes)])
    steps = Recipe((Step(method, 0.5), Step(replace(method, halo=2), 0.4)))
    chain = render(image, steps, desk(tile))
    np.testing.assert_array_equal(chain[~known], source[~known])
    assert np.isfinite(chain[known]).all()
    close(chain, render(image, steps, desk(4096)), image)


@examples(30)
@given(images(axes=("yx", "cyx", "zyx"), lost=True), st.integers(0, 4))
def test_no_data_changes_nothing_beyond_the_halo(image: Image, halo: int) -> None:
    method = Local(halo=halo)
    reach = 2 * plan(method, image).halo + plan(method, image).packing.phase
    lost = ~np.isfinite(np.asarray(image.pixels))
    near = np.zeros_like(lost)
    for *front, y, x in np.argwhere(lost):
        rows, cols = (
            slice(max(y - reach, 0), y + reach + 1),
            slice(max(x - reach, 0), x + reach + 1),
        )
        near[(*front, rows, cols)] = True
    if "c" in image.axes:
        near[:] = near.any(0)
    filled = replace(image, pixels=np.where(lost, np.float32(70), np.asarray(image.pixels)))
    found, other = render(image, method), render(filled, method)
    close(np.where(near, 0, found), np.where(near, 0, other), image)


# --- inputs and layers -------------------------------------------------------------------------


@examples(60)
@given(images(), st.sampled_from(["yx", "zyx", "qzyx"]), st.integers(0, 20), st.integers(0, 9))
def test_inputs_and_layers_are_laid_out_as_the_image(
    image: Image, together: Any, tile: int, seed: int
) -> None:
    image = replace(image, levels=replace(image.levels, white=np.inf))
    shape = image.pixels.shape
    values = np.random.default_rng(seed).uniform(0, 9, shape).astype(np.float32)
    dark = Image(values, image.axes, levels=Levels(((2.0, 1.0),)), cfa=image.cfa)
    recipe = Recipe((Step(Dark(axes_=together), inputs=(("dark", dark),)),))
    stored = np.asarray(image.pixels, float)
    without = values - dark.levels.black_map(0, 0, *shape[-2:])
    for on in (desk(tile, 2), desk(tile)):
        close(render(image, recipe, on), stored - without, image)
    number = by_hand(
        replace(image, pixels=np.zeros(shape), levels=Levels()),
        lambda p: p + np.arange(p.shape[1]).reshape(-1, *[1] * (p.ndim - 2)),
        "yx",
        0,
    )
    black = image.levels.black_map(0, 0, *shape[-2:])
    close(layer(image, recipe, "sigma", desk(tile)), 3 * (stored - black) + number, image)


def test_no_data_of_an_input_does_not_spread() -> None:
    image = Image(np.zeros((20, 20), np.float32))
    values = np.full((20, 20), 3.0, np.float32)
    values[4:7, 5] = np.nan
    recipe = Recipe((Step(Dark(), inputs=(("dark", Image(values)),)),))
    np.testing.assert_allclose(render(image, recipe), -3, atol=1e-6)


def test_an_input_of_another_size_is_refused() -> None:
    recipe = Recipe((Step(Dark(), inputs=(("dark", Image(np.zeros((5, 5)))),)),))
    with pytest.raises(ValueError, match="size of the picture"):
        render(Image(np.zeros((6, 5))), recipe)


# --- values ------------------------------------------------------------------------------------


@examples(100)
@given(images(), st.data())
def test_regions_of_stacks(image: Image, data: st.DataObject) -> None:
    one, other = data.draw(regions(image)), data.draw(regions(image))
    pixels, axes = np.asarray(image.pixels), image.axes
    found = pixels[one.index(axes)]
    assert found.shape == one.shape(axes, pixels.shape)
    both = one.meet(other)
    marks = np.zeros(pixels.shape, int)
    marks[one.index(axes)] += 1
    marks[other.index(axes)] += 1
    if both.area and all(b > a for a, b in both.front):
        assert (marks[both.index(axes)] == 2).all()
        assert marks[both.index(axes)].size == (marks == 2).sum()
        assert both.meet(one) == both
        np.testing.assert_array_equal(found[both.inside(one, axes)], pixels[both.index(axes)])
    else:
        assert not (marks == 2).any()
    deep = [1] * len(one.front)
    outer = one.grow(2, deep)
    assert outer.meet(one) == one
    assert outer.grow(-2, [-1] * len(deep)) == one
    inside = [s for s, a in zip(one.inside(outer, axes), axes, strict=True) if a != "c"]
    assert all(s == slice(None) or s.stop - s.start > 0 for s in inside)


@examples(60)
@given(images(), methods(), st.integers(1, 20), st.data())
def test_tiles_cover_a_region_of_a_stack_once(
    image: Image, method: Local, tile: int, data: st.DataObject
) -> None:
    laid, region = plan(method, image, tile), data.draw(regions(image))
    seen = np.zeros(image.pixels.shape, int)
    for each in tiles(region, laid.grid, image.height, image.width, laid.grids):
        assert each.y0 % laid.align == each.x0 % laid.align == 0
        seen[each.index(image.axes)] += 1
    assert seen.max() == 1
    assert (seen[region.index(image.axes)] == 1).all()


@examples(60)
@given(images(), st.data())
def test_recipes_are_stored_with_masks_and_inputs(image: Image, data: st.DataObject) -> None:
    recipe = data.draw(recipes(image))
    dark = replace(image, path="/darks/one.npy")
    recipe = Recipe((*recipe.steps, Step(Dark(), 0.5, None, (("dark", dark),))))
    files = {i.path: i for s in recipe.steps if s.mask for i in [s.mask.image] if i}
    files[dark.path] = dark
    for step in recipe.steps:
        classes = {step.method.id(): type(step.method)}
        one = Recipe((step,))
        back, noise = from_json(json.loads(json.dumps(to_json(one, NOISE))), classes, files.get)  # type: ignore[arg-type]
        assert (back, noise) == (one, NOISE)
        assert back.steps[0].key == step.key
    assert len(to_json(recipe, NOISE)["steps"]) == len(recipe.steps)


@examples(30)
@given(images(), st.data())
def test_a_context_travels_to_a_child(image: Image, data: st.DataObject) -> None:
    context = Context(NOISE, (0, 1, 1), "cpu", 2, region=data.draw(regions(image)))
    back = context_from_json(json.loads(json.dumps(context_to_json(context))))
    assert replace(back, cancelled=context.cancelled) == context


def test_assemble_fills_what_it_is_given(tmp_path: Any) -> None:
    image = Image(np.random.default_rng(0).random((3, 20, 21), np.float32), "zyx")
    out = np.lib.format.open_memmap(tmp_path / "o.npy", "w+", np.float32, image.pixels.shape)
    recipe = Recipe((Step(Local()),))
    assert assemble(Renderer(image, NOISE, recipe, desk(7)), whole(image), out=out) is out
    close(np.array(out), expected(image, Local()), image)
