from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import core.files
import plugins.formats.tiff.bands
from core.files import open_image, read_header, save_image
from core.format import Output, UnwritableFile
from core.image import Image
from core.lazy import FilePixels
from core.registry import load
from plugins.formats.tiff.bands import KEPT

REGISTRY = load()
RNG = np.random.default_rng(0)
rasterio: Any = pytest.importorskip("rasterio")


def made(path: Path, count: int = 6, dtype: str = "uint16", **more: Any) -> np.ndarray:
    """A GeoTIFF as GDAL writes it; its cube, axes byx."""
    cube = RNG.integers(0, 200, (count, 70, 50)).astype(dtype)
    with rasterio.open(
        path, "w", driver="GTiff", height=70, width=50, count=count, dtype=dtype,
        crs="EPSG:32614", transform=rasterio.transform.from_origin(600000, 3450000, 2, 2),
        **more,
    ) as file:  # fmt: skip
        file.write(cube)
        file.update_tags(scene="one & two")
        for band in range(count):
            file.set_band_description(band + 1, f"band <{band}>")
            file.update_tags(band + 1, wavelength=str(400.5 + band), wavelength_units="nm")
    return cube


def geographic(path: Path) -> dict[str, Any]:
    """Everything another program reads but the pixels."""
    with rasterio.open(path) as file:
        found = {name: file.profile[name] for name in file.profile}
        tags = {name: text for name, text in file.tags().items() if "TIFFTAG" not in name}
        bands = [file.tags(band + 1) for band in range(file.count)]
        return {**found, "crs": file.crs.to_wkt(), "names": file.descriptions, "tags": tags,
                "bands": bands, "kinds": file.colorinterp}  # fmt: skip


def tag_bytes(path: Path) -> dict[int, tuple[Any, ...]]:
    with tifffile.TiffFile(path) as file:
        found = {}
        for tag in file.pages.first.tags.values():
            if tag.code in KEPT:
                size = tag.count * {1: 1, 2: 1, 3: 2, 4: 4, 12: 8}[int(tag.dtype)]
                file.filehandle.seek(tag.valueoffset)
                data = file.filehandle.read(size)
                found[tag.code] = (int(tag.dtype), tag.count, data)
        return found


LAYOUTS = [
    {"interleave": "band"},
    {"interleave": "pixel"},
    {"interleave": "band", "compress": "deflate", "predictor": 2},
    {"interleave": "pixel", "compress": "deflate", "blockysize": 16},
    {"interleave": "band", "tiled": True, "blockxsize": 32, "blockysize": 16},
    {"interleave": "pixel", "tiled": True, "blockxsize": 16, "blockysize": 48,
     "compress": "deflate"},
    {"interleave": "pixel", "bigtiff": "YES"},
    {"interleave": "band", "bigtiff": "YES", "compress": "deflate"},
]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_layout_and_place_survive(tmp_path: Path, layout: dict[str, Any]) -> None:
    cube = made(tmp_path / "a.tif", nodata=7, **layout)
    image = open_image(REGISTRY, tmp_path / "a.tif")
    assert (image.axes, image.kind, image.nodata) == ("byx", "cube", 7)
    assert np.array_equal(image.pixels[...], cube)
    assert image.coords["b"].tolist() == [400.5 + band for band in range(6)]
    assert image.coords["units"] == {"b": "nm"}
    assert image.meta["band_names"][5] == "band <5>"
    header = read_header(REGISTRY, tmp_path / "a.tif")
    assert (header["shape"], header["nodata"]) == ([6, 70, 50], 7)
    save_image(REGISTRY, tmp_path / "b.tif", image, image)
    assert tag_bytes(tmp_path / "a.tif") == tag_bytes(tmp_path / "b.tif")
    one, other = geographic(tmp_path / "a.tif"), geographic(tmp_path / "b.tif")
    assert other == one
    with rasterio.open(tmp_path / "b.tif") as file:
        assert np.array_equal(file.read(), cube)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.is_bigtiff == ("bigtiff" in layout)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int32", "float32", "float64"])
