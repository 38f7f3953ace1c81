from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.cache import Cache
from core.desk import Desk
from core.image import Array, Image
from core.spill import Spill
from tests.core.bench import BUDGET, RECIPE, Bench, Render, Shaky


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The method that fails as told does not."""
    monkeypatch.setattr(Shaky, "numbers", itertools.count(1))
    monkeypatch.setattr(Shaky, "act", Shaky.act)
    monkeypatch.setattr(Shaky, "ready", Shaky.ready)


@pytest.fixture(scope="session")
def image() -> Image:
    """A picture of TILES tiles."""
    return Image(np.random.default_rng(0).normal(3, 2, (50, 60)).astype(np.float32))


@pytest.fixture(scope="session")
def right(image: Image) -> Array:
    """The right pixels."""
    desk = Desk(cache=Cache(0), threads=1)
    *_, last = Render(image, RECIPE)(desk, lambda: False)
    return last.pixels


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, to see that it stays empty."""
    folder = tmp_path / "private"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder for exports."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def bench(private: Path, fresh: None) -> Iterator[Bench]:
    """An engine that must leave nothing behind."""
    with Bench(Desk(cache=Cache(BUDGET, Spill(BUDGET)), threads=2), private) as made:
        yield made


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A float32 array with negative values and values above 1; its noise has sigma 0.1."""
    path = tmp_path / "in.npy"
    ramp = np.broadcast_to(np.linspace(-2, 3, 90), (70, 90))
    noisy = ramp + np.random.default_rng(0).normal(0, 0.1, ramp.shape)
    np.save(path, noisy.astype(np.float32))
    return path
