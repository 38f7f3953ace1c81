"""Ultrasound regions of DICOM files, and the sample that has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

import resources
from core.files import open_image
from core.format import Output
from core.image import Image
from core.registry import load
from plugins.formats.dicom import Dicom
from plugins.formats.dicom.regions import burnt, regions_of
from resources.samples import clip

REGISTRY = load()
DATA = Path(__file__).resolve().parents[3] / "shared/data/ultrasound/dicom"


def region(kind: int, form: int = 1, **ends: int) -> Dataset:
    one = Dataset()
    one.RegionSpatialFormat, one.RegionDataType = form, kind
    places = {"MinX0": 3, "MinY0": 4, "MaxX1": 30, "MaxY1": 20, **ends}
    for name, value in places.items():
        setattr(one, f"RegionLocation{name}", value)
    return one


def test_boxes_and_what_they_show() -> None:
    data = Dataset()
    broken = region(1)
    del broken.RegionLocationMaxX1
    data.SequenceOfUltrasoundRegions = [region(1), region(2), region(1, 2), region(10, 4), broken]
    found = regions_of(data)
    assert [one["what"] for one in found] == ["tissue", "colour flow", "M-mode", "ECG"]
    assert found[0]["box"] == (4, 3, 21, 31)
    assert regions_of(Dataset()) == []


def test_written_and_read_again(tmp_path: Path) -> None:
    image, truth = clip.frames(60, 70, 2)
    assert truth.shape == (2, 60, 70)
    path = tmp_path / "new.dcm"
    Dicom().write(path, image, image, Output())
    found = open_image(REGISTRY, path)
    assert found.kind == "clip"
    assert found.meta["regions"] == image.meta["regions"]
    assert "burnt_in" not in found.meta
    np.testing.assert_array_equal(found.pixels[...], image.pixels)
    data = dcmread(path)
    data.BurnedInAnnotation = "YES"
    data.save_as(path)
    found = open_image(REGISTRY, path)
    assert found.meta["burnt_in"]
    assert any("burnt into the picture" in one for one in found.meta["warnings"])


def test_text_outside_of_the_regions_is_warned_of() -> None:
    data = Dataset()
    data.Modality, data.SamplesPerPixel = "US", 1
    pixels = np.zeros((2, 40, 60), np.uint8)
    pixels[:, 4:21, 3:31] = 200  # the echoes
    assert "does not say" in burnt(data, pixels)
    data.SequenceOfUltrasoundRegions = [region(1)]
    assert burnt(data, pixels) == ""
    pixels[:, 30:36, 5:40] = 180
    assert "outside of the ultrasound regions" in burnt(data, pixels)
    data.SamplesPerPixel = 3
    assert "outside" in burnt(data, np.repeat(pixels[..., None], 3, -1))
    data.BurnedInAnnotation = "NO"
    assert burnt(data, pixels) == ""


def test_one_frame_is_a_clip_too(tmp_path: Path) -> None:
    frame = Image(np.zeros((20, 30), np.uint8), "yx", "clip")
    Dicom().write(tmp_path / "one.dcm", frame, frame, Output())
    assert open_image(REGISTRY, tmp_path / "one.dcm").kind == "clip"


def test_the_sample() -> None:
    path = resources.path("samples") / f"{clip.NAME}.dcm"
    assert path.stat().st_size < 700_000
    found = open_image(REGISTRY, path)
    assert (found.kind, found.axes) == ("clip", "tyx")
    assert found.pixels.shape == (clip.FRAMES, clip.HEAD + clip.HEIGHT, clip.WIDTH + clip.BAR)
    (one,) = found.meta["regions"]
    y0, x0, y1, x1 = one["box"]
    image, truth = clip.frames(count=clip.FRAMES)
    echoes = found.pixels[0, y0:y1, x0:x1].astype(float)
    assert np.mean(np.abs(echoes - image.pixels[0, y0:y1, x0:x1])) < 0.5  # FFTs differ in rounding
    error = echoes - truth[0]
    assert abs(error.mean()) < 3  # grey levels
    assert 20 < error.std() < 27  # speckle: 5.57 dB
    assert np.diff(found.coords["t"]) == pytest.approx(clip.SECONDS, rel=1e-3)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs shared/data")
def test_regions_of_scanners() -> None:
    found = open_image(REGISTRY, DATA / "examples_palette.dcm")
    assert [one["what"] for one in found.meta["regions"]] == ["tissue", "ECG"]
    assert open_image(REGISTRY, DATA / "GH364.dcm").meta["burnt_in"]
