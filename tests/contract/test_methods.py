"""The same checks for EVERY method that is found."""

from __future__ import annotations

import json
import pickle
import time
from typing import Any

import numpy as np
import pytest
import torch

from core.cache import Cache
from core.desk import Desk
from core.image import Array, Cfa, Image, Levels
from core.method import Cancelled, Context, Method
from core.noise.model import PoissonGaussian
from core.noise.simulate import sensor
from core.recipe import Recipe, Step
from core.registry import load
from core.render import Renderer, Tile, assemble, plan
from core.tiles import Region

METHODS = load().methods
BAYER = Cfa(((0, 1), (1, 2)))
XTRANS = Cfa(
    (
        (1, 0, 2, 1, 2, 0),
        (2, 1, 1, 0, 1, 1),
        (0, 1, 1, 2, 1, 1),
        (1, 2, 0, 1, 0, 2),
        (0, 1, 1, 2, 1, 1),
        (2, 1, 1, 0, 1, 1),
    )
)
GAIN, READ, BLACK, WHITE = 4.0, 12.0, 512.0, 16383.0
RAW_NOISE = PoissonGaussian((GAIN,) * 3, (READ,) * 3)
KINDS = ("bayer", "xtrans", "rgb", "grey")
VOLUMES = ("grey", "volume")  # for methods that take slices together
SERIES = ("series",)  # for methods that look at each voxel's course
SMALL = 60  # edge that stands in for "another tile size"


