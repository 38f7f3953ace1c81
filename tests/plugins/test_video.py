"""Clips: what comes back of frames, times and rotation; other decoders agree."""

from __future__ import annotations

import struct
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from core.files import open_image, read_header, save_image
from core.format import UnreadableFile, UnwritableFile
from core.image import Image, Levels
from core.registry import load

REGISTRY = load()
RNG = np.random.default_rng(0)


def clip(shape: tuple[int, ...], dtype: str = "u1", rate: float = 18.0, turn: int = 1) -> Image:
    """Noise, the hardest to pack."""
    pixels = RNG.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    axes = "tyx" if len(shape) == 3 else "tcyx"
    coords = {"t": np.arange(shape[0]) / rate, "units": {"t": "s"}}
    white = float(np.iinfo(dtype).max)
    return Image(pixels, axes, "clip", Levels(white=white), orientation=turn, coords=coords)


def soft(image: Image) -> Image:
    """Little of the noise on a grey: what a lossy codec can hold."""
    pixels = (100 + np.asarray(image.pixels) // 8).astype(np.uint8)
    return replace(image, pixels=pixels)


def frames(path: Path) -> np.ndarray:
    """As OpenCV alone reads them, RGB."""
    capture, found = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), []
    while (got := capture.read())[0]:
        found.append(got[1][..., ::-1])
    return np.stack(found)


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".mov"])
@pytest.mark.parametrize("shape", [(7, 38, 56), (7, 3, 38, 56), (1, 38, 56)])
def test_lossless(tmp_path: Path, suffix: str, shape: tuple[int, ...]) -> None:
    image = clip(shape)
    path = save_image(REGISTRY, tmp_path / f"a{suffix}", image, image)
    back = open_image(REGISTRY, path)
    assert (back.axes, back.kind, back.orientation) == (image.axes, "clip", 1)
    assert np.array_equal(back.pixels[...], image.pixels[...])
    assert back.levels == image.levels
    assert np.allclose(back.coords["t"], image.coords["t"])
    assert back.coords["units"] == {"t": "s"}
    plain = np.asarray(image.pixels)
    plain = np.repeat(plain[:, None], 3, 1) if plain.ndim == 3 else plain
    assert np.array_equal(np.moveaxis(frames(path), -1, 1), plain)
    found = read_header(REGISTRY, path)
    assert (found["kind"], found["axes"]) == ("clip", image.axes)
    assert tuple(found["shape"]) == image.pixels.shape
    if len(image.pixels[...]) > 1:  # one frame has none
        assert found["video"]["rate"] == pytest.approx(18.0)


@pytest.mark.parametrize("shape", [(3, 39, 57), (3, 3, 39, 57), (3, 3, 38, 57)])
def test_odd_sizes_are_pictures_in_an_avi(tmp_path: Path, shape: tuple[int, ...]) -> None:
    image = clip(shape, rate=30000 / 1001)
    path = save_image(REGISTRY, tmp_path / "a.avi", image, image)
    back = open_image(REGISTRY, path)
    assert np.array_equal(back.pixels[...], image.pixels[...])
    assert back.meta["video"]["rate"] == pytest.approx(30000 / 1001, abs=1e-9)
    # Pillow decodes what lies in the chunks.
    data, found = path.read_bytes(), []
    at = data.index(b"movi") + 4
    while data[at : at + 4] == b"00dc":
        size = struct.unpack("<I", data[at + 4 : at + 8])[0]
        found.append(np.asarray(PIL.Image.open(BytesIO(data[at + 8 : at + 8 + size]))))
        at += 8 + size + size % 2
    stored = np.moveaxis(image.pixels, 1, -1) if image.axes == "tcyx" else image.pixels
    assert np.array_equal(np.stack(found), stored)
    with pytest.raises(UnwritableFile, match=r"\.avi"):
        save_image(REGISTRY, tmp_path / "a.mkv", image, image)


@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
def test_sixteen_bits_of_grey(tmp_path: Path, suffix: str) -> None:
    image = clip((4, 38, 56), "u2")
    path = save_image(REGISTRY, tmp_path / f"a{suffix}", image, image)
    back = open_image(REGISTRY, path)
    assert back.pixels.dtype == np.uint16
    assert np.array_equal(back.pixels[...], image.pixels[...])
    assert read_header(REGISTRY, path)["dtype"] == "uint16"
    with pytest.raises(UnwritableFile, match="uint16"):
        save_image(REGISTRY, tmp_path / "a.mov", image, image)


@pytest.mark.parametrize("shape", [(12, 64, 96), (12, 3, 64, 96)])
def test_mp4_loses_little(tmp_path: Path, shape: tuple[int, ...]) -> None:
    ramp = np.add.outer(np.linspace(20, 120, 64), np.linspace(0, 100, 96))
    image = clip(shape)
    pixels = np.broadcast_to(ramp, shape) + np.arange(12).reshape(-1, *[1] * (len(shape) - 1))
    image = Image(pixels.astype(np.uint8), image.axes, "clip", image.levels, coords=image.coords)
    if len(shape) == 4:
        image.pixels[:, 0] += 30  # else it were grey
    path = save_image(REGISTRY, tmp_path / "a.mp4", image, image)
    back = open_image(REGISTRY, path)
    assert back.axes == image.axes
    apart = np.abs(back.pixels[...].astype(float) - image.pixels[...])
    assert apart.mean() < 3
    assert np.allclose(back.coords["t"], image.coords["t"], atol=1e-3)


