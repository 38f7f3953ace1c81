"""The automatic choice: what wins in the tables, for this kind, this noise, this budget."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import choose as chooser
from core.choose import BUDGETS, choose, suited
from core.image import Cfa, Image
from core.method import Method
from core.noise.measured import CANNOT_TELL, GOOD, ChannelFit, Measured, Pattern
from core.noise.model import PoissonGaussian
from core.recipe import Recipe
from core.registry import load

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def methods() -> dict[str, type[Method]]:
    return dict(load().methods)


def blank(*shape: int) -> Any:
    return np.broadcast_to(np.uint16(0), shape)


PHOTO = Image(blank(3, 1000, 1500), "cyx", "display")
RAW = Image(blank(4000, 6000), "yx", "mosaic", cfa=Cfa(((0, 1), (1, 2))))
IMAGES = {
    "photo": PHOTO,
    "raw": RAW,
    "mr": Image(blank(60, 200, 200), "zyx", "scan", coords={"spacing": {"z": 1, "y": 1, "x": 1}}),
    "ct": Image(blank(60, 200, 200), "zyx", "scan", meta={"scale": (1.0, 0.0, "HU")}),
    "slice": Image(blank(1, 200, 200), "zyx", "scan"),
    "clip": Image(blank(20, 300, 300), "tyx", "clip"),
    "picture": Image(blank(300, 300), "yx", "clip"),
    "rf": Image(blank(300, 300), "yx", "rf"),
    "cube": Image(blank(100, 200, 200), "byx", "cube"),
    "array": Image(blank(200, 200)),
}


def known(verdict: str = GOOD, alike: float = 0.0, correlated: bool = False) -> Measured:
    fit = ChannelFit("Y", 0.0, 1.0, None, verdict, "")
    pattern = Pattern(((1.0, alike), (alike, 0.0))) if alike else None
    return Measured(PoissonGaussian((0.0,), (1.0,)), (fit,), pattern=pattern, correlated=correlated)


def ids(found: tuple[Recipe, str]) -> str:
    (step,) = found[0].steps
    assert found[1].endswith(".")
    assert "\n" not in found[1]
    return step.method.id()


@pytest.mark.parametrize(
    ("kind", "fast", "balanced", "best"),
    [
        ("photo", "fast", "dct", "unet"), ("raw", "fast", "dct", "mosaic"),
        ("mr", "dct3d", "dct3d", "blockmatch3d"), ("ct", "dct3d", "dct3d", "dct3d"),
        ("slice", "fast", "dct", "unet"), ("clip", "local", "clip", "clip"),
        ("picture", "local", "speckle", "speckle"), ("rf", "rf", "rf", "rf"),
        ("cube", "subspace", "subspace", "subspace"), ("array", "fast", "dct", "unet"),
    ],
)  # fmt: skip
def test_front_of_the_tables(
    methods: dict[str, type[Method]], kind: str, fast: str, balanced: str, best: str
) -> None:
    assert tuple(BUDGETS) == ("fast", "balanced", "best")
    wanted = dict(zip(BUDGETS, (fast, balanced, best), strict=True))
    for budget, name in wanted.items():
        assert ids(choose(methods, IMAGES[kind], known(), budget, 2)) == name


def test_settings_belong_to_the_choice(methods: dict[str, type[Method]]) -> None:
    for budget, images in (("balanced", "fast"), ("best", "best")):
        found = choose(methods, IMAGES["cube"], known(), budget, 2)[0]
        assert found.steps[0].method.settings()["images"] == images


def test_correlated_noise_is_no_task_for_what_is_made_for_white(
    methods: dict[str, type[Method]],
) -> None:
    plain = Image(PHOTO.pixels, "cyx", "array")
    for measured in (known(alike=0.5), known(correlated=True)):
        for image, name in ((plain, "dct"), (PHOTO, "finished")):
            for budget in ("balanced", "best"):
                found = choose(methods, image, measured, budget, 2)
                assert ids(found) == name
            assert "correlated" in found[1]
        assert ids(choose(methods, PHOTO, measured, "fast", 2)) == "fast"
    assert ids(choose(methods, IMAGES["mr"], known(alike=0.5), "best", 2)) == "dct3d"
    assert ids(choose(methods, PHOTO, known(alike=0.05), "best", 2)) == "unet"


def test_a_large_picture_gets_what_ends_in_time(methods: dict[str, type[Method]]) -> None:
    large = Image(blank(20000, 20000), "yx", "mosaic", cfa=RAW.cfa)
    found = choose(methods, large, known(), "balanced", 2)
    assert ids(found) == "fast"
    assert "DCT would take too long for 400 MP" in found[1]
    assert ids(choose(methods, large, known(), "balanced", 16)) == "dct"
    assert ids(choose(methods, large, known(), "best", 2)) == "mosaic"
    cube = Image(blank(400, 2000, 2000), "byx", "cube")
    assert ids(choose(methods, cube, known(), "fast", 2)) == "subspace"  # the only one for cubes


def test_noise_that_nobody_knows(methods: dict[str, type[Method]]) -> None:
    assert "by eye" in choose(methods, PHOTO, known(CANNOT_TELL))[1]
    series = Image(blank(30, 20, 40, 40), "qzyx", "scan")
    assert ids(choose(methods, series, known(CANNOT_TELL))) == "mppca"
    assert ids(choose(methods, series, known())) == "dct3d"


def test_without_torch_and_without_plugins(
    methods: dict[str, type[Method]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chooser, "find_spec", lambda name: None)
    assert ids(choose(methods, PHOTO, known(), "best", 2)) == "blockmatch"
    assert ids(choose(methods, RAW, known(), "best", 2)) == "blockmatch"
    assert ids(choose({"fast": methods["fast"]}, IMAGES["cube"])) == "fast"
    assert ids(choose({"nlm": methods["nlm"]}, PHOTO)) == "nlm"
    with pytest.raises(ValueError, match="no budget"):
        choose(methods, PHOTO, None, "soon")


def test_choosing_imports_no_torch() -> None:
    assert importlib.util.find_spec("torch") is not None
    code = (
        "import sys; import numpy as np; from core.choose import choose; from core.image import"
        " Image; from core.registry import load; print(choose(load().methods,"
        " Image(np.zeros((9, 9))), None, 'best')[0].steps[0].method.id(), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["unet", "False"], done.stderr


@pytest.mark.parametrize("kind", IMAGES)
def test_what_is_chosen_is_made_for_the_image(methods: dict[str, type[Method]], kind: str) -> None:
    for budget in BUDGETS:
        (step,) = choose(methods, IMAGES[kind], known(), budget, 2)[0].steps
        assert suited(type(step.method), IMAGES[kind])
    assert not all(suited(method, IMAGES[kind]) for method in methods.values())
