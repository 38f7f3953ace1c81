"""Writing DNG: the pixels, their meaning and the tags come back, and developers see the same."""

from __future__ import annotations

import io
import struct
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rawpy
import tifffile
from PIL import Image as Pictures

from core.format import Output, UnwritableFile
from core.image import Cfa, Color, Image, Levels
from plugins.formats.raw import Raw
from plugins.formats.raw.info import info
from plugins.formats.raw.tags import Tiff

sys.path.insert(0, str(Path(__file__).parent))
from test_raw import BAYER, XTRANS, area_tag, mosaic, write_dng

RAW = Raw()
NOTE = {"recipe": {"steps": [{"method": "fast", "strength": 1.0}]}, "text": '<&"ä'}
DENOISED = Output(note=NOTE)
FILES = (
    "Blackmagic.dng",
    "canon_eos_6d.dng",
    "derived/DSC_1339_768x512.dng",
    "synthetic/bayer_iso12800_clean.dng",
    "synthetic/bayer_iso12800_noisy.dng",
    "synthetic/xtrans_iso6400_clean.dng",
    "synthetic/xtrans_iso6400_noisy.dng",
)


def develop(path):
    """LibRaw's rendering, 8 bits, by the file's own levels, white balance and matrix."""
    with rawpy.imread(str(path)) as raw:
        return raw.postprocess(
            use_camera_wb=True,
            no_auto_bright=True,
            adjust_maximum_thr=0.0,
            demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR,
        ).astype(float)


def apart(first, second):
    assert first.shape == second.shape
    return float(np.abs(first - second).mean())


def foreign(image):
    """The image as if it came from a camera's own format."""
    return replace(image, meta={**image.meta, "dng": False}, path="")


def same_meaning(back, image):
    assert np.array_equal(back.pixels, image.pixels)
    for name in ("axes", "kind", "levels", "cfa", "orientation"):
        assert getattr(back, name) == getattr(image, name), name
    if image.color is not None:
        assert np.allclose(back.color.matrix, image.color.matrix, atol=1e-6)
        assert np.allclose(back.color.wb, image.color.wb, atol=1e-6)
        assert np.allclose(back.color.daylight, image.color.daylight, rtol=1e-4)


# ------------------------------------------------------------------ identity


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("way", ["patched", "built"])
def test_identity_develops_the_same(shared_data, tmp_path, name, way):
    path = shared_data / "raw" / name
    image = RAW.read(path)
    source = image if way == "patched" else foreign(image)
    before = develop(path)
    denoised = replace(image, pixels=np.asarray(image.pixels, np.float32))
    for compress in (True, False):
        out = tmp_path / f"{compress}.dng"
        RAW.write(out, denoised, source, replace(DENOISED, compress=compress))
        back = RAW.read(out)
        same_meaning(back, image)
        assert back.meta["marked_denoised"]
        assert apart(develop(out), before) < 0.01


@pytest.mark.parametrize("strip", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", [*BAYER, "xtrans"])
@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (3, 5), (7, 10)])
def test_patched_areas_phases_and_byte_orders(tmp_path, name, corner, order, strip):
    pattern = BAYER.get(name, XTRANS)
    frame = mosaic(pattern, 61, 300, *corner)
    tags = {
        "_50829": area_tag(*corner, 48, 281),
        "_50713": ("H", 2, (2, 2)),
        "_50714": ("H", 4, (1000, 1020, 1040, 1010)),
        "_274": ("H", 1, 6),
    }
    path = write_dng(tmp_path / "a.dng", frame, pattern, order, **tags)
    before, image = path.read_bytes(), RAW.read(path)
    halved = image.pixels // 2 + 700
    out = tmp_path / "b.dng"
    RAW.write(out, replace(image, pixels=halved), image, replace(DENOISED, strip=strip))
    assert path.read_bytes() == before
    same_meaning(RAW.read(out), replace(image, pixels=halved))
    assert out.read_bytes()[:2] == before[:2]
    with rawpy.imread(str(out)) as raw:  # what lies outside of the active area is the source's
        full = raw.raw_image.copy()
    top, left = corner
    expected = frame.copy()
    expected[top : top + 48, left : left + 281] = halved
    assert np.array_equal(full, expected)
    RAW.write(out, image, image, DENOISED)
    assert apart(develop(out), develop(path)) < 0.01


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("pattern", [*BAYER.values(), XTRANS])
def test_built_from_scratch(tmp_path, pattern, orientation):
    pixels = mosaic(pattern, 257, 301)
    levels = Levels(((500.25, 520.0), (540.0, 510.0)), 15520.0)
    color = Color((2.0, 1.0, 1.5), "as shot", (2.1, 1.0, 1.2), RAW_MATRIX)
    image = Image(pixels, "yx", "mosaic", levels, Cfa(pattern), color, orientation)
    RAW.write(tmp_path / "a.dng", image, image, Output())
    back = RAW.read(tmp_path / "a.dng")
    same_meaning(replace(back, levels=levels), image)
    assert np.allclose(back.levels.black, levels.black) and back.levels.white == levels.white
    assert not back.meta["marked_denoised"]


