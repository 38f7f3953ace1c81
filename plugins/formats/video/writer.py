"""Writing a clip, frame by frame."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from core.format import Rounded, UnwritableFile
from core.image import Array, Image, Pixels
from core.lazy import slabs
from plugins.formats.video.avi import PngAvi

CODECS = {".avi": "FFV1", ".mkv": "FFV1", ".mov": "png ", ".mp4": "mp4v"}
RATE = 25.0  # frames a second, where nothing says it
MATRICES = {  # EXIF orientation -> a, b, c, d of the display matrix
    1: (1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    6: (0, 1, -1, 0),
    8: (0, -1, 1, 0),
}


def rate_of(image: Image, source: Image) -> float:
    """Frames a second: of the source clip, else from the seconds of the frames."""
    rate = source.meta.get("video", {}).get("rate")
    times = np.asarray(image.coords.get("t", source.coords.get("t", ())), float)
    if rate and len(times) in (0, image.pixels.shape[0]):
        return float(rate)
    if len(times) > 1 and times[-1] > times[0]:
        return (len(times) - 1) / float(times[-1] - times[0])
    return float(rate or RATE)


def stored(image: Image) -> Pixels:
    """The pixels as a clip holds them: computed ones rounded to the 8 or 16 bits of its levels."""
    kind = {255.0: "uint8", 65535.0: "uint16"}.get(image.levels.white)
    if kind is None or image.pixels.dtype.kind != "f":
        return image.pixels
    return Rounded(image.pixels, kind)


def write(path: Path, image: Image, source: Image) -> None:
    """Write `image` as a clip of the suffix's codec. Raises UnwritableFile."""
    suffix = path.suffix.lower()
    image = replace(image, pixels=stored(image))
    _check(path, image, suffix)
    rate, colour = rate_of(image, source), "c" in image.axes
    if suffix == ".avi" and (image.height % 2 or image.width % 2):
        with PngAvi(path, (image.height, image.width), rate) as file:
            for frame in _frames(image):
                file.add(frame)
        return
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    import cv2

    deep = image.pixels.dtype == np.uint16
    options = [cv2.VIDEOWRITER_PROP_IS_COLOR, int(colour)]
    if deep:
        options += [cv2.VIDEOWRITER_PROP_DEPTH, cv2.CV_16U]
    code = cv2.VideoWriter.fourcc(*CODECS[suffix])
    size = (image.width, image.height)
    out = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, rate, size, options)
    if not out.isOpened():
        raise UnwritableFile(f"{path.name} cannot be encoded on this machine: choose .avi.")
    for frame in _frames(image):
        out.write(frame)
    out.release()
    if image.orientation != 1:
        _turn(path, image.orientation)


def _check(path: Path, image: Image, suffix: str) -> None:
    """Refuse what the container cannot hold."""
    name, kind = path.name, image.pixels.dtype
    colours = image.pixels.shape[1] if "c" in image.axes else 1
    if image.axes not in ("tyx", "tcyx") or colours not in (1, 3):
        raise UnwritableFile(f"{name} can hold grey or RGB frames only: choose .npy.")
    deep = kind == np.uint16 and colours == 1 and suffix in (".avi", ".mkv")
    if kind != np.uint8 and not deep:
        raise UnwritableFile(
            f"{suffix} clips cannot hold {kind} samples: choose .npy, or .mkv for grey of 16 bits."
        )
    odd = image.height % 2 or image.width % 2
    if odd and (suffix != ".avi" or deep):
        other = "NumPy .npy" if deep else ".avi"
        raise UnwritableFile(f"{name} cannot hold an odd width or height: choose {other}.")
    if image.orientation != 1 and (suffix not in (".mov", ".mp4") or image.orientation not in
                                   MATRICES):  # fmt: skip
        raise UnwritableFile(f"{name} cannot say how the clip is turned: choose .mov.")


def _frames(image: Image) -> Iterator[Array]:
    """Each frame, (y, x) or (y, x, bgr)."""
    for part in slabs(image.pixels):
        for frame in np.asarray(image.pixels[part]):
            if frame.ndim == 2:
                yield np.ascontiguousarray(frame)
            elif len(frame) == 1:
                yield np.repeat(np.moveaxis(frame, 0, -1), 3, -1)
            else:
                yield np.ascontiguousarray(np.moveaxis(frame[::-1], 0, -1))


def _turn(path: Path, orientation: int) -> None:
    """Put the rotation into the first track header of a MOV or MP4."""
    with path.open("r+b") as file:
        span = (0, file.seek(0, 2))
        for name in (b"moov", b"trak", b"tkhd"):
            span = _box(file, span, name)
        file.seek(span[0])
        at = span[0] + (52 if file.read(1)[0] else 40)  # version 1 has longer times
        file.seek(at)
        held = list(struct.unpack(">9i", file.read(36)))
        held[0], held[1], held[3], held[4] = (one << 16 for one in MATRICES[orientation])
        file.seek(at)
        file.write(struct.pack(">9i", *held))


def _box(file: IO[bytes], span: tuple[int, int], name: bytes) -> tuple[int, int]:
    """Where the contents of the first box of that name lie."""
    at, end = span
    while at + 8 <= end:
        file.seek(at)
        size, kind, skip = *struct.unpack(">I4s", file.read(8)), 8
        if size == 1:
            size, skip = struct.unpack(">Q", file.read(8))[0], 16
        if kind == name:
            return at + skip, at + size
        at += max(size, 8)
    raise UnwritableFile("The clip was written without a track: choose .avi.")
