"""Stacks in TIFF: axes, distances, descriptions; Pillow and OpenCV read the same pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
import tifffile

from core.child import pack
from core.files import open_image, read_header, save_image
from core.format import Output
from core.image import Image
from core.lazy import FilePixels
from core.registry import load
from plugins.formats.tiff import Tiff, pages

REGISTRY = load()
RNG = np.random.default_rng(0)
IMAGEJ = {"spacing": 2.5, "unit": "um", "finterval": 0.5, "Info": "some info", "mode": "composite"}
OME = {"PhysicalSizeX": 0.2, "PhysicalSizeY": 0.2, "PhysicalSizeZ": 2500, "TimeIncrement": 500,
       "PhysicalSizeZUnit": "nm", "TimeIncrementUnit": "ms"}  # fmt: skip


def numbers(shape: tuple[int, ...], dtype: str = "u2") -> np.ndarray:
    return (RNG.normal(0, 50, shape) + 100).clip(0, 250).astype(dtype)


def description(path: Path) -> bytes:
    with tifffile.TiffFile(path) as file:
        tag = file.pages.first.tags[270]
        file.filehandle.seek(tag.valueoffset)
        return file.filehandle.read(tag.count).split(b"\0")[0]


def by_page(path: Path) -> list[np.ndarray]:
    """Every page as Pillow reads it."""
    with PIL.Image.open(path) as file:
        found = []
        for number in range(getattr(file, "n_frames", 1)):
            file.seek(number)
            found.append(np.asarray(file))
        return found


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize(
    ("axes", "shape", "ours"),
    [("ZYX", (3, 17, 19), "zyx"), ("TYX", (3, 17, 19), "tyx"), ("CYX", (2, 17, 19), "cyx"),
     ("TZCYX", (2, 3, 2, 17, 19), "tzcyx"), ("YX", (17, 19), "yx")],
)  # fmt: skip
def test_imagej(tmp_path: Path, dtype: str, axes: str, shape: tuple[int, ...], ours: str) -> None:
    array = numbers(shape, dtype)
    count = array[..., 0, 0].size
    metadata = {**IMAGEJ, "axes": axes, "Labels": [f"s{n}" for n in range(count)]}
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, resolution=(5.0, 4.0),
                     metadata=metadata)  # fmt: skip
    image = open_image(REGISTRY, tmp_path / "a.tif")
    assert (image.axes, image.kind) == (ours, "array")
    assert np.array_equal(image.pixels[...], array)
    spacing = image.coords["spacing"]
    assert (spacing["x"], spacing["y"]) == (pytest.approx(2e-4), pytest.approx(2.5e-4))
    assert ("z" in spacing) == ("z" in ours)
    if "z" in ours:
        assert spacing["z"] == pytest.approx(2.5e-3)
    if "t" in ours:
        assert np.allclose(image.coords["t"], np.arange(shape[0]) / 2)
    header = read_header(REGISTRY, tmp_path / "a.tif")
    assert (header["axes"], tuple(header["shape"])) == (ours, shape)
    copy = save_image(REGISTRY, tmp_path / "b.tif", image, image)
    assert description(copy) == description(tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as old, tifffile.TiffFile(copy) as new:
        assert new.imagej_metadata == old.imagej_metadata
        assert count == 1 or new.imagej_metadata["Labels"] == metadata["Labels"]
        for code in (282, 283, 296):
            assert new.pages.first.tags.valueof(code) == old.pages.first.tags.valueof(code)
        assert new.series[0].axes == axes
    assert np.array_equal(np.stack(by_page(copy)).reshape(shape), array)


@pytest.mark.parametrize("packed", [None, "zlib"])
def test_ome(tmp_path: Path, packed: str | None) -> None:
    array = numbers((2, 3, 2, 17, 19))
    metadata = {**OME, "axes": "TZCYX", "Channel": {"Name": ["DAPI", "µ-GFP"]}}
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, array, ome=True, metadata=metadata, compression=packed)
    image = open_image(REGISTRY, path)
    assert (image.axes, image.kind) == ("tzcyx", "array")
    assert np.array_equal(image.pixels[...], array)
    assert image.coords["spacing"] == pytest.approx({"x": 2e-4, "y": 2e-4, "z": 2.5e-3})
    assert np.allclose(image.coords["t"], [0, 0.5])
    copy = save_image(REGISTRY, tmp_path / "b.ome.tif", image, image)
    assert description(copy) == description(path)
    assert "µ-GFP".encode() in description(copy)
    with tifffile.TiffFile(copy) as file:
        assert file.series[0].axes == "TZCYX"
        assert int(file.pages.first.compression) == (8 if packed else 1)
    assert np.array_equal(np.stack(by_page(copy)).reshape(array.shape), array)


def test_the_first_of_several_ome_images_stands_alone(tmp_path: Path) -> None:
    first, second = numbers((3, 17, 19)), numbers((2, 9, 8))
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        file.write(first, metadata={"axes": "ZYX", **OME}, photometric="minisblack")
        file.write(second, metadata={"axes": "ZYX"}, photometric="minisblack")
    image = open_image(REGISTRY, tmp_path / "a.ome.tif")
    assert np.array_equal(image.pixels[...], first)
    assert "further images" in image.meta["warnings"][0]
    copy = save_image(REGISTRY, tmp_path / "b.ome.tif", image, image)
    assert description(copy).count(b"<Image ") == 1
    with tifffile.TiffFile(copy) as file:
        assert [one.shape for one in file.series] == [(3, 17, 19)]
    again = open_image(REGISTRY, copy)
    assert again.coords["spacing"] == image.coords["spacing"]


def test_no_other_file_is_read(tmp_path: Path) -> None:
    """OME may spread an image over files; only the one that was opened is."""
    array = numbers((2, 17, 19))
    tifffile.imwrite(tmp_path / "a.ome.tif", array, ome=True, metadata={"axes": "ZYX"})
    text = description(tmp_path / "a.ome.tif").decode()
    other = text.replace("<TiffData ", "<TiffData  ").replace(
        "</TiffData>", '<UUID FileName="secret.tif">urn:uuid:1</UUID></TiffData>'
    )
    if "UUID FileName" not in other:
        other = text.replace("/></Pixels>", '><UUID FileName="secret.tif">urn:uuid:1</UUID>'
                             "</TiffData></Pixels>")  # fmt: skip
    assert 'FileName="secret.tif"' in other
    tifffile.imwrite(tmp_path / "secret.tif", numbers((2, 17, 19)))
    tifffile.imwrite(tmp_path / "b.ome.tif", array, description=other.encode(), metadata=None,
                     photometric="minisblack")  # fmt: skip
    assert np.array_equal(open_image(REGISTRY, tmp_path / "b.ome.tif").pixels[...], array)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
def test_pages_without_a_word_are_slices(tmp_path: Path, dtype: str) -> None:
    array = numbers((4, 17, 19), dtype)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", metadata=None)
    image = open_image(REGISTRY, tmp_path / "a.tif")
    assert (image.axes, image.kind) == ("zyx", "array")
    copy = save_image(REGISTRY, tmp_path / "b.tif", image, image)
    done, found = cv2.imreadmulti(str(copy), flags=cv2.IMREAD_UNCHANGED)
    assert done
    assert np.array_equal(np.stack(found), array)
    with tifffile.TiffFile(copy) as file:
        assert len(file.pages) == 4
        assert int(file.pages.first.compression) == 1  # as it was: it can be mapped
        assert 270 not in file.pages.first.tags


def test_colour_pages(tmp_path: Path) -> None:
    array = numbers((3, 17, 19, 3), "u1")
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", compression="zlib")
    image = open_image(REGISTRY, tmp_path / "a.tif")
    assert image.axes == "zcyx"
    copy = save_image(REGISTRY, tmp_path / "b.tif", image, image)
    assert np.array_equal(np.stack(by_page(copy)), array)


def test_computed_stacks_are_rounded(tmp_path: Path) -> None:
    array = numbers((3, 17, 19))
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, metadata={"axes": "ZYX"})
    image = open_image(REGISTRY, tmp_path / "a.tif")
    result = Image(image.pixels[...] + np.float32(0.3), "zyx", meta=image.meta)
    back = open_image(REGISTRY, save_image(REGISTRY, tmp_path / "b.tif", result, image))
    assert back.pixels.dtype == np.uint16
    assert np.array_equal(back.pixels[...], array)


@pytest.mark.parametrize("kind", ["scan", "clip"])
def test_stacks_from_elsewhere_get_imagejs_words(tmp_path: Path, kind: str) -> None:
    axes = "zyx" if kind == "scan" else "tyx"
    coords: dict[str, Any] = {"spacing": {"x": 0.5, "y": 0.4, "z": 3.0}}
    if kind == "clip":
        coords = {"t": np.arange(3) / 18, "units": {"t": "s"}}
    image = Image(numbers((3, 17, 19), "i2"), axes, kind, coords=coords)
    path = save_image(REGISTRY, tmp_path / "a.tif", image, image)
    back = open_image(REGISTRY, path)
    assert (back.axes, back.pixels.dtype) == (axes, np.int16)
    if kind == "scan":
        assert back.coords["spacing"] == pytest.approx(coords["spacing"])
    else:
        assert np.allclose(back.coords["t"], coords["t"])
    with tifffile.TiffFile(path) as file:
        assert file.is_imagej


@pytest.mark.parametrize("big", ["<", ">"])
def test_unpacked_stacks_stay_in_their_file(tmp_path: Path, big: str) -> None:
    array = numbers((3, 17, 19))
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, byteorder=big, photometric="minisblack", metadata=None)
    packed = pack(Tiff().read(path), tmp_path, in_place=1)
    assert packed["pixels"] == {"$array": 0, "order": [0, 1, 2]}
    assert (tmp_path / "0.json").exists()
    assert not (tmp_path / "0.npy").exists()


def test_huge_stacks_are_written_in_slabs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "HUGE", 1000)
    monkeypatch.setattr("core.lazy.SLAB", 4000)
    array = numbers((9, 17, 19))
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, metadata={"axes": "ZYX", "spacing": 3})
    source = Tiff().read(tmp_path / "a.tif")
    stat = (tmp_path / "a.tif").stat()
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        offset = file.series[0].dataoffset
        kind = f"{file.byteorder}u2"
    stamp = (stat.st_size, stat.st_mtime_ns)
    lazy = FilePixels(str(tmp_path / "a.tif"), offset, kind, (9, 17, 19), (0, 1, 2), stamp)
    image = Image(lazy, "zyx", meta=source.meta)
    Tiff().write(tmp_path / "b.tif", image, source, Output())
    assert np.array_equal(np.stack(by_page(tmp_path / "b.tif")), array)
    assert description(tmp_path / "b.tif") == description(tmp_path / "a.tif")