RAW_MATRIX = ((1.6, -0.4, -0.2), (-0.2, 1.6, -0.4), (0.05, -0.45, 1.4))


def test_frame_of_another_source_is_kept(tmp_path):
    """Masked borders are written again, also where the file is built anew."""
    pattern = BAYER["grbg"]
    frame = mosaic(pattern, 61, 73, 3, 5)
    path = write_dng(tmp_path / "a.dng", frame, pattern, _50829=area_tag(3, 5, 48, 51))
    image = RAW.read(path)
    rgb = np.stack([image.pixels] * 3)  # a joint demosaic: linear from a mosaic
    linear = replace(image, pixels=rgb, axes="cyx", kind="linear", cfa=None)
    RAW.write(tmp_path / "b.dng", linear, image, DENOISED)
    back = RAW.read(tmp_path / "b.dng")
    assert np.array_equal(back.pixels, rgb)
    assert back.meta["exif"]["model"] == "Test camera"
    gone = replace(image, path=str(tmp_path / "gone.dng"))
    RAW.write(tmp_path / "c.dng", image, gone, DENOISED)
    same_meaning(RAW.read(tmp_path / "c.dng"), image)


def test_monochrome(tmp_path):
    frame = np.random.default_rng(0).integers(1024, 16383, (40, 51)).astype(np.uint16)
    path = write_dng(tmp_path / "a.dng", frame)
    image = RAW.read(path)
    for source in (image, foreign(image)):
        RAW.write(tmp_path / "b.dng", image, source, DENOISED)
        same_meaning(RAW.read(tmp_path / "b.dng"), image)


# ------------------------------------------------------------------ values


def test_rounded_and_clipped_only_here(tmp_path):
    image = RAW.read(write_dng(tmp_path / "a.dng", mosaic(BAYER["rggb"]), BAYER["rggb"]))
    values = np.asarray(image.pixels, np.float32)
    values[0, :6] = [-5, 0.4, 0.6, 1023.5, 70000, 65535.4]
    out = replace(image, pixels=values)
    RAW.write(tmp_path / "b.dng", out, image, DENOISED)
    back = RAW.read(tmp_path / "b.dng")
    assert back.pixels[0, :6].tolist() == [0, 0, 1, 1024, 65535, 65535]
    assert np.array_equal(back.pixels, RAW.stored(out, DENOISED))
    assert back.levels == image.levels


@pytest.mark.parametrize("width", [32, 50, 255, 256, 257, 512, 513])
@pytest.mark.parametrize("height", [32, 255, 257])  # LibRaw opens no fewer than 22 rows
def test_sizes_around_a_tile(tmp_path, height, width):
    """LibRaw misreads tiles wider than the image, and images two tiles wide."""
    pixels = np.random.default_rng(0).integers(1, 65535, (height, width)).astype(np.uint16)
    image = Image(pixels, "yx", "mosaic", Levels(white=65535.0), Cfa(BAYER["rggb"]), Color())
    RAW.write(tmp_path / "a.dng", image, image, DENOISED)
    assert np.array_equal(RAW.read(tmp_path / "a.dng").pixels, pixels)
    rgb = Image(np.stack([pixels] * 3), "cyx", "linear", Levels(white=65535.0), color=Color())
    RAW.write(tmp_path / "b.dng", rgb, rgb, DENOISED)
    assert np.array_equal(RAW.read(tmp_path / "b.dng").pixels, rgb.pixels)


def test_too_small(tmp_path):
    image = Image(np.ones((21, 40), np.uint16), "yx", "mosaic", cfa=Cfa(BAYER["rggb"]))
    with pytest.raises(UnwritableFile, match="too small"):
        RAW.write(tmp_path / "a.dng", image, image, DENOISED)


