"""Lessons: their text, their pieces; learning that is stopped, and the same again from a recipe."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch

from core.cache import Cache
from core.desk import Desk
from core.image import Array, Image
from core.job import Progress
from core.learn.lesson import Learned, Lesson, Verdict
from core.learn.pieces import pieces, roomy, wanted
from core.method import Cancelled, Context
from core.noise.correlation import beside
from core.noise.model import PoissonGaussian
from core.recipe import Recipe, Step, from_json, to_json
from core.render import Renderer, assemble
from core.study import Study, teachable
from core.tiles import Region
from plugins.methods.fast import Fast
from plugins.methods.unet import Network

NOISE = PoissonGaussian((0.0,), (6.0,))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weave(height: int = 270, width: int = 280) -> Array:
    y, x = np.mgrid[:height, :width]
    return 12 * np.sign(np.sin(x / 2.7) * np.sin(y / 3.1 + x / 9.0)).astype(np.float32)


def noisy(clean: Array) -> Image:
    noise = np.random.default_rng(0).standard_normal(clean.shape, np.float32)
    return Image(clean + 6 * noise, "tyx"[-clean.ndim :])


def desk() -> Desk:
    return Desk(cache=Cache(1 << 28), threads=1)


@pytest.mark.parametrize(
    "text", ["", "150", "87/150", "150@0:512,64:768", "9/20@3:4,0:64,0:80#7", "150#2"]
)
def test_text_and_back(text: str) -> None:
    assert str(Lesson.parse(text)) == text
    made = Network.make({"learn": text})
    assert from_json(to_json(Recipe((Step(made),))), {"unet": Network})[0].steps[0].method == made


def test_older_recipes_and_nonsense() -> None:
    assert Network.make({"learn": 150}).learn == "150"
    assert Network.make({"learn": 0}).learn == Network.make({"learn": "0"}).learn == ""
    for bad in ("yes", "-1", "601", "150/100", "150@0:5", "150@9:3,0:5", "1.5"):
        with pytest.raises(ValueError, match="learn"):
            Network.make({"learn": bad})


def test_who_can_learn() -> None:
    assert teachable(Network)
    assert not teachable(Fast)


def test_regions_are_roomy_and_never_elsewhere() -> None:
    image = Image(np.zeros((5, 1000, 1200), np.float32), "zyx")
    small = roomy(Region(10, 600, 40, 700, ((2, 3),)), image)
    assert (small.height, small.width, small.front) == (512, 512, ((2, 3),))
    assert small.y0 == 0
    assert small.x0 <= 600 < 700 <= small.x1
    everything = Region(0, 0, 1000, 1200, ((0, 5),))
    for none in (None, Region(2000, 0, 2100, 50, ((0, 1),)), Region(0, 0, 9, 9)):
        found = roomy(none, image)
        assert found == everything or none == Region(0, 0, 9, 9)
    assert wanted(everything, image) is None
    assert wanted(small, image) == small


def test_pieces_do_not_overlap_and_stay_in_their_slices() -> None:
    """Those that judge are of other places than those that are learned from."""
    asked: list[Region] = []

    def source(region: Region) -> Array:
        asked.append(region)
        return np.zeros((1, 1, region.height, region.width), np.float32)

    image = Image(np.zeros((4, 600, 700), np.float32), "zyx")
    lesson = Lesson(5, 5, Region(20, 30, 600, 650, ((2, 4),)))
    seen, held = pieces(image, Context(source=source), lesson, joint=False)
    assert len(seen) + len(held) == len(asked) == 32
    assert len(held) == 8
    assert {region.front for region in asked} == {((2, 3),), ((3, 4),)}
    for at, one in enumerate(asked):
        assert one.meet(lesson.region or one) == one
        assert all(one.front != two.front or not one.meet(two).area for two in asked[:at])


def test_correlated_noise_is_noticed() -> None:
    white = np.random.default_rng(1).standard_normal((4, 200, 200)).astype(np.float32)
    wide = (white + np.roll(white, 1, 2)) / np.sqrt(2)
    assert abs(beside(list(white)) or 1) < 0.03
    assert beside(list(wide)) == pytest.approx(0.5, abs=0.05)
    assert beside(list(9 * white)) is None
    good = Learned(Lesson(5, 5), Verdict(-0.01, 0.001, 0.1), 0.02)
    assert "fell by 0.46 dB, from 0.1000 to 0.0900" in good.words
    assert "correlated" not in good.words
    assert "correlated (0.50)" in Learned(good.lesson, good.verdict, 0.5).words
    dropped = Learned(good.lesson, Verdict(-0.001, 0.002, 0.1))
    assert not dropped.verdict.better
    assert "fell by only 0.0010 (±0.0020). The network stays as it was" in dropped.words
    doubtful = Learned(good.lesson, Verdict(-0.01, 0.001, -0.2))
    assert not doubtful.verdict.better
    assert "less noise here than the noise model says" in doubtful.words


def studied(study: Study, used: Desk, stop_after: int = 1000) -> Learned:
    found: Any = None
    for count, found in enumerate(study(used, lambda: False)):
        if isinstance(found, Progress) and count == stop_after:
            study.enough.set()
    assert isinstance(found, Learned)
    return found


def rendered(image: Image, recipe: Recipe, used: Desk) -> tuple[Array, list[str]]:
    renderer = Renderer(image, NOISE, recipe, used)
    whole = Region.whole(image.height, image.width)
    said = [each for each in renderer.tiles(whole) if isinstance(each, str)]
    return assemble(renderer, whole), said


def test_stopped_learning_is_the_same_again_from_its_recipe() -> None:
    """After an earlier step, of one slice of a stack, at another strength: bit for bit."""
    clean = np.stack([weave(), weave()[::-1]])
    image, used = noisy(clean), desk()
    steps = Step(Fast(strength=0.1)), Step(Network(strength=0.8))
    region = Region(0, 0, 270, 280, ((1, 2),))
    found = studied(Study(image, NOISE, Recipe(steps), 1, region, 30), used, stop_after=18)
    assert 10 < found.lesson.steps < 30
    assert str(found.lesson).endswith("/30@1:2,0:270,0:280")
    assert found.verdict.better
    method = Network(strength=0.8, learn=str(found.lesson))
    recipe = Recipe((steps[0], Step(method)))
    seen, said = rendered(image, recipe, used)
    assert not said, "what was learned was at hand"
    again, said = rendered(image, recipe, desk())
    np.testing.assert_array_equal(seen, again)
    assert said[0] == found.words
    plain, _ = rendered(image, Recipe(steps), used)
    errors = [float(np.mean((each - clean) ** 2)) for each in (plain, seen)]
    assert errors[1] < 0.98 * errors[0]


def test_what_does_not_help_is_dropped_and_said() -> None:
    image, used = noisy(np.zeros((130, 140), np.float32)), desk()
    study = Study(image, NOISE, Recipe((Step(Network()),)), 0, Region.whole(130, 140), 3)
    found = studied(study, used)
    assert not found.verdict.better
    assert "The network stays as it was." in found.words
    recipe = Recipe((Step(Network(learn="3")),))
    same, said = rendered(image, recipe, used)
    np.testing.assert_array_equal(same, rendered(image, Recipe((Step(Network()),)), used)[0])
    assert said[0] == found.words
    tiny = Study(noisy(np.zeros((40, 40), np.float32)), NOISE, study.recipe, 0, Region(0, 0, 9, 9))
    assert "too little" in studied(tiny, used).words


def test_cancelled_for_good() -> None:
    image = noisy(weave())
    stop = Event()
    study = Study(image, NOISE, Recipe((Step(Network()),)), 0, Region.whole(270, 280))
    work = study(desk(), stop.is_set)
    next(work)
    stop.set()
    with pytest.raises(Cancelled):
        list(work)
