"""In which numbers methods are computed, and tiles that go together. All on the CPU."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from core import roster as roster_module
from core.cache import Cache
from core.desk import Desk
from core.devices import CPU, Device, Fault
from core.image import Array, Image
from core.job import Told, denoised
from core.method import Context, Method, Needs
from core.noise.model import PoissonGaussian
from core.precision import FULL, TOLERANCE, judged, sample
from core.recipe import Recipe, Step
from core.render import Renderer, Tile, assemble
from core.roster import Roster
from core.selftest import Verdict
from core.tiles import Region
from tests.core.fakes import fake
from tests.core.probes import smooth

NOISE = PoissonGaussian((0.0,), (1.0,))
BOTH = (FULL, "bfloat16")


class Product(Method):
    """Three pixels' mean; what it takes away goes through a product, which autocast rounds."""

    title = "Product"
    precisions = BOTH
    seen: ClassVar[list[tuple[int, str, Any]]] = []

    def needs(self, image: Image) -> Needs:
        return Needs(halo=1, tile=16, batch=3)

    def run(self, tile: Any, state: Any, ctx: Context) -> Any:
        noise = tile - torch.from_numpy(smooth(tile.numpy(), 0, 1, 0))
        found = tile - noise @ torch.eye(tile.shape[-1])
        kind = "bfloat16" if torch.is_autocast_enabled("cpu") else FULL
        Product.seen.append((len(tile), kind, ctx.region))
        return found.float()


class Plain(Product):
    title = "Plain"
    precisions = (FULL,)


class Clock:
    """Every look at it takes longer in the precision that the test calls slow."""

    def __init__(self, slow: str) -> None:
        self.now, self.slow = 0.0, slow

    def __call__(self) -> float:
        if Product.seen:
            self.now += 2.0 if Product.seen[-1][1] == self.slow else 1.0
        return self.now


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Product, "seen", [])
    monkeypatch.setattr(roster_module, "try_device", lambda *_: Verdict(True))


@pytest.fixture(scope="module")
def image() -> Image:
    return Image(np.random.default_rng(0).normal(30, 5, (50, 60)).astype(np.float32))


def desk(slow: str = "", *devices: Device, exactly: str = "", cache: int = 0) -> Desk:
    roster = Roster((CPU, *devices), None, Clock(slow))
    list(roster.look())
    roster.pin_precision(exactly)
    return Desk(cache=Cache(cache), threads=1, roster=roster)


def pixels(image: Image, at: Desk, method: Method | None = None) -> Array:
    renderer = Renderer(image, NOISE, Recipe((Step(method or Product()),)), at)
    return assemble(renderer, Region.whole(*image.pixels.shape[-2:]))


def kinds() -> set[str]:
    return {kind for _, kind, _ in Product.seen}


# --- choosing ----------------------------------------------------------------------------------


def test_the_fastest_of_those_that_agree() -> None:
    right = sample(1, edge=16)
    near, far = right + 0.5 * TOLERANCE, right + 2 * TOLERANCE
    seconds = {FULL: 2.0, "bfloat16": 1.0, "float16": 0.5}
    found = judged(seconds, {FULL: right, "bfloat16": near, "float16": far}, 0.5)
    assert found.name == "bfloat16"
    assert found.why == "bfloat16 2 s per megapixel, float16 1 s but too far off, float32 4 s"
    assert judged(seconds, {FULL: right, "bfloat16": far}, 1).name == FULL
    assert judged(seconds, {FULL: right, "bfloat16": right * np.nan}, 1).name == FULL


@pytest.mark.parametrize(("slow", "fast"), [(FULL, "bfloat16"), ("bfloat16", FULL)])
def test_the_faster_is_used_for_all_tiles(image: Image, slow: str, fast: str) -> None:
    at = desk(slow)
    pixels(image, at)
    tries, tiles = Product.seen[:6], Product.seen[6:]
    assert [kind for _, kind, _ in tries] == [FULL] * 3 + ["bfloat16"] * 3
    assert len(tiles) == 16
    assert {kind for _, kind, _ in tiles} == {fast}
    Product.seen.clear()
    pixels(image, at)
    assert len(Product.seen) == 16, "it is tried once"


def test_bfloat16_is_near(image: Image) -> None:
    full = pixels(image, desk(exactly=FULL))
    assert kinds() == {FULL}
    half = pixels(image, desk(exactly="bfloat16"))
    assert 0 < np.abs(half - full).max() < 0.1


