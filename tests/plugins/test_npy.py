from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.format import Output
from core.image import Image
from plugins.formats.npy import Npy

RNG = np.random.default_rng(0)


def written(path: Path, image: Image) -> np.ndarray:
    Npy().write(path, image, image, Output())
    return np.load(path, allow_pickle=False)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5, 7), "yx"),
        ((2, 5, 7), "zyx"),
        ((5, 7, 3), "cyx"),
        ((5, 7, 4), "cyx"),
        ((2, 6, 5, 7), "tzyx"),
        ((2, 5, 7, 3), "zcyx"),
    ],
)
def test_axes_and_the_way_back(tmp_path: Path, shape: tuple[int, ...], axes: str) -> None:
    array = RNG.normal(0, 5, shape).astype(np.float32)
    np.save(tmp_path / "a.npy", array)
    image = Npy().read(tmp_path / "a.npy")
    assert (image.axes, image.kind) == (axes, "array")
    assert np.array_equal(written(tmp_path / "b.npy", image), array)


@pytest.mark.parametrize("dtype", ["u1", "i2", "<u2", ">u2", "i4", "i8", "f2", ">f4", "f8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_values_survive(tmp_path: Path, dtype: str, order: str) -> None:
    array = np.asarray(RNG.integers(0, 2, (5, 7)), dtype, order=order)
    np.save(tmp_path / "a.npy", array)
    image = Npy().read(tmp_path / "a.npy")
    assert np.array_equal(image.pixels[...], array)
    assert image.pixels.dtype.isnative
    assert np.array_equal(written(tmp_path / "b.npy", image), array)


def test_negatives_and_values_over_one_survive(tmp_path: Path) -> None:
    array = np.array([[-3.5, 7.25], [np.nan, np.inf]], np.float32)
    np.save(tmp_path / "a.npy", array)
    back = written(tmp_path / "b.npy", Npy().read(tmp_path / "a.npy"))
    assert back.dtype == np.float32
    assert np.array_equal(back, array, equal_nan=True)


@pytest.mark.parametrize("compress", [True, False])
def test_archives(tmp_path: Path, compress: bool) -> None:
    arrays = {"small": np.ones((2, 2)), "large": RNG.normal(size=(9, 8)), "note": np.array("x")}
    (np.savez_compressed if compress else np.savez)(tmp_path / "a.npz", **arrays)
    image = Npy().read(tmp_path / "a.npz")
    assert image.meta["array"] == "large"
    assert image.meta["arrays"] == ["small", "large", "note"]
    Npy().write(tmp_path / "b.npz", image, image, Output(compress=compress))
    assert np.array_equal(np.load(tmp_path / "b.npz")["large"], arrays["large"])
    np.savez(tmp_path / "c.npz", image=arrays["small"], large=arrays["large"])
    assert Npy().read(tmp_path / "c.npz").meta["array"] == "image"


def test_no_array_is_called_like_an_option(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", file_=np.ones((3, 3)), allow_pickle_=np.ones((2, 2)))
    image = Npy().read(tmp_path / "a.npz")
    Npy().write(tmp_path / "b.npz", image, image, Output())
    assert np.load(tmp_path / "b.npz")["file_"].shape == (3, 3)


@pytest.mark.parametrize("dtype", ["c8", "c16", ">c8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_complex_numbers_are_two_channels_and_complex_again(
    tmp_path: Path, dtype: str, order: str, suffix: str
) -> None:
    iq = RNG.normal(0, 9, (2, 6, 5)) + 1j * RNG.normal(0, 9, (2, 6, 5))
    iq = np.asarray(iq.astype(dtype), order=order)
    path = tmp_path / f"a{suffix}"
    np.save(path, iq) if suffix == ".npy" else np.savez(path, iq=iq)
    image = Npy().read(path)
    assert (image.axes, image.kind, image.meta["complex"]) == ("zcyx", "rf", True)
    assert np.array_equal(image.pixels[:, 0], iq.real)
    assert np.array_equal(image.pixels[:, 1], iq.imag)
    header = Npy().header(path)
    assert tuple(header["shape"]) == image.pixels.shape
    assert header["kind"] == "rf"
    assert np.dtype(header["dtype"]).newbyteorder("=") == image.pixels.dtype
    back = written(tmp_path / f"b{suffix}", image)
    back = back if suffix == ".npy" else back["iq"]
    assert back.dtype == iq.dtype.newbyteorder("=")
    assert np.array_equal(back, iq)


def test_iq_of_integers_is_written_as_complex(tmp_path: Path) -> None:
    pixels = RNG.integers(-900, 900, (2, 6, 5)).astype(np.int16)
    image = Image(pixels, "cyx", "rf", meta={"complex": True, "order": "xyc"})
    back = written(tmp_path / "a.npy", image)
    assert back.dtype == np.complex64
    assert np.array_equal(back, (pixels[0] + 1j * pixels[1]).T)
    assert np.array_equal(Npy().stored(image, Output())[...], pixels)
