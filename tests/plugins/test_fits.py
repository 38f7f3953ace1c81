"""FITS: numbers, cards and other units come back; Pillow and NumPy alone agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from core.files import open_image, read_header, save_image
from core.format import Output, UnreadableFile, UnwritableFile
from core.image import Image
from core.registry import load

REGISTRY = load()
RNG = np.random.default_rng(0)
BITS = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}


def block(*cards: str) -> bytes:
    text = "".join(f"{one:80}" for one in (*cards, "END")).encode("ascii")
    return text.ljust(-(-len(text) // 2880) * 2880)


def unit(array: np.ndarray, *cards: str, first: str = "SIMPLE  =                    T") -> bytes:
    kind = array.dtype.str[1:]
    sizes = [f"NAXIS{n + 1}  = {size:20}" for n, size in enumerate(array.shape[::-1])]
    head = block(first, f"BITPIX  = {BITS[kind]:20}", f"NAXIS   = {array.ndim:20}", *sizes, *cards)
    data = array.astype(array.dtype.newbyteorder(">")).tobytes()
    return head + data.ljust(-(-len(data) // 2880) * 2880, b"\0")


def numbers(dtype: str, shape: tuple[int, ...] = (17, 19)) -> np.ndarray:
    return (RNG.normal(0, 50, shape) + 100).clip(0, 250).astype(dtype)


CARDS = (
    "OBJECT  = 'M 31 O''Neill'      / what it shows",
    "EXPTIME =               120.50 / seconds",
    "BUNIT   = 'adu     '",
    "COMMENT   two words  = not a value",
    "HIERARCH ESO INS MODE = 'IMG'",
    "CTYPE1  = 'RA---TAN'",
    "",
)


@pytest.mark.parametrize("dtype", BITS)
@pytest.mark.parametrize(("shape", "axes"), [((17, 19), "yx"), ((3, 17, 19), "zyx"),
                                             ((2, 3, 17, 19), "tzyx")])  # fmt: skip
def test_byte_for_byte(tmp_path: Path, dtype: str, shape: tuple[int, ...], axes: str) -> None:
    array = numbers(dtype, shape)
    (tmp_path / "a.fits").write_bytes(unit(array, *CARDS))
    image = open_image(REGISTRY, tmp_path / "a.fits")
    assert (image.axes, image.kind, image.orientation) == (axes, "array", 4)
    assert np.array_equal(image.pixels[...], array)
    assert image.pixels.dtype == np.dtype(dtype)
    assert image.meta["scale"] == (1.0, 0.0, "adu")
    assert image.meta["exif"] == {"exposure": 120.5}
    assert image.meta["fits"]["values"]["OBJECT"] == "M 31 O'Neill"
    header = read_header(REGISTRY, tmp_path / "a.fits")
    assert (tuple(header["shape"]), header["dtype"]) == (shape, str(array.dtype))
    save_image(REGISTRY, tmp_path / "b.fits", image, image)
    assert (tmp_path / "b.fits").read_bytes() == (tmp_path / "a.fits").read_bytes()


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8"])
def test_pillow_agrees(tmp_path: Path, dtype: str) -> None:
    image = Image(numbers(dtype))
    path = save_image(REGISTRY, tmp_path / "a.fits", image, image)
    with PIL.Image.open(path) as other:  # it turns the picture, as orientation 4 asks
        found = np.asarray(other)[::-1]
        assert np.array_equal(found, image.pixels[...].astype(found.dtype))  # it has no float64


@pytest.mark.parametrize("dtype", ["i1", "u2", "u4", "u8"])
def test_unsigned(tmp_path: Path, dtype: str) -> None:
    kind = np.dtype(dtype)
    ends = np.iinfo(kind)
    array = RNG.integers(ends.min, ends.max, (9, 8), kind, endpoint=True)
    array[0, :2] = ends.min, ends.max
    size, zero = kind.itemsize, -128 if dtype == "i1" else 1 << (8 * kind.itemsize - 1)
    stored = (array.astype(object) - zero).astype("u1" if dtype == "i1" else f"i{size}")
    cards = (
        f"BZERO   = {zero:20}",
        "BSCALE  =                    1",
        "BLANK   =                    5",
    )
    (tmp_path / "a.fits").write_bytes(unit(stored, *cards))
    image = open_image(REGISTRY, tmp_path / "a.fits")
    assert image.pixels.dtype == kind
    assert np.array_equal(image.pixels[...], array)
    assert image.nodata == float(5 + zero)
    assert "scale" not in image.meta
    save_image(REGISTRY, tmp_path / "b.fits", image, image)
    assert (tmp_path / "b.fits").read_bytes() == (tmp_path / "a.fits").read_bytes()
    fresh = Image(array)
    back = open_image(REGISTRY, save_image(REGISTRY, tmp_path / "c.fits", fresh, fresh))
    assert np.array_equal(back.pixels[...], array)


def test_scale_blank_and_computed_values(tmp_path: Path) -> None:
    array = numbers("i2")
    array[3, 4] = -999
    cards = ("BSCALE  =                 0.25", "BZERO   =               -10.5",
             "BLANK   =                 -999", "BUNIT   = 'Jy'", "CHECKSUM= 'abc'",
             "DATASUM = '1'")  # fmt: skip
    (tmp_path / "a.fits").write_bytes(unit(array, *cards))
    image = open_image(REGISTRY, tmp_path / "a.fits")
    assert (image.meta["scale"], image.nodata) == ((0.25, -10.5, "Jy"), -999)
    assert np.isnan(image.samples[3, 4])
    values = image.samples[...] + np.float32(0.3)
    result = Image(values, kind="array", meta=image.meta, nodata=image.nodata, orientation=4)
    save_image(REGISTRY, tmp_path / "b.fits", result, image, Output(note={"method": "x" * 100}))
    back = open_image(REGISTRY, tmp_path / "b.fits")
    assert np.array_equal(back.pixels[...], array)
    head = (tmp_path / "b.fits").read_bytes()[:2880]
    assert b"HISTORY Denoised" in head
    assert b"CHECKSUM" not in head
    for one in cards[:4]:
        assert f"{one:80}".encode() in head


@pytest.mark.parametrize("gone", [False, True])
def test_other_units_stay(tmp_path: Path, gone: bool) -> None:
    array, other = numbers("f4"), numbers("i2", (4, 5))
    ext = "XTENSION= 'IMAGE   '"
    count = ("PCOUNT  =                    0", "GCOUNT  =                    1")
    empty = block("SIMPLE  =                    T", "BITPIX  =                    8",
                  "NAXIS   =                    0", "EXTEND  =                    T")  # fmt: skip
    parts = [empty, unit(array, *count, "EXTNAME = 'SCI'", first=ext),
             unit(other, *count, "EXTNAME = 'DQ'", first=ext)]  # fmt: skip
    (tmp_path / "a.fits").write_bytes(b"".join(parts))
    image = open_image(REGISTRY, tmp_path / "a.fits")
    assert np.array_equal(image.pixels[...], array)
    pixels = image.pixels[...] * 2
    result = Image(pixels, meta=image.meta, orientation=4)
    if gone:
        (tmp_path / "a.fits").unlink()
    save_image(REGISTRY, tmp_path / "b.fits", result, image)
    found = (tmp_path / "b.fits").read_bytes()
    if gone:
        assert found.startswith(b"SIMPLE  =                    T")
        assert b"EXTNAME = 'SCI'" in found
    else:
        assert found == empty + unit(pixels, *count, "EXTNAME = 'SCI'", first=ext) + parts[2]


def test_spectral_cubes(tmp_path: Path) -> None:
    cards = ("CTYPE3  = 'WAVE'", "CUNIT3  = 'nm'", "CRVAL3  =                500.0",
             "CDELT3  =                  2.5", "CRPIX3  =                  2.0")  # fmt: skip
    (tmp_path / "a.fits").write_bytes(unit(numbers("f4", (4, 9, 8)), *cards))
    image = open_image(REGISTRY, tmp_path / "a.fits")
    assert (image.axes, image.kind) == ("byx", "cube")
    assert np.allclose(image.coords["b"], [497.5, 500, 502.5, 505])
    assert image.coords["units"] == {"b": "nm"}
    save_image(REGISTRY, tmp_path / "b.fits", image, image)
    assert (tmp_path / "b.fits").read_bytes() == (tmp_path / "a.fits").read_bytes()


def test_another_shape_keeps_the_cards(tmp_path: Path) -> None:
    (tmp_path / "a.fits").write_bytes(unit(numbers("i2", (3, 9, 8)), *CARDS))
    image = open_image(REGISTRY, tmp_path / "a.fits")
    one = Image(image.pixels[0][:5].astype(np.float32), meta={"exif": {}}, orientation=4)
    save_image(REGISTRY, tmp_path / "b.fits", one, image)
    head = (tmp_path / "b.fits").read_bytes()[:2880].decode()
    words = [head[at : at + 8].strip() for at in range(0, 480, 80)]
    assert words[:5] == ["SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2"]
    assert CARDS[0] in head
    assert "NAXIS3" not in head


@pytest.mark.parametrize(
    "cards",
    [
        ("BITPIX  =                   16", "NAXIS   =                    0"),
        ("BITPIX  =                   16", "NAXIS   =                    2",
         "NAXIS1  =               100000", "NAXIS2  =               100000"),
        ("BITPIX  =                   17", "NAXIS   =                    2",
         "NAXIS1  =                    4", "NAXIS2  =                    4"),
        ("BITPIX  =                   16", "NAXIS   =                    2",
         "NAXIS1  =                   -4", "NAXIS2  =                    4"),
        ("BITPIX  =                   16", "NAXIS   =                    2"),
        ("BITPIX  =                   16", "NAXIS   =            999999999"),
        ("BITPIX  = 'x'", "NAXIS   = T"),
        ("BITPIX  =                   16", "NAXIS   =                    1",
         "NAXIS1  =                    4"),
    ],
)  # fmt: skip
def test_lies_get_a_sentence(tmp_path: Path, cards: tuple[str, ...]) -> None:
    (tmp_path / "a.fits").write_bytes(block("SIMPLE  =                    T", *cards) + bytes(2880))
    with pytest.raises(UnreadableFile, match=r"^a\.fits"):
        open_image(REGISTRY, tmp_path / "a.fits")


@pytest.mark.parametrize("size", [40, 2879, 2900])
def test_cut_files_get_a_sentence(tmp_path: Path, size: int) -> None:
    (tmp_path / "a.fits").write_bytes(unit(numbers("i2"), *CARDS)[:size])
    with pytest.raises(UnreadableFile, match="copy it again"):
        open_image(REGISTRY, tmp_path / "a.fits")


def test_colours_are_refused(tmp_path: Path) -> None:
    image = Image(np.zeros((2, 3, 4, 5, 5), np.float32), "tqzyx")
    with pytest.raises(UnwritableFile):
        save_image(REGISTRY, tmp_path / "a.fits", image, image)
