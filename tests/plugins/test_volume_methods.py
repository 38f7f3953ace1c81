"""The methods for volumes: quality, tiles along z, spacing, further axes, cancel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.cache import Cache
from core.choose import choose
from core.desk import Desk
from core.image import Array, Image
from core.method import Context, Method
from core.noise.estimate import measure
from core.noise.model import PoissonGaussian
from core.ops import dct3d
from core.ops.volume import is_volume, spectrum_of
from core.recipe import Recipe, Step
from core.registry import load
from core.render import Renderer, assemble
from core.tiles import Region
from plugins.methods import blockmatch3d
from plugins.methods.blockmatch3d import BlockMatch3d
from plugins.methods.dct3d import Dct3d
from resources.samples.phantoms import belly, low_dose

METHODS: list[type[Method]] = [BlockMatch3d, Dct3d]


def scene(depth: int, height: int, width: int) -> Array:
    """Shading, an edge, oblique layers and a thin rod, in noise standard deviations."""
    z, y, x = np.mgrid[:depth, :height, :width].astype(np.float32)
    rod = 12.0 * ((y - height / 2) ** 2 + (x - z % width) ** 2 < 2)
    layers = 3 * np.sin((x + y + z) / 3) + 8 * np.sin(x / 17) * np.cos(z / 13)
    return (30 + layers + 15 * (x + z > (width + depth) / 2) + rod).astype(np.float32)


def noisy(clean: Array, seed: int = 0) -> Array:
    return clean + np.random.default_rng(seed).standard_normal(clean.shape).astype(np.float32)


def render(method: Method, pixels: Array, axes: str = "zyx", thick: float = 1.0) -> Array:
    coords = {"spacing": {"x": 1.0, "y": 1.0, "z": thick}}
    image = Image(pixels, axes, "scan", coords=coords)
    desk = Desk(cache=Cache(1 << 27), threads=1)
    white = PoissonGaussian((0.0,), (1.0,))
    return assemble(
        Renderer(image, white, Recipe((Step(method),)), desk), Region.whole(*pixels.shape[-2:])
    )


def rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


@pytest.mark.parametrize(("method", "most"), [(BlockMatch3d, 0.36), (Dct3d, 0.35)])
def test_together_better_than_slice_by_slice(method: type[Method], most: float) -> None:
    clean = scene(20, 48, 60)
    given = noisy(clean)
    found = render(method(), given)
    assert rms(found - clean) < most
    apart = render(method(), given, thick=9.0)  # slices far from each other
    assert rms(apart - clean) > 1.08 * rms(found - clean)
    assert abs(float((found - given).mean())) < 0.02


@pytest.mark.parametrize("method", METHODS)
def test_tiles_along_z_agree(method: type[Method], monkeypatch: pytest.MonkeyPatch) -> None:
    given = noisy(scene(150, 12, 20))
    tiled = render(method(), given)
    monkeypatch.setattr(blockmatch3d, "DEPTH", 999)
    monkeypatch.setattr("plugins.methods.dct3d.DEPTH", 999)
    whole = render(method(), given)
    inner = slice(45, 105)  # at the ends a whole volume is not continued by its reflection
    assert np.abs(tiled - whole)[inner].max() < 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_volumes_of_a_series_are_each_by_itself(method: type[Method]) -> None:
    given = noisy(np.stack([scene(6, 20, 22), scene(6, 20, 22)[::-1]]))
    found = render(method(), given, "tzyx")
    for one, other in zip(given, found, strict=True):
        np.testing.assert_allclose(render(method(), one), other, atol=1e-4)


def test_correlated_noise_by_the_spectrum_of_its_coefficients() -> None:
    """Blurred noise has little energy in the high coefficients: told so, more detail is kept."""
    clean = scene(24, 40, 40)
    white = np.random.default_rng(4).standard_normal(clean.shape).astype(np.float32)
    blurred = white + np.roll(white, 1, 2)
    blurred /= np.float32(2**0.5)
    cubes = np.lib.stride_tricks.sliding_window_view(blurred, (4, 4, 4))[::2, ::2, ::2]
    k = np.arange(4)
    matrix = np.cos((2 * k[None] + 1) * k[:, None] * np.pi / 8) * 0.5**0.5
    matrix[0] /= 2**0.5
    spectra = np.einsum("az,by,cx,ijkzyx->ijkabc", matrix, matrix, matrix, cubes)
    spectrum = np.sqrt((spectra**2).mean((0, 1, 2))).ravel()
    blind = dct3d.denoise(clean + blurred, 1.0, 1, lambda: None)
    told = dct3d.denoise(clean + blurred, 1.0, 1, lambda: None, list(spectrum))
    assert rms(told - clean) < 0.93 * rms(blind - clean)


def test_spectrum_of_an_autocorrelation() -> None:
    assert np.allclose(spectrum_of(((1.0,),)), 1)
    paired = np.reshape(spectrum_of(((1.0, 0.5), (0.0, 0.0))), (4, 4, 4))  # a mean of two along x
    assert np.allclose(np.square(paired).sum(2), 4, atol=0.05)  # none is lost or made
    assert np.allclose(paired, paired[:1, :1])
    assert paired[0, 0, 0] == pytest.approx(1.75**0.5, rel=0.01)
    assert paired[0, 0, 3] < 0.6


@pytest.mark.parametrize("method", METHODS)
def test_low_dose_ct_blind(method: type[Method]) -> None:
    """Sigma map and correlation are measured: far better than taken for white."""
    truth = belly((8, 112, 144), seed=2)
    scan = low_dose(truth, 3e4, 2.6, 120, np.random.default_rng(1))
    coords = {"spacing": {"x": 2.6, "y": 2.6, "z": 3.0}}
    pixels = np.rint(scan).astype(np.int16)
    image = Image(pixels, "zyx", "scan", coords=coords, meta={"scale": (1.0, 0.0, "HU")})
    noise, whole = measure(image).model, Region.whole(112, 144)
    errors: list[float] = []
    for correlated in (True, False):
        recipe = Recipe((Step(method.make({"correlated": correlated})),))
        found = assemble(Renderer(image, noise, recipe, Desk(cache=Cache(0), threads=1)), whole)
        errors.append(rms((found - truth)[truth > -300]))
    assert errors[0] < 0.8 * errors[1]
    assert errors[0] < 0.6 * rms((scan - truth)[truth > -300])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 4, 4), (5, 3, 40), (3, 9, 9), (9, 1, 7)])
def test_tiny_volumes_do_not_break(method: type[Method], shape: tuple[int, ...]) -> None:
    found = render(method(), noisy(np.zeros(shape, np.float32)))
    assert found.shape == shape
    assert np.isfinite(found).all()
    tile = noisy(np.zeros((1, 1, *shape), np.float32))
    plain = np.asarray(method().run(tile, _state(method()), Context()))
    assert plain.shape == (1, 1, *shape)


def _state(method: Method) -> object:
    work = method.prepare(Image(np.zeros((8, 8, 8), np.float32), "zyx"), Context())
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def test_volumes_are_recognised_by_the_spacing_of_their_slices() -> None:
    methods = load().methods
    scan = Image(np.zeros((9, 8, 8), np.uint16), "zyx", "scan")
    assert isinstance(choose(methods, scan)[0].steps[0].method, Dct3d)
    apart = replace(scan, coords={"spacing": {"x": 0.8, "y": 0.8, "z": 8.0}})
    assert not is_volume(apart)
    assert not isinstance(choose(methods, apart)[0].steps[0].method, Dct3d)
    assert Dct3d().needs(apart).axes == "yx"
