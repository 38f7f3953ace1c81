"""NRRD and MetaImage: made and read again by pynrrd and SimpleITK."""

from __future__ import annotations

import bz2
import gzip
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.cli import main
from core.files import open_image, read_header, save_image
from core.format import Output, UnreadableFile, UnwritableFile
from core.image import Image, Levels
from core.lazy import FilePixels
from core.registry import load

sitk: Any = pytest.importorskip("SimpleITK")
nrrd: Any = pytest.importorskip("nrrd")
REGISTRY = load()
RNG = np.random.default_rng(0)
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
FILES = [
    *sorted((SHARED / "medical" / "nrrd_mha").glob("*")),
    *sorted((SHARED / "ultrasound" / "metaimage").glob("*.igs.*")),
]


def volume(kind: str = "int16", shape: tuple[int, ...] = (5, 6, 7)) -> Any:
    """An oblique volume of SimpleITK, sizes as NumPy counts."""
    image = sitk.GetImageFromArray(RNG.integers(0, 120, shape).astype(kind))
    if len(shape) == 3:
        c, s = np.cos(0.3), np.sin(0.3)
        image.SetSpacing((0.5, 0.75, 2.5))
        image.SetOrigin((-20.5, 30.25, 7))
        image.SetDirection((c, -s, 0, s, c, 0, 0, 0, 1))
    return image


def lps(image: Any) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return affine


def alike(one: Any, other: Any) -> bool:
    names = ("GetSize", "GetPixelIDValue", "GetNumberOfComponentsPerPixel")
    same = all(getattr(one, name)() == getattr(other, name)() for name in names)
    near = ("GetSpacing", "GetOrigin", "GetDirection")
    return same and all(np.allclose(getattr(one, n)(), getattr(other, n)()) for n in near)


@pytest.mark.parametrize(
    "kind", ["uint8", "int8", "int16", "uint16", "int32", "float32", "float64"]
)
@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("packed", [True, False])
def test_what_itk_wrote_and_reads_again(
    tmp_path: Path, suffix: str, kind: str, packed: bool
) -> None:
    made = volume(kind)
    source = tmp_path / f"a{suffix}"
    sitk.WriteImage(made, str(source), packed)
    image = open_image(REGISTRY, source)
    assert (image.kind, image.axes) == ("scan", "zyx")
    assert np.array_equal(image.pixels[...], sitk.GetArrayFromImage(made))
    assert np.allclose(image.coords["affine"], lps(made))
    assert image.coords["spacing"] == pytest.approx({"x": 0.5, "y": 0.75, "z": 2.5})
    changed = replace(image, pixels=np.asarray(image.pixels, np.float32) + np.float32(1))
    out = sitk.ReadImage(str(save_image(REGISTRY, tmp_path / f"b{suffix}", changed, image)))
    assert alike(out, made)
    assert np.array_equal(sitk.GetArrayFromImage(out), sitk.GetArrayFromImage(made) + 1)
    assert read_header(REGISTRY, source)["shape"] == [5, 6, 7]


@pytest.mark.parametrize("suffix", [".nhdr", ".mhd"])
@pytest.mark.parametrize("packed", [True, False])
def test_data_in_a_file_beside(tmp_path: Path, suffix: str, packed: bool) -> None:
    made = volume()
    source = tmp_path / f"a{suffix}"
    sitk.WriteImage(made, str(source), packed)
    image = open_image(REGISTRY, source)
    assert np.array_equal(image.pixels[...], sitk.GetArrayFromImage(made))
    target = tmp_path / ("b.nrrd" if suffix == ".nhdr" else "b.mhd")
    out = sitk.ReadImage(str(save_image(REGISTRY, target, image, image)))
    assert alike(out, made)
    assert np.array_equal(sitk.GetArrayFromImage(out), sitk.GetArrayFromImage(made))
    (data,) = (path for path in tmp_path.glob("a.*") if path != source)
    data.unlink()
    with pytest.raises(UnreadableFile, match="put it beside it"):
        open_image(REGISTRY, source)


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
@pytest.mark.parametrize("kind", ["<i2", ">i2", "<f4", "u1"])
def test_nrrd_of_pynrrd(tmp_path: Path, encoding: str, kind: str) -> None:
    data = RNG.integers(0, 99, (7, 6, 5)).astype(kind)
    fields = {"encoding": encoding, "kinds": ["domain"] * 3, "content": "a test",
              "space": "right-anterior-superior", "space origin": [1.0, 2.0, 3.0],
              "space directions": np.diag((2.0, 3.0, 4.0)), "mine": "kept: as it is"}  # fmt: skip
    nrrd.write(str(tmp_path / "a.nrrd"), data, fields)
    image = open_image(REGISTRY, tmp_path / "a.nrrd")
    assert np.array_equal(image.pixels[...], data.T)
    expected = np.diag((-2.0, -3.0, 4.0, 1.0))
    expected[:3, 3] = (-1, -2, 3)
    assert np.allclose(image.coords["affine"], expected)
    back, header = nrrd.read(str(save_image(REGISTRY, tmp_path / "b.nrrd", image, image)))
    assert np.array_equal(back, data)
    before = nrrd.read_header(str(tmp_path / "a.nrrd"))
    assert header.keys() - {"endian"} == before.keys() - {"endian"}
    for name in before.keys() - {"encoding", "endian"}:
        assert np.array_equal(header[name], before[name]), name
    assert header["encoding"] == ("raw" if encoding == "raw" else "gzip")


