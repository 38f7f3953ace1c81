"""The network that ships: its files, its tiles in both precisions, what it does to noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.cache import Cache
from core.desk import Desk
from core.image import Array, Image
from core.learn import weights
from core.learn.card import FILE, read
from core.learn.program import ship
from core.learn.train import Run
from core.method import Context, Method
from core.noise.model import PoissonGaussian
from core.ops.unet import Shape
from core.precision import TOLERANCE
from core.recipe import Recipe, Step
from core.render import Renderer, assemble
from core.roster import Roster
from core.tiles import Region
from plugins.methods import unet
from plugins.methods.unet import ALIGN, CARD, REACH, Network

BAYER = (0, 1, 1, 2)
ANY = Image(np.zeros((8, 8), np.float32))


@pytest.fixture(scope="module")
def state() -> Any:
    torch.set_num_threads(1)
    return prepared(Network())


def prepared(method: Method) -> Any:
    work = method.prepare(ANY, Context())
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def noise(planes: int, size: int = 96) -> torch.Tensor:
    return torch.randn((1, planes, size, size), generator=torch.Generator().manual_seed(planes))


def inner(tile: torch.Tensor, rim: int = 16) -> torch.Tensor:
    return tile[..., rim:-rim, rim:-rim]


@pytest.mark.parametrize("planes", [(0,), (0, 1, 2), BAYER])
def test_tiles_may_come_together(state: Any, planes: tuple[int, ...]) -> None:
    tiles = [noise(len(planes), 64) + shift for shift in (0.0, 3.0, 9.0)]
    for method in (Network(), Network(chroma=0.5), Network(strict=True)):
        context = Context(planes=planes)
        together = method.run(torch.cat(tiles), state, context)
        for tile, found in zip(tiles, together, strict=True):
            alone = method.run(tile, state, context)[0]
            assert float((found - alone).abs().max()) < 1e-4, "of the noise"


def test_the_card_belongs_to_the_files() -> None:
    assert set(CARD.networks) == {"grey", "rgb"}
    for name, network in CARD.networks.items():
        file, sha256 = CARD.weights(name)
        assert weights.digest(file) == sha256
        assert file.stat().st_size < 2 << 20
        assert network.psnr, "figures of these weights are in the card"
        shape = Shape(**network.shape)
        assert (shape.align, shape.reach) == (ALIGN, REACH)
    assert "Apache-2.0" in CARD.words
    credits = (CARD.folder / "CREDITS.md").read_text("utf-8")
    assert all(name in credits for name in ("Freespace", "Jakub Mede", "Aitzol Berasategi"))


def test_damaged_weights_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in CARD.folder.glob("*.safetensors"):
        (tmp_path / file.name).write_bytes(file.read_bytes()[:-1] + b"x")
    (tmp_path / FILE).write_bytes((CARD.folder / FILE).read_bytes())
    monkeypatch.setattr(unet, "CARD", read(tmp_path))
    with pytest.raises(ValueError, match="damaged: install Sordino again"):
        prepared(Network())


@pytest.mark.parametrize("planes", [(0,), (0, 1, 2), BAYER], ids=str)
def test_scale_and_shift_go_through(state: Any, planes: tuple[int, ...]) -> None:
    """White planes have noise of 1: another strength is another noise level of the same image."""
    tile = noise(len(planes)) + 5
    ctx = Context(planes=planes)
    one = Network().run(tile, state, ctx)
    two = Network(strength=2.0).run(2 * tile + 3, state, ctx)
    torch.testing.assert_close(two, 2 * one + 3, rtol=0, atol=1e-4)


@pytest.mark.parametrize("planes", [(0,), (0, 1, 2), BAYER], ids=str)
def test_pure_noise_becomes_flat(state: Any, planes: tuple[int, ...]) -> None:
    """No worms: nothing of noise is left at any scale, and the mean stays."""
    tile = noise(len(planes), 160)
    found = inner(Network().run(tile, state, Context(planes=planes)))
    assert found.std() < 0.12
    assert abs(float(found.mean() - inner(tile).mean())) < 0.02


def test_chroma_is_a_strength_of_its_own(state: Any) -> None:
    tile, ctx = noise(3), Context(planes=(0, 1, 2))
    same = Network(chroma=1.0).run(tile, state, ctx)
    grey = Network(chroma=0.0).run(tile, state, ctx)
    torch.testing.assert_close(grey.mean(1), same.mean(1), rtol=0, atol=1e-4)
    rest = grey - grey.mean(1, keepdim=True)
    torch.testing.assert_close(rest, tile - tile.mean(1, keepdim=True), rtol=0, atol=1e-4)


def rendered(precision: str, image: Image, tile: int) -> Array:
    roster = Roster()
    roster.pin_precision(precision)
    desk = Desk(cache=Cache(0), threads=1, tile=tile, roster=roster)
    renderer = Renderer(image, PoissonGaussian((0.0,), (1.0,)), Recipe((Step(Network()),)), desk)
    return assemble(renderer, Region.whole(image.height, image.width))


def test_tiles_do_not_show_in_either_precision() -> None:
    """Of noise of 1: float32 agrees to 1e-4, bfloat16 as it agrees with float32 at all."""
    y, x = np.mgrid[:150, :170]
    clean = 30 + 10 * np.sin(x / 9.0 + y / 23.0) + 20 * ((x // 40 + y // 50) % 2)
    pixels = clean + np.random.default_rng(0).standard_normal(clean.shape)
    image = Image(pixels.astype(np.float32))
    full, half = (rendered(name, image, 512) for name in ("float32", "bfloat16"))
    assert np.abs(rendered("float32", image, 64) - full).max() < 1e-4
    assert np.abs(rendered("bfloat16", image, 64) - half).max() < TOLERANCE
    assert 0 < np.abs(half - full).max() < 2 * TOLERANCE
    assert np.std(half - full) < 0.2 * TOLERANCE


def test_shipping_replaces_one_entry(tmp_path: Path) -> None:
    class Made:
        run = Run(Shape(1, 4), 320)
        seen, seconds = 320, 1.6

        def weights(self) -> dict[str, Array]:
            return {"a": np.zeros(3, np.float16)}

    (tmp_path / FILE).write_bytes((CARD.folder / FILE).read_bytes())
    ship(Made(), "grey", tmp_path)
    entry = json.loads((tmp_path / FILE).read_text())["networks"]["grey"]
    assert (entry["samples"], entry["seconds"], entry["psnr"]) == (320, 2, {})
    assert read(tmp_path).weights("grey")[1] == weights.digest(tmp_path / "grey.safetensors")
    assert read(tmp_path).networks["rgb"] == CARD.networks["rgb"]


def test_learning_from_an_image_helps_where_it_repeats_and_is_the_same_again() -> None:
    """Kept by the risk estimate, that is: the noisy image alone tells."""
    y, x = np.mgrid[:200, :200]
    clean = 12 * np.sign(np.sin(x / 2.7) * np.sin(y / 3.1 + x / 9.0)).astype(np.float32)
    pixels = clean + np.random.default_rng(0).standard_normal(clean.shape, np.float32) * 6
    image = Image(pixels, "yx")
    found = [cleaned(image, Network(learn=steps)) for steps in ("", "40", "40")]
    np.testing.assert_array_equal(found[1], found[2])
    errors = [float(np.mean((each - clean) ** 2)) for each in found]
    assert errors[1] < 0.97 * errors[0]


def test_pure_noise_teaches_nothing() -> None:
    """It stays as flat as it was."""
    pixels = 6 * np.random.default_rng(0).standard_normal((130, 130), np.float32)
    plain, learned = (cleaned(Image(pixels), Network(learn=steps)) for steps in ("", "3"))
    assert plain.std() < 0.06 * 6
    assert learned.std() < 0.06 * 6


def test_strict_raises_nothing_whatever_the_network_says(
    state: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tile, ctx = noise(3), Context(planes=(0, 1, 2))
    plain = Network(strict=True).run(tile, state, ctx)
    assert inner(plain).std() < 0.12
    made = 1e5 * noise(3).flip(-1)

    def invents(*_: Any) -> Any:
        return tile + made

    monkeypatch.setattr(Network, "_by_color", invents)
    found = Network(strict=True).run(tile, state, ctx)
    assert (found - tile).std() < 0.02
    assert found.norm() <= tile.norm()


def test_strict_shows_no_tiles() -> None:
    y, x = np.mgrid[:90, :150]
    pixels = 30 * np.sin(x / 9.0 + y / 23.0) + np.random.default_rng(0).standard_normal(x.shape)
    image = Image(pixels.astype(np.float32))
    roster = Roster()
    roster.pin_precision("float32")
    found: list[Array] = []
    for edge in (64, 512):
        desk = Desk(cache=Cache(0), threads=1, tile=edge, roster=roster)
        steps = Recipe((Step(Network(strict=True)),))
        renderer = Renderer(image, PoissonGaussian((0.0,), (1.0,)), steps, desk)
        found.append(assemble(renderer, Region.whole(90, 150)))
    assert np.abs(found[0] - found[1]).max() < 2e-4


def cleaned(image: Image, method: Method) -> Array:
    roster = Roster()
    roster.pin_precision("float32")
    desk = Desk(cache=Cache(0), threads=1, roster=roster)
    renderer = Renderer(image, PoissonGaussian((0.0,), (6.0,)), Recipe((Step(method),)), desk)
    return assemble(renderer, Region.whole(image.height, image.width))
