"""Damaged and lying files: one sentence, no crash, at most 10 s of CPU and 1 GiB."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.files import read_header
from core.format import UnreadableFile
from core.registry import Registry, load
from tests.judge import Judge

REGISTRY: Registry = load()
FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "hostile"
PHOTO = {suffix for found in REGISTRY.formats for suffix in found.suffixes} | {".pgf", ".jp2"}
FILES = sorted(path for path in FOLDER.rglob("*") if path.suffix.lower() in PHOTO)


@pytest.mark.skipif(not FILES, reason="no ../shared/data beside the repository")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_shared_files(path: Path, tmp_path: Path, judge: Judge) -> None:
    sentence = judge(path, tmp_path)
    if any(word in path.name for word in ("trunc50", "trunc02", "60000", "past_end", "empty")):
        assert sentence


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin-1").ljust(117) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + data


def shaped(shape: str, descr: str = "'<f4'", data: bytes = b"\0" * 64) -> bytes:
    return npy(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}", data)


LYING = {
    "huge": shaped("(100000, 100000)"),
    "overflow": shaped("(9223372036854775807, 9223372036854775807)"),
    "negative": shaped("(-4, -4)"),
    "zero": shaped("(0, 4)"),
    "flat": shaped("(16,)"),
    "deep": shaped("(1, 1, 2, 2, 4)"),
    "object": shaped("(2, 2)", "'|O'"),
    "structured": shaped("(2, 2)", "[('a', '<f4'), ('b', '<f4')]"),
    "complex": shaped("(8, 8)", "'<c8'"),
    "text": shaped("(2, 2)", "'<U2'"),
    "half": shaped("(8, 8)"),
    "no_header": b"\x93NUMPY",
    "code": npy("__import__('os').abort()"),
    "nested": npy("(" * 100),
    "word": shaped("'ab'"),
    "version": b"\x93NUMPY\x09\0" + b"\0" * 200,
}


@pytest.mark.parametrize("name", LYING)
def test_lying_arrays(name: str, tmp_path: Path, judge: Judge) -> None:
    path = tmp_path / f"{name}.npy"
    path.write_bytes(LYING[name])
    assert judge(path, tmp_path)
    with pytest.raises(UnreadableFile):
        read_header(REGISTRY, path)


def no_array(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


def cut(path: Path) -> None:
    np.savez(path, image=np.ones((64, 64)))
    path.write_bytes(path.read_bytes()[:3000])


def liar(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("image.npy", LYING["huge"])


def flipped(path: Path) -> None:
    np.savez_compressed(path, image=np.random.default_rng(0).normal(size=(64, 64)))
    data = bytearray(path.read_bytes())
    data[5000:5100] = bytes(100)
    path.write_bytes(data)


@pytest.mark.parametrize("make", [no_array, cut, liar, flipped])
def test_lying_archives(make: Callable[[Path], None], tmp_path: Path, judge: Judge) -> None:
    make(tmp_path / "a.npz")
    assert judge(tmp_path / "a.npz", tmp_path)


def test_a_png_that_unpacks_to_little(tmp_path: Path, judge: Judge) -> None:
    """The header promises 30 million pixels, the file is long enough, its data is not."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", 6000, 5000, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1000)) + bytes(40_000)
    path = tmp_path / "a.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )
    judge(path, tmp_path)


@pytest.mark.parametrize("codec", ["FFV1", "MJPG", "MPNG"])
def test_a_clip_that_says_it_is_large(codec: str, tmp_path: Path, judge: Judge) -> None:
    """A few frames, whose header promises 8192 x 8192 pixels."""
    import cv2

    path = tmp_path / "a.avi"
    out = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), 25, (64, 48))
    for _ in range(5):
        out.write(np.zeros((48, 64, 3), np.uint8))
    out.release()
    small, large = struct.pack("<2I", 64, 48), struct.pack("<2I", 8192, 8192)
    data = path.read_bytes()
    assert small in data
    path.write_bytes(data.replace(small, large))
    judge(path, tmp_path)
