"""Every noise model becomes white noise of sigma 1, and the true signal comes back unbiased."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.cache import Cache
from core.desk import Desk
from core.image import Image
from core.method import Context, Method, Needs, Planes
from core.noise import text
from core.noise.model import LogSpeckle, Mapped, Noise, PoissonGaussian, Rician, Sliced, Speckle
from core.noise.simulate import log_speckle, magnitude, speckle
from core.recipe import Recipe, Step
from core.render import Renderer, assemble
from core.tiles import Region

COUNT = 200_000


def noisy(model: Noise, signal: np.ndarray, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    match model:
        case Rician():
            return magnitude(signal, model.scale, rng, model.coils, int(model.averages))
        case Speckle():
            return speckle(signal, model.looks, rng, model.envelope)
        case _:
            return signal + rng.normal(0, 1, signal.shape) * model.sigma(signal, 0)


@pytest.mark.parametrize(
    "model", [Rician(5.0), Rician(2.0, 4), Rician(1.0, 32), Rician(5.0, 1, 4)], ids=str
)
@pytest.mark.parametrize("snr", [0.0, 0.5, 1.0, 2.0, 4.0, 9.0, 40.0])
def test_magnitudes(model: Rician, snr: float) -> None:
    true = snr * model.scale
    stored = noisy(model, np.full(COUNT, true, np.float32))
    assert model.sigma(np.full(1, true), 0)[0] == pytest.approx(stored.std(), rel=0.02)
    curve = model.curve(0)
    white = curve.forward(stored)
    assert white.std() == pytest.approx(1, abs=0.08)
    back = curve.inverse(np.full(1, white.mean(dtype=np.float64), np.float32))[0]
    if snr >= 1:
        assert back == pytest.approx(true, abs=0.02 * model.scale * (model.coils**0.5))
    else:  # the mean hardly depends on so weak a signal
        assert back == pytest.approx(true, abs=0.5 * model.scale * model.coils**0.25)
    _same_in_torch(curve, stored[:500])


@pytest.mark.parametrize("model", [Speckle(1), Speckle(7.5), Speckle(1, True), Speckle(0.7, True)])
@pytest.mark.parametrize("level", [0.4, 3.0, 100.0, 30000.0])
def test_speckle(model: Speckle, level: float) -> None:
    stored = noisy(model, np.full(COUNT, level, np.float32))
    assert model.sigma(np.full(1, level), 0)[0] == pytest.approx(stored.std(), rel=0.02)
    curve = model.curve(0)
    white = curve.forward(stored)
    if level > 50:  # near the floor there is less
        assert white.std() == pytest.approx(1, abs=0.07 if level < 1000 else 0.01)
    back = curve.inverse(np.full(1, white.mean(dtype=np.float64), np.float32))[0]
    assert back == pytest.approx(level, rel=0.015)
    _same_in_torch(curve, stored[:500])


def _same_in_torch(curve: Any, stored: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    signal = np.concatenate([stored, [-3.0, 0.0]]).astype(np.float32)
    white = curve.forward(signal)
    kept = torch.as_tensor(signal.copy())
    np.testing.assert_allclose(curve.forward(kept), white, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(kept, signal)
    scale = float(np.abs(signal).max())
    back = curve.inverse(torch.as_tensor(white.copy()))
    np.testing.assert_allclose(back, curve.inverse(white), rtol=1e-4, atol=1e-4 * scale)


class Blur(Method):
    """Means over a square of white planes; keeps what it was given."""

    title = "Blur"
    tensors = False

    def needs(self, image: Image) -> Needs:
        return Needs(halo=8, tile=64)

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        import cv2

        return np.stack([[cv2.blur(p, (17, 17)) for p in planes] for planes in tile])


class Bands(Method):
    """Tells the spread of each band in units of white noise."""

    title = "Bands"
    tensors = False

    def needs(self, image: Image) -> Needs:
        return Needs(axes="byx", tile=64)

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        return np.broadcast_to(tile.std(axis=(-2, -1), keepdims=True), tile.shape).copy()


class Deep(Bands):
    """The same with a halo of bands, and what the noise model says of the signal."""

    domain = "signal"

    def needs(self, image: Image) -> Needs:
        return Needs(axes="byx", tile=64, depth=4, reach=2)

    def run(self, tile: Planes, state: Any, ctx: Context) -> Planes:
        return ctx.noise.sigma(tile, 0)  # type: ignore[union-attr]


@pytest.fixture
def render() -> Callable[..., np.ndarray]:
    def render(method: Method, image: Image, noise: Noise) -> np.ndarray:
        desk = Desk(cache=Cache(1 << 26), threads=1)
        renderer = Renderer(image, noise, Recipe((Step(method),)), desk)
        return assemble(renderer, Region.whole(image.height, image.width))

    return render


def test_rician_bias_is_removed_through_the_renderer(render: Any) -> None:
    true = np.repeat([[0.0, 10.0, 20.0, 60.0]], 64, 0).repeat(64, 1).astype(np.float32)
    noise = Rician(10.0)
    image = Image(noisy(noise, true), "yx", "scan")
    found = render(Blur(), image, noise)
    for k, level in enumerate((10.0, 20.0, 60.0), 1):
        part = found[16:-16, 64 * k + 16 : 64 * k + 48]
        assert part.mean() == pytest.approx(level, abs=0.8)
    assert found[:, :40].mean() < 4 < 10 < image.pixels[:, :40].mean()


SIGMAS = (1.0, 4.0, 0.5, 9.0, 2.0, 3.0)


@pytest.mark.parametrize("axes", ["byx", "zbyx"])
def test_every_band_has_its_own_noise(render: Any, axes: str) -> None:
    shape = (6, 128, 70) if axes == "byx" else (2, 6, 128, 70)
    rng = np.random.default_rng(4)
    sigmas = np.array(SIGMAS)[:, None, None]
    pixels = (100 + sigmas * rng.standard_normal(shape)).astype(np.float32)
    noise = Sliced(tuple(PoissonGaussian((0.0,), (s,)) for s in SIGMAS), "b")
    image = Image(pixels, axes, "cube")
    # white: every band's spread is 1, and its own sigma after the inverse
    spread = render(Bands(), image, noise)
    np.testing.assert_allclose(spread / sigmas, np.ones(shape), rtol=0.12)
    blurred = render(Blur(), image, noise)  # bands one at a time
    assert np.abs(blurred - 100).max() < 0.35 * 9
    np.testing.assert_allclose(blurred.mean((-2, -1)), np.full(shape[:-2], 100), atol=0.1)
    np.testing.assert_allclose(render(Deep(), image, noise), np.broadcast_to(sigmas, shape))


def test_per_band_rows_in_torch() -> None:
    torch = pytest.importorskip("torch")
    from core.ops import vst

    mixed = ((vst.vst(0.0, 2.0),), (vst.vst(1.0, 2.0),), (Rician(3.0).curve(0),))
    plain = ((vst.vst(0.0, 2.0),), (vst.vst(0.0, 5.0),), (vst.vst(0.0, 9.0),))
    x = torch.rand(3, 1, 8, 8) * 50 + 20
    for rows in (mixed, plain):
        white = vst.forward(x, rows)
        for index, (curve,) in enumerate(rows):
            assert torch.allclose(white[index, 0], curve.forward(x[index, 0]))
        assert torch.allclose(vst.inverse(white, rows), x, rtol=0.2)


def test_a_map_of_sigmas(render: Any) -> None:
    rows = np.linspace(1, 9, 130, dtype=np.float32)[:, None]
    sigma = np.broadcast_to(rows, (130, 150)).copy()
    noise = Mapped(PoissonGaussian((0.0,), (1.0,)), sigma)
    rng = np.random.default_rng(1)
    pixels = np.where(np.arange(150) < 75, 0, 1) * 0 + sigma * rng.standard_normal(sigma.shape)
    image = Image(pixels.astype(np.float32), "yx", "scan")
    blurred = render(Blur(), image, noise)
    assert (np.abs(blurred) / sigma).std() < 0.08
    np.testing.assert_allclose(noise.sigma(image.pixels, 0), sigma, rtol=1e-5)
    coarse = Mapped(PoissonGaussian((0.0,), (1.0,)), sigma[::13, ::15])
    near = coarse.over(Region(0, 0, 130, 150), "yx", (130, 150)).sigma(image.pixels, 0)
    np.testing.assert_allclose(near[20:-20], sigma[20:-20], rtol=0.25)
    assert coarse != noise
    assert hash(noise) == hash(Mapped(noise.model, sigma.copy()))


MODELS = (
    PoissonGaussian((1.0, 2.0), (3.0, 4.0)),
    Rician(12.0),
    Rician(3.0, 4, 2.0),
    Speckle(3.5, True, 0.01),
    LogSpeckle(7.0, (2.0, 3.0)),
    Sliced((PoissonGaussian((0.0,), (1.0,)), Rician(2.0)), "z"),
    Mapped(Rician(1.0), np.arange(1, 7, dtype=np.float32).reshape(2, 3)),
)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.kind)
def test_models_survive_json_and_stand_in_keys(model: Noise) -> None:
    again = text.from_json(json.loads(json.dumps(text.to_json(model))))
    assert again == model
    assert hash(again) == hash(model)
    assert model.averaged((4.0, 4.0)) != model
    with pytest.raises(ValueError, match="unknown"):
        text.from_json({"model": "odd"})


def test_models_on_the_command_line() -> None:
    assert text.parse("gaussian:5") == PoissonGaussian((0.0,), (5.0,))
    assert text.parse("rician:5") == Rician(5.0)
    assert text.parse("chi:5,8") == Rician(5.0, 8)
    assert text.parse("speckle:4") == Speckle(4.0)
    assert text.parse("envelope:1,0.01") == Speckle(1.0, True, 0.01)
    assert text.parse("log-speckle:9") == LogSpeckle(9.0)
    for wrong in ("rician", "rician:", "chi:5", "chi:5,2.5", "odd:1", "rician:-1", "speckle:nan"):
        with pytest.raises(ValueError, match=r"."):
            text.parse(wrong)


def test_log_speckle_is_as_strong_everywhere() -> None:
    levels = np.repeat([[60.0, 120.0, 200.0]], 300, 0).repeat(300, 1)
    stored = log_speckle(levels, 12.0, np.random.default_rng(3), (1.0, 1.0))
    parts = stored.reshape(300, 3, 300)
    np.testing.assert_allclose(parts.std(axis=(0, 2)), 12, rtol=0.03)
    np.testing.assert_allclose(parts.mean(axis=(0, 2)), [60, 120, 200], atol=0.3)


@pytest.mark.parametrize("what", ["rician:5", "map.npy", "bands.txt", "report.json"])
def test_the_command_line_takes_every_model(
    what: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from core.cli import main

    cube = magnitude(np.full((6, 40, 40), 30.0), 5, np.random.default_rng(0))
    np.save(tmp_path / "in.npy", cube)
    np.save(tmp_path / "map.npy", np.full((5, 5), 4, np.float32))
    (tmp_path / "bands.txt").write_text("1 2 3, 4\n5 6")
    assert main(["noise", "--json", str(tmp_path / "in.npy")]) == 0
    (tmp_path / "report.json").write_text(capsys.readouterr().out)
    noise = str(tmp_path / what) if "." in what else what
    out = str(tmp_path / "out.npy")
    given = ["denoise", str(tmp_path / "in.npy"), "-o", out, "--axes", "byx", "--method", "fast"]
    assert main([*given, "--noise", noise, "--json", "--device", "cpu"]) == 0
    told = json.loads(capsys.readouterr().out)["noise"]
    assert told["model"] in ("rician", "mapped", "per-slice", "poisson-gaussian")
    assert np.load(out).std() < cube.std()
    assert main([*given, "--overwrite", "--noise", "odd:3"]) == 2
