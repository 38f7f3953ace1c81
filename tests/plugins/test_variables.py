from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import core.files
from core.files import open_image, read_header, save_image
from core.format import Output, UnreadableFile, UnwritableFile
from core.image import Image
from core.lazy import FilePixels
from core.registry import load
from plugins.formats.variables import Hdf5, Matlab, pick

REGISTRY = load()
RNG = np.random.default_rng(0)
KINDS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]
io: Any = pytest.importorskip("scipy.io")  # reads and writes level 5 on its own


def again(path: Path, image: Image, target: Path) -> Any:
    """The written file as SciPy reads it."""
    save_image(REGISTRY, target, image, image)
    return io.loadmat(target)


def noisy(image: Image, change: float = 0.3) -> Image:
    """A result of a computation."""
    pixels = np.asarray(image.pixels[...], np.float32) + np.float32(change)
    return Image(pixels, image.axes, image.kind, meta=image.meta, nodata=image.nodata)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("packed", [False, True])
def test_matlab_cubes_come_back(tmp_path: Path, kind: str, packed: bool) -> None:
    cube = RNG.integers(0, 100, (6, 7, 5)).astype(kind)
    io.savemat(tmp_path / "a.mat", {"small": np.ones((2, 3, 4)), "c": cube}, do_compression=packed)
    image = open_image(REGISTRY, tmp_path / "a.mat")
    assert (image.axes, image.kind, image.pixels.shape) == ("byx", "cube", (5, 6, 7))
    assert np.array_equal(image.pixels[...], cube.transpose(2, 0, 1))
    assert (image.meta["variable"], image.meta["variables"]) == ("c", ["small"])
    header = read_header(REGISTRY, tmp_path / "a.mat")
    assert (header["shape"], header["dtype"]) == ([5, 6, 7], str(cube.dtype))
    found = again(tmp_path / "a.mat", image, tmp_path / "b.mat")
    assert np.array_equal(found["c"], cube)
    assert found["c"].dtype == cube.dtype
    save_image(REGISTRY, tmp_path / "c.mat", noisy(image), image)
    back = io.loadmat(tmp_path / "c.mat")["c"]
    assert back.dtype == cube.dtype
    expected = cube if cube.dtype.kind in "iu" else cube + np.float32(0.3)
    assert np.allclose(back, expected, atol=1e-4)


def test_all_other_variables_are_kept_byte_for_byte(tmp_path: Path) -> None:
    others = {
        "words": "hello", "cell": np.array([1, "two", [3.0]], object), "flag": np.array([True]),
        "struct": {"a": 1, "b": {"c": np.arange(3)}}, "odd": 1 + 2j, "big": np.arange(9.0),
    }  # fmt: skip
    cube = RNG.integers(0, 99, (6, 7, 5)).astype(np.uint16)
    for packed in (False, True):
        io.savemat(tmp_path / "a.mat", {**others, "c": cube, "z": 3}, do_compression=packed)
        image = open_image(REGISTRY, tmp_path / "a.mat")
        target = tmp_path / f"b{packed}.mat"
        save_image(REGISTRY, target, noisy(image, 1), image)
        one, other = io.loadmat(tmp_path / "a.mat"), io.loadmat(target)
        assert list(one) == list(other)
        assert one["__header__"] == other["__header__"]
        assert np.array_equal(other["c"], cube + 1)
        source, written = (tmp_path / "a.mat").read_bytes(), target.read_bytes()
        assert io.whosmat(tmp_path / "a.mat") == io.whosmat(target)
        at = source.index(b"words") - 40 if not packed else 128
        assert source[at : at + 60] == written[at : at + 60]
        for name in others:
            assert repr(one[name]) == repr(other[name])


