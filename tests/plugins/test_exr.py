"""OpenEXR: channels, attributes byte for byte; read again by OpenCV or by hand."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from core.files import open_image, read_header, save_image
from core.format import Output, UnreadableFile, UnwritableFile
from core.image import Image, Levels
from core.registry import load
from plugins.formats.exr import Exr
from plugins.formats.exr.head import parse

REGISTRY = load()
RNG = np.random.default_rng(0)
HEAD = {
    "compression": OpenEXR.PIZ_COMPRESSION,
    "type": OpenEXR.scanlineimage,
    "chromaticities": (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767),
    "dataWindow": (np.array([5, -6], "i4"), np.array([23, 10], "i4")),
    "displayWindow": (np.array([0, 0], "i4"), np.array([99, 99], "i4")),
    "owner": "me", "expTime": 0.5, "isoSpeed": 800.0, "matrix": np.eye(3, dtype="f4"),
    "list": ["a", "b"], "count": 3, "pixelAspectRatio": 1.5,
}  # fmt: skip


def plane(dtype: str = "f2") -> np.ndarray:
    found = RNG.normal(0.5, 2, (17, 19))
    return (np.abs(found) * 1e6).astype(dtype) if dtype == "u4" else found.astype(dtype)


def made(path: Path, channels: dict[str, np.ndarray], **more: object) -> Path:
    with OpenEXR.File({**HEAD, **more}, dict(channels)) as file:
        file.write(str(path))
    return path


def by_hand(path: Path) -> dict[str, np.ndarray]:
    """Channels of an unpacked or ZIP file of scan lines, without OpenEXR."""
    head, data = parse(path), path.read_bytes()
    x0, y0, x1, y1 = head.window
    width, height = x1 - x0 + 1, y1 - y0 + 1
    step = {"none": 1, "zips": 1, "zip": 16}[head.packing]
    kinds = {name: np.dtype(kind) for name, (kind, _, _) in head.channels.items()}
    found = {name: np.zeros((height, width), kind) for name, kind in kinds.items()}
    for place in struct.unpack_from(f"<{-(-height // step)}Q", data, head.end):
        y, size = struct.unpack_from("<ii", data, place)
        raw = data[place + 8 : place + 8 + size]
        rows = min(step, y1 - y + 1)
        full = rows * width * sum(kind.itemsize for kind in kinds.values())
        if head.packing != "none" and size < full:
            steps = np.frombuffer(zlib.decompress(raw), np.uint8).astype(int)
            steps[1:] -= 128
            even = np.cumsum(steps).astype(np.uint8)
            half = -(-len(even) // 2)
            both = np.empty(len(even), np.uint8)
            both[::2], both[1::2] = even[:half], even[half:]
            raw = both.tobytes()
        at = 0
        for row in range(y - y0, y - y0 + rows):
            for name, kind in kinds.items():
                found[name][row] = np.frombuffer(raw, kind, width, at)
                at += width * kind.itemsize
    return found


@pytest.mark.parametrize("dtype", ["f2", "f4"])
@pytest.mark.parametrize("packing", ["ZIP", "PIZ", "RLE", "ZIPS", "NO"])
def test_rgb_with_more_channels(tmp_path: Path, dtype: str, packing: str) -> None:
    channels = {name: plane(dtype) for name in "RGBA"} | {"Z": plane("f4"), "id": plane("u4")}
    path = made(tmp_path / "a.exr", channels,
                compression=getattr(OpenEXR, f"{packing}_COMPRESSION"))  # fmt: skip
    image = open_image(REGISTRY, path)
    assert (image.kind, image.axes, image.pixels.dtype) == ("linear", "cyx", np.dtype(dtype))
    assert np.array_equal(image.pixels[...], np.stack([channels[name] for name in "RGB"]))
    assert image.color is not None
    assert image.color.matrix == ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    assert image.meta["exif"] == {"exposure": 0.5, "iso": 800.0}
    header = read_header(REGISTRY, path)
    assert (tuple(header["shape"]), header["dtype"]) == (
        image.pixels.shape,
        str(image.pixels.dtype),
    )
    copy = save_image(REGISTRY, tmp_path / "b.exr", image, image)
    assert sorted(parse(copy).attributes) == sorted(parse(path).attributes)
    with OpenEXR.File(str(copy), separate_channels=True) as file:
        found = {name: one.pixels for name, one in file.channels().items()}
    assert found.keys() == channels.keys()
    for name, one in channels.items():
        assert found[name].dtype == one.dtype
        assert np.array_equal(found[name], one)


@pytest.mark.parametrize("compress", [True, False])
def test_other_readers_agree(tmp_path: Path, compress: bool) -> None:
    channels = {name: plane("f4") for name in "RGB"} | {"m": plane("f2")}
    path = made(tmp_path / "a.exr", channels, compression=OpenEXR.ZIP_COMPRESSION)
    image = open_image(REGISTRY, path)
    copy = save_image(REGISTRY, tmp_path / "b.exr", image, image, Output(compress=compress))
    found = by_hand(copy)
    assert found.keys() == channels.keys()
    assert all(np.array_equal(found[name], one) for name, one in channels.items())


@pytest.mark.parametrize(
    ("names", "kind", "axes", "shown"),
    [
        ("Y", "linear", "yx", ["Y"]),
        ("YA", "linear", "yx", ["Y"]),
        ("Z", "array", "yx", ["Z"]),
        ("PQZ", "array", "byx", ["P", "Q", "Z"]),
    ],
)
def test_other_channels(tmp_path: Path, names: str, kind: str, axes: str, shown: list[str]) -> None:
    channels = {name: plane("f4") for name in names}
    image = open_image(REGISTRY, made(tmp_path / "a.exr", channels))
    assert (image.kind, image.axes, image.meta["exr"]["channels"]) == (kind, axes, shown)
    copy = save_image(REGISTRY, tmp_path / "b.exr", image, image)
    with OpenEXR.File(str(copy), separate_channels=True) as file:
        for name, one in channels.items():
            assert np.array_equal(file.channels()[name].pixels, one)


def test_layers_and_parts(tmp_path: Path) -> None:
    channels = {f"diffuse.{name}": plane() for name in "RGB"} | {"Z": plane("f4")}
    image = open_image(REGISTRY, made(tmp_path / "a.exr", channels))
    assert image.meta["exr"]["channels"] == ["diffuse.R", "diffuse.G", "diffuse.B"]
    parts = [OpenEXR.Part({**HEAD, "name": name}, {"Y": plane("f4")}) for name in "ab"]
    with OpenEXR.File(parts) as file:
        file.write(str(tmp_path / "b.exr"))
    image = open_image(REGISTRY, tmp_path / "b.exr")
    assert "several parts" in image.meta["warnings"][0]
    save_image(REGISTRY, tmp_path / "c.exr", image, image)


def test_infinite_and_missing_values_stay(tmp_path: Path) -> None:
    one = plane("f2")
    one[0, :4] = np.nan, np.inf, -np.inf, 6e-8
    image = open_image(REGISTRY, made(tmp_path / "a.exr", {"Y": one}))
    back = open_image(REGISTRY, save_image(REGISTRY, tmp_path / "b.exr", image, image))
    assert np.array_equal(back.pixels[...], one, equal_nan=True)


def test_computed_pixels_go_back_to_half(tmp_path: Path) -> None:
    image = open_image(REGISTRY, made(tmp_path / "a.exr", {name: plane() for name in "RGB"}))
    pixels = image.pixels[...].astype(np.float32) + np.float32(1e-6)
    result = Image(pixels, "cyx", "linear", color=image.color, meta=image.meta)
    back = open_image(REGISTRY, save_image(REGISTRY, tmp_path / "b.exr", result, image))
    assert np.array_equal(back.pixels[...], pixels.astype(np.float16))


def test_a_raw_photograph_becomes_0_to_1(tmp_path: Path) -> None:
    pixels = RNG.integers(500, 16000, (3, 9, 8)).astype(np.uint16)
    levels = Levels(((512.0,),), 16383.0)
    exif = {"exif": {"iso": 400, "exposure": 0.01}}
    image = Image(pixels, "cyx", "linear", levels, meta=exif)
    back = open_image(REGISTRY, save_image(REGISTRY, tmp_path / "b.exr", image, image))
    assert np.allclose(back.pixels[...], (pixels - 512.0) / (16383 - 512), atol=1e-6)
    assert back.meta["exif"] == {"iso": 400.0, "exposure": pytest.approx(0.01)}
    with pytest.raises(UnwritableFile):
        stack = Image(np.zeros((2, 3, 9, 8), np.float32), "zcyx", "array")
        save_image(REGISTRY, tmp_path / "c.exr", stack, stack)


@pytest.mark.parametrize("seed", range(12))
def test_damaged_files_get_a_sentence(tmp_path: Path, seed: int) -> None:
    whole = made(tmp_path / "a.exr", {name: plane() for name in "RGB"}).read_bytes()
    rng = np.random.default_rng(seed)
    data = np.frombuffer(whole, np.uint8).copy()
    if seed < 4:
        data = data[: int(len(data) * (0.02, 0.3, 0.6, 0.95)[seed])]
    else:
        end = 600 if seed % 2 else len(data)
        data[rng.integers(4, end, 20)] ^= (1 << rng.integers(0, 8, 20)).astype(np.uint8)
    (tmp_path / "b.exr").write_bytes(data.tobytes())
    try:
        open_image(REGISTRY, tmp_path / "b.exr")
        assert seed >= 4
    except UnreadableFile as error:
        assert str(error).startswith("b.exr")


def test_a_promise_of_pixels_is_refused(tmp_path: Path) -> None:
    data = made(tmp_path / "a.exr", {"Y": plane()}).read_bytes()
    window = struct.pack("<4i", 5, -6, 23, 10)
    (tmp_path / "b.exr").write_bytes(
        data.replace(window, struct.pack("<4i", 0, 0, 59999, 59999), 1)
    )
    with pytest.raises(UnreadableFile, match="shorter"):
        Exr().header(tmp_path / "b.exr")
