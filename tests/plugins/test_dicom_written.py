"""What a derived DICOM series keeps and changes, and who can read it."""

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
from core.files import open_image, save_image
from core.format import Output, UnwritableFile
from plugins.formats.dicom.slices import sentence
from tests.plugins.dicoms import (
    NOTE,
    REGISTRY,
    denoised,
    elements,
    enhanced,
    itk,
    noise,
    save,
    slice_of,
    values,
)


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
    with pytest.raises(UnwritableFile, match="disk is full"):
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