def test_integers_that_stand_for_doubles(shared_data: Path, tmp_path: Path) -> None:
    image = open_image(REGISTRY, shared_data / "hsi" / "HYDICE_data.mat")
    assert image.pixels.dtype == np.uint16
    found = again(shared_data, image, tmp_path / "a.mat")["data"]
    assert found.dtype == np.uint16
    save_image(REGISTRY, tmp_path / "b.mat", noisy(image), image)
    assert ("data", (100, 80, 162), "double") in io.whosmat(tmp_path / "b.mat")
    back = io.loadmat(tmp_path / "b.mat")["data"]
    assert np.allclose(back, found + 0.3, atol=1e-3)


def test_real_matlab_files(shared_data: Path, tmp_path: Path) -> None:
    shapes = {"HYDICE_data": (162, 100, 80), "abu-urban-2": (198, 100, 100),
              "jasperRidge2_R198": (198, 100, 100), "salton_sea_roi": (224, 51, 56)}  # fmt: skip
    for name, shape in shapes.items():
        path = shared_data / "hsi" / f"{name}.mat"
        image = open_image(REGISTRY, path)
        assert (image.axes, image.pixels.shape) == ("byx", shape)
        found = again(path, image, tmp_path / f"{name}.mat")
        source = io.loadmat(path)
        assert list(found) == list(source)
        for key, value in source.items():
            assert repr(found[key]) == repr(value)
        key = image.meta["variable"]
        assert np.array_equal(found[key], source[key], equal_nan=source[key].dtype.kind == "f")
    assert image.coords["b"][0] == pytest.approx(0.3659, abs=1e-4)
    assert image.coords["units"] == {"b": "um"}
    assert sum(image.meta["bbl"]) == 204


def test_pixels_in_a_row(shared_data: Path) -> None:
    path = shared_data / "hsi" / "jasperRidge2_R198.mat"
    image = open_image(REGISTRY, path)
    cube = io.loadmat(path)["Y"].reshape((198, 100, 100), order="F")
    assert np.array_equal(image.pixels[...], cube)
    assert "column by column" in image.meta["warnings"][0]
    turned = open_image(REGISTRY, path, axes="bxy")
    assert np.array_equal(turned.pixels[...], cube.transpose(0, 2, 1))


def test_unpacked_cubes_stay_in_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.files, "IN_PLACE", 1)
    cube = RNG.integers(0, 99, (6, 7, 5)).astype(np.uint16)
    io.savemat(tmp_path / "a.mat", {"c": cube})
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["c"] = cube.astype(">u2")
    for suffix in (".mat", ".h5"):
        image = open_image(REGISTRY, tmp_path / f"a{suffix}")
        assert isinstance(image.pixels, FilePixels)
        assert np.array_equal(image.pixels[...], cube.transpose(2, 0, 1))
        save_image(REGISTRY, tmp_path / f"b{suffix}", image, image)
    assert np.array_equal(io.loadmat(tmp_path / "b.mat")["c"], cube)
    with h5py.File(tmp_path / "b.h5") as file:
        assert np.array_equal(file["c"][()], cube)
        assert file["c"].dtype == np.dtype(">u2")


@pytest.mark.parametrize(
    ("shape", "dims", "lengths", "axes"),
    [
        ((100, 80, 162), (), (), "yxb"),  # the last one
        ((300, 3000, 2000), (), (), "byx"),  # the last one that is short enough
        ((162, 80, 80), (), (), "byx"),  # the odd one
        ((80, 162, 80), (), (), "ybx"),
        ((80, 80, 162), (), (), "yxb"),
        ((162, 80, 90), (), (162,), "byx"),  # as many as wavelengths
        ((5, 6, 7), ("band", "y", "x"), (), "byx"),
        ((5, 6, 7), ("lon", "lat", "wavelength"), (), "xyb"),
        ((5, 6, 7), ("time", "lines", "samples"), (), "byx"),
        ((1, 5, 6, 6), ("time", "a", "b2", "c"), (), "byx"),
    ],
)
def test_which_axis_is_which(
    shape: tuple[int, ...], dims: tuple[str, ...], lengths: tuple[int, ...], axes: str
) -> None:
    chosen = pick.Variable("c", shape, "float32", dims)
    lists = [pick.Variable("wl", (1, length), "float64") for length in lengths]
    assert pick.order(chosen, [chosen, *lists]) == axes


