"""DICOM in zip archives, and masks packed by run lengths."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom.encaps import encapsulate

from core.cli import main
from core.files import open_image, read_header, save_image
from core.format import UnreadableFile
from tests.plugins.dicoms import REGISTRY, denoised, save, slice_of, values

DIRECTORY = "1.2.840.10008.1.3.10"
RUN_LENGTH = "1.2.840.10008.1.2.5"


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_an_archive_opens_as_the_folder_in_it_does(folder: Path, tmp_path: Path) -> None:
    held = {f"disk/S1/{path.name}": path.read_bytes() for path in folder.iterdir()}
    path = zipped(tmp_path / "a.zip", {**held, "README.txt": b"hello", "../climbs.dcm": b"no"})
    image, plain = open_image(REGISTRY, path), open_image(REGISTRY, folder)
    assert read_header(REGISTRY, path)["shape"] == [5, 20, 31]
    assert np.array_equal(image.pixels[...], plain.pixels[...])
    assert image.coords["affine"] == plain.coords["affine"]
    out = save_image(REGISTRY, tmp_path / "out", denoised(image), image)
    assert np.array_equal(values(out), values(folder) + 3)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.zip", "ct", "out"]


def test_names_may_repeat_and_several_series_are_told(tmp_path: Path) -> None:
    files: dict[str, bytes] = {}
    for place in range(3):
        one = save(tmp_path / "x.dcm", slice_of(place)).read_bytes()
        files[f"{place}/IM.dcm"] = one
    files["s/IM.dcm"] = save(tmp_path / "x.dcm", slice_of(9, SeriesInstanceUID="1.2")).read_bytes()
    image = open_image(REGISTRY, zipped(tmp_path / "a.zip", files))
    assert image.pixels.shape == (3, 20, 31)
    assert image.meta["warnings"][0].startswith("a.zip holds 2 series")
    assert [one["file"] for one in image.meta["series"]] == ["0/IM.dcm", "s/IM.dcm"]
    other = tmp_path / "a.zip" / "s" / "IM.dcm"
    assert read_header(REGISTRY, other)["shape"] == [20, 31]
    image = open_image(REGISTRY, other)
    assert image.pixels.shape == (20, 31)
    assert not any("largest" in one for one in image.meta.get("warnings", ()))
    out = save_image(REGISTRY, tmp_path / "out.dcm", denoised(image), image)
    assert np.array_equal(values(out), values(tmp_path / "x.dcm") + 3)
    for wrong in ("s/no.dcm", "no"):
        with pytest.raises(UnreadableFile, match="holds no DICOM picture"):
            open_image(REGISTRY, tmp_path / "a.zip" / wrong)
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(UnreadableFile, match=r"a\.txt is a file"):
        open_image(REGISTRY, tmp_path / "a.txt" / "s")


def test_the_series_of_a_disk_in_an_archive_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `info` prints opens each of them; a DICOMDIR is no series, the same for a folder."""
    files: dict[str, bytes] = {}
    for name, count in (("lungs", 3), ("bones", 2)):
        uid = {"lungs": "1.2.1", "bones": "1.2.2"}[name]
        for place in range(count):
            data = slice_of(place, SeriesInstanceUID=uid, SeriesDescription=name)
            path = tmp_path / "disk" / name / str(place)
            path.parent.mkdir(parents=True, exist_ok=True)
            files[f"{name}/{place}"] = save(path, data).read_bytes()
    table = save(tmp_path / "disk" / "DICOMDIR", slice_of(0, SOPClassUID=f"{DIRECTORY}"))
    files["DICOMDIR"] = table.read_bytes()
    for path in (zipped(tmp_path / "a.zip", files), tmp_path / "disk", table):
        assert main(["info", str(path)]) == 0
        lines = [line for line in capsys.readouterr().out.splitlines() if "series: " in line]
        told = dict(line.removeprefix("series: ").rsplit(": ", 1) for line in lines)
        assert set(told) == {"lungs (CT, 3 pictures)", "bones (CT, 2 pictures)"}
        for words, place in told.items():
            assert str(open_image(REGISTRY, Path(place)).pixels.shape[0]) in words
    place = tmp_path / "a.zip" / "bones" / "0"
    assert main(["convert", str(place), str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").iterdir())) == 2
    assert main(["info", str(tmp_path / "a.zip" / "skin")]) == 1


def test_bombs_and_damage_are_one_sentence(tmp_path: Path) -> None:
    begin = bytes(128) + b"DICM"
    bomb = zipped(tmp_path / "bomb.zip", {"a.dcm": begin + bytes(40 << 20)})
    with pytest.raises(UnreadableFile, match="would grow"):
        open_image(REGISTRY, bomb)
    whole = zipped(tmp_path / "whole.zip", {"a.txt": b"nothing"})
    with pytest.raises(UnreadableFile, match="holds no DICOM picture"):
        open_image(REGISTRY, whole)
    for keep in (30, 90):
        cut = tmp_path / "cut.zip"
        cut.write_bytes(bomb.read_bytes()[:keep])
        with pytest.raises(UnreadableFile, match="damaged archive"):
            open_image(REGISTRY, cut)
    locked = bytearray(whole.read_bytes())
    for place in (6, locked.index(b"PK\1\2") + 8):
        locked[place] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    with pytest.raises(UnreadableFile, match="password"):
        open_image(REGISTRY, tmp_path / "locked.zip")


@pytest.mark.parametrize("bits", [True, False])
def test_masks_of_run_lengths(bits: bool, tmp_path: Path) -> None:
    mask = (np.random.default_rng(1).random((20, 31)) > 0.5).astype(np.uint8)
    plain = np.packbits(mask, bitorder="little").tobytes() if bits else mask.tobytes()
    runs = b"".join(
        bytes([len(part) - 1]) + part
        for part in (plain[at : at + 100] for at in range(0, len(plain), 100))
    )
    frame = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56) + runs
    data = slice_of(0, BitsAllocated=1, BitsStored=1, HighBit=0, Modality="SEG")
    data.PixelData = encapsulate([frame + bytes(len(frame) % 2)])
    data["PixelData"].is_undefined_length = True
    path = save(tmp_path / "a.dcm", data, RUN_LENGTH)
    assert np.array_equal(open_image(REGISTRY, path).pixels[...], mask)
