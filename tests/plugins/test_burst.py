"""Bursts with ground truth: shifted, turned a little, something moves, and noise."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.cache import Cache
from core.cli import main
from core.desk import Desk
from core.image import Array, Cfa, Image, Levels
from core.noise.model import PoissonGaussian
from core.noise.simulate import mosaic
from core.recipe import BadRecipe, Recipe, Step, files, from_json, to_json
from core.registry import load
from core.render import Renderer, assemble
from core.tiles import Region

METHODS = load().methods
NOISE = PoissonGaussian((12.0,) * 3, (10.0,) * 3)
BAYER = Cfa(((0, 1), (1, 2)))
HEIGHT, WIDTH = 250, 330
OBJECT = slice(80, 170), slice(50, 230)


def scene() -> Array:
    rng, edge = np.random.default_rng(0), 40
    size = HEIGHT + 2 * edge, WIDTH + 2 * edge
    found = np.full((*size, 3), 0.3, np.float32)
    for _ in range(120):
        colour = tuple(float(v) for v in rng.uniform(0.05, 0.9, 3))
        at = rng.integers(0, size[::-1]).tolist()
        if rng.random() < 0.5:
            cv2.circle(found, at, int(rng.integers(4, 50)), colour, -1)
        else:
            cv2.line(found, at, rng.integers(0, size[::-1]).tolist(), colour, 2)
    return cv2.GaussianBlur(found, (0, 0), 0.8)


def frames(count: int, cfa: Cfa | None, moves: bool) -> tuple[list[Image], Array]:
    """Noisy frames, and the first one without noise."""
    big, rng, found = scene(), np.random.default_rng(1), list[Image]()
    clean = np.zeros(0)
    for n in range(count):
        turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 0.2 * n, 1.0)
        turn[:, 2] += rng.uniform(-12, 12, 2) if n else 0
        seen = cv2.warpAffine(big, turn, big.shape[1::-1], flags=cv2.INTER_CUBIC)
        seen = np.clip(seen[40:-40, 40:-40], 0, 1)
        if moves:
            cv2.circle(seen, (80 + 20 * n, 125), 25, (0.9, 0.2, 0.1), -1)
        light = (np.moveaxis(seen, -1, 0) * 3000).astype(np.float32)
        values = light if cfa is None else mosaic(light, cfa)
        clean = clean if n else values
        noisy = rng.poisson(values / 12) * 12 + rng.normal(0, 10, values.shape)
        kind, axes = ("linear", "cyx") if cfa is None else ("mosaic", "yx")
        found.append(Image(noisy.astype(np.float32), axes, kind, Levels(white=1e6), cfa))
    return found, clean


def done(images: list[Image], *names: str, tile: int = 0) -> Array:
    steps = [Step(METHODS[name]()) for name in names]
    if names[0] == "burst":
        steps[0] = steps[0].with_series("frames", images[1:])
    desk = Desk(cache=Cache(1 << 26), threads=2, tile=tile)
    renderer = Renderer(images[0], NOISE, Recipe(tuple(steps)), desk)
    return assemble(renderer, Region.whole(HEIGHT, WIDTH))


def gain(found: Array, other: Array, clean: Array, where: tuple[slice, ...] = ()) -> float:
    """By how many dB `found` is nearer to the truth than `other`."""
    errors = [np.mean((each - clean)[(..., *where)] ** 2) for each in (found, other)]
    return float(10 * np.log10(errors[1] / errors[0]))


@pytest.mark.parametrize("cfa", [BAYER, None], ids=["bayer", "rgb"])
def test_noise_falls_with_every_frame_and_nothing_ghosts(cfa: Cfa | None) -> None:
    images, clean = frames(4, cfa, moves=True)
    one, plain = np.asarray(images[0].pixels), done(images, "fast")
    pair, merged = done(images[:2], "burst"), done(images, "burst")
    assert gain(pair, one, clean) > 1.6
    assert gain(merged, one, clean) > gain(pair, one, clean) + 1
    both = done(images, "burst", "fast")
    assert gain(both, plain, clean) > (1.2 if cfa else 1.0)
    assert gain(both, plain, clean, OBJECT) > -0.3
    np.testing.assert_allclose(merged.mean(), clean.mean(), rtol=2e-3)


def test_following_steps_find_less_noise() -> None:
    """As much as there is: what is left of a flat scene has the sigma that the model says."""
    rng = np.random.default_rng(2)
    flat = [Image(rng.normal(900, 20, (128, 128)).astype(np.float32)) for _ in range(4)]
    noise = PoissonGaussian((0.0,), (20.0,))
    step = Step(METHODS["burst"]()).with_series("frames", flat[1:])
    recipe = Recipe((step, Step(METHODS["fast"]())))
    renderer = Renderer(flat[0], noise, recipe, Desk(cache=Cache(0)))
    left = renderer.noises[1]
    assert isinstance(left, PoissonGaussian)
    assert left.of(0) == (0.0, 10.0)
    merged = assemble(Renderer(flat[0], noise, Recipe((step,)), Desk(cache=Cache(0))),
                      Region.whole(128, 128))  # fmt: skip
    assert 9.5 < merged.std() < 11.5
    half = Recipe((Step(step.method, 0.5, None, step.inputs), recipe.steps[1]))
    assert Renderer(flat[0], noise, half, Desk(cache=Cache(0))).noises[1] == noise


def test_tiles_are_the_same_however_they_are_cut() -> None:
    images, _ = frames(3, BAYER, moves=True)
    whole = done(images, "burst")
    np.testing.assert_allclose(done(images, "burst", tile=64), whole, rtol=0, atol=3e-2)


def test_without_frames_nothing_changes() -> None:
    images, _ = frames(1, BAYER, moves=False)
    np.testing.assert_array_equal(done(images, "burst"), images[0].pixels)


def test_a_frame_of_another_scene_does_no_harm() -> None:
    images, clean = frames(2, None, moves=False)
    other = Image(np.ascontiguousarray(images[1].pixels[:, ::-1, ::-1]), "cyx", "linear",
                  Levels(white=1e6))  # fmt: skip
    found = done([images[0], other], "burst")
    assert gain(found, np.asarray(images[0].pixels), clean) > 0
    broken = np.array(images[1].pixels)
    broken[:, 50:90, 60:100] = np.nan
    lost = done([images[0], Image(broken, "cyx", "linear", Levels(white=1e6))], "burst")
    assert np.isfinite(lost).all()


def test_recipes_keep_the_files_in_their_order() -> None:
    images, _ = frames(3, BAYER, moves=False)
    named = [replace(image, path=f"{n}.dng") for n, image in enumerate(images)]
    step = Step(METHODS["burst"]()).with_series("frames", named[1:])
    data = json.loads(json.dumps(to_json(Recipe((step,)))))
    assert data["steps"][0]["inputs"] == {"frames": ["1.dng", "2.dng"]}
    assert files(data) == ("1.dng", "2.dng")
    again, _ = from_json(data, METHODS, lambda path: named[int(path[0])])
    assert again.steps[0].series("frames") == (named[1], named[2])
    assert again.steps[0].with_input("frames", None).inputs == ()


def test_the_command_line_takes_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, clean = frames(3, None, moves=False)
    grey = [np.ascontiguousarray(image.pixels[1]) for image in images]
    paths = [tmp_path / f"{n}.npy" for n in range(3)]
    for path, values in zip(paths, grey, strict=True):
        np.save(path, values)
    out = tmp_path / "out.npy"
    given = ["--input", f"frames={paths[1]}", "--input", f"frames={paths[2]}"]
    noise = ["--noise", "poisson-gaussian:12,10", "--device", "cpu"]
    command = ["denoise", str(paths[0]), "-o", str(out), *noise]
    assert main([*command, "--method", "burst+fast", *given]) == 0
    assert gain(np.load(out), grey[0], clean[1]) > 6
    capsys.readouterr()
    for wrong in (["--method", "fast", *given], ["--method", "burst", "--input", "frames"]):
        assert main([*command, "--overwrite", *wrong]) == 2
        assert capsys.readouterr().err.startswith("sordino: ")


def test_frames_of_another_size_are_refused() -> None:
    images, _ = frames(1, BAYER, moves=False)
    small = Image(np.zeros((10, 10), np.float32))
    with pytest.raises(BadRecipe, match="The frames image must have the size"):
        done([images[0], small], "burst")