def test_which_variable_is_the_cube() -> None:
    def variable(name: str, shape: tuple[int, ...], dtype: str = "float32") -> pick.Variable:
        return pick.Variable(name, shape, dtype)

    cube, picture = variable("cube", (50, 60, 20)), variable("rgb", (500, 600, 3), "uint8")
    flat = variable("flat", (9000, 9000))
    assert pick.choose([picture, flat, cube], "a") is cube
    assert pick.choose([picture, flat], "a") is picture
    assert pick.choose([flat], "a") is flat
    with pytest.raises(UnreadableFile, match="no array"):
        pick.choose([variable("line", (1, 9)), variable("none", (0, 4, 4))], "a")


def hdf(path: Path, cube: np.ndarray, matlab: bool = False, **more: Any) -> None:
    size = 512 if matlab else 0
    with h5py.File(path, "w", userblock_size=size) as file:
        one = file.create_dataset("group/cube", data=cube, **more)
        one.attrs["MATLAB_class"] = np.bytes_("uint16")
        file["text"] = "hello"
        file["wavelengths"] = np.linspace(400, 900, 5)
        file["wavelengths"].attrs["units"] = "nanometers"
        file["link"] = h5py.SoftLink("/group/cube")
        file.attrs["title"] = "a scene"
    if matlab:
        with path.open("r+b") as raw:
            raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


@pytest.mark.parametrize("more", [{}, {"chunks": (2, 3, 4), "compression": "gzip"}])
@pytest.mark.parametrize("matlab", [False, True])
def test_hdf5_is_copied_with_other_numbers(
    tmp_path: Path, more: dict[str, Any], matlab: bool
) -> None:
    cube = RNG.integers(0, 99, (5, 7, 6)).astype(np.uint16)
    suffix = ".mat" if matlab else ".h5"
    path, target = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    hdf(path, cube, matlab, **more)
    image = open_image(REGISTRY, path)
    assert (image.axes, image.meta["variable"]) == ("byx", "group/cube")
    shown = cube.transpose(0, 2, 1) if matlab else cube  # MATLAB stores columns first
    assert np.array_equal(image.pixels[...], shown)
    assert image.coords["b"].tolist() == np.linspace(400, 900, 5).tolist()
    save_image(REGISTRY, target, noisy(image, 1.3), image)
    with h5py.File(path) as one, h5py.File(target) as other:
        assert np.array_equal(other["group/cube"][()], cube + 1)
        assert np.array_equal(other["link"][()], cube + 1)
        assert other["group/cube"].compression == one["group/cube"].compression
        assert other["group/cube"].chunks == one["group/cube"].chunks
        for name in ("text", "wavelengths"):
            assert np.array_equal(one[name][()], other[name][()])
        assert dict(one.attrs) == dict(other.attrs)
        assert other["wavelengths"].attrs["units"] == "nanometers"
    if matlab:  # pyfive knows no user block
        assert target.read_bytes()[:512] == path.read_bytes()[:512]
        return
    pyfive = pytest.importorskip("pyfive")
    with pyfive.File(str(target)) as other:
        assert np.array_equal(other["group/cube"][:], cube + 1)


