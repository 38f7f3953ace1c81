"""What is done to a file of a queue: the same as an export, and nobody else's tiles are lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import resources
from core.batch import Denoise, Inspect, Item, Load, Loaded, Write, aside, target_of
from core.cache import Cache
from core.desk import Desk
from core.files import open_image
from core.format import UnreadableFile
from core.image import Image
from core.job import Export, Pace, Progress
from core.method import Cancelled
from core.noise.model import PoissonGaussian

SAMPLE = resources.path("samples/bayer_iso12800.dng")


@pytest.fixture(scope="module")
def desk():
    made = Desk(Cache(1 << 20))
    yield made
    made.close()


def never() -> bool:
    return False


def last(work, desk, cancelled=never):
    return list(work(desk, cancelled))[-1]


def test_three_works_write_what_an_export_writes(desk: Desk, tmp_path: Path) -> None:
    item = Item(str(SAMPLE), str(tmp_path / "queue.dng"))
    loaded = last(Load(item), desk)
    assert isinstance(loaded, Loaded) and loaded.why
    assert loaded.export.noise.gain[1] == pytest.approx(48, rel=0.1)
    steps = list(Denoise(loaded.export)(desk, never))
    shares = [step.done for step in steps if isinstance(step, Progress)]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)
    assert isinstance(steps[-1], Image)
    assert last(Write(loaded.export, steps[-1]), desk) == tmp_path / "queue.dng"
    e = loaded.export
    other = Export(e.image, e.noise, e.recipe, str(tmp_path / "export.dng"), e.look)
    last(other, desk)
    queued, exported = (
        open_image(desk.registry, tmp_path / f"{n}.dng") for n in ("queue", "export")
    )
    assert np.array_equal(queued.pixels[...], exported.pixels[...])
    assert queued.meta["marked_denoised"]


def test_settings_and_noise_of_the_item_are_used(desk: Desk, tmp_path: Path) -> None:
    fast, noise = desk.registry.methods["fast"](), PoissonGaussian((7.0,), (8.0,))
    from core.recipe import Recipe, Step

    item = Item(str(SAMPLE), str(tmp_path / "x.dng"), Recipe((Step(fast),)), noise)
    loaded = last(Load(item), desk)
    assert loaded.export.recipe.steps[0].method == fast and loaded.export.noise == noise


def test_the_open_image_keeps_its_tiles(desk: Desk) -> None:
    own = aside(desk)
    assert own.registry is desk.registry
    own.cache.put("tile", np.zeros(10))
    assert desk.cache.get("tile") is None


def test_a_cancelled_write_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    loaded = last(Load(Item(str(SAMPLE), str(tmp_path / "x.dng"))), desk)
    with pytest.raises(Cancelled):
        last(Write(loaded.export, loaded.export.image), desk, lambda: True)
    assert not list(tmp_path.iterdir())


def test_a_file_is_looked_at_without_decoding(desk: Desk, tmp_path: Path) -> None:
    image = open_image(desk.registry, SAMPLE)
    assert last(Inspect(str(SAMPLE)), desk) == pytest.approx(image.megapixels)
    with pytest.raises(UnreadableFile):
        last(Inspect(str(tmp_path / "none.dng")), desk)


def test_names_of_results(tmp_path: Path) -> None:
    assert target_of("/a/b.nef", "", ".dng") == "/a/b-sordino.dng"
    assert target_of("/a/b.nef", "/c", ".tif", 1) == "/c/b-sordino-2.tif"


def test_tiles_from_the_cache_are_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("core.job.time.monotonic", lambda: now[0])

    def source():
        yield "cached"
        yield "cached"
        now[0] += 2.0  # computing
        yield "computed"
        yield "computed beside it"

    pace = Pace()
    rates = []
    for _ in pace.over(source()):
        pace.add(1_000_000)
        rates.append(pace.rate)
        now[0] += 60.0  # what others do meanwhile
    assert rates == [None, None, 0.5, 1.0]
