"""DICOM: what is read, and what a derived series keeps. Written files are read by SimpleITK."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from core.cli import main
from core.develop import Look, settle
from core.files import open_image, read_header, save_image
from core.format import Output, UnreadableFile, UnwritableFile
from core.image import Image
from core.registry import load
from plugins.formats.dicom.slices import sentence
from tests.plugins.dicoms import enhanced, noise, save, series, slice_of

REGISTRY = load()
NOTE = {"recipe": {"steps": [{"method": "dct", "version": 3, "settings": {"strength": 1.5}}]}}
# What a derived object says differently; each is checked by name below.
CHANGED = {
    "SOPInstanceUID", "SeriesInstanceUID", "ImageType", "SeriesDescription",
    "DerivationDescription", "SourceImageSequence", "InstanceCreationDate",
    "InstanceCreationTime", "PixelData",
}  # fmt: skip


def itk(path: Path) -> Any:
    """An image by SimpleITK, of a folder the series."""
    sitk = pytest.importorskip("SimpleITK")
    if not path.is_dir():
        return sitk.ReadImage(str(path))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path)))
    return reader.Execute()


def values(path: Path) -> np.ndarray:
    import SimpleITK

    return SimpleITK.GetArrayFromImage(itk(path))


def denoised(image: Image, by: float = 3.4) -> Image:
    from dataclasses import replace

    return replace(image, pixels=np.asarray(image.pixels, np.float32) + np.float32(by))


def elements(data: pydicom.Dataset) -> dict[str, Any]:
    return {str(e.tag): e for e in data if e.keyword not in CHANGED}


# --- reading -----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    series(tmp_path / "ct")
    return tmp_path / "ct"


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


def test_folders_below_count_and_other_files_do_not(tmp_path: Path) -> None:
    series(tmp_path / "disk" / "DICOM" / "S1")
    (tmp_path / "disk" / "README.TXT").write_text("hello")
    (tmp_path / "disk" / ".hidden").write_bytes(b"x")
    assert open_image(REGISTRY, tmp_path / "disk").pixels.shape == (5, 20, 31)
    (tmp_path / "none").mkdir()
    with pytest.raises(UnreadableFile, match="is a folder without DICOM"):
        open_image(REGISTRY, tmp_path / "none")


def test_a_directory_file_says_to_open_its_folder(tmp_path: Path) -> None:
    data = slice_of(0)
    data.SOPClassUID = "1.2.840.10008.1.3.10"
    save(tmp_path / "DICOMDIR", data)
    with pytest.raises(UnreadableFile, match="open the folder"):
        open_image(REGISTRY, tmp_path / "DICOMDIR")


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
    from pydicom.pixels import convert_color_space

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
        apart = np.abs(np.moveaxis(image.pixels, 0, -1).astype(int) - colours)
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


# --- writing -----------------------------------------------------------------------------------


def test_a_denoised_series_is_a_derived_one(folder: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    image = open_image(REGISTRY, folder)
    out = save_image(REGISTRY, tmp_path / "out", denoised(image), image, Output(note=NOTE))
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct", "out"]
    assert {path.name for path in out.iterdir()} == before.keys()
    assert np.array_equal(values(out), values(folder) + 3)
    for name in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(itk(out), name)() == getattr(itk(folder), name)()
    found = {path.name: pydicom.dcmread(path) for path in out.iterdir()}
    assert len({data.SeriesInstanceUID for data in found.values()}) == 1
    assert len({data.SOPInstanceUID for data in found.values()}) == 5
    for name, data in found.items():
        source = pydicom.dcmread(folder / name)
        assert elements(data) == elements(source)
        assert data.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
        assert data.file_meta.MediaStorageSOPInstanceUID == data.SOPInstanceUID
        assert data.SOPInstanceUID != source.SOPInstanceUID
        assert data.SeriesInstanceUID != source.SeriesInstanceUID
        assert data.ImageType == ["DERIVED", "SECONDARY", "AXIAL"]
        assert data.SeriesDescription == "Abdomen 2.5 mm (denoised)"
        told = data.DerivationDescription
        assert "dct version 3 (strength=1.5)" in told
        assert "Not for diagnosis" in told
        assert data.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID


def test_a_copy_differs_by_its_names_only(folder: Path, tmp_path: Path) -> None:
    assert main(["convert", str(folder), str(tmp_path / "out")]) == 0
    for path in folder.iterdir():
        old, new = pydicom.dcmread(path), pydicom.dcmread(tmp_path / "out" / path.name)
        names = {
            "SOPInstanceUID",
            "SeriesInstanceUID",
            "InstanceCreationDate",
            "InstanceCreationTime",
        }
        apart = {e.keyword for e in new if e.tag not in old or old[e.tag] != e}
        assert apart == names
        assert not [e for e in old if e.tag not in new]


def test_lossy_history_is_kept_and_added(tmp_path: Path) -> None:
    data = slice_of(0, LossyImageCompression="01", LossyImageCompressionRatio="8")
    image = open_image(REGISTRY, save(tmp_path / "a.dcm", data))
    out = save_image(REGISTRY, tmp_path / "b.dcm", image, image)
    found = pydicom.dcmread(out)
    assert (found.LossyImageCompression, found.LossyImageCompressionRatio) == ("01", 8)


def test_results_stay_within_the_bits_in_use(tmp_path: Path) -> None:
    pixels = np.full((20, 31), 4090, np.uint16)
    image = open_image(REGISTRY, save(tmp_path / "a.dcm", slice_of(0, pixels=pixels)))
    for by, got in ((900.0, 4095), (-9000.0, 0)):
        out = save_image(
            REGISTRY, tmp_path / "b.dcm", denoised(image, by), image, Output(overwrite=True)
        )
        assert np.all(pydicom.dcmread(out).pixel_array == got)


@pytest.mark.parametrize("make", ["series", "enhanced"])
def test_slopes_that_change_from_slice_to_slice(tmp_path: Path, make: str) -> None:
    slopes = [1.0, 0.31, 2.7, 0.0123]
    if make == "series":
        source = tmp_path / "pet"
        source.mkdir()
        for place, slope in enumerate(slopes):
            data = slice_of(place, RescaleSlope=str(slope), RescaleIntercept="-5")
            save(source / f"{place}.dcm", data)
        target = tmp_path / "out"
    else:
        source = enhanced(tmp_path / "a.dcm", [0, 2.5, 5, 7.5], slopes=slopes)
        target = tmp_path / "out.dcm"
    image = open_image(REGISTRY, source)
    assert (image.pixels.dtype, image.meta["scale"]) == (np.dtype(np.float32), (1.0, 0.0, "HU"))
    if make == "series":
        meant = [values(path)[0] for path in sorted(source.iterdir())]
        assert np.allclose(meant, image.pixels[...], rtol=1e-6)
    out = save_image(REGISTRY, target, image, image)
    stored = lambda path: [pydicom.dcmread(p).PixelData for p in (  # noqa: E731
        sorted(path.iterdir()) if path.is_dir() else [path])]  # fmt: skip
    assert stored(out) == stored(source)


def test_enhanced_frames_go_back_to_their_places(tmp_path: Path) -> None:
    source = enhanced(tmp_path / "a.dcm", [5, 0, 2.5, 7.5])
    image = open_image(REGISTRY, source)
    out = save_image(REGISTRY, tmp_path / "b.dcm", denoised(image, 1), image, Output(note=NOTE))
    old, new = pydicom.dcmread(source), pydicom.dcmread(out)
    assert np.array_equal(new.pixel_array, old.pixel_array + 1)
    assert new.PerFrameFunctionalGroupsSequence == old.PerFrameFunctionalGroupsSequence
    kind = new.SharedFunctionalGroupsSequence[0].CTImageFrameTypeSequence[0].FrameType
    assert kind == ["DERIVED", "PRIMARY", "VOLUME", "NONE"]


def test_big_endian_words_are_turned(tmp_path: Path) -> None:
    pixels = noise()
    curve = np.arange(6, dtype="<u2")
    data = slice_of(0, pixels=pixels.astype(">u2"))
    data.add_new(0x00281201, "OW", curve.byteswap().tobytes())
    save(tmp_path / "a.dcm", data, "1.2.840.10008.1.2.2")
    image = open_image(REGISTRY, tmp_path / "a.dcm")
    assert np.array_equal(image.pixels[...], pixels)
    found = pydicom.dcmread(save_image(REGISTRY, tmp_path / "b.dcm", image, image))
    assert found[0x00281201].value == curve.tobytes()
    assert np.array_equal(found.pixel_array, pixels)


def test_elements_behind_the_pixels_are_kept(tmp_path: Path) -> None:
    data = slice_of(0)
    block = data.private_block(0x7FE1, "SOMEBODY", create=True)
    block.add_new(1, "LO", "behind")
    image = open_image(REGISTRY, save(tmp_path / "a.dcm", data))
    found = pydicom.dcmread(save_image(REGISTRY, tmp_path / "b.dcm", image, image))
    assert found.private_block(0x7FE1, "SOMEBODY")[1].value == "behind"


# --- targets -----------------------------------------------------------------------------------


def test_a_series_becomes_a_folder_whatever_it_is_called(folder: Path, tmp_path: Path) -> None:
    image = open_image(REGISTRY, folder)
    for name, got in (("a.dcm", "a"), ("b.1", "b.1"), ("c", "c")):
        assert save_image(REGISTRY, tmp_path / name, image, image) == tmp_path / got
        assert len(list((tmp_path / got).iterdir())) == 5
    with pytest.raises(UnwritableFile, match="exists"):
        save_image(REGISTRY, tmp_path / "c", image, image)
    (tmp_path / "file").write_text("dear")
    with pytest.raises(UnwritableFile, match="needs a folder"):
        save_image(REGISTRY, tmp_path / "file", image, image, Output(overwrite=True))


def test_only_folders_of_our_own_are_overwritten(folder: Path, tmp_path: Path) -> None:
    image = open_image(REGISTRY, folder)
    out, again = tmp_path / "out", Output(overwrite=True)
    out.mkdir()
    save_image(REGISTRY, out, image, image)  # an empty folder may be filled
    save_image(REGISTRY, out, denoised(image, 1), image, again)
    assert np.array_equal(values(out), values(folder) + 1)
    (out / "notes.txt").write_text("dear")
    with pytest.raises(UnwritableFile, match="did not write"):
        save_image(REGISTRY, out, image, image, again)
    assert (out / "notes.txt").read_text() == "dear"
    with pytest.raises(UnwritableFile, match="source itself"):
        save_image(REGISTRY, folder, image, image, again)
    one = open_image(REGISTRY, folder / "IM0000")
    with pytest.raises(UnwritableFile, match="holds the source"):
        save_image(REGISTRY, folder, one, one, again)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct", "out"]


def test_a_failure_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plugins.formats.dicom import slices

    image, calls = open_image(REGISTRY, folder), iter(range(9))
    real = slices.save

    def broken(*args: Any) -> None:
        if next(calls) == 3:
            raise OSError(28, "No space left on device")
        real(*args)

    monkeypatch.setattr(slices, "save", broken)
    with pytest.raises(UnwritableFile, match="No space"):
        save_image(REGISTRY, tmp_path / "out", image, image)
    assert os.listdir(tmp_path) == ["ct"]


@pytest.mark.parametrize("tail", ["", "/"])
def test_the_command_line_takes_folders(folder: Path, tmp_path: Path, tail: str) -> None:
    args = ["denoise", str(folder), "-o", str(tmp_path / "out") + tail, "--method", "fast"]
    assert main([*args, "--device", "cpu"]) == 0
    made = tmp_path / "out" / "ct-sordino" if tail else tmp_path / "out"
    assert len(list(made.iterdir())) == 5
    assert np.std(values(made)) < np.std(values(folder))


def test_a_recipe_becomes_a_sentence() -> None:
    steps = [
        {"method": "a", "version": 1, "settings": {}, "amount": 0.5},
        NOTE["recipe"]["steps"][0],
    ]
    said = sentence({"recipe": {"steps": steps}})
    assert "a version 1 (, amount 0.5) then dct version 3 (strength=1.5)" in said


# --- other programs ----------------------------------------------------------------------------


def complaints(path: Path) -> list[str]:
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True)
    lines = (done.stdout + done.stderr).splitlines()
    return sorted(line for line in lines if line.startswith("Error"))


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="no dicom3tools")
def test_dciodvfy_finds_nothing_new(folder: Path, tmp_path: Path) -> None:
    image = open_image(REGISTRY, folder)
    out = save_image(REGISTRY, tmp_path / "out", denoised(image), image, Output(note=NOTE))
    for path in out.iterdir():
        assert complaints(path) == complaints(folder / path.name)


@pytest.mark.skipif(not shutil.which("dcmdump"), reason="no dcmtk")
def test_dcmdump_reads_it(folder: Path, tmp_path: Path) -> None:
    image = open_image(REGISTRY, folder)
    out = save_image(REGISTRY, tmp_path / "out", denoised(image), image, Output(note=NOTE))
    done = subprocess.run(["dcmdump", "+L", str(out / "IM0000")], capture_output=True, text=True)
    assert done.returncode == 0
    assert not done.stderr
    assert "Not for diagnosis" in done.stdout
    assert "Müller^Eva" in done.stdout
