"""RF and IQ: Clarius and HDF5, real files and small ones; read again without the plugin."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest

from core.files import open_image, read_header, save_image
from core.format import UnreadableFile, UnwritableFile
from core.image import Image
from core.registry import load

REGISTRY = load()
RNG = np.random.default_rng(0)


def clarius(
    path: Path, size: int, frames: int = 3, lines: int = 5, samples: int = 40
) -> np.ndarray:
    kind = {1: "u1", 2: "<i2", 4: "<i2"}[size]
    shape = (frames, lines, samples, *((2,) if size == 4 else ()))
    data = RNG.integers(0 if size == 1 else -90, 90, shape).astype(kind)
    body = b"".join(struct.pack("<q", 10**9 * n + 7) + data[n].tobytes() for n in range(frames))
    path.write_bytes(struct.pack("<5i", 3, frames, lines, samples, size) + body)
    text = "frame rate: 18 Hz\ntransmit frequency: 5 MHz\nsampling rate: 15 MHz\ntype: IQ\n"
    path.with_suffix(".yml").write_text("# raw data parameters\n" + text + "delay samples: 10\n")
    return data


@pytest.mark.parametrize("size", [1, 2, 4])
def test_clarius_comes_back_byte_for_byte(tmp_path: Path, size: int) -> None:
    data = clarius(tmp_path / "a.raw", size)
    image = open_image(REGISTRY, tmp_path / "a.raw")
    assert image.kind == ("clip" if size == 1 else "rf")
    assert image.axes == ("tcyx" if size == 4 else "tyx")
    stored = np.moveaxis(data, -1, 1) if size == 4 else data
    assert np.array_equal(image.pixels[...], np.swapaxes(stored, -1, -2))
    assert bool(image.meta.get("complex")) == (size == 4)
    said = {"sampling": 15e6, "centre": 5e6, "rate": 18.0, "delay": 10.0, "type": "IQ"}
    assert {name: image.meta["echoes"][name] for name in said} == said
    assert np.allclose(image.coords["t"], [0, 1, 2])
    assert image.coords["spacing"]["y"] == pytest.approx(1540 / 2 / 15e6 * 1e3)
    assert image.coords["y"][0] == pytest.approx(10 * image.coords["spacing"]["y"])
    header = read_header(REGISTRY, tmp_path / "a.raw")
    assert (tuple(header["shape"]), header["axes"]) == (image.pixels.shape, image.axes)
    save_image(REGISTRY, tmp_path / "b.raw", image, image)
    for suffix in (".raw", ".yml"):
        assert (tmp_path / f"b{suffix}").read_bytes() == (tmp_path / f"a{suffix}").read_bytes()


def test_clarius_without_its_description(tmp_path: Path) -> None:
    clarius(tmp_path / "a.raw", 2)
    (tmp_path / "a.yml").unlink()
    image = open_image(REGISTRY, tmp_path / "a.raw")
    assert (image.kind, image.meta["echoes"]) == ("rf", {"dtype": "int16"})
    save_image(REGISTRY, tmp_path / "b.raw", image, image)
    assert (tmp_path / "b.raw").read_bytes() == (tmp_path / "a.raw").read_bytes()
    assert "samples per line: 40" in (tmp_path / "b.yml").read_text()


def test_computed_echoes_are_rounded(tmp_path: Path) -> None:
    clarius(tmp_path / "a.raw", 4)
    source = open_image(REGISTRY, tmp_path / "a.raw")
    result = Image(source.pixels[...] + np.float32(0.4), source.axes, "rf", meta=source.meta)
    save_image(REGISTRY, tmp_path / "b.raw", result, source)
    assert (tmp_path / "b.raw").read_bytes() == (tmp_path / "a.raw").read_bytes()


@pytest.mark.parametrize("part", [0.01, 0.5, 0.99, 1.1])
def test_clarius_of_another_length_is_refused(tmp_path: Path, part: float) -> None:
    clarius(tmp_path / "a.raw", 2)
    data = (tmp_path / "a.raw").read_bytes()
    (tmp_path / "a.raw").write_bytes((data * 2)[: int(len(data) * part)])
    with pytest.raises(UnreadableFile, match=r"a\.raw"):
        open_image(REGISTRY, tmp_path / "a.raw")


def pybf(path: Path, frames: int = 3, shots: int = 2) -> np.ndarray:
    data = RNG.normal(0, 100, (frames, shots, 6, 90)).astype(np.float32)
    with h5py.File(path, "w") as file:
        for n in range(frames):
            for m in range(shots):
                file[f"data/rf_data/frame_{n + 1}/shot_{m + 1}"] = data[n, m]
        file["data/fps"] = 50
        file["hardware_params/f_sampling_hz"] = 2e7
        file["trans_params/x_pitch"] = np.array([0.0003])
        file["trans_params/bandwidth"] = np.ones((1, 1, 1))
        file.attrs["who"] = "us"
    return data


def everything(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        found: dict[str, np.ndarray] = {f"@{name}": one for name, one in file.attrs.items()}
        file.visititems(lambda name, one: found.update({name: one[()]})
                        if isinstance(one, h5py.Dataset) else None)  # fmt: skip
    return found


@pytest.mark.parametrize(("frames", "shots"), [(12, 1), (3, 2), (1, 1)])
def test_pybf(tmp_path: Path, frames: int, shots: int) -> None:
    data = pybf(tmp_path / "a.h5", frames, shots)
    image = open_image(REGISTRY, tmp_path / "a.h5")
    assert (image.kind, image.axes) == ("rf", "tyx" if shots == 1 else "tqyx")
    stored = data[:, 0] if shots == 1 else data
    assert np.array_equal(image.pixels[...], np.swapaxes(stored, -1, -2))
    assert image.coords["spacing"] == {"y": pytest.approx(0.0385), "x": pytest.approx(0.3)}
    assert np.allclose(image.coords["t"], np.arange(frames) / 50)
    result = Image(image.pixels[...] * 2, image.axes, "rf", meta=image.meta)
    save_image(REGISTRY, tmp_path / "b.h5", result, image)
    before, after = everything(tmp_path / "a.h5"), everything(tmp_path / "b.h5")
    assert before.keys() == after.keys()
    for name, value in before.items():
        factor = 2 if "shot" in name else 1
        assert np.array_equal(after[name], value * factor if factor == 2 else value)


@pytest.mark.parametrize("kind", ["<i2", "<f4", "<c8", "<c16", "pair"])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(("shape", "axes"), [((4, 7, 60), "tyx"), ((60, 7), "yx")])
def test_one_data_set(
    tmp_path: Path, kind: str, packed: bool, shape: tuple[int, ...], axes: str
) -> None:
    numbers = RNG.normal(0, 900, (*shape, 2)).round().astype(np.float32)
    if kind == "pair":
        stored = np.empty(shape, [("real", "<f4"), ("imag", "<f4")])
        stored["real"], stored["imag"] = numbers[..., 0], numbers[..., 1]
    elif "c" in kind:
        stored = (numbers[..., 0] + 1j * numbers[..., 1]).astype(kind)
    else:
        stored, numbers = numbers[..., 0].astype(kind), numbers[..., 0]
    two = kind in ("<c8", "<c16", "pair")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset(
            "iq" if two else "rf", data=stored, compression="gzip" if packed else None
        )
    image = open_image(REGISTRY, tmp_path / "a.h5")
    assert (image.kind, image.axes) == ("rf", axes[:-2] + "c" * two + "yx")
    order = image.meta["order"]
    assert np.array_equal(
        image.pixels[...].transpose([image.axes.index(a) for a in order]), numbers
    )
    header = read_header(REGISTRY, tmp_path / "a.h5")
    assert (tuple(header["shape"]), header["dtype"]) == (
        image.pixels.shape,
        str(image.pixels.dtype),
    )
    save_image(REGISTRY, tmp_path / "b.h5", image, image)
    with h5py.File(tmp_path / "b.h5") as file:
        back = file["iq" if two else "rf"]
        assert back.dtype == stored.dtype
        assert np.array_equal(back[()], stored)


def test_echoes_from_elsewhere_become_pybf(tmp_path: Path) -> None:
    clarius(tmp_path / "a.raw", 4)
    image = open_image(REGISTRY, tmp_path / "a.raw")
    save_image(REGISTRY, tmp_path / "b.h5", image, image)
    with h5py.File(tmp_path / "b.h5") as file:
        assert file["data/f_sampling"][()] == 15e6
        found = file["data/rf_data/frame_2/shot_1"][()]
    assert np.array_equal(found.real.T, image.pixels[1, 0])
    assert np.array_equal(found.imag.T, image.pixels[1, 1])
    wave = Image(RNG.normal(size=(90, 7)).astype(np.float32), "yx", "rf")
    save_image(REGISTRY, tmp_path / "c.h5", wave, wave)
    for shape in ((90, 7), (7, 90)):
        wave = Image(RNG.normal(size=shape).astype(np.float32), "yx", "rf")
        save_image(REGISTRY, tmp_path / f"{shape[0]}.h5", wave, wave)
        back = open_image(REGISTRY, tmp_path / f"{shape[0]}.h5")
        assert np.array_equal(back.pixels[...], wave.pixels)
    with pytest.raises(UnwritableFile, match="axes"):
        odd = Image(np.zeros((2, 9, 9), np.float32), "zyx", "rf")
        save_image(REGISTRY, tmp_path / "d.h5", odd, odd)


def test_other_hdf5_is_not_ours(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["cube"] = np.ones((4, 5, 6), np.float32)
    head = (tmp_path / "a.h5").read_bytes()[:4096]
    ours = next(one for one in REGISTRY.formats if one.title == "Ultrasound HDF5")
    assert not ours.sniff(head, "a.h5")


def test_promises_and_pointers_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("rf", (100_000, 100_000), "f4", chunks=(100, 100))
    with pytest.raises(UnreadableFile, match="shorter"):
        open_image(REGISTRY, tmp_path / "a.h5")
    (tmp_path / "secret").write_bytes(bytes(400))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        external = [(str(tmp_path / "secret"), 0, 400)]
        file.create_dataset("rf", (10, 10), "f4", external=external)
    with pytest.raises(UnreadableFile, match="other files"):
        open_image(REGISTRY, tmp_path / "b.h5")


def test_real_files(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "ultrasound" / "iq_rf"
    shapes = {
        "clarius/carotid_iq.raw": (1, 12, 2, 352, 104),
        "clarius/carotid_env.raw": (1, 592, 304),
        "muscle_rf_dataset.hdf5": (2, 1408, 192),
    }
    for name, shape in shapes.items():
        image = open_image(REGISTRY, folder / name)
        assert image.pixels.shape == shape
        copy = save_image(REGISTRY, tmp_path / Path(name).name, image, image)
        if copy.suffix == ".raw":
            assert copy.read_bytes() == (folder / name).read_bytes()
            other = copy.with_suffix(".yml")
            assert other.read_bytes() == (folder / name).with_suffix(".yml").read_bytes()
            continue
        assert image.meta["echoes"]["centre"] == 5208300.0
        before, after = everything(folder / name), everything(copy)
        assert before.keys() == after.keys()
        assert all(np.array_equal(value, after[key]) for key, value in before.items())


def test_cut_real_files(shared_data: Path, tmp_path: Path) -> None:
    whole = shared_data / "ultrasound" / "iq_rf" / "clarius" / "carotid_iq.raw"
    shutil.copy(whole.with_suffix(".yml"), tmp_path / "a.yml")
    (tmp_path / "a.raw").write_bytes(whole.read_bytes()[:-1])
    with pytest.raises(UnreadableFile, match="copy it again"):
        open_image(REGISTRY, tmp_path / "a.raw")


def test_pulses_of_doppler_are_an_axis(shared_data: Path) -> None:
    """Neighbours in depth and in slow time resemble each other: so do the axes lie."""
    image = open_image(REGISTRY, shared_data / "ultrasound/iq_rf/clarius/carotid_iq.raw")
    assert (image.axes, image.meta["order"]) == ("tqcyx", "txyqc")
    parts = np.asarray(image.pixels[0], float)
    iq = parts[:, 0] + 1j * parts[:, 1]
    for axis in (0, 1):
        one, two = np.delete(iq, -1, axis), np.delete(iq, 0, axis)
        power = np.sqrt((np.abs(one) ** 2).sum() * (np.abs(two) ** 2).sum())
        assert abs((one * two.conj()).sum()) / power > 0.95
