"""What was removed, and a map of the noise, written in the source's format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from core.byproducts import What, noise_map
from core.cli import main
from core.desk import Desk
from core.files import open_image
from core.format import UnwritableFile
from core.image import Cfa, Image, Levels
from core.job import Export, denoised
from core.noise.model import PoissonGaussian, Sliced
from core.recipe import Recipe, Step
from tests.plugins.dicoms import REGISTRY, itk, series, values


def denoise(source: Path, out: Path, suffix: str, kind: str = "") -> list[Path]:
    paths = [out / f"{name}{suffix}" for name in ("after", "removed", "sigma")]
    command = ["denoise", str(source), "-o", str(paths[0]), "--device", "cpu", "--method", "nlm"]
    more = ["--residual", str(paths[1]), "--noise-map", str(paths[2]), "--noise", "gaussian:7"]
    assert main([*command, *more]) == 0
    return paths


def test_a_dicom_series(tmp_path: Path) -> None:
    series(tmp_path / "ct", 5)
    after, removed, sigma = denoise(tmp_path / "ct", tmp_path, "")
    assert np.allclose(values(removed), values(tmp_path / "ct") - values(after), atol=0.51)
    assert np.allclose(values(sigma), 7, atol=0.001)
    for name in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(itk(removed), name)() == getattr(itk(tmp_path / "ct"), name)()
    one = pydicom.dcmread(next(removed.iterdir()))
    assert one.SeriesDescription == "Abdomen 2.5 mm (what was removed)"
    assert (one.PatientID, one.ImageType[0], one.WindowCenter) == ("4711", "DERIVED", 0)
    assert "Not for diagnosis" in one.DerivationDescription
    assert (one.BitsStored, one.PixelRepresentation, one.RescaleType) == (16, 0, "HU")
    assert open_image(REGISTRY, removed).meta["scale"][2] == "HU"


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha", ".npy"])
def test_other_volumes(suffix: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    pixels = (400 + rng.normal(0, 7, (3, 24, 40))).astype(np.int16)
    np.save(tmp_path / "v.npy", pixels)
    source = tmp_path / "v.npy"
    after, removed, sigma = denoise(source, tmp_path, suffix)
    found = open_image(REGISTRY, removed)
    assert found.pixels.dtype == np.float32
    close = pixels - open_image(REGISTRY, after).pixels[...].astype(float)
    assert np.allclose(found.pixels[...], close, atol=0.51)
    assert np.allclose(open_image(REGISTRY, sigma).pixels[...], 7)


def test_a_map_follows_slices_and_colours_of_a_mosaic() -> None:
    each = tuple(PoissonGaussian((0.0,), (float(n),)) for n in (1, 2))
    flat = Image(np.full((2, 4, 6), 100, np.uint16), "zyx", "scan")
    found = noise_map(flat, flat, Sliced(each, "z"), 1 << 20)
    assert found.pixels[:, 0, 0].tolist() == [1.0, 2.0]
    raw = Image(np.full((4, 6), 100, np.uint16), "yx", "mosaic", cfa=Cfa(((0, 1), (1, 2))))
    noise = PoissonGaussian((0.0, 0.0, 0.0), (1.0, 2.0, 3.0))
    found = noise_map(raw, raw, noise, 1 << 20)
    assert found.pixels[:2, :2].tolist() == [[1.0, 2.0], [2.0, 3.0]]
    assert found.kind == "array"


GREY, RGB = ((24, 30), "yx"), ((3, 24, 30), "cyx")
FLOAT, COUNTED, REFUSED = "floats", "16 bits around 32768", "refused"
TABLE = (  # of a picture of 8 bits: what a file of what was removed holds
    (".tif", RGB, FLOAT), (".npy", RGB, FLOAT), (".nrrd", RGB, FLOAT), (".mha", RGB, FLOAT),
    (".png", RGB, COUNTED), (".png", GREY, COUNTED), (".nii", GREY, FLOAT),
    (".nii", RGB, REFUSED), (".jpg", RGB, REFUSED), (".dcm", RGB, REFUSED), (".dcm", GREY, REFUSED),
)  # fmt: skip


@pytest.mark.parametrize(("suffix", "shape", "outcome"), TABLE)
def test_a_picture(suffix: str, shape: tuple[Any, str], outcome: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(20, 230, shape[0]).astype(np.uint8)
    image = Image(pixels, shape[1], "display", Levels(white=255.0))
    noise, step = PoissonGaussian((0.0,) * 3, (7.0,) * 3), Step(REGISTRY.methods["fast"]())
    kinds: tuple[What, ...] = ("residual", "noise")
    paths: tuple[tuple[What, str], ...] = tuple(
        (what, str(tmp_path / f"{what}{suffix}")) for what in kinds
    )
    work = Export(image, noise, Recipe((step,)), "", byproducts=paths)
    if outcome == REFUSED:
        with pytest.raises(UnwritableFile, match="choose") as told:
            list(work(Desk(), lambda: False))
        assert ".part-" not in str(told.value)
        assert not list(tmp_path.iterdir())
        return
    *_, after = denoised(image, noise, Recipe((step,)), Desk(), lambda: False)
    assert isinstance(after, Image)
    list(work(Desk(), lambda: False))
    wanted = pixels - after.pixels, np.full(shape[0], 7.0)
    for (what, path), truth in zip(paths, wanted, strict=True):
        found = open_image(REGISTRY, Path(path))
        values = np.asarray(found.pixels[...], float)
        assert found.pixels.dtype == (np.uint16 if outcome == COUNTED else np.float32)
        if outcome == COUNTED:
            said = json.loads(found.meta["text"]["Sordino"])["byproduct"]
            assert (said["what"], said["zero"]) == (what, 32768)
            values = (values - said["zero"]) * said["step"]
        assert np.abs(values - truth).max() < 0.01


def test_one_file_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", np.zeros((8, 8), np.uint16))
    command = ["denoise", str(tmp_path / "a.npy"), str(tmp_path / "b.npy"), "-o", str(tmp_path)]
    assert main([*command, "--residual", str(tmp_path / "r.npy")]) == 2
    assert "one file at a time" in capsys.readouterr().err
