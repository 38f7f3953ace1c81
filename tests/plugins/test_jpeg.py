from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest

from core import exif
from core.format import Output, UnreadableFile, UnwritableFile
from core.image import Image, Levels
from plugins.formats.jpeg import Jpeg

SRGB = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
CAMERA = {
    "make": "Canon",
    "model": "EOS 5D",
    "lens": "50mm",
    "iso": 6400,
    "exposure": 1 / 160,
    "aperture": 5.6,
    "focal_length": 50,
    "date": "2020:01:02 03:04:05",
    "serial": "serial-123",
    "owner": "somebody",
    "gps": {"latitude": -33.865143, "longitude": 151.2099},
}


def picture(shape: tuple[int, ...] = (3, 24, 32)) -> np.ndarray:
    ramp = np.linspace(20, 230, int(np.prod(shape)))
    return ramp.reshape(shape).astype(np.uint8)


def test_photographs_are_read(shared_data: Path) -> None:
    path = next((shared_data / "photo" / "PolyU").glob("*.JPG"))
    image = Jpeg().read(path)
    with PIL.Image.open(path) as other:
        assert np.array_equal(np.moveaxis(np.asarray(other), -1, 0), image.pixels[...])
    assert (image.kind, image.axes, image.levels.white) == ("display", "cyx", 255.0)
    assert Jpeg().header(path)["shape"] == list(image.pixels.shape)


def test_metadata_survives_byte_for_byte(tmp_path: Path) -> None:
    tags = PIL.Image.Exif()
    tags[0x010F], tags[0x0112] = "Maker", 6
    tags.get_ifd(0x8769)[0x927C] = b"maker's note"
    PIL.Image.fromarray(np.moveaxis(picture(), 0, -1)).save(
        tmp_path / "a.jpg", icc_profile=SRGB, exif=tags, dpi=(300, 300), xmp=b"<x/>"
    )
    image = Jpeg().read(tmp_path / "a.jpg")
    assert image.orientation == 6
    Jpeg().write(tmp_path / "b.jpg", image, image, Output(quality=95))
    back = Jpeg().read(tmp_path / "b.jpg")
    assert dict(back.meta) == dict(image.meta)
    assert back.meta["icc"] == SRGB
    assert float(np.abs(np.asarray(back.pixels, float) - image.pixels[...]).mean()) < 3


def raw_export(tmp_path: Path, strip: bool) -> PIL.Image.Image:
    source = Image(
        np.zeros((24, 32), np.uint16), kind="mosaic", orientation=6, meta={"exif": CAMERA}
    )
    image = Image(
        picture().astype(np.float32) / 255, "cyx", "display", Levels(white=1.0), meta={"icc": SRGB}
    )
    Jpeg().write(tmp_path / "a.jpg", image, source, Output(strip=strip, note={"method": "x"}))
    return PIL.Image.open(tmp_path / "a.jpg")


def test_a_raw_export_carries_its_exif(tmp_path: Path) -> None:
    with raw_export(tmp_path, False) as other:
        tags = other.getexif()
        camera, place = tags.get_ifd(0x8769), tags.get_ifd(0x8825)
        assert (tags[0x010F], tags[0x0110], tags[0x0112]) == ("Canon", "EOS 5D", 1)
        assert float(camera[0x829A]) == pytest.approx(1 / 160)
        assert (float(camera[0x829D]), camera[0x8827]) == (5.6, 6400)
        assert (float(camera[0x920A]), camera[0xA434]) == (50, "50mm")
        assert camera[0x9003] == "2020:01:02 03:04:05"
        assert (place[1], place[3]) == ("S", "E")
        assert other.info["icc_profile"] == SRGB
    back = Jpeg().read(tmp_path / "a.jpg").meta["exif"]
    assert back["gps"]["latitude"] == pytest.approx(-33.865143, abs=1e-6)
    assert {name: back[name] for name in CAMERA if name != "gps"} == pytest.approx(
        {name: CAMERA[name] for name in CAMERA if name != "gps"}
    )


def test_strip_leaves_the_camera_but_no_person(tmp_path: Path) -> None:
    with raw_export(tmp_path, True) as other:
        assert other.getexif()[0x010F] == "Canon"
        assert not other.getexif().get_ifd(0x8825)
    data = (tmp_path / "a.jpg").read_bytes()
    assert b"serial-123" not in data
    assert b"somebody" not in data


def test_what_jpeg_cannot_hold(tmp_path: Path) -> None:
    stack = Image(np.zeros((5, 8, 8), np.uint8), "zyx", "display", Levels(white=255.0))
    with pytest.raises(UnwritableFile, match="grey or RGB"):
        Jpeg().write(tmp_path / "a.jpg", stack, stack, Output())
    PIL.Image.new("CMYK", (8, 8)).save(tmp_path / "a.jpg")
    with pytest.raises(UnreadableFile, match="convert it to RGB"):
        Jpeg().read(tmp_path / "a.jpg")


@pytest.mark.parametrize("size", range(0, 200, 7))
def test_damaged_exif_never_raises(size: int) -> None:
    raw = exif.build(CAMERA)
    exif.parse(raw[:size])
    flipped = bytearray(raw)
    flipped[size % len(raw)] ^= 0xFF
    exif.parse(bytes(flipped))
    exif.oriented(bytes(flipped), 3)


def test_both_byte_orders_say_the_same() -> None:
    tags = PIL.Image.Exif()
    tags[0x010F], tags[0x0112] = "Maker", 8
    tags.get_ifd(0x8769).update({0x829A: 0.01, 0x8827: 3200})
    tags.get_ifd(0x8825).update({1: "N", 2: (1.0, 30.0, 0.0)})
    found: list[dict] = []
    for end in "<>":
        tags.endian = end
        raw = tags.tobytes()
        found.append(exif.parse(raw))
        assert exif.parse(exif.assemble(*exif.directories(raw))) == found[-1]
        assert exif.parse(exif.oriented(raw, 3))["orientation"] == 3
    assert found[0] == found[1]
    assert found[0]["gps"] == {"latitude": 1.5}


def test_a_profile_that_cannot_be_used_is_told_and_kept(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", icc_profile=b"no profile")
    image = Jpeg().read(tmp_path / "a.jpg")
    (sentence,) = image.meta["warnings"]
    assert "sRGB" in sentence and "profile" in sentence
    Jpeg().write(tmp_path / "b.jpg", image, image, Output())
    assert Jpeg().read(tmp_path / "b.jpg").meta["icc"] == b"no profile"
