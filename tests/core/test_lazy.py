"""Files larger than memory: read where they lie, denoised into a file, written in slabs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import files
from core.desk import Desk
from core.image import Image
from core.lazy import FilePixels, slabs

REPO = Path(__file__).resolve().parents[2]


def laid(folder: Path, shape: tuple[int, ...], kind: str = "<u2") -> tuple[FilePixels, np.ndarray]:
    values = np.random.default_rng(0).integers(0, 255, shape).astype(kind)
    path = folder / "values.bin"
    path.write_bytes(b"header" + values.tobytes())
    now = path.stat()
    order = tuple(range(len(shape)))
    return FilePixels(str(path), 6, kind, shape, order, (now.st_size, now.st_mtime_ns)), values


@st.composite
def keys(draw: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    found: list[Any] = []
    for size in shape:
        if draw(st.booleans()) and len(found) < len(shape) - 1:
            found.append(draw(st.integers(-size, size - 1)))
        else:
            ends = st.none() | st.integers(-size - 2, size + 2)
            step = st.sampled_from([None, 1, 2, 5, -1, -3])
            found.append(slice(draw(ends), draw(ends), draw(step)))
    at = draw(st.integers(0, len(found)))
    return (*found[:at], ..., *found[at:]) if draw(st.booleans()) else tuple(found)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data(), kind=st.sampled_from(["<u2", ">f4", "|u1", "<f8"]))
def test_reads_what_an_array_gives(
    tmp_path_factory: pytest.TempPathFactory, data: Any, kind: str
) -> None:
    shape = data.draw(st.tuples(*[st.integers(1, 40)] * data.draw(st.integers(2, 4))))
    lazy, values = laid(tmp_path_factory.mktemp("lazy"), shape, kind)
    order = data.draw(st.permutations(range(len(shape))))
    lazy, values = lazy.transpose(order), values.transpose(order)
    assert (lazy.shape, lazy.nbytes) == (values.shape, values.nbytes)
    key = data.draw(keys(values.shape))
    found = lazy[key]
    np.testing.assert_array_equal(found, values[key])
    assert found.dtype == lazy.dtype == values.dtype.newbyteorder("=")


def test_a_file_that_changed_is_an_error(tmp_path: Path) -> None:
    lazy, _ = laid(tmp_path, (30, 40))
    os.truncate(lazy.path, 100)
    with pytest.raises(OSError, match="has changed on the disk: open it again"):
        _ = lazy[...]


def test_slabs_cover_an_axis(tmp_path: Path) -> None:
    lazy, values = laid(tmp_path, (30, 40))
    parts = list(slabs(lazy, 1))
    np.testing.assert_array_equal(np.concatenate([lazy[:, p] for p in parts], 1), values)


@pytest.mark.parametrize("order", ["zyx", "yxz"])
def test_a_large_array_stays_in_its_file(
    tmp_path: Path, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "IN_PLACE", 1000)
    values = np.random.default_rng(1).normal(size=(5, 40, 30)).astype(np.float32)
    np.save(tmp_path / "stack.npy", values)
    desk = Desk()
    image = files.open_image(desk.registry, tmp_path / "stack.npy", axes=order)
    assert isinstance(image.pixels, FilePixels)
    expected = values if order == "zyx" else values.transpose(2, 0, 1)
    assert (image.axes, image.pixels.shape) == ("zyx", expected.shape)
    np.testing.assert_array_equal(image.pixels[...], expected)
    assert image.id == files.open_image(desk.registry, tmp_path / "stack.npy", axes=order).id
    files.save_image(desk.registry, tmp_path / "copy.npy", image, image)
    np.testing.assert_array_equal(np.load(tmp_path / "copy.npy"), values)
    monkeypatch.setattr(files, "IN_PLACE", 1 << 40)
    assert isinstance(files.open_image(desk.registry, tmp_path / "stack.npy").pixels, np.ndarray)


LARGE = """
import resource, sys, threading, time
from pathlib import Path
from core import files
from core.cache import Cache
from core.cli import main
files.IN_PLACE = 1 << 20
peak = 0
def watch():
    global peak
    while True:
        rows = dict(l.split(":", 1) for l in Path("/proc/self/status").read_text().splitlines())
        peak = max(peak, int(rows["RssAnon"].split()[0]))
        time.sleep(0.01)
threading.Thread(target=watch, daemon=True).start()
code = main(["denoise", sys.argv[1], "-o", sys.argv[2], "--method", "fast", "--memory", "0.05",
             "--noise", "gaussian:1", "--threads", "2", "--axes", "zyx"])
print(code, peak)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads RssAnon from /proc")
def test_a_stack_larger_than_its_memory_goes_through(tmp_path: Path) -> None:
    """Peak memory of its own does not grow with the stack: 8 times the slices, the same peak."""
    peaks: list[int] = []
    for depth in (16, 128):
        source, target = tmp_path / f"{depth}.npy", tmp_path / f"{depth}-out.npy"
        stack = np.lib.format.open_memmap(source, "w+", np.float32, (depth, 512, 512))
        rng = np.random.default_rng(0)
        for each in stack:
            each[:] = rng.standard_normal(each.shape, np.float32)
        stack.flush()
        done = subprocess.run(
            [sys.executable, "-c", LARGE, str(source), str(target)],
            cwd=REPO, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        code, peak = map(int, done.stdout.split())
        assert code == 0, done.stderr
        peaks.append(peak)
        found = np.load(target, mmap_mode="r")
        assert found.shape == stack.shape
        assert found[depth // 2].std() < 0.2
    megabytes = [peak / 1024 for peak in peaks]
    assert megabytes[1] < megabytes[0] + 40, megabytes  # the second stack is 128 MB, result too


def test_image_id_of_lazy_pixels_needs_no_reading(tmp_path: Path) -> None:
    lazy, _ = laid(tmp_path, (30, 40))
    image = Image(lazy)
    os.truncate(lazy.path, 100)
    assert len(image.id) == 32