@pytest.mark.parametrize(
    ("kinds", "shape", "axes"),
    [
        ("RGB-color domain domain", (3, 7, 6), "cyx"),
        ("vector domain domain domain", (3, 7, 6, 5), "zqyx"),
        ("domain domain domain list", (7, 6, 5, 4), "tzyx"),
        ("domain domain time", (7, 6, 5), "tyx"),
    ],
)
def test_kinds_of_axes(tmp_path: Path, kinds: str, shape: tuple[int, ...], axes: str) -> None:
    data = RNG.integers(0, 99, shape).astype(np.uint8)
    nrrd.write(str(tmp_path / "a.nrrd"), data, {"kinds": kinds.split()})
    image = open_image(REGISTRY, tmp_path / "a.nrrd")
    assert image.axes == axes
    back, header = nrrd.read(str(save_image(REGISTRY, tmp_path / "b.nrrd", image, image)))
    assert np.array_equal(back, data)
    assert header["kinds"] == kinds.split()


def test_offsets_and_lines(tmp_path: Path) -> None:
    data = RNG.integers(0, 99, (6, 7)).astype(np.int16)
    head = "NRRD0004\ntype: short\ndimension: 2\nsizes: 7 6\nendian: little\n"
    for more, before, packed in (
        ("encoding: raw\nbyte skip: -1\n", b"whatever", data.tobytes()),
        ("encoding: raw\nbyte skip: 3\nline skip: 2\n", b"one\ntwo\nabc", data.tobytes()),
        ("encoding: gzip\nbyte skip: 3\n", b"", gzip.compress(b"abc" + data.tobytes())),
        ("encoding: bz2\n", b"", bz2.compress(data.tobytes())),
    ):
        (tmp_path / "a.nhdr").write_text(head + more + "data file: a.bin\n")
        (tmp_path / "a.bin").write_bytes(before + packed)
        assert np.array_equal(open_image(REGISTRY, tmp_path / "a.nhdr").pixels[...], data)
    head = "ObjectType = Image\nNDims = 2\nDimSize = 7 6\nElementType = MET_SHORT\n"
    for more, before in (("HeaderSize = -1\n", b"any"), ("HeaderSize = 5\n", b"12345"), ("", b"")):
        (tmp_path / "b.mhd").write_text(head + more + "ElementDataFile = a.bin\n")
        (tmp_path / "a.bin").write_bytes(before + data.tobytes())
        assert np.array_equal(open_image(REGISTRY, tmp_path / "b.mhd").pixels[...], data)


def test_frames_of_ultrasound_keep_their_fields(tmp_path: Path) -> None:
    frames = RNG.integers(0, 255, (3, 4, 10)).astype(np.uint8)
    fields = "".join(f"Seq_Frame{i:04d}_Timestamp = {5 + i / 4}\n" for i in range(3))
    head = (
        "ObjectType = Image\nNDims = 3\nDimSize = 10 4 3\nKinds = domain domain list\n"
        "ElementSpacing = 0.1 0.3 1\nElementType = MET_UCHAR\nUltrasoundImageOrientation = FM\n"
        f"UltrasoundImageType = BRIGHTNESS\n{fields}ElementDataFile = LOCAL\n"
    )
    source = tmp_path / "a.mha"
    source.write_bytes(head.encode() + frames.tobytes())
    image = open_image(REGISTRY, source)
    assert (image.kind, image.axes) == ("clip", "tyx")  # depth is down
    assert np.array_equal(image.pixels[...], frames.transpose(0, 2, 1))
    assert image.coords["spacing"] == {"y": 0.1, "x": 0.3}
    assert image.coords["t"].tolist() == [0, 0.25, 0.5]
    out = save_image(REGISTRY, tmp_path / "b.mha", image, image)
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(out))), frames)
    said = out.read_bytes().split(b"ElementDataFile")[0].decode()
    assert all(line in said for line in head.splitlines() if "ElementDataFile" not in line)


