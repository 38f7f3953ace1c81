"""DICOM: what is read. What is written: test_dicom_written.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

import plugins.formats.dicom.series
from core.cli import main
from core.develop import Look, settle
from core.files import open_image, read_header, save_image
from core.format import Output, UnreadableFile
from plugins.formats.dicom import Dicom
from plugins.formats.dicom.series import Series, find
from tests.plugins.dicoms import (
    REGISTRY,
    enhanced,
    itk,
    noise,
    save,
    series,
    slice_of,
    values,
)

# --- reading -----------------------------------------------------------------------------------


def test_a_folder_is_a_volume_in_the_order_of_space(folder: Path) -> None:
    image = open_image(REGISTRY, folder)
    assert (image.kind, image.axes, image.pixels.shape) == ("scan", "zyx", (5, 20, 31))
    assert image.pixels.dtype == np.uint16
    assert image.meta["scale"] == (1.0, -1024.0, "HU")
    assert image.coords["spacing"] == {"y": 0.5, "x": 0.75, "z": 2.5}
    affine = np.asarray(image.coords["affine"])
    assert np.allclose(affine @ [2, 3, 4, 1], [-20 + 1.5, -30 + 1.5, -7 + 10, 1])
    assert np.allclose(values(folder), image.pixels[...].astype(float) - 1024)
    assert np.allclose(
        itk(folder).TransformIndexToPhysicalPoint((2, 3, 4)), (affine @ [2, 3, 4, 1])[:3]
    )
    assert "warnings" not in image.meta


def test_a_file_opens_its_series(folder: Path) -> None:
    save(folder / "other.dcm", slice_of(9, SeriesInstanceUID="1.2.3"))
    whole = open_image(REGISTRY, folder / "IM0003")
    assert whole.pixels.shape == (5, 20, 31)
    assert open_image(REGISTRY, folder / "other.dcm").pixels.shape == (20, 31)
    assert read_header(REGISTRY, folder / "IM0000")["shape"] == [5, 20, 31]


def test_several_series_are_listed_and_the_largest_is_taken(folder: Path) -> None:
    save(folder / "one.dcm", slice_of(9, SeriesInstanceUID="1.2.3", SeriesDescription="Scout"))
    header = read_header(REGISTRY, folder)
    assert header["shape"] == [5, 20, 31]
    assert [(s["description"], s["pictures"]) for s in header["series"]] == [
        ("Abdomen 2.5 mm", 5), ("Scout", 1)]  # fmt: skip
    assert "2 series" in header["warnings"][0]
    scout = next(s["file"] for s in header["series"] if s["description"] == "Scout")
    assert open_image(REGISTRY, folder / scout).pixels.shape == (20, 31)


def test_folders_below_count_and_other_files_do_not(tmp_path: Path) -> None:
    series(tmp_path / "disk" / "DICOM" / "S1")
    (tmp_path / "disk" / "README.TXT").write_text("hello")
    (tmp_path / "disk" / ".hidden").write_bytes(b"x")
    assert open_image(REGISTRY, tmp_path / "disk").pixels.shape == (5, 20, 31)
    (tmp_path / "none").mkdir()
    with pytest.raises(UnreadableFile, match="is a folder without DICOM"):
        open_image(REGISTRY, tmp_path / "none")


def test_a_directory_file_opens_its_folder(tmp_path: Path) -> None:
    series(tmp_path / "IMAGES")
    data = slice_of(0)
    data.SOPClassUID = "1.2.840.10008.1.3.10"
    save(tmp_path / "DICOMDIR", data)
    assert open_image(REGISTRY, tmp_path / "DICOMDIR").pixels.shape == (5, 20, 31)


def test_repeated_places_are_times(tmp_path: Path) -> None:
    for time in range(3):
        for place in range(2):
            level = np.full((20, 31), 10 * time + place, np.uint16)
            data = slice_of(place, pixels=level, AcquisitionNumber=time, InstanceNumber=1)
            save(tmp_path / f"{time}{place}.dcm", data)
    image = open_image(REGISTRY, tmp_path / "00.dcm")
    assert (image.axes, image.pixels.shape) == ("tzyx", (3, 2, 20, 31))
    assert image.pixels[..., 0, 0].tolist() == [[0, 1], [10, 11], [20, 21]]


def test_a_gap_is_said_and_has_no_affine(tmp_path: Path) -> None:
    for place in (0, 1, 2, 7):
        save(tmp_path / f"{place}.dcm", slice_of(place))
    image = open_image(REGISTRY, tmp_path / "0.dcm")
    assert "affine" not in image.coords
    assert np.allclose(image.coords["z"], [-7, -4.5, -2, 10.5])
    assert "not evenly spaced" in image.meta["warnings"][0]


def test_pictures_of_another_size_are_left_out(folder: Path) -> None:
    small = slice_of(8, Rows=4, Columns=6, pixels=np.zeros((4, 6), np.uint16))
    save(folder / "small", small)
    image = open_image(REGISTRY, folder)
    assert image.pixels.shape == (5, 20, 31)
    assert "1" in image.meta["warnings"][0]


def test_enhanced_frames_are_sorted_and_split_into_times(tmp_path: Path) -> None:
    image = open_image(REGISTRY, enhanced(tmp_path / "a.dcm", [5, 0, 2.5, 7.5]))
    assert (image.axes, image.coords["spacing"]["z"]) == ("zyx", 2.5)
    assert image.pixels[:, 0, 0].tolist() == [17, 27, 7, 37]
    image = open_image(REGISTRY, enhanced(tmp_path / "b.dcm", [0, 2.5, 0, 2.5]))
    assert (image.axes, image.pixels.shape) == ("tzyx", (2, 2, 20, 31))
    assert image.pixels[..., 0, 0].tolist() == [[7, 17], [27, 37]]


def test_padding_window_and_bits(tmp_path: Path) -> None:
    pixels = noise()
    pixels[:3] = 63536  # -2000 as a word
    data = slice_of(
        0, PixelRepresentation=1, BitsStored=16, HighBit=15, PixelPaddingValue=-2000,
        pixels=pixels.view(np.int16),
    )  # fmt: skip
    image = open_image(REGISTRY, save(tmp_path / "a.dcm", data))
    assert image.nodata == -2000
    assert np.isnan(image.samples[0, 0])
    assert image.meta["window"] == (40 - 175 + 1024, 40 + 175 + 1024)
    assert settle(image, Look()).window == image.meta["window"]


def test_bright_is_dark_in_monochrome1(tmp_path: Path) -> None:
    for more, low in (({}, 889.0), ({"WindowCenter": None, "WindowWidth": None}, None)):
        data = slice_of(0, PhotometricInterpretation="MONOCHROME1", **more)
        image = open_image(REGISTRY, save(tmp_path / "a.dcm", data))
        high, got = image.meta["window"]
        assert high > got
        assert low is None or got == low


def test_bits_that_are_not_in_use_are_cleared(tmp_path: Path) -> None:
    clean = noise()
    dirty = save(tmp_path / "a.dcm", slice_of(0, pixels=clean | 0x8000))
    assert np.array_equal(open_image(REGISTRY, dirty).pixels[...], clean)
    data = slice_of(0, pixels=clean << 4, HighBit=15)
    assert np.array_equal(open_image(REGISTRY, save(dirty, data)).pixels[...], clean)


def test_colours(tmp_path: Path) -> None:
    from pydicom.pixels.processing import convert_color_space

    colours = np.random.default_rng(0).integers(0, 256, (20, 31, 3)).astype(np.uint8)
    eight = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "SamplesPerPixel": 3}
    for name, planar, pixels in (
        ("RGB", 0, colours),
        ("RGB", 1, colours.transpose(2, 0, 1).copy()),
        ("YBR_FULL", 0, convert_color_space(colours, "RGB", "YBR_FULL")),
    ):
        data = slice_of(0, PhotometricInterpretation=name, pixels=pixels, **eight)
        data.PlanarConfiguration = planar
        image = open_image(REGISTRY, save(tmp_path / "a.dcm", data))
        assert (image.kind, image.axes, image.levels.white) == ("display", "cyx", 255.0)
        apart = np.abs(np.moveaxis(image.pixels[...], 0, -1).astype(int) - colours)
        assert apart.max() <= (2 if name == "YBR_FULL" else 0)


# --- identifiers -------------------------------------------------------------------------------


def test_names_are_hidden_unless_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more, shown in ((), False), (("--json",), False), (("--identifiers",), True):
        assert main(["info", str(folder), *more]) == 0
        said = capsys.readouterr().out
        assert ("Eva" in said and "4711" in said) is shown
    image = open_image(REGISTRY, folder)
    assert image.meta["identifiers"]["PatientName"] == "Müller^Eva"
    assert "Patient" not in str(image.meta["dicom"].keys() - {"PatientPosition"})


def test_strip_empties_who_it_is(folder: Path, tmp_path: Path) -> None:
    image = open_image(REGISTRY, folder)
    out = save_image(REGISTRY, tmp_path / "out", image, image, Output(strip=True))
    for path in out.iterdir():
        assert b"4711" not in path.read_bytes()
        data = pydicom.dcmread(path)
        assert not data.PatientName
        assert not data.InstitutionName
        assert data.PixelSpacing == [0.5, 0.75]


def test_files_are_looked_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `header` found is what `read` goes on from, of the same folder only, and once."""
    looked: list[Path] = []

    def looking(path: Path) -> Series:
        looked.append(path)
        return find(path)

    monkeypatch.setattr(plugins.formats.dicom.series, "find", looking)
    reader = Dicom()
    assert reader.header(folder)["shape"] == list(reader.read(folder).pixels.shape)
    assert looked == [folder]
    one = next(folder.iterdir())
    reader.header(folder)
    reader.read(one)
    reader.read(one)
    assert looked == [folder, folder, one, one]
