from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import core.files
from core.files import open_image, read_header, save_image
from core.format import Output, UnreadableFile, UnwritableFile
from core.image import Image
from core.lazy import FilePixels
from core.registry import load
from plugins.formats.envi import Envi
from plugins.formats.envi import header as head

REGISTRY = load()
RNG = np.random.default_rng(0)
CODES = {name: code for code, name in head.TYPES.items()}
LISTS = """description = {
  A scene, with = and ; inside}
sensor type = Unknown
; a comment
wavelength units = Nanometers
wavelength = {400.5, 500.25,
 600, 700.125, 800}
fwhm = {9, 9.5, 10, 10.5, 11}
bbl = {1, 1, 0, 1, 1}
band names = {one, two, three, four, five}
default bands = {4, 3, 1}
map info = {UTM, 1, 1, 579717.18, 3714550.7, 16.9, 16.9, 11, North, WGS-84, units=Meters}
coordinate system string = {PROJCS["WGS_1984_UTM_Zone_11N",GEOGCS["WGS 84"]]}
data ignore value = 7
reflectance scale factor = 10000
my own field = {whatever, 1e5}
camera serial = 1234"""


def made(
    folder: Path, order: str = "ybx", dtype: str = "uint16", big: bool = False, more: str = "",
    offset: int = 0, name: str = "a", data: str = ".img",
) -> np.ndarray:  # fmt: skip
    """A header and its data; the cube with axes byx."""
    cube = RNG.integers(0, 100, (5, 6, 7)).astype(dtype)
    interleave = {axes: word for word, axes in head.ORDERS.items()}[order]
    text = (
        f"ENVI\nsamples = 7\nlines   = 6\nbands   = 5\nheader offset = {offset}\n"
        f"data type = {CODES[dtype]}\ninterleave = {interleave.upper()}\n"
        f"byte order = {int(big)}\n{more}\n"
    )
    (folder / f"{name}.hdr").write_text(text)
    stored = cube.transpose(["byx".index(letter) for letter in order])
    raw = stored.astype(np.dtype(dtype).newbyteorder(">" if big else "<")).tobytes()
    (folder / f"{name}{data}").write_bytes(b"x" * offset + raw)
    return cube