@pytest.mark.parametrize("count", [3, 4, 5])
def test_types_and_results(tmp_path: Path, dtype: str, count: int) -> None:
    cube = made(tmp_path / "a.tif", count, dtype, nodata=-5 if dtype == "int16" else None,
                photometric="minisblack", interleave="pixel")  # fmt: skip
    image = open_image(REGISTRY, tmp_path / "a.tif")
    assert (image.axes, image.kind) == ("byx", "cube")
    pixels = cube.astype(np.float32) + np.float32(0.3)
    if dtype == "int16":
        pixels[0, 0, 0] = np.nan
    result = Image(pixels, "byx", "cube", meta=image.meta, nodata=image.nodata)
    save_image(REGISTRY, tmp_path / "b.tif", result, image, Output(note={"recipe": 1}))
    expected = pixels.astype(dtype) if dtype.startswith("float") else cube.copy()
    if dtype == "int16":
        expected[0, 0, 0] = -5
    with rasterio.open(tmp_path / "b.tif") as file:
        assert np.array_equal(file.read(), expected)
        assert file.crs.to_epsg() == 32614


def test_a_cube_with_colours_in_front_keeps_them(tmp_path: Path) -> None:
    made(tmp_path / "a.tif", photometric="RGB", interleave="pixel")
    image = open_image(REGISTRY, tmp_path / "a.tif")
    save_image(REGISTRY, tmp_path / "b.tif", image, image)
    assert geographic(tmp_path / "a.tif") == geographic(tmp_path / "b.tif")


def test_strip_leaves_out_the_place(tmp_path: Path) -> None:
    made(tmp_path / "a.tif", nodata=7)
    image = open_image(REGISTRY, tmp_path / "a.tif")
    save_image(REGISTRY, tmp_path / "b.tif", image, image, Output(strip=True))
    with rasterio.open(tmp_path / "b.tif") as file:
        assert file.crs is None
        assert file.nodata == 7


@pytest.mark.parametrize("layout", LAYOUTS[:2] + LAYOUTS[6:7], ids=str)
def test_large_cubes_stay_in_their_file(
    tmp_path: Path, layout: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.files, "IN_PLACE", 1)
    monkeypatch.setattr(plugins.formats.tiff.bands, "HUGE", 1)
    cube = made(tmp_path / "a.tif", ENDIANNESS="BIG", **layout)
    image = open_image(REGISTRY, tmp_path / "a.tif")
    assert isinstance(image.pixels, FilePixels)
    assert np.array_equal(image.pixels[...], cube)
    save_image(REGISTRY, tmp_path / "b.tif", image, image)
    one, other = geographic(tmp_path / "a.tif"), geographic(tmp_path / "b.tif")
    for name in ("crs", "transform", "names", "tags", "bands", "interleave", "kinds"):
        assert one[name] == other[name]
    with rasterio.open(tmp_path / "b.tif") as file:
        assert np.array_equal(file.read(), cube)


def test_cubes_of_other_formats(tmp_path: Path) -> None:
    cube = RNG.normal(0, 3, (5, 6, 7)).astype(np.float32)
    coords = {"b": np.linspace(400, 800, 5), "units": {"b": "nm"}}
    names = ["a & b", "c", "d", "e", "f"]
    meta = {"fwhm": [9.0] * 5, "band_names": names, "order": "ybx"}
    image = Image(cube, "byx", "cube", coords=coords, meta=meta, nodata=-9.5)
    save_image(REGISTRY, tmp_path / "a.tif", image, image)
    with rasterio.open(tmp_path / "a.tif") as file:
        assert np.array_equal(file.read(), cube)
        assert file.nodata == -9.5
        assert list(file.descriptions) == names
        assert file.tags(2, ns="IMAGERY")["CENTRAL_WAVELENGTH_UM"] == "0.5"
    back = open_image(REGISTRY, tmp_path / "a.tif")
    assert np.allclose(back.coords["b"], coords["b"] / 1000)
    assert np.allclose(back.meta["fwhm"], 0.009)
    assert back.meta["band_names"] == names
    assert back.nodata == -9.5
    one = Image(cube[:1], "byx", "cube")
    with pytest.raises(UnwritableFile, match="single band"):
        save_image(REGISTRY, tmp_path / "b.tif", one, one)


def test_a_real_file(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "hsi" / "derived" / "hydice_urban.tif"
    image = open_image(REGISTRY, path)
    assert (image.axes, image.pixels.shape) == ("byx", (162, 100, 80))
    save_image(REGISTRY, tmp_path / "b.tif", image, image)
    assert tag_bytes(path) == tag_bytes(tmp_path / "b.tif")
    with rasterio.open(path) as one, rasterio.open(tmp_path / "b.tif") as other:
        assert np.array_equal(one.read(), other.read())
        assert (one.crs, one.transform) == (other.crs, other.transform)
        assert one.profile == other.profile