def test_numbers_that_are_none(tmp_path):
    image = RAW.read(write_dng(tmp_path / "a.dng", mosaic(BAYER["rggb"]), BAYER["rggb"]))
    bad = np.full(image.pixels.shape, np.nan, np.float32)
    with pytest.raises(UnwritableFile, match="no numbers"):
        RAW.write(tmp_path / "b.dng", replace(image, pixels=bad), image, DENOISED)


def test_float_scale_is_stretched(tmp_path):
    pixels = np.random.default_rng(0).random((3, 40, 50)).astype(np.float32)
    image = Image(pixels, "cyx", "linear", Levels(white=1.0), color=Color())
    RAW.write(tmp_path / "a.dng", image, image, Output())
    back = RAW.read(tmp_path / "a.dng")
    assert back.levels.white == 65535
    assert np.allclose(back.pixels / 65535, pixels, atol=1e-5)


def test_dark_denoised_images_open_again(tmp_path):
    """Most pixels of a dark denoised picture may be black: that is no damage."""
    pixels = np.zeros((64, 64), np.uint16)
    pixels[:8] = 500
    image = Image(pixels, "yx", "mosaic", Levels(white=4095.0), Cfa(BAYER["rggb"]), Color())
    RAW.write(tmp_path / "a.dng", image, image, DENOISED)
    assert np.array_equal(RAW.read(tmp_path / "a.dng").pixels, pixels)


# ------------------------------------------------------------------ tags


def directories(path):
    tiff = Tiff(path.read_bytes())
    return tiff, [ifd for _, ifd in tiff.tree()]


def test_patched_tags(shared_data, tmp_path):
    path = shared_data / "raw/canon_eos_6d.dng"
    image = RAW.read(path)
    out = tmp_path / "a.dng"
    RAW.write(out, image, image, DENOISED)
    tiff, (top, sensor) = directories(out)
    old_tiff, (old_top, old_sensor, *_) = directories(path)
    for code in (271, 272, 274, 306, 34665, 50721, 50722, 50728, 50735, 50827, 50938, 50964, 50982):
        assert top[code] == old_top[code], code
    for code in (50718, 50719, 50720, 50738):
        assert sensor[code] == old_sensor[code], code
    exif = int(tiff.values(top[34665])[0])
    assert tiff.ifd(exif) == old_tiff.ifd(exif)
    for code in (51041, 51111, 50781, 50969, 50971):  # noise profile, digests, stale preview
        assert code not in top and code not in sensor
    assert tiff.text(top[305]).startswith("Sordino")
    assert tiff.values(sensor[50935]) == (1.0,)
    assert 51009 not in sensor  # the lossy source's curve, which LibRaw has applied
    shown, original = RAW.read(out).meta["exif"], image.meta["exif"]
    assert {**shown, "software": ""} == {**original, "software": ""}


def test_xmp_keeps_the_source_packet_and_adds_history(shared_data, tmp_path):
    from xml.etree import ElementTree

    image = RAW.read(shared_data / "raw/canon_eos_6d.dng")
    out = tmp_path / "a.dng"
    RAW.write(out, image, image, DENOISED)
    _, (top, _) = directories(out)
    packet = top[700].data
    ElementTree.fromstring(packet.decode())
    old = directories(shared_data / "raw/canon_eos_6d.dng")[1][0][700].data
    assert b"sordino:note" in packet and packet.count(b"<xmpMM:History>") == 1
    assert len(packet) > len(old.rstrip()) and b"crs:" in packet
    assert b'stEvt:action="denoised"' in packet
    again = RAW.read(out)
    RAW.write(tmp_path / "b.dng", again, again, DENOISED)
    ElementTree.fromstring(directories(tmp_path / "b.dng")[1][0][700].data.decode())


def test_plain_conversion_is_not_marked(shared_data, tmp_path):
    image = RAW.read(shared_data / "raw/canon_eos_6d.dng")
    out = tmp_path / "a.dng"
    RAW.write(out, image, image, Output())
    back = RAW.read(out)
    assert not back.meta["marked_denoised"]
    assert back.meta["noise_profile"] == image.meta["noise_profile"]
    assert back.meta["exif"] == image.meta["exif"]


