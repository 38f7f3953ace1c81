"""What only CUDA has; skipped where there is none."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from core import cuda
from core.devices import Device, failure, found, limit
from core.selftest import examine

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
NAME = "cuda:0"


def test_it_is_found_and_sound() -> None:
    device = found()[1]
    assert device.name == NAME
    assert device.title == cuda.titles()[0]
    assert device.driver
    assert examine(device) == ""


def test_memory() -> None:
    free, total = cuda.memory(NAME)
    assert 0 < free <= total
    assert 0 < limit(Device(NAME, "", NAME)) < free
    held = torch.ones(64 << 20, device=NAME)
    del held
    cuda.release(NAME)
    assert torch.cuda.memory_reserved(NAME) < 256 << 20


def test_a_bound_is_kept() -> None:
    cuda.bound(NAME, 64 << 20)
    try:
        with pytest.raises(torch.OutOfMemoryError) as caught:
            torch.ones(32 << 20, device=NAME)
        assert failure(caught.value) == "memory"
    finally:
        cuda.bound(NAME, 0)
    assert torch.ones(32 << 20, device=NAME).sum() == 32 << 20


def test_pixels_go_there_and_back_unchanged() -> None:
    lane, rng = cuda.Lane(NAME), np.random.default_rng(0)
    for size in (5, 300, 40, 0):
        array = rng.normal(0, 1, (2, size, 7)).astype(np.float32)
        with lane:
            tensor = lane.upload(array)
            again = lane.upload(array + 1)  # the pinned memory is used twice
            np.testing.assert_array_equal(lane.download(tensor * 2), array * 2)
            np.testing.assert_array_equal(lane.download(again), array + 1)
    cuda.wait(NAME)


def test_workers_have_their_own_streams() -> None:
    results: dict[int, bool] = {}

    def work(number: int) -> None:
        lane = cuda.Lane(NAME)
        array = np.full((4, 256, 256), number, np.float32)
        good = True
        for _ in range(20):
            with lane:
                found = lane.download(torch.sqrt(lane.upload(array)) ** 2)
            good = good and bool(np.allclose(found, array, rtol=1e-5))
        results[number] = good

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == dict.fromkeys(range(4), True)
