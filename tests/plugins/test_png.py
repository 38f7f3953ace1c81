from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.PngImagePlugin
import pytest

from core.format import Output
from core.image import Image, Levels
from plugins.formats.png import Png

RNG = np.random.default_rng(0)
SRGB = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()


def again(path: Path, image: Image, **options: object) -> Image:
    Png().write(path, image, image, Output(**options))
    return Png().read(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pixels_and_transparency(tmp_path: Path, dtype: type, channels: int) -> None:
    shape = (11, 13) if channels == 1 else (11, 13, channels)
    rgb = RNG.integers(0, np.iinfo(dtype).max, shape, dtype)
    bgr = rgb if channels == 1 else rgb[..., [2, 1, 0, 3][:channels]]
    cv2.imwrite(str(tmp_path / "a.png"), bgr)
    image = Png().read(tmp_path / "a.png")
    expected = rgb if channels == 1 else np.moveaxis(rgb[..., :3], -1, 0)
    assert np.array_equal(image.pixels[...], expected)
    assert image.levels.white == np.iinfo(dtype).max
    assert image.kind == "display"
    again(tmp_path / "b.png", image)
    back = cv2.imread(str(tmp_path / "b.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(back, bgr)
    assert back.dtype == dtype


def test_metadata_survives_and_is_stripped(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    exif.get_ifd(0x8769)[0xA431] = "serial-123"
    texts = PIL.PngImagePlugin.PngInfo()
    texts.add_text("Author", "somebody")
    texts.add_itxt("XML:com.adobe.xmp", "<x/>")
    PIL.Image.fromarray(RNG.integers(0, 255, (9, 8, 3), np.uint8)).save(
        tmp_path / "a.png", icc_profile=SRGB, exif=exif, dpi=(300, 150), pnginfo=texts
    )
    image = Png().read(tmp_path / "a.png")
    assert image.orientation == 6
    assert image.meta["exif"]["make"] == "Maker"
    assert image.meta["icc"] == SRGB
    assert image.meta["xmp"] == b"<x/>"
    assert image.meta["text"] == {"Author": "somebody"}
    assert image.meta["dpi"] == pytest.approx((300, 150), abs=0.02)
    back = again(tmp_path / "b.png", image)
    assert dict(back.meta) == dict(image.meta)
    with PIL.Image.open(tmp_path / "b.png") as other:
        assert other.info["icc_profile"] == SRGB
        assert other.text["Author"] == "somebody"
        assert other.getexif()[0x010F] == "Maker"
    again(tmp_path / "c.png", image, strip=True)
    data = (tmp_path / "c.png").read_bytes()
    assert b"serial-123" not in data
    assert b"somebody" not in data


@pytest.mark.parametrize("mode", ["1", "P", "LA"])
def test_unusual_modes(tmp_path: Path, mode: str) -> None:
    PIL.Image.fromarray(RNG.integers(0, 255, (9, 8), np.uint8)).convert(mode).save(
        tmp_path / "a.png"
    )
    image = Png().read(tmp_path / "a.png")
    header = Png().header(tmp_path / "a.png")
    assert header["shape"] == list(image.pixels.shape)
    back = again(tmp_path / "b.png", image)
    assert np.array_equal(back.pixels[...], image.pixels[...])


def test_developed_pictures_round_once(tmp_path: Path) -> None:
    pixels = np.array([[[-0.1, 0.0, 0.5, 1.0, 1.2, np.nan]]], np.float32).repeat(3, 0)
    image = Image(pixels, "cyx", "display", Levels(white=1.0), meta={"icc": SRGB})
    assert again(tmp_path / "a.png", image, bits=16).pixels[0, 0].tolist() == [
        0, 0, 32768, 65535, 65535, 0,
    ]  # fmt: skip
    assert again(tmp_path / "b.png", image, bits=8).pixels[0, 0].tolist() == [
        0, 0, 128, 255, 255, 0,
    ]  # fmt: skip


def test_a_profile_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    for packed in (zlib.compress(b"no profile"), b"not even packed"):
        body = b"iCCP" + b"x\0\0" + packed
        chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        path = tmp_path / "profile.png"
        PIL.Image.new("RGB", (8, 8)).save(path)
        data = path.read_bytes()
        path.write_bytes(data[:33] + chunk + data[33:])
        (sentence,) = Png().read(path).meta["warnings"]
        assert "sRGB" in sentence and "profile" in sentence
        assert Png().header(path)["warnings"] == [sentence]
