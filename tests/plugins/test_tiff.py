from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest
import tifffile

from core.format import Output, UnreadableFile
from core.image import Image, Levels
from plugins.formats.tiff import Tiff

RNG = np.random.default_rng(0)
SRGB = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()


def again(path: Path, image: Image, source: Image | None = None, **options: object) -> Image:
    Tiff().write(path, image, source or image, Output(**options))
    return Tiff().read(path)


def numbers(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return (RNG.normal(0, 50, shape) + 100).clip(0, 250).astype(dtype)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "i4", "f4", "f8"])
@pytest.mark.parametrize(
    ("shape", "options", "axes"),
    [
        ((17, 19), {}, "yx"),
        ((17, 19, 3), {"photometric": "rgb"}, "cyx"),
        ((3, 17, 19), {"photometric": "rgb", "planarconfig": "separate"}, "cyx"),
        ((5, 17, 19), {"photometric": "minisblack"}, "zyx"),
        ((17, 19, 7), {"photometric": "minisblack", "planarconfig": "contig"}, "byx"),
        ((7, 17, 19), {"photometric": "minisblack", "planarconfig": "separate"}, "byx"),
    ],
)
def test_everything_comes_back_as_it_lay(
    tmp_path: Path, dtype: str, shape: tuple[int, ...], options: dict, axes: str
) -> None:
    array = numbers(shape, dtype)
    tifffile.imwrite(tmp_path / "a.tif", array, **options)
    image = Tiff().read(tmp_path / "a.tif")
    assert image.axes == axes
    header = Tiff().header(tmp_path / "a.tif")
    assert (header["shape"], header["kind"]) == (list(image.pixels.shape), image.kind)
    again(tmp_path / "b.tif", image)
    back = tifffile.imread(tmp_path / "b.tif")
    assert np.array_equal(back, array)
    assert back.dtype == array.dtype


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_photographs_keep_transparency(tmp_path: Path, dtype: str) -> None:
    array = numbers((17, 19, 4), dtype)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", extrasamples=["unassalpha"])
    image = Tiff().read(tmp_path / "a.tif")
    assert (image.kind, image.pixels.shape) == ("display", (3, 17, 19))
    assert image.levels.white == np.iinfo(dtype).max
    again(tmp_path / "b.tif", image)
    assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), array)


def test_metadata_survives(tmp_path: Path) -> None:
    camera = {0x829A: 0.01, 0xA434: "a lens"}
    PIL.Image.fromarray(numbers((9, 8, 3), "u1")).save(
        tmp_path / "a.tif", icc_profile=SRGB, dpi=(300, 200),
        tiffinfo={271: "Maker", 274: 6, 700: b"<x/>", 33723: b"iptc", 34665: camera},
    )  # fmt: skip
    image = Tiff().read(tmp_path / "a.tif")
    back = again(tmp_path / "b.tif", image)
    for name in ("icc", "xmp", "dpi"):
        assert back.meta[name] == image.meta[name]
    assert back.orientation == image.orientation == 6
    software = {"software": back.meta["exif"].get("software")}
    assert back.meta["exif"] == {**image.meta["exif"], **software}
    assert back.meta["exif"]["lens"] == "a lens"
    with PIL.Image.open(tmp_path / "b.tif") as other:
        found = other.getexif()
        assert float(found.get_ifd(0x8769)[0x829A]) == 0.01
        assert (found[271], found[274]) == ("Maker", 6)
        assert other.info["icc_profile"] == SRGB
    again(tmp_path / "c.tif", image, strip=True)
    assert b"<x/>" not in (tmp_path / "c.tif").read_bytes()


def test_a_raw_export_is_an_ordinary_photograph(tmp_path: Path) -> None:
    exif = {
        "make": "Canon",
        "iso": 800,
        "exposure": 0.004,
        "gps": {"latitude": 1.5, "longitude": 2},
    }
    source = Image(np.zeros((9, 8), np.uint16), kind="mosaic", meta={"exif": exif})
    pixels = RNG.random((3, 9, 8), np.float32)
    image = Image(pixels, "cyx", "display", Levels(white=1.0), meta={"icc": SRGB})
    for bits in (8, 16):
        back = again(tmp_path / f"{bits}.tif", image, source, bits=bits, note={"method": "x"})
        top = 2**bits - 1
        assert np.array_equal(back.pixels[...], np.rint(pixels * np.float32(top)))
        assert {name: back.meta["exif"][name] for name in exif} == exif
        with tifffile.TiffFile(tmp_path / f"{bits}.tif") as file:
            page = file.pages.first
            assert page.shape == (9, 8, 3)
            assert (page.photometric, page.planarconfig) == (2, 1)


@pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits", "lzma", None])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_compressed_files_need_no_other_package(
    tmp_path: Path, compression: str | None, dtype: str
) -> None:
    """tifffile leaves LZW to a package that users do not have."""
    pytest.importorskip("imagecodecs")  # only to write the sample
    array = numbers((33, 35, 3), dtype)
    predictor = 2 if compression in ("lzw", "zlib") else None
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, photometric="rgb", compression=compression, predictor=predictor)
    code = (
        "import sys; sys.modules['imagecodecs'] = None; from pathlib import Path;"
        "from plugins.formats.tiff import Tiff; from core.format import Output; import numpy as np;"
        f"image = Tiff().read(Path({str(path)!r})); np.save({str(tmp_path / 'a.npy')!r},"
        "np.moveaxis(image.pixels, 0, -1));"
        f"Tiff().write(Path({str(tmp_path / 'b.tif')!r}), image, image, Output())"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2]
    )
    assert np.array_equal(np.load(tmp_path / "a.npy"), array)
    assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), array)


def test_other_compressions_get_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("imagecodecs")
    tifffile.imwrite(tmp_path / "a.tif", numbers((33, 35), "u1"), compression="zstd")
    with pytest.raises(UnreadableFile, match=r"ZSTD.*deflate"):
        Tiff().header(tmp_path / "a.tif")


def test_palettes_become_colours(tmp_path: Path) -> None:
    PIL.Image.fromarray(numbers((9, 8), "u1")).convert("P").save(tmp_path / "a.tif")
    image = Tiff().read(tmp_path / "a.tif")
    header = Tiff().header(tmp_path / "a.tif")
    assert image.pixels.shape == (3, 9, 8) == tuple(header["shape"])


def test_big_files_stay_big(tmp_path: Path) -> None:
    array = numbers((9, 8), "f4")
    tifffile.imwrite(tmp_path / "a.tif", array, bigtiff=True)
    image = Tiff().read(tmp_path / "a.tif")
    again(tmp_path / "b.tif", image)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.is_bigtiff
        assert np.array_equal(file.asarray(), array)


def test_bands_of_a_real_file(shared_data: Path) -> None:
    image = Tiff().read(shared_data / "hsi" / "derived" / "hydice_urban.tif")
    assert image.axes == "byx"
    assert image.kind == "cube"


def test_a_profile_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    for dtype, count in (("u1", 1), ("f4", 0)):  # arrays of numbers have no colours
        pixels = numbers((9, 8, 3), dtype)
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", iccprofile=b"no profile")
        sentences = Tiff().read(tmp_path / "a.tif").meta.get("warnings", ())
        assert len(sentences) == count
        assert all("sRGB" in one for one in sentences)