def test_netcdf_of_another_program(tmp_path: Path) -> None:
    nc = pytest.importorskip("netCDF4")
    cube = RNG.integers(0, 99, (1, 5, 6, 7)).astype(np.int16)
    with nc.Dataset(tmp_path / "a.nc", "w") as file:
        for name, size in (("time", 1), ("band", 5), ("y", 6), ("x", 7)):
            file.createDimension(name, size)
        one = file.createVariable(
            "radiance", "i2", ("time", "band", "y", "x"), zlib=True, fill_value=-999
        )
        one.set_auto_maskandscale(False)
        one.scale_factor, one.add_offset, one.units, one.long_name = 0.5, 2.0, "W", "Radiance"
        one[...] = cube
        file.createVariable("wavelength", "f8", ("band",))[:] = np.linspace(0.4, 0.8, 5)
        file["wavelength"].units = "um"
        file.title = "a scene"
    image = open_image(REGISTRY, tmp_path / "a.nc")
    assert image.pixels.shape == (5, 6, 7)
    assert image.meta["scale"] == (0.5, 2.0, "W")
    assert image.meta["long_name"] == "Radiance"
    assert image.nodata == -999
    assert image.coords["units"] == {"b": "um"}
    result = noisy(image, 1)
    result.pixels[0, 0, 0] = np.nan
    save_image(REGISTRY, tmp_path / "b.nc", result, image, Output(note={"recipe": 1}))
    with nc.Dataset(tmp_path / "b.nc") as file:
        assert file.title == "a scene"
        assert file.sordino == '{"recipe": 1}'
        assert {one: len(file.dimensions[one]) for one in file.dimensions} == {
            "time": 1, "band": 5, "y": 6, "x": 7,
        }  # fmt: skip
        one = file["radiance"]
        assert (one.scale_factor, one.units, one.dimensions) == (
            0.5,
            "W",
            ("time", "band", "y", "x"),
        )
        one.set_auto_maskandscale(False)
        expected = cube + 1
        expected[0, 0, 0, 0] = -999
        assert np.array_equal(one[...], expected)


def test_a_real_netcdf_file(shared_data: Path, tmp_path: Path) -> None:
    nc = pytest.importorskip("netCDF4")
    path = shared_data / "hsi" / "derived" / "salton_sea_roi.nc"
    image = open_image(REGISTRY, path)
    assert (image.axes, image.pixels.shape) == ("byx", (224, 51, 56))
    assert image.nodata is None
    save_image(REGISTRY, tmp_path / "b.nc", noisy(image, 1), image)
    with nc.Dataset(path) as one, nc.Dataset(tmp_path / "b.nc") as other:
        assert list(one.variables) == list(other.variables)
        for name in one.variables:
            a, b = (np.ma.filled(f[name][...], np.nan) for f in (one, other))
            change = np.float32(name == "reflectance")
            assert np.array_equal(a + change, b, equal_nan=True)
            assert one[name].ncattrs() == other[name].ncattrs()
            assert one[name].dimensions == other[name].dimensions


def test_cubes_of_other_formats(tmp_path: Path) -> None:
    nc = pytest.importorskip("netCDF4")
    cube = RNG.normal(0, 3, (5, 6, 7)).astype(np.float32)
    coords = {"b": np.linspace(400, 800, 5), "units": {"b": "nm"}}
    meta = {"fwhm": [9.0] * 5, "bbl": [1, 1, 0, 1, 1], "scale": (0.5, 1.0, "W")}
    image = Image(cube, "byx", "cube", coords=coords, meta=meta, nodata=-9.0)
    for name in ("a.nc", "a.h5", "a.mat"):
        save_image(REGISTRY, tmp_path / name, image, image)
        back = open_image(REGISTRY, tmp_path / name)
        assert np.array_equal(back.pixels[...], cube)
        assert np.array_equal(back.coords["b"], coords["b"])
        assert back.coords["units"] == {"b": "nm"}
        assert (back.meta["fwhm"], back.meta["bbl"]) == (meta["fwhm"], meta["bbl"])
        if name != "a.mat":
            assert (back.meta["scale"], back.nodata) == (meta["scale"], -9.0)
    assert np.array_equal(io.loadmat(tmp_path / "a.mat")["data"], cube.transpose(1, 2, 0))
    with nc.Dataset(tmp_path / "a.nc") as file:
        one = file["image"]
        assert one.dimensions == ("band", "y", "x")
        one.set_auto_maskandscale(False)
        assert np.array_equal(one[...], cube)
        assert file["wavelength"].units == "nm"


