"""Chains with masks, further images and steps that are switched off; their proxies and layers."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.develop import Look, develop, proxy, proxy_noise, region_pixels, settle
from core.develop.proxy import Binned
from core.image import Array, Cfa, Image, Levels
from core.job import Export, sentence
from core.mask import Mask, Shape
from core.method import Cancelled
from core.recipe import BadRecipe, Recipe, Step, files, from_json, to_json
from core.render import Renderer, assemble
from core.show import Judge, ShowAfter, Shown, numbers
from core.tiles import Region
from tests.core.bench import Bench, Render, Shaky, strike
from tests.core.probes import (
    BAYER,
    CALLS,
    NOISE,
    Dark,
    Local,
    Tensors,
    desk,
    expected,
    images,
    masks,
    methods,
    regions,
    render,
    shares,
    whole,
)
from tests.core.test_properties import close, examples, fresh  # noqa: F401

SHADE = Mask((Shape("ellipse", ((5.0, 8.0), (30.0, 40.0))),), 3.0)


class Counted(Dark):
    """Keeps note of its calls."""

    def run(self, tile: Any, state: Any, ctx: Any) -> Any:
        CALLS.append(self)
        return super().run(tile, state, ctx)


@st.composite
def chains(draw: st.DrawFn, image: Image) -> Recipe:
    """Up to three steps: filters and dark frames, masks, some of them switched off."""

    def step() -> Step:
        mask = draw(st.none() | masks(image.height, image.width))
        amount, enabled = draw(st.sampled_from([0.0, 0.4, 1.0])), draw(st.integers(0, 3)) > 0
        if draw(st.booleans()):
            return Step(draw(methods(Local, Tensors)), amount, mask, enabled=enabled)
        rng = np.random.default_rng(draw(st.integers(0, 9)))
        values = rng.uniform(0, 9, image.pixels.shape).astype(np.float32)
        dark = replace(image, pixels=values, levels=Levels(((1.5,),)), path="/darks/one.npy")
        return Step(Counted(), amount, mask, (("dark", dark),), enabled)

    return Recipe(tuple(step() for _ in range(draw(st.integers(1, 3)))))


def by_hand(image: Image, recipe: Recipe) -> Array:
    for step in recipe.steps:
        if not step.enabled:
            continue
        before = np.asarray(image.pixels, float)
        if step.inputs:
            after = before - (step.inputs[0][1].pixels[...] - 1.5)
            after = np.where(before >= image.levels.white, np.maximum(after, before), after)
        else:
            after = expected(image, step.method)  # type: ignore[arg-type]
        share = step.amount * shares(step.mask, image.height, image.width)
        image = replace(image, pixels=before + share * (after - before))
    return np.asarray(image.pixels)


@examples(30)
@given(images(axes=("yx", "cyx", "tyx", "zqyx", "tzcyx")), st.integers(0, 20), st.data())
def test_chains_equal_doing_them_by_hand(image: Image, tile: int, data: st.DataObject) -> None:
    assume(image.height * image.width < 600)  # masks by hand are slow
    recipe = data.draw(chains(image))
    if not recipe.active.steps:
        with pytest.raises(ValueError, match="no steps"):
            render(image, recipe)
        return
    on = desk(tile, data.draw(st.integers(1, 2)))
    found = render(image, recipe, on)
    close(found, by_hand(image, recipe), image, 3e-5)
    region = data.draw(regions(image))
    part = render(image, recipe, desk(tile), region)
    np.testing.assert_array_equal(part, found[region.index(image.axes)])


@examples(40)
@given(images(axes=("yx", "cyx", "zyx")), st.integers(6, 20), st.data())
def test_an_edit_computes_from_there_on(image: Image, tile: int, data: st.DataObject) -> None:
    recipe, on = data.draw(chains(image)), desk(tile)
    assume(len(recipe.active.steps) > 0)
    render(image, recipe, on)
    at = data.draw(st.integers(0, len(recipe.steps) - 1))
    step = recipe.steps[at]
    kind = data.draw(st.sampled_from(["mask", "amount", "off", "input"]))
    other = {
        "mask": lambda: replace(step, mask=data.draw(masks(image.height, image.width))),
        "amount": lambda: replace(step, amount=0.7),
        "off": lambda: replace(step, enabled=not step.enabled),
        "input": lambda: step.with_input("dark", replace(image, pixels=image.pixels[...] * 2)),
    }[kind]()
    changed = Recipe((*recipe.steps[:at], other, *recipe.steps[at + 1 :]))
    assume(len(changed.active.steps) > 0 and not (kind == "input" and not step.inputs))
    CALLS.clear()
    found = render(image, changed, on)
    calls = list(CALLS)
    first = sum(each.enabled for each in recipe.steps[:at]) + (kind in ("mask", "amount"))
    later = [each.method for each in changed.active.steps[first:]]
    assert all(call in later for call in calls)
    if kind in ("mask", "amount") and step is recipe.active.steps[-1]:
        assert not calls
    np.testing.assert_array_equal(found, render(image, changed, desk(tile)))
    CALLS.clear()
    np.testing.assert_array_equal(render(image, recipe, on), render(image, recipe, on))
    assert not CALLS  # what was there before is there still


@examples(40)
@given(images(), st.data())
def test_chains_are_stored(image: Image, data: st.DataObject) -> None:
    recipe = data.draw(chains(image))
    known = {s.method.id(): type(s.method) for s in recipe.steps}
    assume(len({type(s.method) for s in recipe.steps}) == 1)  # all have the same file name here
    written = to_json(recipe, NOISE)
    others = [i for s in recipe.steps for _, i in s.inputs]
    shades = [s.mask.image for s in recipe.steps if s.mask and s.mask.image]
    held = {i.path: i for i in (*others, *shades)}
    assert set(files(written)) == set(held)
    back, _ = from_json(written, known, held.__getitem__)
    assert [s.enabled for s in back.steps] == [s.enabled for s in recipe.steps]
    assert [s.amount for s in back.steps] == [s.amount for s in recipe.steps]
    assert [s.mask and s.mask.key for s in back.steps] == [s.mask and s.mask.key
                                                           for s in recipe.steps]  # fmt: skip


def test_a_step_that_is_off_may_lack_what_it_needs() -> None:
    bare = Recipe((Step(Dark(), enabled=False), Step(Local())))
    assert bare.active.steps == (bare.steps[1],) and bare.steps[0].missing == ("dark",)
    entry = {**to_json(Recipe(bare.steps[:1])), "noise": None}
    back, _ = from_json(entry, {"probes": Dark})
    assert back == Recipe(bare.steps[:1])
    entry["steps"][0].pop("enabled")
    with pytest.raises(BadRecipe, match="needs further images: dark"):
        from_json(entry, {"probes": Dark})


def test_nonsense_names_no_files() -> None:
    for data in (None, 3, [], {}, {"steps": 5}, {"steps": [3]}, {"steps": [{"inputs": [1]}]}):
        assert files(data) == ()


# --- what does not fit -------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["missing", "input", "mask"])
def test_what_does_not_fit_is_one_sentence(bench: Bench, image: Image, what: str) -> None:
    other = Image(np.zeros((7, 9), np.float32))
    step = {
        "missing": Step(Dark()),
        "input": Step(Dark(), inputs=(("dark", other),)),
        "mask": Step(Local(), mask=Mask(image=other)),
    }[what]
    ended = bench.error(Render(image, Recipe((Step(Shaky()), step))))
    assert isinstance(ended, BadRecipe)
    words = "needs further images: dark" if what == "missing" else "size of the picture: 60 × 50"
    assert words in sentence(ended)


@pytest.mark.parametrize("nth", [1, 6, 16, 17, 25, 32])
@pytest.mark.parametrize("how", ["memory", "error", "cancel"])
def test_faults_in_a_chain_with_masks_and_inputs(
    bench: Bench, image: Image, nth: int, how: str
) -> None:
    dark = Image(np.full((50, 60), 0.5, np.float32))
    recipe = Recipe(
        (
            Step(Shaky(), 0.5, SHADE),
            Step(Dark(), 1.0, replace(SHADE, invert=True), (("dark", dark),)),
            Step(Shaky(shift=1.0), 0.8, SHADE),
        )
    )
    right = bench.pixels(image, recipe)
    bench.desk.cache.clear()
    Shaky.numbers = itertools.count(1)
    strike({"memory": MemoryError, "error": ZeroDivisionError, "cancel": Cancelled}[how], nth)
    ended = bench.error(Render(image, recipe))
    kinds = {"memory": MemoryError, "error": ZeroDivisionError, "cancel": Cancelled}
    assert ended is None or isinstance(ended, kinds[how])
    Shaky.act = lambda number, ctx: None
    np.testing.assert_array_equal(bench.pixels(image, recipe), right)


# --- proxies -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:invalid value")
@examples(60)
@given(images(lost=True), st.sampled_from([2, 4, 6]), st.data())
def test_a_proxy_of_a_stack_is_that_of_its_slices(
    image: Image, level: int, data: st.DataObject
) -> None:
    level = 6 if image.cfa and image.cfa.period[0] > 2 else level
    small = proxy(image, level)
    full = np.asarray(small.pixels[...])
    assert full.shape == small.pixels.shape and len(small.axes) == full.ndim
    key = tuple(
        data.draw(st.slices(n) if a in "yx" or data.draw(st.booleans()) else st.integers(0, n - 1))
        for a, n in zip(small.axes, full.shape, strict=True)
    )
    near = {"rtol": 1e-5, "atol": 1e-3}  # OpenCV adds up in another order
    np.testing.assert_allclose(small.pixels[key], full[key], **near)
    np.testing.assert_allclose(small.pixels[(..., *key[-2:])], full[(..., *key[-2:])], **near)
    assert small.id == proxy(image, level).id
    if image.axes in ("zyx", "tyx"):
        for at, plane in enumerate(image.pixels[...]):
            one = replace(image, pixels=plane, axes="yx")
            np.testing.assert_allclose(full[at], proxy(one, level).pixels, **near)


@pytest.mark.parametrize("kind", ["picture", "mosaic", "stack"])
def test_a_coarse_view_of_a_chain(kind: str) -> None:
    """Masks and further images are those of the proxy; only the part asked for is shown."""
    rng = np.random.default_rng(0)
    shape = (3, 96, 120) if kind == "stack" else (96, 120)
    cfa = Cfa(BAYER) if kind == "mosaic" else None
    pixels = rng.normal(900, 30, shape).astype(np.float32)
    axes, white = "zyx" if kind == "stack" else "yx", Levels(white=2000.0)
    image = Image(pixels, axes, "mosaic" if cfa else "array", white, cfa)
    dark = replace(image, pixels=rng.normal(50, 5, shape).astype(np.float32))
    half = Mask((Shape("rectangle", ((0.0, 0.0), (96.0, 60.0))),))
    recipe = Recipe((Step(Local(), mask=half), Step(Dark(), 1.0, half, (("dark", dark),))))
    front = ((1, 2),) if kind == "stack" else ()
    look, on = settle(image, Look()), desk()
    region = Region(8, 16, 80, 112, front)
    work = ShowAfter(image, NOISE, recipe, region, 4, look, coarse=True)
    shown = [each for each in work(on, lambda: False) if isinstance(each, Shown)]
    assert shown and all(s.proxy and s.level == 4 and s.region.front == front for s in shown)
    small = proxy(image, 4)
    by_hand = recipe.coarser(4, lambda one: proxy(one, 4))
    assert by_hand.steps[0].mask == replace(
        half, shapes=(Shape("rectangle", ((0.0, 0.0), (24.0, 15.0))),)
    )
    inner = Region(2, 4, 20, 28, front)
    renderer = Renderer(small, proxy_noise(NOISE, image, 4), by_hand, desk())
    result = replace(small, pixels=assemble(renderer, Region.whole(24, 30)))
    area = replace(inner, front=front)
    pixels = region_pixels(result.pixels, small, area, 1, look)
    expected_ = develop(pixels, small, inner, 1, look)
    canvas = np.zeros((24, 30, 3), np.uint16)
    for s in shown:
        y, x = s.region.y0 // 4, s.region.x0 // 4
        canvas[y : y + s.store.shape[0], x : x + s.store.shape[1]] = s.store
    np.testing.assert_array_equal(canvas[2:20, 4:28], expected_)
    before = develop(region_pixels(small.pixels, small, area, 1, look), small, inner, 1, look)
    same = canvas[2:20, 4:28] == before
    assert same[:, 11:].all() and not same[:, :11].any()


def test_a_binned_wave_of_no_data_is_no_data() -> None:
    pixels = np.full((2, 8, 8), 5.0, np.float32)
    pixels[1, 0, 0] = -999
    image = Image(pixels, "zyx", nodata=-999.0)
    small = np.asarray(Binned(image, 4)[...])
    assert np.isnan(small[1, 0, 0]) and np.nansum(small) == 35


# --- layers ------------------------------------------------------------------------------------


def test_another_layer_is_shown_as_numbers() -> None:
    rng = np.random.default_rng(2)
    image = Image(rng.normal(100, 10, (96, 120)).astype(np.float32), levels=Levels(((4.0,),)))
    dark = replace(image, pixels=np.zeros((96, 120), np.float32))
    recipe = Recipe((Step(Local()), Step(Dark(), 0.5, None, (("dark", dark),))))
    look, on, area = settle(image, Look()), desk(40), Region(0, 0, 96, 120)

    def shown(layer: str, region: Region = area, level: int = 1) -> list[Shown]:
        work = ShowAfter(image, NOISE, recipe, region, level, look, layer=layer)
        return [each for each in work(on, lambda: False) if isinstance(each, Shown)]

    first = shown("image")
    assert {s.names for s in first} == {("sigma",)} and {s.look for s in first} == {None}
    CALLS.clear()
    found = shown("sigma")
    assert not CALLS  # it was found with the image
    (own,) = {s.look for s in found}
    assert own and own.window and own.window[0] < 3 * 96 < own.window[1]
    (other,) = {s.look for s in shown("sigma", Region(0, 0, 20, 20))}
    assert other == own  # one scale for all that is seen of it
    canvas = np.zeros((96, 120, 3), np.uint16)
    for s in found:
        canvas[s.region.slices] = s.store
    values = np.zeros((96, 120), np.float32)
    for tile in Renderer(image, NOISE, recipe, on).tiles(area):
        values[tile.region.slices] = tile.layers["sigma"]  # type: ignore[union-attr]
    extent = settle(replace(numbers(image), pixels=values.reshape(1, -1)), Look()).extent
    picture = replace(numbers(image), pixels=values)
    np.testing.assert_array_equal(canvas, develop(values, picture, area, 1, Look(extent=extent)))
    assert all(s.level == 2 for s in shown("sigma", area, 2))


def test_steps_that_are_off_are_left_out_everywhere(bench: Bench, image: Image, out: Any) -> None:
    off = Recipe((Step(Shaky(), enabled=False), Step(Dark(), enabled=False)))
    np.testing.assert_array_equal(bench.pixels(image, off), image.pixels)
    work = Export(image, NOISE, off, str(out / "a.npy"))
    assert bench.error(work) is None
    np.testing.assert_array_equal(np.load(out / "a.npy"), image.pixels)
    (region, found), *_ = Judge(image, NOISE, off, whole(image))(bench.desk, lambda: False)
    assert region.area and found is not None


def test_a_step_for_some_slices() -> None:
    pixels = np.random.default_rng(2).normal(900, 30, (4, 40, 48)).astype(np.float32)
    image, part = Image(pixels, "zyx"), Mask(slices=(("z", 1, 3),))
    whole, region = Recipe((Step(Local()), Step(Local()))), Region.whole(40, 48)
    some = Recipe((Step(Local(), mask=part), Step(Local(), 0.5, part)))
    one, full, found = (
        assemble(Renderer(image, NOISE, recipe, desk()), region)
        for recipe in (Recipe(whole.steps[:1]), whole, some)
    )
    np.testing.assert_array_equal(found[[0, 3]], pixels[[0, 3]])
    np.testing.assert_allclose(found[1:3], (one + 0.5 * (full - one))[1:3], rtol=1e-5)