def test_a_precision_that_fails_is_not_used(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Product.run

    def only_full(self: Product, tile: Any, state: Any, ctx: Context) -> Any:
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("'conv' not implemented for 'BFloat16'")
        return run(self, tile, state, ctx)

    monkeypatch.setattr(Product, "run", only_full)
    at = desk(FULL)
    pixels(image, at)
    assert at.roster.precision(CPU, Product()) == judged({FULL: 2.0}, {FULL: sample(1)}, 0.065536)


def test_methods_without_a_choice_are_not_tried(image: Image) -> None:
    pixels(image, desk(), Plain())
    assert len(Product.seen) == 16
    pixels(image, desk(exactly="bfloat16"), Plain())
    assert kinds() == {FULL}


def test_wrong_names_are_refused() -> None:
    with pytest.raises(ValueError, match="there are: float32, bfloat16"):
        Roster().pin_precision("int8")


# --- truthful ----------------------------------------------------------------------------------


@pytest.mark.parametrize("slow", [FULL, "bfloat16"])
def test_it_is_said_and_kept(image: Image, slow: str) -> None:
    fast = "bfloat16" if slow == FULL else FULL
    *events, last = denoised(image, NOISE, Recipe((Step(Product()),)), desk(slow), lambda: False)
    told = [event for event in events if isinstance(event, Told)]
    assert told[-1].precision == fast
    assert told[-1].text.startswith(f"CPU: the only device here; {fast} ")
    assert isinstance(last, Image)
    assert last.meta["computed"] == {"device": "cpu", "precision": fast}


def test_tiles_of_different_precision_never_mix(image: Image) -> None:
    at = desk(cache=1 << 24)
    at.roster.pin_precision(FULL)
    full = pixels(image, at)
    at.roster.pin_precision("bfloat16")
    half = pixels(image, at)
    assert np.abs(half - full).max() > 0
    Product.seen.clear()
    np.testing.assert_array_equal(pixels(image, at), half)
    at.roster.pin_precision(FULL)
    np.testing.assert_array_equal(pixels(image, at), full)
    assert not Product.seen


def test_each_device_has_its_own(image: Image) -> None:
    """The fake one fails after a while; what goes on on the CPU is tried there first."""
    gone = fake(0, Fault("lost", after=8))
    at = desk("bfloat16", gone)
    at.roster.pin("fake:0")
    events = list(denoised(image, NOISE, Recipe((Step(Product()),)), at, lambda: False))
    assert at.roster.precision(CPU, Product()) is not None
    assert at.roster.precision(gone, Product()) is not None
    assert any("was set aside" in event.text for event in events if isinstance(event, Told))
    assert isinstance(events[-1], Image)
    np.testing.assert_array_equal(events[-1].pixels[...], pixels(image, desk(exactly=FULL)))


# --- tiles together ------------------------------------------------------------------------------


def test_equal_tiles_go_together_on_other_devices(image: Image) -> None:
    right = pixels(image, desk(), Plain())
    assert {count for count, _, _ in Product.seen} == {1}
    assert all(region is not None for _, _, region in Product.seen)
    Product.seen.clear()
    at = desk("", fake())
    at.roster.pin("fake:0")
    np.testing.assert_allclose(pixels(image, at, Plain()), right, rtol=0, atol=1e-5)
    counts = [count for count, _, _ in Product.seen]
    assert sum(counts) == 16
    assert max(counts) == 3
    assert all((region is None) == (count > 1) for count, _, region in Product.seen)


def test_tiles_in_the_cache_are_the_same_for_any_batch(image: Image) -> None:
    at = desk("", fake(), cache=1 << 24)
    at.roster.pin("fake:0")
    whole = pixels(image, at, Plain())
    Product.seen.clear()
    renderer = Renderer(image, NOISE, Recipe((Step(Plain()),)), at)
    for tile in renderer.tiles(Region(17, 20, 18, 21)):
        assert isinstance(tile, Tile)
        np.testing.assert_array_equal(tile.after, whole[tile.region.slices])
    assert not Product.seen


def test_a_device_with_little_memory_gets_fewer_tiles_at_a_time(image: Image) -> None:
    right = pixels(image, desk(), Plain())
    at, other = desk("", fake()), desk("", fake())
    for each in (at, other):
        each.roster.pin("fake:0")
    tile = 4 * 18 * 18 * 8  # bytes of one with its halo, at its peak
    at.limits, other.limits = {"fake:0": 2 * tile}, {"fake:1": 1}
    for bound, most in ((at, 2), (other, 3)):
        Product.seen.clear()
        np.testing.assert_allclose(pixels(image, bound, Plain()), right, rtol=0, atol=1e-5)
        assert max(count for count, _, _ in Product.seen) == most
    at.memory = 1 << 30
    assert at.allowed(fake()) == 2 * tile
    assert at.allowed(CPU) == 1 << 28


def test_want_of_memory_takes_tiles_apart(image: Image) -> None:
    right = pixels(image, desk(), Plain())
    Product.seen.clear()
    full = fake(0, Fault("out-of-memory", every=4))
    at = desk("", full)
    at.roster.pin("fake:0")
    np.testing.assert_allclose(pixels(image, at, Plain()), right, rtol=0, atol=1e-5)
    assert max(count for count, _, _ in Product.seen) == 3
    assert [count for count, _, _ in Product.seen][-5:] == [1] * 5