def test_axes_may_be_named(tmp_path: Path) -> None:
    cube = RNG.normal(0, 3, (6, 7, 5))
    io.savemat(tmp_path / "a.mat", {"c": cube})
    image = open_image(REGISTRY, tmp_path / "a.mat", axes="byx")
    assert np.array_equal(image.pixels[...], cube)
    assert np.array_equal(again(tmp_path, image, tmp_path / "b.mat")["c"], cube)


def test_arrays_of_other_files_are_left_alone(tmp_path: Path) -> None:
    """A file must not make us read another one, such as /etc/passwd."""
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(5 * 6 * 7))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("c", (5, 6, 7), "u1", external=[(str(secret), 0, 210)])
        file["d"] = h5py.ExternalLink("b.h5", "c")
        layout = h5py.VirtualLayout((5, 6, 7), "u1")
        layout[:] = h5py.VirtualSource("b.h5", "c", (5, 6, 7))
        file.create_virtual_dataset("e", layout)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["c"] = np.zeros((5, 6, 7), "u1")
    with pytest.raises(UnreadableFile, match="no array"):
        open_image(REGISTRY, tmp_path / "a.h5")


def test_refused_with_a_reason(tmp_path: Path) -> None:
    io.savemat(tmp_path / "four.mat", {"c": np.ones((4, 5, 6))[0]}, format="4")
    io.netcdf_file(tmp_path / "classic.nc", "w").close()
    io.savemat(tmp_path / "complex.mat", {"c": np.ones((4, 5, 6)) * 1j})
    with h5py.File(tmp_path / "liar.h5", "w") as file:
        file.create_dataset("c", (10**5, 10**5, 100), "f4", chunks=(10, 10, 10))
    with h5py.File(tmp_path / "minc.h5", "w") as file:
        file["minc-2.0/image"] = np.zeros((3, 4, 5))
    sentences = {"four.mat": "MATLAB 4", "classic.nc": "nccopy", "complex.mat": "no array",
                 "liar.h5": "shorter than", "minc.h5": "MINC"}  # fmt: skip
    for name, sentence in sentences.items():
        with pytest.raises(UnreadableFile, match=sentence) as error:
            open_image(REGISTRY, tmp_path / name)
        assert name in str(error.value)


@pytest.mark.parametrize("packed", [False, True])
def test_damage_is_a_sentence(tmp_path: Path, packed: bool) -> None:
    io.savemat(tmp_path / "a.mat", {"c": RNG.normal(0, 3, (20, 21, 9))}, do_compression=packed)
    data = (tmp_path / "a.mat").read_bytes()
    for seed in range(25):
        flipped = bytearray(data)
        for at in np.random.default_rng(seed).integers(124, 400 if seed % 2 else len(data), 12):
            flipped[at] ^= 1 << (seed % 8)
        (tmp_path / "b.mat").write_bytes(flipped)
        for call in (Matlab().header, Matlab().read):
            try:
                call(tmp_path / "b.mat")
            except UnreadableFile as error:
                assert "b.mat" in str(error)
            except (ValueError, OverflowError):
                pytest.fail("not judged before it was used")


def test_a_source_that_changed_is_not_mixed_in(tmp_path: Path) -> None:
    for suffix, make in ((".mat", io.savemat), (".h5", None)):
        path = tmp_path / f"a{suffix}"
        if make:
            make(path, {"c": np.ones((4, 5, 6))})
        else:
            hdf(path, np.ones((5, 4, 6)))
        image = open_image(REGISTRY, path)
        path.unlink()
        if make:
            make(path, {"c": np.ones((4, 5, 7))})
        with pytest.raises(UnwritableFile, match=f"a{suffix}"):
            save_image(REGISTRY, tmp_path / f"b{suffix}", image, image)
        assert not list(tmp_path.glob("*b.*"))


def test_hdf5_sniffs_behind_a_user_block() -> None:
    head = b"\0" * 512 + b"\x89HDF\r\n\x1a\n"
    assert Hdf5().sniff(head, "a.h5")
    assert Matlab().sniff(head, "a.mat")
    assert not Matlab().sniff(head, "a.h5")
