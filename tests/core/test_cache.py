"""The cache, what it spills to the disk, and room for results that memory has none for."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import spill as spill_module
from core.cache import Cache, size_of
from core.image import Array, Image
from core.spill import DISK, PREFIX, Spill, scratch, sweep

DEAR = 1.0  # seconds: worth a place on the disk


def layers(value: float = 0.0, count: int = 10) -> tuple[tuple[str, Array], ...]:
    """40 bytes per 10."""
    return (("image", np.full(count, value, np.float32)),)


# --- memory ------------------------------------------------------------------------------------


def test_the_least_recently_used_goes_first_where_all_cost_the_same() -> None:
    cache = Cache(100)
    for key in "abc":
        cache.put(key, np.zeros(40, np.uint8))
    assert (cache.get("a"), cache.used) == (None, 80)
    assert cache.get("b") is not None
    cache.put("d", np.zeros(40, np.uint8))
    assert cache.get("c") is None
    assert cache.get("b") is not None
    cache.put("b", np.zeros(10, np.uint8))
    assert cache.used == 50
    cache.put("huge", np.zeros(101, np.uint8))
    assert (cache.get("huge"), cache.used) == (None, 50)
    cache.clear()
    assert (cache.get("b"), cache.used) == (None, 0)


def test_what_is_dear_outlives_what_is_cheap() -> None:
    cache = Cache(100)
    cache.put("dear", np.zeros(40, np.uint8), 10.0)
    for number in range(20):
        cache.put(number, np.zeros(40, np.uint8), 0.1)
    assert cache.get("dear") is not None
    assert cache.get(19) is not None
    assert cache.get(18) is None


def test_what_is_dear_for_its_size_stays() -> None:
    cache = Cache(100)
    cache.put("large", np.zeros(80, np.uint8), 4.0)
    cache.put("small", np.zeros(20, np.uint8), 2.0)
    cache.put("new", np.zeros(20, np.uint8), 2.0)
    assert cache.get("large") is None
    assert cache.get("small") is not None


def test_nothing_stays_for_ever() -> None:
    """Each value dropped ages the others: the dear one goes in the end."""
    cache = Cache(100)
    cache.put("dear", np.zeros(40, np.uint8), 10.0)
    for number in range(200):
        cache.put(number, np.zeros(40, np.uint8), 1.0)
    assert cache.get("dear") is None


def test_what_others_hold_is_taken_off() -> None:
    cache = Cache(100)
    cache.put("a", np.zeros(40, np.uint8))
    cache.put("b", np.zeros(40, np.uint8))
    cache.reserve("window", 50)
    assert (cache.get("a"), cache.room, cache.used) == (None, 50, 40)
    cache.reserve("window", 500)
    assert (cache.get("b"), cache.room, cache.used) == (None, 0, 0)
    cache.put("c", np.zeros(1, np.uint8))
    assert cache.get("c") is None
    cache.reserve("window", 0)
    cache.put("c", np.zeros(100, np.uint8))
    assert (cache.room, cache.used) == (100, 100)


def test_sizes() -> None:
    assert size_of(np.zeros(5, np.uint16)) == 10
    assert size_of((("a", np.zeros(5, np.uint8)), ("b", np.zeros(6, np.uint8)))) == 11 + 2 * 64
    assert size_of(object()) == 64
    assert size_of({"weights": [np.zeros(1000, np.uint8)]}) == 1000
    assert size_of(Image(np.zeros((300, 10), np.uint8))) > 3000  # a proxy


operations = st.lists(
    st.tuples(
        st.sampled_from(["put", "get", "reserve"]),
        st.integers(0, 9),
        st.integers(0, 60),
        st.sampled_from([None, 0.0, 0.1, 5.0]),
    ),
    max_size=120,
)


@settings(
    max_examples=100, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(operations, st.integers(0, 150), st.booleans())
def test_the_budget_holds_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, work: Any, budget: int, spills: bool
) -> None:
    base = tmp_path_factory.mktemp("spill")
    cache = Cache(budget, Spill(300, base) if spills else None)
    last: dict[int, float] = {}
    for number, (what, key, size, seconds) in enumerate(work):
        if what == "put":
            if key not in last:  # equal keys have equal values
                last[key] = number
            cache.put(key, layers(last[key], 1 + key), seconds)
        elif what == "reserve":
            cache.reserve(str(key % 2), size)
        elif (found := cache.get(key)) is not None:
            np.testing.assert_array_equal(found[0][1], np.full(1 + key, last[key]))
        assert 0 <= cache.used <= cache.room
        assert cache.used == sum(held.size for held in cache._held.values())
        assert len(cache._order) <= 4 * len(cache._held) + 65
        if cache.spill:
            assert cache.spill.used <= 300
    cache.close()
    assert not list(base.iterdir())


def test_many_threads(tmp_path: Path) -> None:
    cache, errors = Cache(2000, Spill(4000, tmp_path)), list[BaseException]()

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        try:
            for _ in range(300):
                key = int(rng.integers(40))
                found = cache.get(key)
                if found is None:
                    cache.put(key, layers(key, 50), DEAR)
                else:
                    np.testing.assert_array_equal(found[0][1], np.full(50, key))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert 0 < cache.used <= 2000
    cache.close()
    assert not list(tmp_path.iterdir())


# --- the disk ----------------------------------------------------------------------------------


@pytest.fixture
def spill(tmp_path: Path) -> Iterator[Spill]:
    made = Spill(100, tmp_path)
    yield made
    made.close()
    assert not list(tmp_path.iterdir())


def files(base: Path) -> list[Path]:
    return sorted(base.glob(f"{PREFIX}*/*"))


def test_there_and_back(tmp_path: Path) -> None:
    spill = Spill(1 << 20, tmp_path)
    rng = np.random.default_rng(0)
    value = (
        ("image", rng.random((3, 4, 5), np.float32)),
        ("before", rng.integers(0, 99, (7, 3)).astype(np.uint16).T),
        ("none", np.zeros((0, 3), np.float32)),
        ("one", np.float64([np.nan])),
    )
    spill.put("key", value, DEAR)
    found = spill.get("key")
    assert found is not None
    assert [name for name, _ in found] == [name for name, _ in value]
    for (_, one), (_, other) in zip(found, value, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert spill.get("other") is None
    spill.close()


def test_a_cache_finds_what_it_spilled(tmp_path: Path) -> None:
    cache = Cache(150, Spill(1 << 20, tmp_path))
    for number in range(5):
        cache.put(number, layers(number), DEAR)
    assert len(files(tmp_path)) >= 3
    for number in range(5):
        found = cache.get(number)
        assert found is not None
        np.testing.assert_array_equal(found[0][1], np.full(10, number))
    cache.clear()
    assert [cache.get(number) for number in range(5)] == [None] * 5
    assert not files(tmp_path)
    cache.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("value", "worth"),
    [
        (layers(), DISK / 2),  # sooner computed than read
        ((np.zeros(9, np.float32),), DEAR),  # a state, not layers
        (layers(count=99), DEAR),  # larger than all the room
    ],
)
def test_what_is_not_worth_it_is_not_written(spill: Spill, value: Any, worth: float) -> None:
    spill.put("key", value, worth)
    assert (spill.used, spill.get("key")) == (0, None)


def test_the_oldest_files_go_first(spill: Spill, tmp_path: Path) -> None:
    spill.put("a", layers(1), DEAR)
    spill.put("b", layers(2), DEAR)
    assert spill.get("a") is not None
    spill.put("c", layers(3), DEAR)
    assert (spill.get("b"), spill.used, len(files(tmp_path))) == (None, 80, 2)
    assert spill.get("a") is not None
    spill.put("a", layers(1), DEAR)  # known
    assert spill.used == 80


@pytest.mark.parametrize("how", ["gone", "short"])
def test_files_that_somebody_spoilt_are_forgotten(spill: Spill, tmp_path: Path, how: str) -> None:
    spill.put("a", layers(1), DEAR)
    (file,) = files(tmp_path)
    if how == "gone":
        file.unlink()
    else:
        os.truncate(file, 8)
    assert (spill.get("a"), spill.used) == (None, 0)
    spill.put("a", layers(1), DEAR)
    assert spill.get("a") is not None


def test_a_full_disk_keeps_what_is_there(
    spill: Spill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spill.put("a", layers(1), DEAR)
    usage = spill_module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        spill_module.shutil, "disk_usage", lambda _: usage._replace(free=spill_module.SPARE)
    )
    spill.put("b", layers(2), DEAR)
    assert spill.get("a") is not None
    assert (spill.get("b"), spill.budget, len(files(tmp_path))) == (None, spill.used, 1)


def test_no_folder_no_spilling(tmp_path: Path) -> None:
    spill = Spill(100, tmp_path / "missing")
    spill.put("a", layers(1), DEAR)
    assert (spill.get("a"), spill.budget) == (None, 0)


def test_nothing_is_kept_after_the_end(spill: Spill, tmp_path: Path) -> None:
    spill.put("a", layers(1), DEAR)
    spill.close()
    spill.put("b", layers(1), DEAR)
    assert (spill.get("a"), spill.get("b")) == (None, None)
    assert not list(tmp_path.iterdir())


def test_a_forgotten_spill_takes_its_folder_along(tmp_path: Path) -> None:
    spill = Spill(100, tmp_path)
    spill.put("a", layers(1), DEAR)
    del spill
    gc.collect()
    assert not list(tmp_path.iterdir())


CRASH = """
import os, sys
import numpy as np
from pathlib import Path
from core.spill import Spill
spill = Spill(100, Path(sys.argv[1]))
spill.put("a", (("image", np.zeros(9)),), 1.0)
os._exit(9)
"""


def test_what_a_crash_left_is_swept_and_nothing_else(tmp_path: Path, spill: Spill) -> None:
    repository = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", CRASH, str(tmp_path)], cwd=repository, check=False)
    assert done.returncode == 9
    (left,) = files(tmp_path)
    others = [tmp_path / f"{PREFIX}{os.getpid()}-mine", tmp_path / f"{PREFIX}odd", tmp_path / "x"]
    for folder in others:
        folder.mkdir()
    spill.put("a", layers(1), DEAR)  # the first file sweeps
    assert not left.parent.exists()
    assert all(folder.is_dir() for folder in others)
    for folder in others:
        folder.rmdir()
    sweep(tmp_path / "missing")


# --- results -----------------------------------------------------------------------------------


def test_scratch_is_memory_where_that_suffices(tmp_path: Path) -> None:
    found = scratch((4, 5), 80, tmp_path)
    assert (type(found), found.shape, found.dtype) == (np.ndarray, (4, 5), np.float32)


@pytest.mark.skipif(sys.platform == "win32", reason="there the file has a name while it is used")
def test_scratch_is_a_file_without_a_name(tmp_path: Path) -> None:
    found = scratch((4, 5000), 79, tmp_path)
    assert isinstance(found, np.memmap)
    assert not list(tmp_path.iterdir())
    found[...] = 3
    part = found[1]
    del found
    assert (part == 3).all()
    if sys.platform == "linux":
        assert str(tmp_path) in Path("/proc/self/maps").read_text()
    del part
    gc.collect()
    if sys.platform == "linux":
        assert str(tmp_path) not in Path("/proc/self/maps").read_text()


def test_scratch_without_room_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = r"^4\.0 GB of temporary room are needed: free some disk space$"
    with pytest.raises(OSError, match=words):
        scratch((1000, 1000, 1000), 99, tmp_path / "missing")
    usage = spill_module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(spill_module.shutil, "disk_usage", lambda _: usage._replace(free=10**9))
    with pytest.raises(OSError, match=words):
        scratch((1000, 1000, 1000), 99, tmp_path)
    assert not list(tmp_path.iterdir())