def elsewhere(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Cube and header as another program reads them."""
    envi = pytest.importorskip("spectral.io.envi")
    found = envi.open(str(path))
    return np.asarray(found.open_memmap(interleave="bsq")), found.metadata


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("order", ["byx", "ybx", "yxb"])
@pytest.mark.parametrize("big", [False, True])
def test_every_type_interleave_and_byte_order(
    tmp_path: Path, dtype: str, order: str, big: bool
) -> None:
    cube = made(tmp_path, order, dtype, big, offset=11)
    image = Envi().read(tmp_path / "a.hdr")
    assert (image.axes, image.kind, image.meta["order"]) == ("byx", "cube", order)
    assert np.array_equal(image.pixels[...], cube)
    Envi().write(tmp_path / "b.hdr", image, image, Output())
    assert (tmp_path / "b.img").read_bytes() == (tmp_path / "a.img").read_bytes()[11:]
    found, meta = elsewhere(tmp_path / "b.hdr")
    assert np.array_equal(found, cube)
    assert (meta["byte order"], meta["data type"]) == (str(int(big)), str(CODES[dtype]))
    header = Envi().header(tmp_path / "a.img")
    assert (header["shape"], header["dtype"]) == ([5, 6, 7], dtype)


def test_fields_survive_in_order_and_others_read_them(tmp_path: Path) -> None:
    made(tmp_path, more=LISTS)
    image = open_image(REGISTRY, tmp_path / "a.hdr")
    assert image.coords["b"].tolist() == [400.5, 500.25, 600, 700.125, 800]
    assert image.coords["units"] == {"b": "Nanometers"}
    assert image.meta["fwhm"] == [9, 9.5, 10, 10.5, 11]
    assert image.meta["bbl"] == [1, 1, 0, 1, 1]
    assert image.meta["band_names"] == ["one", "two", "three", "four", "five"]
    assert image.meta["default_bands"] == [3, 2, 0]
    assert image.meta["scale"] == (1e-4, 0.0, "reflectance")
    assert image.meta["map_info"].startswith("UTM, 1, 1, 579717.18")
    assert image.nodata == 7
    assert "warnings" not in image.meta
    save_image(REGISTRY, tmp_path / "b.hdr", image, image)
    assert (tmp_path / "b.hdr").read_text() == (tmp_path / "a.hdr").read_text()
    found = elsewhere(tmp_path / "b.hdr")[1]
    assert found["my own field"] == ["whatever", "1e5"]
    note = {"recipe": {"a": "b = c"}}
    save_image(REGISTRY, tmp_path / "c.hdr", image, image, Output(strip=True, note=note))
    text = (tmp_path / "c.hdr").read_text()
    assert not any(word in text for word in ("579717", "PROJCS", "1234"))
    assert '{"recipe": {"a": "b = c"}}' in text
    assert elsewhere(tmp_path / "c.hdr")[1]["fwhm"] == ["9", "9.5", "10", "10.5", "11"]


def test_a_geographic_program_reads_it(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    cube = made(tmp_path, more=LISTS)
    image = Envi().read(tmp_path / "a.hdr")
    note = {"recipe": {"a": "b = c"}}
    Envi().write(tmp_path / "b.hdr", image, image, Output(note=note))
    with rasterio.open(tmp_path / "a.img") as one, rasterio.open(tmp_path / "b.img") as other:
        assert np.array_equal(other.read(), cube)
        assert other.transform == one.transform
        assert other.crs == one.crs
        assert other.transform.a == 16.9
        assert other.nodata == 7
        assert other.descriptions == one.descriptions


def test_denoised_numbers_go_back_into_the_type(tmp_path: Path) -> None:
    cube = made(tmp_path, dtype="int16", big=True, more="data ignore value = -5")
    image = open_image(REGISTRY, tmp_path / "a.hdr")
    pixels = cube.astype(np.float32) + 0.3
    pixels[0, 0, 0], pixels[1, 1, 1] = np.nan, 1e9
    result = Image(pixels, "byx", "cube", meta=image.meta, nodata=image.nodata)
    save_image(REGISTRY, tmp_path / "b.img", result, image)
    back = elsewhere(tmp_path / "b.hdr")[0]
    expected = cube.copy()
    expected[0, 0, 0], expected[1, 1, 1] = -5, 32767
    assert np.array_equal(back, expected)


@pytest.mark.parametrize("order", ["byx", "ybx", "yxb"])
def test_large_data_stay_in_their_file(
    tmp_path: Path, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.files, "IN_PLACE", 1)
    cube = made(tmp_path, order, big=True, offset=3, data=".dat")
    image = open_image(REGISTRY, tmp_path / "a.hdr")
    assert isinstance(image.pixels, FilePixels)
    assert Path(image.pixels.path).name == "a.dat"
    assert np.array_equal(image.pixels[...], cube)
    assert image.pixels.dtype.isnative
    assert np.array_equal(image.pixels[1:3, 2:5, ::2], cube[1:3, 2:5, ::2])
    save_image(REGISTRY, tmp_path / "b.hdr", image, image)
    assert (tmp_path / "b.img").read_bytes() == (tmp_path / "a.dat").read_bytes()[3:]


@pytest.mark.parametrize("data", ["", ".img", ".IMG", ".dat", ".raw", ".bsq", ".bil", ".sli"])
def test_either_name_opens_it(tmp_path: Path, data: str) -> None:
    cube = made(tmp_path, data=data)
    (tmp_path / "a.jpg").write_bytes(b"no data")
    for name in ("a.hdr", f"a{data}"):
        assert np.array_equal(open_image(REGISTRY, tmp_path / name).pixels[...], cube)


def test_the_header_may_bear_both_suffixes(tmp_path: Path) -> None:
    cube = made(tmp_path, name="a", data=".bil")
    (tmp_path / "a.hdr").rename(tmp_path / "a.bil.hdr")
    for name in ("a.bil.hdr", "a.bil"):
        assert np.array_equal(open_image(REGISTRY, tmp_path / name).pixels[...], cube)
    image = open_image(REGISTRY, tmp_path / "a.bil.hdr")
    save_image(REGISTRY, tmp_path / "b.img.hdr", image, image)
    assert {one.name for one in tmp_path.glob("*b.img*")} == {"b.img", "b.img.hdr"}
    assert np.array_equal(open_image(REGISTRY, tmp_path / "b.img").pixels[...], cube)


def test_a_missing_byte_order_is_told_and_written(tmp_path: Path) -> None:
    cube = made(tmp_path)
    text = (tmp_path / "a.hdr").read_text().replace("byte order = 0\n", "")
    (tmp_path / "a.hdr").write_text(text)
    image = open_image(REGISTRY, tmp_path / "a.hdr")
    assert "little endian" in image.meta["warnings"][0]
    save_image(REGISTRY, tmp_path / "b.hdr", image, image)
    assert np.array_equal(elsewhere(tmp_path / "b.hdr")[0], cube)


def test_latin_letters_and_windows_lines(tmp_path: Path) -> None:
    made(tmp_path, more="description = {M\u00fcnchen}")
    text = (tmp_path / "a.hdr").read_text().replace("\n", "\r\n")
    (tmp_path / "a.hdr").write_bytes(text.encode("latin-1"))
    image = open_image(REGISTRY, tmp_path / "a.hdr")
    assert image.meta["description"] == "München"
    save_image(REGISTRY, tmp_path / "b.hdr", image, image)
    assert "München".encode("latin-1") in (tmp_path / "b.hdr").read_bytes()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("data type = 12", "data type = 6", "complex"),
        ("data type = 12", "data type = 9", "complex"),
        ("data type = 12", "", "data type"),
        ("data type = 12", "data type = x", "whole number"),
        ("byte order = 0", "byte order = 2", "byte order"),
        ("header offset = 0", "header offset = -1", "offset"),
        ("header offset = 0", "header offset = 1", "copy both files"),
        ("interleave = BIL", "interleave = {bil", "brace"),
        ("byte order = 0", "byte order = 0\nfile compression = 1", "uncompressed"),
        ("byte order = 0", "byte order = 0\nmajor frame offsets = {4, 0}", "offsets"),
    ],
)
def test_errors_are_sentences(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    made(tmp_path)
    text = (tmp_path / "a.hdr").read_text()
    assert old in text
    (tmp_path / "a.hdr").write_text(text.replace(old, new))
    for name in ("a.hdr", "a.img"):
        for act in (open_image, read_header):
            with pytest.raises(UnreadableFile, match=sentence) as error:
                act(REGISTRY, tmp_path / name)
            assert name in str(error.value)


def test_a_header_without_data(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "a.img").unlink()
    with pytest.raises(UnreadableFile, match="without its data"):
        open_image(REGISTRY, tmp_path / "a.hdr")


def test_neither_file_is_overwritten_unasked(tmp_path: Path) -> None:
    made(tmp_path)
    image = open_image(REGISTRY, tmp_path / "a.hdr")
    (tmp_path / "b.hdr").write_text("mine")
    with pytest.raises(UnwritableFile, match="exists"):
        save_image(REGISTRY, tmp_path / "b.img", image, image)
    (tmp_path / "c.img").write_text("mine")
    with pytest.raises(UnwritableFile, match="exists"):
        save_image(REGISTRY, tmp_path / "c.hdr", image, image)
    save_image(REGISTRY, tmp_path / "c.hdr", image, image, Output(overwrite=True))
    assert open_image(REGISTRY, tmp_path / "c.hdr").id == image.id
    assert (tmp_path / "b.hdr").read_text() == "mine"
    left = {"a.hdr", "a.img", "b.hdr", "c.hdr", "c.img"}
    assert {one.name for one in tmp_path.iterdir()} == left


@pytest.mark.parametrize("opened", ["a.hdr", "a.img"])
@pytest.mark.parametrize("target", ["a.hdr", "a.img", "a.bil"])
def test_the_source_is_never_written_to(tmp_path: Path, opened: str, target: str) -> None:
    made(tmp_path)
    image = open_image(REGISTRY, tmp_path / opened)
    with pytest.raises(UnwritableFile, match="source"):
        save_image(REGISTRY, tmp_path / target, image, image, Output(overwrite=True))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("at", range(4))
def test_both_files_or_none(tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Renaming fails at each step: the old pair is there again, of the new one nothing."""
    made(tmp_path)
    image = open_image(REGISTRY, tmp_path / "a.hdr")
    old = {"b.hdr": b"old header", "b.img": b"old data"}
    for name, data in old.items():
        (tmp_path / name).write_bytes(data)
    counts = iter(range(100))
    real = {"replace": os.replace, "rename": os.rename}

    def shaky(name: str) -> Any:
        def act(self: Path, target: Path) -> Path:
            if next(counts) == at:
                raise OSError("the disk is gone")
            real[name](self, target)
            return Path(target)

        return act

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", shaky("replace"))
        patch.setattr(Path, "rename", shaky("rename"))
        patch.setattr(core.files, "_decode", lambda *_: image)
        with pytest.raises(UnwritableFile, match="the disk is gone"):
            save_image(REGISTRY, tmp_path / "b.hdr", image, image, Output(overwrite=True))
    assert {one.name for one in tmp_path.iterdir()} == {"a.hdr", "a.img", *old}
    assert all((tmp_path / name).read_bytes() == data for name, data in old.items())


def test_cubes_of_other_formats_get_a_header(tmp_path: Path) -> None:
    coords = {"b": np.array([0.4, 0.5, 0.6]), "units": {"b": "um"}}
    meta = {"fwhm": [0.01, 0.02, 0.03], "bbl": [1, 0, 1], "default_bands": [2, 1, 0]}
    meta |= {"band_names": ["a", "b", "c"], "scale": (1e-3, 0.0, "reflectance")}
    cube = RNG.normal(0, 3, (3, 6, 7)).astype(np.float32)
    image = Image(cube, "byx", "cube", coords=coords, meta=meta, nodata=-99.0)
    save_image(REGISTRY, tmp_path / "a.hdr", image, image)
    back = open_image(REGISTRY, tmp_path / "a.hdr")
    assert back.nodata == -99
    assert back.coords["b"].tolist() == [0.4, 0.5, 0.6]
    assert back.coords["units"] == coords["units"]
    assert {name: back.meta[name] for name in meta} == meta
    found, fields = elsewhere(tmp_path / "a.hdr")
    assert np.array_equal(found, cube)
    assert fields["wavelength units"] == "um"


def test_real_files(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "hsi"
    for texts in (*folder.glob("derived/*.hdr"), *folder.glob("envi/*.hdr")):
        (data,) = [one for one in texts.parent.glob(f"{texts.stem}.*") if one != texts]
        image = open_image(REGISTRY, texts)
        assert open_image(REGISTRY, data).id == image.id
        target = tmp_path / f"{texts.stem}.hdr"
        save_image(REGISTRY, target, image, image)
        assert target.with_suffix(".img").read_bytes() == data.read_bytes()
        found, fields = elsewhere(target)
        assert np.array_equal(found, image.pixels[...])
        assert len(fields.get("wavelength", [])) in (0, 580)
        assert target.read_text().startswith(texts.read_text().rstrip())
