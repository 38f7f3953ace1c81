"""Opening RAW files: exact areas, phases and levels, and every trap of the decoder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from core.format import UnreadableFile
from plugins.formats.raw import Raw

RAW = Raw()
XTRANS = (
    (1, 1, 0, 1, 1, 2),
    (1, 1, 2, 1, 1, 0),
    (2, 0, 1, 0, 2, 1),
    (1, 1, 2, 1, 1, 0),
    (1, 1, 0, 1, 1, 2),
    (0, 2, 1, 2, 0, 1),
)
BAYER = {
    "rggb": ((0, 1), (1, 2)),
    "bggr": ((2, 1), (1, 0)),
    "grbg": ((1, 0), (2, 1)),
    "gbrg": ((1, 2), (0, 1)),
}
MATRIX = (9020, -2890, -715, -4535, 12436, 2348, -934, 1919, 7086)


def write_dng(path, pixels, pattern=None, order="<", **tags):
    """A DNG by tifffile, so that reading is not tested with our own writer. Tags by number."""
    matrix = tuple(part for number in MATRIX for part in (number, 10000))
    extra = {
        50706: ("B", 4, (1, 4, 0, 0)),
        50708: ("s", 0, "Test camera"),
        50713: ("H", 2, (1, 1)),
        50714: ("H", 1, 1024),
        50717: ("I", 1, 16383),
        50721: ("2i", 9, matrix),
        50728: ("2I", 3, (1, 2, 1, 1, 5, 8)),
        50778: ("H", 1, 21),
    }
    if pattern is not None:
        colors = bytes(color for row in pattern for color in row)
        extra[33421] = ("H", 2, (len(pattern), len(pattern[0])))
        extra[33422] = ("B", len(colors), colors)
    mono = pixels.ndim == 2
    extra |= {int(name[1:]): value for name, value in tags.items()}
    tifffile.imwrite(
        path,
        pixels,
        byteorder=order,
        photometric="cfa" if pattern is not None else ("linear_raw", "minisblack")[mono],
        metadata=None,
        extratags=[(code, *value, True) for code, value in extra.items() if value],
    )
    if mono and pattern is None:  # tifffile writes LinearRaw with three channels only
        with tifffile.TiffFile(path, mode="r+") as file:
            file.pages[0].tags[262].overwrite(34892)
    return path


def area_tag(top, left, height, width):
    return ("I", 4, (top, left, top + height, left + width))


def mosaic(pattern, height=60, width=72, top=0, left=0, seed=0):
    """A frame whose sites tell their colour: 2000, 4000 or 6000 and a little noise."""
    frame = np.random.default_rng(seed).integers(0, 100, (height, width))
    y, x = np.indices((height, width))
    table = np.asarray(pattern)
    colors = table[(y - top) % table.shape[0], (x - left) % table.shape[1]]
    return (frame + 2000 * (colors + 1)).astype(np.uint16)


# ------------------------------------------------------------------ areas, phases, levels


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", [*BAYER, "xtrans"])
@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (1, 1), (3, 5), (7, 10)])
def test_colours_are_indexed_from_the_active_area(tmp_path, name, corner, order):
    pattern = BAYER.get(name, XTRANS)
    frame = mosaic(pattern, 61, 73, *corner)
    height, width = 48, 51
    path = write_dng(
        tmp_path / "a.dng", frame, pattern, order, _50829=area_tag(*corner, height, width)
    )
    image = RAW.read(path)
    top, left = corner
    assert np.array_equal(image.pixels, frame[top : top + height, left : left + width])
    assert image.cfa.pattern == pattern
    assert np.array_equal(image.pixels // 2000 - 1, image.cfa.colors(height, width))
    assert image.meta["frame"] == [61, 73, top, left]


def test_black_levels_by_position(tmp_path):
    pattern = BAYER["rggb"]
    frame = mosaic(pattern, top=1, left=1)
    tags = {
        "_50713": ("H", 2, (2, 2)),
        "_50714": ("H", 4, (500, 520, 540, 510)),
        "_50829": area_tag(1, 1, 40, 40),
    }
    image = RAW.read(write_dng(tmp_path / "a.dng", frame, pattern, **tags))
    assert image.levels.black == ((500, 520), (540, 510))
    assert image.levels.white == 16383


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path, orientation):
    frame = mosaic(BAYER["rggb"])
    path = write_dng(tmp_path / "a.dng", frame, BAYER["rggb"], _274=("H", 1, orientation))
    image = RAW.read(path)
    assert image.orientation == orientation
    assert np.array_equal(image.pixels, frame)  # never rotated


def test_white_below_black_is_repaired(tmp_path):
    frame = mosaic(BAYER["rggb"])
    path = write_dng(tmp_path / "a.dng", frame, BAYER["rggb"], _50717=("I", 1, 500))
    image = RAW.read(path)
    assert image.levels.white == 8191
    assert any("white level" in line for line in image.meta["warnings"])


def test_white_balance_is_looked_for(tmp_path):
    frame = mosaic(BAYER["rggb"])
    shot = RAW.read(write_dng(tmp_path / "a.dng", frame, BAYER["rggb"]))
    assert shot.color.wb == pytest.approx((2, 1, 1.6))
    assert shot.color.wb_source == "as shot"
    assert np.allclose(np.sum(shot.color.matrix, 1), 1, atol=1e-4)
    guessed = RAW.read(write_dng(tmp_path / "b.dng", frame, BAYER["rggb"], _50728=None))
    assert guessed.color.wb_source == "daylight"
    assert guessed.color.wb == guessed.color.daylight
    assert guessed.meta["warnings"]
    grey = write_dng(tmp_path / "c.dng", frame, BAYER["rggb"], _50728=None, _50721=None)
    world = RAW.read(grey)
    assert world.color.wb_source == "grey world"
    assert world.color.wb == pytest.approx((3.0, 1, 0.6), rel=0.05)
    assert world.color.matrix == ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def test_tags_for_the_writer_and_the_noise_model(tmp_path):
    frame = mosaic(BAYER["rggb"])
    tags = {
        "_50719": ("H", 2, (4, 2)),  # x, y
        "_50720": ("H", 2, (40, 30)),
        "_50730": ("2i", 1, (5, 4)),
        "_51041": ("d", 2, (1e-4, 1e-6)),
        "_50935": ("2I", 1, (1, 2)),
    }
    meta = RAW.read(write_dng(tmp_path / "a.dng", frame, BAYER["rggb"], **tags)).meta
    assert meta["default_crop"] == [2, 4, 30, 40]
    assert meta["baseline_exposure"] == 1.25
    assert meta["noise_profile"] == [1e-4, 1e-6]
    assert meta["marked_denoised"] and meta["dng"]
    assert meta["exif"]["model"] == "Test camera"
    json.dumps(meta)


# ------------------------------------------------------------------ other kinds


def test_linear(tmp_path):
    frame = np.random.default_rng(0).integers(0, 65535, (40, 50, 3)).astype(np.uint16)
    tags = {"_50714": ("H", 3, (0, 0, 0)), "_50717": ("I", 3, (65535,) * 3)}
    path = write_dng(tmp_path / "a.dng", frame, **tags)
    image = RAW.read(path)
    assert (image.kind, image.axes, image.cfa) == ("linear", "cyx", None)
    assert np.array_equal(image.pixels, np.moveaxis(frame, -1, 0))
    assert image.color is not None
    assert RAW.header(path)["shape"] == [3, 40, 50]


def test_monochrome(tmp_path):
    frame = np.random.default_rng(0).integers(1024, 16383, (40, 50)).astype(np.uint16)
    path = write_dng(tmp_path / "a.dng", frame)
    image = RAW.read(path)
    assert (image.kind, image.axes, image.cfa, image.color) == ("linear", "yx", None, None)
    assert np.array_equal(image.pixels, frame)
    assert image.levels.black == ((1024,),)
    assert RAW.header(path)["kind"] == "linear"


def test_float_is_read_with_a_warning(tmp_path):
    frame = (mosaic(BAYER["rggb"]) / 16383).astype(np.float32)
    tags = {"_50714": ("H", 1, 0), "_50717": ("I", 1, 1)}
    image = RAW.read(write_dng(tmp_path / "a.dng", frame, BAYER["rggb"], **tags))
    assert image.pixels.dtype == np.uint16
    assert image.levels.white == 16383
    assert any("loating" in line for line in image.meta["warnings"])


def test_quad_bayer_is_refused(tmp_path):
    quad = np.repeat(np.repeat(BAYER["rggb"], 2, 0), 2, 1).tolist()
    path = write_dng(tmp_path / "quad.dng", mosaic(quad), quad)
    with pytest.raises(UnreadableFile, match="quad"):
        RAW.read(path)


@pytest.mark.parametrize("value", [0, 1024])
def test_empty_pixels_are_damage(tmp_path, value):
    frame = np.full((60, 72), value, np.uint16)
    frame[:10, :10] = value
    with pytest.raises(UnreadableFile, match="damaged"):
        RAW.read(write_dng(tmp_path / "a.dng", frame, BAYER["rggb"]))


# ------------------------------------------------------------------ files


@pytest.mark.parametrize(
    ("name", "shape", "kind", "black", "white"),
    [
        ("Blackmagic.dng", (2176, 4128), "mosaic", 512, 65535),
        ("canon_eos_6d.dng", (3, 816, 1224), "linear", 0, 65535),
        ("derived/DSC_1339_768x512.dng", (512, 768), "mosaic", 600, 15520),
        ("synthetic/bayer_iso12800_noisy.dng", (600, 600), "mosaic", 1024, 16383),
        ("synthetic/xtrans_iso6400_noisy.dng", (600, 600), "mosaic", 1024, 16383),
    ],
)
def test_shared_files(shared_data, name, shape, kind, black, white):
    path = shared_data / "raw" / name
    assert RAW.sniff(path.read_bytes()[:4096], path.name)
    image, header = RAW.read(path), RAW.header(path)
    assert image.pixels.shape == shape == tuple(header["shape"])
    assert image.pixels.dtype == np.uint16
    assert image.kind == kind == header["kind"]
    assert image.axes == header["axes"]
    assert image.levels.black == ((black,),) and image.levels.white == white
    assert image.color.wb_source == "as shot"
    json.dumps(image.meta), json.dumps(header)


def test_exif(shared_data):
    exif = RAW.read(shared_data / "raw/canon_eos_6d.dng").meta["exif"]
    assert exif["model"] == "Canon EOS 6D"
    assert exif["lens"] == "EF24-105mm f/4L IS USM"
    assert (exif["iso"], exif["aperture"], exif["focal_length"]) == (1000, 5.6, 65)
    assert exif["exposure"] == pytest.approx(1 / 60)


HOSTILE = ("raw/*", "exiv2/*", "made/*.dng", "made/*.CR2", "made/*.tif", "made/*.jpg", "made/png*")


def test_hostile_files_give_one_sentence(shared_data, capfd):
    found = [path for glob in HOSTILE for path in sorted((shared_data / "hostile").glob(glob))]
    assert len(found) > 40
    for path in found:
        for act in (RAW.read, RAW.header):
            try:
                act(path)
            except UnreadableFile as error:
                assert path.name in str(error) and str(error).endswith(".")
                assert "\n" not in str(error)
    with pytest.raises(UnreadableFile, match="damaged"):  # decodes to zeros without an error
        RAW.read(shared_data / "hostile/raw/iphone12pro_proraw_truncated.dng")
    with pytest.raises(UnreadableFile, match="ends too early"):  # fails after imread only
        RAW.read(shared_data / "hostile/made/dng_bayer_trunc40.dng")


def test_mutated_headers_never_crash(tmp_path):
    source = write_dng(tmp_path / "a.dng", mosaic(XTRANS), XTRANS).read_bytes()
    rng = np.random.default_rng(1)
    for number in range(60):
        data = bytearray(source)
        for at in rng.integers(4, 500, rng.integers(1, 9)):
            data[at] = rng.integers(0, 256)
        path = tmp_path / f"{number}.dng"
        path.write_bytes(data)
        try:
            image = RAW.read(path)
        except UnreadableFile:
            continue
        assert image.levels.white > np.max(image.levels.black)


def test_what_is_ours(tmp_path):
    tifffile.imwrite(tmp_path / "plain.tif", np.zeros((8, 8), np.uint16))
    plain = (tmp_path / "plain.tif").read_bytes()
    dng = write_dng(tmp_path / "a.dng", mosaic(BAYER["rggb"]), BAYER["rggb"]).read_bytes()
    assert not RAW.sniff(plain, "plain.tif")
    assert RAW.sniff(plain, "photo.NEF")
    assert RAW.sniff(dng, "renamed.tif")
    assert RAW.sniff(b"FUJIFILMCCD-RAW 0201", "x")
    assert RAW.sniff(b"\0\0\0\x18ftypcrx \0\0\0\1", "x")
    for head in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"text"):
        assert not RAW.sniff(head, "x.tif")
        assert not RAW.sniff(head[:3], "x.nef")


@pytest.mark.skipif(os.name != "posix", reason="file names are text on Windows")
def test_a_name_that_is_no_text(tmp_path):
    good = write_dng(tmp_path / "a.dng", mosaic(BAYER["rggb"]), BAYER["rggb"])
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.dng"))
    try:
        good.rename(odd)
    except OSError:
        pytest.skip("this file system takes text names only")
    assert RAW.read(odd).pixels.shape == (60, 72)


def test_no_file(tmp_path):
    with pytest.raises(UnreadableFile, match="no file"):
        RAW.read(tmp_path / "none.dng")
    (tmp_path / "empty.dng").touch()
    with pytest.raises(UnreadableFile, match="empty"):
        RAW.header(tmp_path / "empty.dng")
