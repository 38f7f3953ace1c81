"""NIfTI: written files are read by nibabel and SimpleITK, headers compared field by field."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.cli import main
from core.files import open_image, read_header, save_image
from core.format import UnreadableFile, UnwritableFile
from core.image import Image
from core.lazy import FilePixels
from core.registry import load

nib: Any = pytest.importorskip("nibabel")
REGISTRY = load()
RNG = np.random.default_rng(0)
AFFINE = np.array([[-2.0, 0.1, 0, 40], [0.2, 1.5, 0, -30], [0, 0, 3, -20], [0, 0, 0, 1]])
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "medical"
FILES = [*sorted((SHARED / "nifti").rglob("*.nii*")), *sorted((SHARED / "dwi").glob("*.nii*"))]


def volume(path: Path, kind: str = "<i2", shape: tuple[int, ...] = (7, 6, 5), **more: Any) -> Path:
    """Made by nibabel, with an extension and both forms."""
    data = RNG.integers(0, 120, shape).astype(kind)
    made: Any = more.pop("cls", nib.Nifti1Image)
    header = made.header_class(endianness=">" if kind[0] == ">" else "<")
    header.set_data_dtype(kind)
    for name, value in more.items():
        header[name] = value
    image = made(data, AFFINE, header)
    image.set_sform(AFFINE, 1)
    image.set_qform(AFFINE, 2)
    image.header.set_xyzt_units("mm", "sec")
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"made for a test"))
    nib.save(image, path)
    return path


def lps(path: Path) -> np.ndarray:
    """The affine as SimpleITK has it."""
    sitk = pytest.importorskip("SimpleITK")
    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return affine


@pytest.mark.parametrize("kind", ["u1", "<i2", ">i2", "<u2", "<i4", ">f4", "<f8", "<i8"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_types_orders_and_the_way_back(tmp_path: Path, kind: str, suffix: str) -> None:
    source = volume(tmp_path / f"a{suffix}", kind)
    image = open_image(REGISTRY, source)
    data = np.asanyarray(nib.load(source).dataobj)
    assert (image.kind, image.axes, image.pixels.shape) == ("scan", "zyx", (5, 6, 7))
    assert np.array_equal(image.pixels[...], data.T)
    assert image.pixels[...].dtype == np.dtype(kind).newbyteorder("=")
    out = save_image(REGISTRY, tmp_path / f"b{suffix}", image, image)
    plain = gzip.decompress if suffix == ".nii.gz" else bytes
    assert plain(out.read_bytes()) == plain(source.read_bytes())


def test_geometry_is_that_of_others(tmp_path: Path) -> None:
    image = open_image(REGISTRY, volume(tmp_path / "a.nii"))
    assert np.allclose(image.coords["affine"], np.diag((-1, -1, 1, 1)) @ AFFINE, atol=1e-5)
    square = np.diag((2.0, -3.0, 4.0, 1.0))
    square[:3, 3] = (5, 6, 7)
    for form in ("set_sform", "set_qform"):
        made = nib.Nifti1Image(np.zeros((3, 4, 5), np.uint8), None)
        getattr(made, form)(square, 1)
        made.header.set_zooms((2, 3, 4))
        nib.save(made, tmp_path / "b.nii")
        image = open_image(REGISTRY, tmp_path / "b.nii")
        assert np.allclose(image.coords["affine"], lps(tmp_path / "b.nii"), atol=1e-5)
        assert image.coords["spacing"] == {"x": 2.0, "y": 3.0, "z": 4.0}
    assert image.orientation == 2  # x runs to the right, which is shown on the left


def test_denoised_numbers_stay_in_the_type_and_all_else_as_it_was(tmp_path: Path) -> None:
    data = bytearray(volume(tmp_path / "a.nii", shape=(7, 6, 5, 3)).read_bytes())
    data[112:120] = np.array([0.5, -10], "<f4").tobytes()  # scl_slope, scl_inter
    source = tmp_path / "a.nii.gz"
    source.write_bytes(gzip.compress(data))
    image = open_image(REGISTRY, source)
    assert image.axes == "tzyx"
    assert image.meta["scale"] == (0.5, -10.0, "")
    changed = replace(image, pixels=np.asarray(image.pixels, np.float32) + np.float32(0.7))
    out = save_image(REGISTRY, tmp_path / "b.nii.gz", changed, image)
    old, new = nib.load(source), nib.load(out)
    assert new.header == old.header
    assert new.header.extensions == old.header.extensions
    assert np.allclose(new.get_fdata(), old.get_fdata() + 0.5)


def test_dimensions(tmp_path: Path) -> None:
    for shape, axes in (
        ((7,), "yx"), ((7, 6), "yx"), ((7, 6, 1, 4), "tyx"), ((7, 6, 5, 4), "tzyx"),
        ((7, 6, 5, 1, 3), "qzyx"), ((7, 1, 5), "zyx"),
    ):  # fmt: skip
        source = volume(tmp_path / "a.nii", shape=shape)
        image = open_image(REGISTRY, source)
        assert image.axes == axes, shape
        out = save_image(REGISTRY, tmp_path / f"{len(shape)}{axes}.nii", image, image)
        assert nib.load(out).shape == shape
        assert out.read_bytes() == source.read_bytes()


def test_pairs_become_one_file(tmp_path: Path) -> None:
    source = volume(tmp_path / "a.hdr", cls=nib.Nifti1Pair)
    image = open_image(REGISTRY, source)
    out = save_image(REGISTRY, tmp_path / "b.nii", image, image)
    old, new = nib.load(source), nib.load(out)
    assert np.array_equal(old.get_fdata(), new.get_fdata())
    assert np.allclose(old.affine, new.affine)
    assert new.header.extensions == old.header.extensions
    (tmp_path / "a.img").unlink()
    with pytest.raises(UnreadableFile, match=r"put a\.img beside it"):
        open_image(REGISTRY, source)


def test_colours(tmp_path: Path) -> None:
    kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    data = RNG.integers(0, 255, (7, 6, 5, 3)).astype(np.uint8)
    nib.save(nib.Nifti1Image(data.view(kind)[..., 0], AFFINE), tmp_path / "a.nii")
    image = open_image(REGISTRY, tmp_path / "a.nii")
    assert (image.kind, image.axes) == ("display", "zcyx")
    assert np.array_equal(image.pixels[4, :, 2, 3], data[3, 2, 4])
    out = save_image(REGISTRY, tmp_path / "b.nii", image, image)
    assert out.read_bytes() == (tmp_path / "a.nii").read_bytes()


def test_two(tmp_path: Path) -> None:
    source = volume(tmp_path / "a.nii", cls=nib.Nifti2Image, shape=(40000, 2, 2))
    image = open_image(REGISTRY, source)
    assert image.pixels.shape == (2, 2, 40000)
    made = Image(np.arange(80000, dtype=np.int16).reshape(2, 40000), "yx", "scan")
    found = nib.load(save_image(REGISTRY, tmp_path / "b.nii", made, made))
    assert isinstance(found, nib.Nifti2Image)
    assert np.array_equal(found.get_fdata().T, made.pixels)


def test_what_came_from_elsewhere(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 99, (3, 4, 5, 6)).astype(np.uint16)
    affine = np.array([[2, 0, 0, 4], [0, 2.5, 0, 5], [0, 0, 3, 6], [0, 0, 0, 1.0]])
    coords = {"affine": affine.tolist(), "t": np.arange(3) * 1.5}
    image = Image(pixels, "tzyx", "scan", coords=coords, meta={"scale": (2.0, -1.0, "HU")})
    out = save_image(REGISTRY, tmp_path / "a.nii.gz", image, image)
    found = nib.load(out)
    assert np.array_equal(found.get_fdata().T, pixels * 2.0 - 1)
    assert np.allclose(found.affine, np.diag((-1, -1, 1, 1)) @ affine)
    assert found.header.get_zooms()[3] == 1.5
    cube = Image(np.zeros((3, 40, 5), np.float32), "cyx", "scan")
    with pytest.raises(UnwritableFile, match="RGB of 8 bits"):
        save_image(REGISTRY, tmp_path / "b.nii", cube, cube)


def test_large_files_stay_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.files.IN_PLACE", 100)
    for kind in ("<i2", ">f4"):
        source = volume(tmp_path / "a.nii", kind)
        image = open_image(REGISTRY, source)
        assert isinstance(image.pixels, FilePixels)
        assert np.array_equal(image.pixels[...], np.asanyarray(nib.load(source).dataobj).T)
    pair = volume(tmp_path / "b.hdr", cls=nib.Nifti1Pair)
    pixels = open_image(REGISTRY, pair).pixels
    assert isinstance(pixels, FilePixels)
    assert pixels.path.endswith("b.img")


def test_names_of_two_suffixes(tmp_path: Path) -> None:
    source = volume(tmp_path / "a.nii.gz")
    (tmp_path / "out").mkdir()
    args = ["denoise", str(source), "-o", str(tmp_path / "out"), "--method", "fast"]
    assert main([*args, "--device", "cpu"]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a-sordino.nii.gz"]
    made = Image(np.zeros((4, 5), np.int16), kind="scan")
    with pytest.raises(UnwritableFile, match="no suffix"):
        save_image(REGISTRY, tmp_path / "b.tar.gz", made, made)


@pytest.mark.skipif(not FILES, reason="no ../shared/data beside the repository")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_real_files(path: Path, tmp_path: Path) -> None:
    image, theirs = open_image(REGISTRY, path), nib.load(path)
    stored = np.asanyarray(theirs.dataobj.get_unscaled())
    assert np.array_equal(np.squeeze(image.pixels[...]).T, np.squeeze(stored), equal_nan=True)
    if "affine" in image.coords:
        assert np.allclose(
            np.diag((-1, -1, 1, 1)) @ image.coords["affine"], theirs.affine, atol=1e-4
        )
    assert tuple(read_header(REGISTRY, path)["shape"]) == image.pixels.shape
    changed = replace(image, pixels=np.asarray(image.pixels, np.float32))
    out = save_image(REGISTRY, tmp_path / f"b{''.join(path.suffixes[-2:])}", changed, image)
    again = nib.load(out)
    assert again.header == theirs.header
    assert np.allclose(again.get_fdata(), theirs.get_fdata(), equal_nan=True, rtol=1e-6)