@pytest.mark.parametrize("turn", [1, 3, 6, 8])
@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
def test_rotation(tmp_path: Path, turn: int, suffix: str) -> None:
    image = clip((3, 38, 56), turn=turn)
    path = save_image(REGISTRY, tmp_path / f"a{suffix}", image, image)
    back = open_image(REGISTRY, path)
    assert (back.orientation, back.pixels.shape) == (turn, (3, 38, 56))
    turned = frames(path)[..., 0]  # OpenCV turns it for the eye
    if suffix == ".mov":
        assert np.array_equal(turned[0], np.rot90(image.pixels[0], {1: 0, 3: 2, 6: -1, 8: 1}[turn]))
    if turn > 1:
        with pytest.raises(UnwritableFile, match="turned"):
            save_image(REGISTRY, tmp_path / "a.avi", image, image)


def test_colours_that_come_late_are_seen(tmp_path: Path) -> None:
    image = clip((40, 3, 38, 56))
    image.pixels[:, 1:] = image.pixels[:, :1]
    image.pixels[5, 0] = 0
    path = save_image(REGISTRY, tmp_path / "a.avi", image, image)
    back = open_image(REGISTRY, path)
    assert back.axes == "tcyx"
    assert np.array_equal(back.pixels[...], image.pixels[...])


def test_grey_stored_as_colours_is_grey(tmp_path: Path) -> None:
    image = clip((6, 3, 38, 56))
    image.pixels[:, 1:] = image.pixels[:, :1]
    found = Image(image.pixels, "tcyx", "clip", image.levels, coords=image.coords)
    REGISTRY_CLIP.write(tmp_path / "a.mkv", found, found, None)
    back = open_image(REGISTRY, tmp_path / "a.mkv")
    assert back.axes == "tyx"
    assert np.array_equal(back.pixels[...], image.pixels[:, 0])


REGISTRY_CLIP = next(found for found in REGISTRY.formats if found.title == "Video clip")


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".mov", ".mp4"])
@pytest.mark.parametrize("part", [0.03, 0.5, 0.8])
def test_cut_clips_get_a_sentence(tmp_path: Path, suffix: str, part: float) -> None:
    image = soft(clip((30, 38, 56)))
    data = save_image(REGISTRY, tmp_path / f"a{suffix}", image, image).read_bytes()
    (tmp_path / f"b{suffix}").write_bytes(data[: int(len(data) * part)])
    with pytest.raises(UnreadableFile, match=r"^b\."):
        open_image(REGISTRY, tmp_path / f"b{suffix}")


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".mov", ".mp4"])
def test_flipped_bits_never_crash(tmp_path: Path, suffix: str) -> None:
    image = soft(clip((10, 38, 56)))
    whole = save_image(REGISTRY, tmp_path / f"a{suffix}", image, image).read_bytes()
    for seed in range(6):
        rng = np.random.default_rng(seed)
        data = np.frombuffer(whole, np.uint8).copy()
        end = 600 if seed % 2 else len(data)
        data[rng.integers(12, end, 30)] ^= (1 << rng.integers(0, 8, 30)).astype(np.uint8)
        (tmp_path / f"b{suffix}").write_bytes(data.tobytes())
        try:
            assert open_image(REGISTRY, tmp_path / f"b{suffix}").pixels.size
        except UnreadableFile as error:
            assert str(error).endswith(".")


def test_too_long_a_clip_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    image = clip((3, 39, 57))
    path = save_image(REGISTRY, tmp_path / "a.avi", image, image)
    data = bytearray(path.read_bytes())
    at = data.index(b"MPNG") + 28
    assert struct.unpack("<I", data[at : at + 4])[0] == 3
    data[at : at + 4] = struct.pack("<I", 100_000_000)
    data[48:52] = struct.pack("<I", 100_000_000)
    path.write_bytes(data)
    with pytest.raises(UnreadableFile, match=r"frames.*(cut it to|copy it)"):
        open_image(REGISTRY, path)


def test_other_clips_are_refused(tmp_path: Path) -> None:
    for image in (
        Image(np.zeros((2, 4, 6), np.float32), "tyx", "clip"),
        Image(np.zeros((2, 4, 6), np.int16), "tyx", "clip"),
        Image(np.zeros((2, 4, 6), np.uint8), "zyx", "clip"),
        Image(np.zeros((2, 4, 4, 6), np.uint8), "tcyx", "clip"),
    ):
        with pytest.raises(UnwritableFile, match=r"choose \.npy"):
            save_image(REGISTRY, tmp_path / "a.avi", image, image)
    assert not list(tmp_path.iterdir())