@pytest.fixture(scope="module")
def method(request: pytest.FixtureRequest) -> Method:
    return METHODS[request.param]()


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every kind of image for every method of pictures, volumes for those of volumes."""
    if "kind" in metafunc.fixturenames:
        cases = [
            (name, kind)
            for name, method in METHODS.items()
            for kind in (SERIES if "q" in method.axes else VOLUMES if "z" in method.axes else KINDS)
        ]
        metafunc.parametrize(("method", "kind"), cases, indirect=True, scope="module")
    elif "method" in metafunc.fixturenames:
        metafunc.parametrize("method", METHODS, indirect=True, scope="module")


def scene(height: int, width: int) -> Array:
    """Smooth shading, edges and fine stripes, values 0.05 to 0.7."""
    y, x = np.mgrid[:height, :width] / 64.0
    stripes = 0.08 * np.sin(9 * x * (1 + y / 4))
    return (0.2 + 0.12 * y / 4 + 0.25 * ((x + y) % 2 > 1) + stripes * (y % 2 > 1)).clip(0.05, 0.7)


def made(kind: str, height: int = 200, width: int = 260) -> tuple[Image, PoissonGaussian, Array]:
    """A noisy image of the kind, its noise model, and the truth in stored units."""
    rng = np.random.default_rng(3)
    clean = scene(height, width)
    if kind in ("bayer", "xtrans"):
        cfa = BAYER if kind == "bayer" else XTRANS
        tint = np.array([0.6, 1.0, 0.8])[cfa.colors(height, width)]
        signal = clean * tint * 2000
        levels = Levels(((BLACK,),), WHITE)
        noisy = sensor(signal, GAIN, READ, rng, quantise=1, black=BLACK, white=WHITE)
        image = Image(noisy.astype(np.uint16), "yx", "mosaic", levels, cfa)
        return image, RAW_NOISE, signal + BLACK
    parts = {"rgb": (1, 0.8, 0.5), "volume": np.linspace(0.8, 1, 7), "series": np.ones(12)}.get(
        kind
    )
    truth = clean if parts is None else np.stack([clean * part for part in parts])
    noisy = (truth + rng.normal(0, 0.05, truth.shape)).astype(np.float32)
    axes = {"rgb": "cyx", "volume": "zyx", "series": "qyx"}.get(kind, "yx")
    return Image(noisy, axes), gaussian(0.05), truth


def for_pictures(method: Method) -> None:
    """Skip what a method that needs a series or a mosaic cannot do with a single picture."""
    if method.kinds == ("raw",):
        pytest.skip(f"{method.title} is for mosaics alone")
    if "q" in method.axes:
        pytest.skip(f"{method.title} needs a series")


def gaussian(sigma: float) -> PoissonGaussian:
    return PoissonGaussian((0.0,), (sigma,))


def render(
    method: Method,
    image: Image,
    noise: PoissonGaussian,
    region: Region | None = None,
    *,
    tile: int = 0,
    threads: int = 1,
    cancelled: Any = lambda: False,
) -> Array:
    desk = Desk(cache=Cache(1 << 28), threads=threads, tile=tile)
    desk.roster.pin_precision("float32")  # not the one that a busy machine takes for the faster
    renderer = Renderer(image, noise, Recipe((Step(method),)), desk, cancelled)
    return assemble(renderer, region or Region.whole(image.height, image.width))


def rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def test_there_are_methods() -> None:
    assert {"dct", "fast", "nlm"} <= set(METHODS)


def test_says_what_it_is(method: Method) -> None:
    assert method.title.strip()
    assert method.assumption.strip().endswith(".")
    assert method.paper.strip() or method.family == "learned"
    doc = type(method).__doc__ or ""
    assert len(doc.strip()) > 20
    assert "(" not in doc.split("\n")[0][:12], "dataclass made the docstring: write one"
    assert method.kinds
    assert method.version >= 1
    for control in method.controls():
        assert control.help.strip().endswith("."), f"{control.name} has no help"
    assert method.id() in METHODS


ENDS = {"bool": (True, False), "lesson": ("", 150, "30/150@1:2,64:512,0:768#1")}


def test_settings_round_trip(method: Method) -> None:
    cls = type(method)
    ends = [
        {c.name: end}
        for c in cls.controls()
        for end in ENDS.get(c.type) or c.choices or (c.minimum, c.maximum)
    ]
    for one in [method, *map(cls.make, ends)]:
        settings = one.settings()
        assert cls.make(settings) == one
        assert cls.make(json.loads(json.dumps(settings))) == one
        assert cls.make({name: str(value) for name, value in settings.items()}) == one
        assert pickle.loads(pickle.dumps(one)) == one
        assert hash(pickle.loads(pickle.dumps(one))) == hash(one)
    with pytest.raises(ValueError, match="no setting"):
        cls.make({"no_such_setting": 1})


@pytest.mark.parametrize("size", [(200, 260), (131, 97), (5, 7), (1, 1), (1, 40)], ids=str)
def test_any_size_keeps_its_shape(method: Method, kind: str, size: tuple[int, int]) -> None:
    image, noise, _ = made(kind, *size)
    found = render(method, image, noise)
    assert found.shape == image.pixels.shape
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_one_pixel_rests(method: Method, kind: str) -> None:
    image, _, _ = made(kind, 2, 2)
    edge = plan(method, image, SMALL).grid + 1
    image, noise, _ = made(kind, edge, edge)
    found = render(method, image, noise, tile=SMALL)
    assert np.isfinite(found).all()
    _close(found, render(method, image, noise))


def _close(found: Array, other: Array) -> None:
    spread = float(np.nanmax(other) - np.nanmin(other))
    np.testing.assert_allclose(found, other, rtol=0, atol=1e-5 * spread)


def test_noise_goes_down(method: Method, kind: str) -> None:
    if "raw" not in method.kinds and kind in ("bayer", "xtrans"):
        pytest.skip(f"{method.title} is not for mosaics")
    if method.kinds == ("raw",) and kind in ("rgb", "grey"):
        pytest.skip(f"{method.title} is for mosaics alone")
    if method.repairs:
        pytest.skip(f"{method.title} leaves the noise")
    image, noise, truth = made(kind)
    before = rms(np.asarray(image.pixels, np.float32) - truth)
    after = rms(render(method, image, noise) - truth)
    assert after < 0.62 * before


def test_same_again_on_any_number_of_threads(method: Method, kind: str) -> None:
    image, noise, _ = made(kind, 140, 133)
    once = render(method, image, noise, tile=SMALL)
    np.testing.assert_array_equal(once, render(method, image, noise, tile=SMALL))
    np.testing.assert_array_equal(once, render(method, image, noise, tile=SMALL, threads=2))


def test_another_region_gives_the_same_bits(method: Method, kind: str) -> None:
    image, noise, _ = made(kind, 140, 133)
    whole = render(method, image, noise, tile=SMALL)
    region = Region(51, 37, 117, 130)
    part = render(method, image, noise, region, tile=SMALL)
    np.testing.assert_array_equal(part, whole[(..., *region.slices)])


def test_another_tile_size_gives_nearly_the_same(method: Method, kind: str) -> None:
    image, noise, _ = made(kind)
    _close(render(method, image, noise, tile=SMALL + 36), render(method, image, noise))


def test_negative_and_large_values_survive(method: Method) -> None:
    for_pictures(method)
    rng = np.random.default_rng(5)
    truth = np.broadcast_to(np.linspace(-5, 5, 120), (90, 120))
    image = Image((truth + rng.normal(0, 0.2, truth.shape)).astype(np.float32))
    found = render(method, image, gaussian(0.2))
    assert found.min() < -4.7
    assert found.max() > 4.7
    assert rms(found - truth) < (0.21 if method.repairs else 0.15)


@pytest.mark.parametrize("signal", [0.0, 5.0, 60.0, 2000.0])
def test_the_mean_stays(method: Method, signal: float) -> None:
    for_pictures(method)
    noisy = sensor(np.full((150, 170), signal), GAIN, READ, np.random.default_rng(7))
    found = render(method, Image(noisy), PoissonGaussian((GAIN,), (READ,)))
    sigma = np.sqrt(GAIN * signal + READ**2)
    assert abs(found.mean(dtype=float) - noisy.mean(dtype=float)) < 0.03 * sigma
    assert method.repairs or found.std(dtype=float) < 0.5 * sigma


def test_strength_zero_gives_the_input_back(method: Method, kind: str) -> None:
    if "strength" not in method.settings():
        pytest.skip(f"{method.title} has no strength")
    image, noise, _ = made(kind, 70, 61)
    found = render(type(method).make({"strength": 0}), image, noise)
    np.testing.assert_allclose(found, np.asarray(image.pixels), rtol=1e-6, atol=1e-6)


def test_lost_pixels_stay_lost_and_do_not_spread(method: Method) -> None:
    for_pictures(method)
    image, noise, truth = made("rgb", 90, 100)
    pixels = image.pixels[...].copy()
    lost = np.zeros(pixels.shape, bool)
    lost[1, 20, 30] = lost[:, 40:44, 50:80] = lost[2, 0, 0] = True
    pixels[lost] = np.nan
    found = render(method, Image(pixels, "cyx"), noise)
    np.testing.assert_array_equal(np.isnan(found), lost)
    assert rms((found - truth)[~lost]) < (0.051 if method.repairs else 0.05)
    empty = render(method, Image(np.full((20, 20), np.nan, np.float32)), noise)
    assert np.isnan(empty).all()


def test_clipped_sites_stay_clipped(method: Method) -> None:
    image, noise, _ = made("bayer", 90, 100)
    pixels = image.pixels[...].copy()
    pixels[30:60, 30:70] = int(WHITE)
    image = Image(pixels, "yx", "mosaic", image.levels, image.cfa)
    found = render(method, image, noise)
    assert (found[pixels >= WHITE] >= WHITE).all()


def test_noise_free_images_stay_as_they_are(method: Method) -> None:
    image = Image(scene(60, 70).astype(np.float32))
    found = render(method, image, gaussian(0.0))
    np.testing.assert_allclose(found, np.asarray(image.pixels), rtol=0, atol=1e-4)


def test_a_stack_is_treated_plane_by_plane(method: Method) -> None:
    image, noise, _ = made("grey", 70, 61)
    planes = np.stack([image.pixels[::step] for step in (1, -1)])
    found = render(method, Image(planes, "zyx"), noise)
    alone = [render(method, Image(np.ascontiguousarray(plane)), noise) for plane in planes]
    _close(found, np.stack(alone))


def test_cancelled_at_once(method: Method) -> None:
    image, noise, _ = made("rgb", 64, 64)
    with pytest.raises(Cancelled):
        render(method, image, noise, cancelled=lambda: True)


@pytest.mark.parametrize("planes", [(0,), (0, 1, 1, 2)], ids=["grey", "bayer"])
def test_cancel_is_asked_often(method: Method, planes: tuple[int, ...]) -> None:
    """CPU time between two checks stays under 0.3 s (walls depend on who else computes)."""
    for_pictures(method)
    tile = given(method, 1, len(planes), 480, 480)
    image = Image(np.zeros((480, 480), np.float32))
    asked: list[float] = []
    context = Context(gaussian(1.0), planes, cancelled=lambda: bool(asked.append(_now())))
    state = _state(method, image, context)
    method.run(tile[..., :160, :160], state, context)  # compiles
    asked.clear()
    begin = _now()
    if method.run(tile, state, context) is tile:
        return  # nothing to be done, nothing to cancel
    times = [begin, *asked, _now()]
    assert len(asked) > 1
    assert np.diff(times).max() < 0.3
    left = iter((False, False))
    with pytest.raises(Cancelled):
        method.run(tile, state, Context(gaussian(1.0), planes, cancelled=lambda: next(left, True)))


def given(method: Method, *shape: int) -> Any:
    """White noise as the method wants it on the CPU: a tensor or an array."""
    values = np.random.default_rng(0).standard_normal(shape, np.float32)
    return torch.as_tensor(values) if method.tensors else values


def _now() -> float:
    return time.thread_time()


def _state(method: Method, image: Image, context: Context) -> Any:
    work = method.prepare(image, context)
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def test_run_leaves_its_input_alone(method: Method) -> None:
    tile = given(method, 1, 3, 96, 90)
    before = np.array(tile)
    context = Context(gaussian(1.0), (0, 1, 2))
    state = _state(method, Image(np.zeros((96, 90), np.float32)), context)
    found: Any = method.run(tile, state, context)
    assert found.shape == tile.shape
    assert found.dtype == tile.dtype
    np.testing.assert_array_equal(tile, before)


def test_before_is_the_input(method: Method) -> None:
    image, noise, _ = made("bayer", 70, 61)
    desk = Desk(cache=Cache(1 << 28), threads=1)
    desk.roster.pin_precision("float32")
    renderer = Renderer(image, noise, Recipe((Step(method),)), desk)
    for tile in renderer.tiles(Region.whole(70, 61)):
        if isinstance(tile, Tile):
            np.testing.assert_array_equal(tile.before, image.pixels[tile.region.slices])