def test_echoes_in_two_parts(tmp_path: Path) -> None:
    lines = RNG.integers(-99, 99, (1, 8, 10)).astype(np.int16)
    head = (
        "ObjectType = Image\nNDims = 3\nDimSize = 10 8 1\nKinds = domain domain list\n"
        "ElementType = MET_SHORT\nUltrasoundImageOrientation = NM\n"
        "UltrasoundImageType = RF_I_LINE_Q_LINE\nElementDataFile = LOCAL\n"
    )
    (tmp_path / "a.mha").write_bytes(head.encode() + lines.tobytes())
    image = open_image(REGISTRY, tmp_path / "a.mha")
    assert (image.kind, image.axes, image.pixels.shape) == ("rf", "tcyx", (1, 2, 10, 4))
    assert np.array_equal(image.pixels[0, 1, :, 2], lines[0, 5])
    out = save_image(REGISTRY, tmp_path / "b.mha", image, image, Output(compress=False))
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(out))), lines)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".mhd"])
def test_what_came_from_elsewhere(tmp_path: Path, suffix: str) -> None:
    affine = lps(volume())
    pixels = RNG.integers(0, 99, (5, 6, 7)).astype(np.uint16)
    meta = {"scale": (2.0, -1024.0, "HU")}
    image = Image(pixels, "zyx", "scan", coords={"affine": affine.tolist()}, meta=meta)
    out = save_image(REGISTRY, tmp_path / f"a{suffix}", image, image)
    theirs = sitk.ReadImage(str(out))
    assert np.allclose(lps(theirs), affine)
    assert np.array_equal(sitk.GetArrayFromImage(theirs), pixels)
    assert open_image(REGISTRY, out).meta["scale"] == (2.0, -1024.0, "HU")
    colour = Image(pixels[:3], "cyx", "display", Levels(white=65535.0))
    theirs = sitk.ReadImage(str(save_image(REGISTRY, tmp_path / f"b{suffix}", colour, colour)))
    assert np.array_equal(
        np.squeeze(sitk.GetArrayFromImage(theirs)), np.moveaxis(pixels[:3], 0, -1)
    )


@pytest.mark.parametrize(
    ("name", "head", "word"),
    [
        ("a.nhdr", "data file: ../b.raw", "put it beside it"),
        ("a.nhdr", "data file: /etc/passwd", "put it beside it"),
        ("a.nhdr", "data file: LIST", "many files"),
        ("a.nhdr", "data file: b%03d.raw 1 5 1", "many files"),
        ("a.nrrd", "encoding: hex\n", "packed as hex"),
        ("a.nrrd", "encoding: gzip\n", "shorter"),
        ("b.mha", "ElementDataFile = ../x.raw", "put it beside it"),
        ("b.mha", "ElementDataFile = LIST 2", "many files"),
        ("b.mha", "CompressedData = True\nElementDataFile = LOCAL\n", "shorter"),
        ("b.mha", "Nothing = more\n", "ends within"),
        ("b.mha", "ElementType = MET_OTHER\nElementDataFile = LOCAL\n", "MET_OTHER"),
    ],
)
def test_what_cannot_be_read_gets_a_sentence(
    tmp_path: Path, name: str, head: str, word: str
) -> None:
    first = {
        "a": "NRRD0004\ntype: short\ndimension: 3\nsizes: 700 600 500\nendian: little\n",
        "b": "ObjectType = Image\nNDims = 2\nDimSize = 70000 60000\nElementType = MET_SHORT\n",
    }[name[0]]
    end = "\n\n" if name.startswith("a") else ""
    (tmp_path / name).write_bytes((first + head + end).encode() + zlib.compress(bytes(100)))
    with pytest.raises(UnreadableFile, match=word) as caught:
        open_image(REGISTRY, tmp_path / name)
    assert name in str(caught.value)


def test_large_files_stay_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.files.IN_PLACE", 100)
    for suffix in (".nrrd", ".mha", ".mhd", ".nhdr"):
        sitk.WriteImage(made := volume(), str(tmp_path / f"a{suffix}"), False)
        pixels = open_image(REGISTRY, tmp_path / f"a{suffix}").pixels
        assert isinstance(pixels, FilePixels)
        assert np.array_equal(pixels[...], sitk.GetArrayFromImage(made))


def test_axes_that_do_not_fit(tmp_path: Path) -> None:
    cube = Image(np.zeros((3, 4, 5), np.float32), "qyx", "scan")
    with pytest.raises(UnwritableFile, match="cannot hold the axes"):
        save_image(REGISTRY, tmp_path / "a.mha", cube, cube)


@pytest.mark.skipif(not FILES, reason="no ../shared/data beside the repository")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_real_files(path: Path, tmp_path: Path) -> None:
    theirs = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    if path.suffix == ".nrrd":  # of which ITK moves the axis of a list
        theirs = nrrd.read(str(path))[0].T
    image = open_image(REGISTRY, path)
    pixels = image.pixels[...].transpose([image.axes.index(a) for a in image.meta["order"]])
    assert np.array_equal(pixels.ravel(), theirs.ravel())
    suffix = {".mhd": ".mha"}.get(path.suffix, path.suffix)
    args = ["denoise", str(path), "-o", str(tmp_path / f"b{suffix}"), "--method", "fast"]
    assert main([*args, "--device", "cpu"]) == 0
    back = sitk.ReadImage(str(tmp_path / f"b{suffix}"))
    assert alike(back, sitk.ReadImage(str(path)))
    assert open_image(REGISTRY, tmp_path / f"b{suffix}").meta["dtype"] == image.meta["dtype"]