def test_preview_shows_the_new_pixels(shared_data, tmp_path):
    for name in ("canon_eos_6d.dng", "synthetic/bayer_iso12800_noisy.dng"):
        image = RAW.read(shared_data / "raw" / name)
        bright = np.full(image.pixels.shape, 14000, np.uint16)
        bright[..., :2, :2] = 2000
        out = tmp_path / "a.dng"
        RAW.write(out, replace(image, pixels=bright), image, DENOISED)
        tiff, ifds = directories(out)
        previews = [ifd for ifd in ifds if tiff.values(ifd[254]) == (1,)]
        assert len(previews) == 1
        with rawpy.imread(str(out)) as raw:
            thumb = raw.extract_thumb()
        assert thumb.format == rawpy.ThumbFormat.JPEG
        picture = np.asarray(Pictures.open(io.BytesIO(thumb.data)))
        assert picture.shape[:2] == tuple(
            int(tiff.values(previews[0][code])[0]) for code in (257, 256)
        )
        assert picture[16:, 16:].std((0, 1)).max() < 3 < 100 < picture.mean()


@pytest.mark.parametrize("way", ["patched", "built"])
def test_strip(shared_data, tmp_path, way):
    path = shared_data / "raw/canon_eos_6d.dng"
    image = RAW.read(path)
    gps = {"latitude": -33.5, "longitude": 151.2, "altitude": 12.0}
    exif = {**image.meta["exif"], "gps": gps, "owner": "Jane Doe"}
    image = replace(image, meta={**image.meta, "exif": exif})
    source = image if way == "patched" else replace(image, path="")
    secrets = (b"033024001432", b"00001066ba", b"IMG_2533", b"Jane Doe", b"W\0\0\0")
    RAW.write(tmp_path / "a.dng", image, source, replace(DENOISED, strip=True))
    data = (tmp_path / "a.dng").read_bytes()
    assert not any(secret in data for secret in secrets[:4])
    back = RAW.read(tmp_path / "a.dng")
    same_meaning(back, image)
    assert back.meta["exif"]["lens"] == image.meta["exif"]["lens"]
    assert back.meta["exif"]["iso"] == 1000
    assert "gps" not in back.meta["exif"]
    if way == "built":
        RAW.write(tmp_path / "b.dng", image, source, DENOISED)
        kept = RAW.read(tmp_path / "b.dng").meta["exif"]
        assert kept["gps"] == pytest.approx(gps)
        assert (kept["owner"], kept["serial"]) == ("Jane Doe", "033024001432")


def test_bad_pixel_list_stays_other_first_opcodes_go(tmp_path):
    def opcode(code, body):
        return struct.pack(">IIII", code, 1 << 24, 0, len(body)) + body

    listed, constant = opcode(5, b"places.."), opcode(4, b"value...")
    data = struct.pack(">I", 2) + constant + listed
    tags = {"_51008": (7, len(data), data), "_51022": (7, len(data), data)}
    path = write_dng(tmp_path / "a.dng", mosaic(BAYER["rggb"]), BAYER["rggb"], **tags)
    image = RAW.read(path)
    RAW.write(tmp_path / "b.dng", image, image, DENOISED)
    _, ifds = directories(tmp_path / "b.dng")
    sensor = ifds[0]
    assert sensor[51008].data == struct.pack(">I", 1) + listed
    assert sensor[51022].data == data


def test_holes_are_used_again(tmp_path):
    """Where the new tiles fit into the old pixels' place, the file hardly grows."""
    frame = mosaic(BAYER["rggb"], 512, 768)
    path = write_dng(tmp_path / "a.dng", frame, BAYER["rggb"])
    image = RAW.read(path)
    RAW.write(tmp_path / "b.dng", image, image, DENOISED)
    assert (tmp_path / "b.dng").stat().st_size < path.stat().st_size + 50_000
    assert info(tmp_path / "b.dng").compression == "lossless JPEG"


def test_tifffile_reads_the_structure(tmp_path):
    image = RAW.read(write_dng(tmp_path / "a.dng", mosaic(BAYER["rggb"]), BAYER["rggb"], ">"))
    for source in (image, foreign(image)):
        RAW.write(tmp_path / "b.dng", image, source, replace(DENOISED, compress=False))
        with tifffile.TiffFile(tmp_path / "b.dng") as file:
            pages = [file.pages[0], *(file.pages[0].pages or [])]
            found = [page for page in pages if page.photometric == 32803]
            assert np.array_equal(found[0].asarray(), image.pixels)
            codes = [tag.code for tag in file.pages[0].tags.values()]
            assert codes == sorted(codes)
