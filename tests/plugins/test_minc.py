"""MINC volumes: made here with h5py, and real ones where the shared data is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from core.cli import main
from core.files import find_format, open_image, read_header
from core.format import UnreadableFile
from core.registry import load

REGISTRY = load()
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "medical"
AXES = {"xspace": (4, -2.0, 10.0), "yspace": (5, 3.0, -20.0), "zspace": (3, 4.0, 7.0)}


def minc(path: Path, order: str = "zspace,yspace,xspace", **more: Any) -> np.ndarray:
    """Write a MINC 2 file whose slices have scales of their own; returns its real values."""
    names = order.split(",")
    sizes = [AXES[name][0] for name in names]
    stored = np.random.default_rng(0).integers(0, 256, sizes).astype(np.uint8)
    low, high = np.linspace(-3, 1, sizes[0]), np.linspace(10, 90, sizes[0])
    with h5py.File(path, "w") as file:
        for name, (length, step, start) in AXES.items():
            made = file.create_dataset(f"minc-2.0/dimensions/{name}", data=np.int32(0))
            made.attrs.update(length=np.uint32(length), step=step, start=start)
            made.attrs["spacing"] = np.bytes_(b"regular__")
            made.attrs["direction_cosines"] = np.eye(3)["xyz".index(name[0])]
        image = file.create_dataset("minc-2.0/image/0/image", data=stored)
        image.attrs["dimorder"] = np.bytes_(more.get("dimorder", order).encode())
        image.attrs["valid_range"] = np.array([0.0, 255.0])
        for name, values in (("image-min", low), ("image-max", high)):
            made = file.create_dataset(f"minc-2.0/image/0/{name}", data=values)
            made.attrs["dimorder"] = np.bytes_(names[0].encode())
    spread = (high - low)[:, None, None]
    return stored / 255 * spread + low[:, None, None]


@pytest.mark.parametrize("order", ["zspace,yspace,xspace", "xspace,zspace,yspace"])
def test_values_axes_and_millimetres(tmp_path: Path, order: str) -> None:
    path = tmp_path / "brain.mnc"
    real = minc(path, order)
    letters = "".join(name[0] for name in order.split(","))
    image = open_image(REGISTRY, path)
    assert (image.axes, image.kind, image.stack) == ("zyx", "scan", "z")
    wanted = real.transpose([letters.index(letter) for letter in "zyx"])
    np.testing.assert_allclose(image.pixels[...], wanted, rtol=1e-6, atol=1e-5)
    assert image.coords["spacing"] == {"x": 2.0, "y": 3.0, "z": 4.0}
    # MINC counts to the patient's right, front and head; here it is left, back and head
    corner = np.asarray(image.coords["affine"]) @ (3, 0, 1, 1)
    np.testing.assert_allclose(corner[:3], (-(10 - 3 * 2), 20, 7 + 4))
    assert read_header(REGISTRY, path)["shape"] == [3, 5, 4]


def test_what_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    minc(tmp_path / "odd.mnc", dimorder="zspace,yspace,vector_dimension")
    (tmp_path / "short.mnc").write_bytes((tmp_path / "odd.mnc").read_bytes()[:900])
    (tmp_path / "classic.mnc").write_bytes(b"CDF\x01" + bytes(200))
    for name in ("odd.mnc", "short.mnc", "classic.mnc"):
        assert find_format(REGISTRY, tmp_path / name).title == "MINC"
        with pytest.raises(UnreadableFile, match=name) as caught:
            open_image(REGISTRY, tmp_path / name)
        assert str(caught.value).endswith(".")
        assert "\n" not in str(caught.value)


def test_it_is_denoised_into_nifti(tmp_path: Path) -> None:
    real = minc(tmp_path / "brain.mnc")
    out = tmp_path / "brain.nii"
    assert main(["convert", str(tmp_path / "brain.mnc"), str(out)]) == 0
    image = open_image(REGISTRY, out)
    np.testing.assert_allclose(image.pixels[...], real, rtol=1e-6, atol=1e-5)
    before = open_image(REGISTRY, tmp_path / "brain.mnc").coords["affine"]
    np.testing.assert_allclose(image.coords["affine"], before, atol=1e-5)


@pytest.mark.parametrize("name", ["small.mnc", "minc2_1_scale.mnc"])
def test_real_files_of_both_versions(name: str) -> None:
    path = SHARED / "nifti" / "nibabel" / name
    if not path.exists():
        pytest.skip("the shared data is not here")
    import SimpleITK

    image = open_image(REGISTRY, path)
    try:
        other = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    except RuntimeError:
        pytest.skip("SimpleITK reads no MINC 1")
    np.testing.assert_allclose(image.pixels[...], other, rtol=1e-4, atol=1e-4)
