"""Decoding a clip: how many frames, grey or coloured, and all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.format import UnreadableFile
from core.image import Array, Image, Levels

MOST = 2_000_000_000  # samples in a clip: 2 GB as bytes, 8 as computed numbers
LONGEST = 8192  # pixels in a row or column: more than 8K video has
GREY = 4  # levels that the colours of a grey clip may differ by: what YUV and its codecs round to
EXACT = (b"BGRA", b"RGBA", b"RGB\x18", b"BGR\x18", b"G3\0\x08")  # FFmpeg's tags of true RGB
LOOKS = 4  # frames that tell whether a clip is grey
TURNS = {0: 1, 90: 6, 180: 3, 270: 8}  # degrees clockwise -> EXIF
Y8, Y16 = 0x30303859, 0x10003159  # FFmpeg's tags of grey with 8 and 16 bits


@dataclass(frozen=True)
class Stream:
    """What the container says of its first video stream."""

    frames: int
    height: int
    width: int
    rate: float  # frames a second
    codec: str
    pixel: int  # tag of the pixel format
    turn: int  # EXIF orientation
    aspect: tuple[int, int]  # of a pixel, width : height

    @property
    def grey(self) -> int:
        """Levels that the colours of a grey frame may differ by."""
        return 0 if self.pixel.to_bytes(4, "little") in EXACT else GREY

    @property
    def meta(self) -> dict[str, Any]:
        """For display and the writer."""
        found: dict[str, Any] = {"codec": self.codec, "rate": self.rate}
        if self.aspect[0] != self.aspect[1]:
            found["aspect"] = list(self.aspect)
        return {"video": found}


def header(path: Path) -> dict[str, Any]:
    """See Format.header. A few frames are decoded: only they tell grey from colour."""
    stream = _stream(path)
    grey = _is_grey(path, stream)
    sizes = [stream.frames, stream.height, stream.width]
    if not grey:
        sizes.insert(1, 3)
    kind = "uint16" if stream.pixel == Y16 else "uint8"
    axes = "tyx" if grey else "tcyx"
    return {"kind": "clip", "axes": axes, "shape": sizes, "dtype": kind, **stream.meta}


def read(path: Path) -> Image:
    """See Format.read."""
    stream = _stream(path)
    grey = _is_grey(path, stream)
    found = _decoded(path, stream, grey)
    if found is None:  # a frame between those looked at has colours, as Doppler has
        grey, found = False, _decoded(path, stream, False)
    assert found is not None
    pixels, times = found
    meta = {**stream.meta, "order": "tyx" if grey else "tyxc"}
    return Image(
        pixels if grey else np.moveaxis(pixels, -1, 1),
        "tyx" if grey else "tcyx",
        "clip",
        Levels(white=float(np.iinfo(pixels.dtype).max)),
        orientation=stream.turn,
        coords={"t": times, "units": {"t": "s"}},
        meta=meta,
    )


def _open(path: Path, grey: bool = False) -> Any:
    """A capture that rotates nothing, has one thread, and hands grey over as it is."""
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "protocol_whitelist;file"  # no addresses in it
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    import cv2

    wanted = [cv2.CAP_PROP_N_THREADS, 1, cv2.CAP_PROP_CONVERT_RGB, int(not grey)]
    try:
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, wanted)
    except Exception as error:
        reason = str(error).splitlines()[0][:100]
        raise UnreadableFile(f"{path.name} is a damaged clip ({reason}): copy it again.") from None
    if not capture.isOpened():
        raise UnreadableFile(f"{path.name} is damaged or packed in an unknown way: save it as AVI.")
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
    return capture


def _stream(path: Path) -> Stream:
    import cv2

    capture = _open(path)
    name = path.name

    def number(prop: int) -> float:
        value = float(capture.get(prop))
        return value if np.isfinite(value) else 0.0

    rate, frames = number(cv2.CAP_PROP_FPS), round(number(cv2.CAP_PROP_FRAME_COUNT))
    height, width = (
        round(number(cv2.CAP_PROP_FRAME_HEIGHT)),
        round(number(cv2.CAP_PROP_FRAME_WIDTH)),
    )
    code = int(number(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
    turn = TURNS.get(round(number(cv2.CAP_PROP_ORIENTATION_META)) % 360, 1)
    aspect = (round(number(cv2.CAP_PROP_SAR_NUM)), round(number(cv2.CAP_PROP_SAR_DEN)))
    pixel = int(number(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)) & 0xFFFFFFFF
    capture.release()
    if not (0 < height <= LONGEST and 0 < width <= LONGEST):
        raise UnreadableFile(f"{name} says it is {width} x {height} pixels large: copy it again.")
    if frames < 1 or not 0 < rate <= 1e6:
        raise UnreadableFile(f"{name} does not say how many frames it has: save it as AVI.")
    if frames * height * width * (1 if pixel in (Y8, Y16) else 3) > MOST:
        most = MOST // (height * width * 3)
        raise UnreadableFile(
            f"{name} has {frames} frames of {width} x {height} pixels, more than the {most} that"
            f" fit: cut it to {most / rate:.0f} seconds."
        )
    if not all(0 < one < 10000 for one in aspect):
        aspect = (1, 1)
    codec = code.to_bytes(4, "little").decode("latin-1").strip("\0 ")
    return Stream(frames, height, width, rate, codec, pixel, turn, aspect)


def _is_grey(path: Path, stream: Stream) -> bool:
    """R = G = B within a rounding error, in a few frames from all over the clip."""
    import cv2

    if stream.pixel in (Y8, Y16):
        return True
    capture = _open(path)
    for look in range(min(LOOKS, stream.frames)):
        if look:
            capture.set(cv2.CAP_PROP_POS_FRAMES, look * (stream.frames - 1) // (LOOKS - 1))
        done, frame = capture.read()
        if not done:
            if look:
                break  # read() will say that the file ends too early
            raise UnreadableFile(f"{path.name} is damaged: no frame of it could be decoded.")
        if not _colourless(frame, stream.grey):
            return False
    return True


def _colourless(frame: Array, most: int) -> bool:
    import cv2

    blue, green, red = cv2.split(frame)
    return max(cv2.norm(blue, green, cv2.NORM_INF), cv2.norm(red, green, cv2.NORM_INF)) <= most


def _frames(path: Path, stream: Stream, grey: bool) -> Iterator[tuple[float, Array]]:
    """Seconds and BGR or grey numbers of each frame."""
    import cv2

    capture = _open(path, stream.pixel in (Y8, Y16) and grey)
    while True:
        done, frame = capture.read()
        if not done:
            return
        if frame.shape[:2] != (stream.height, stream.width):
            raise UnreadableFile(f"{path.name} changes its size on the way: cut it there.")
        yield float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000, frame


def _decoded(path: Path, stream: Stream, grey: bool) -> tuple[Array, Array] | None:
    """All frames, (t, y, x) or (t, y, x, rgb), and their seconds; None: not grey after all."""
    import cv2

    room = stream.frames + max(stream.frames // 50, 8)  # Matroska's count is a guess
    shape = (room, stream.height, stream.width)
    kind = np.uint16 if stream.pixel == Y16 else np.uint8
    pixels = np.empty(shape if grey else (*shape, 3), kind)  # costs no memory until it is filled
    times: list[float] = []
    for seconds, frame in _frames(path, stream, grey):
        if len(times) == room:
            raise UnreadableFile(f"{path.name} has more frames than it says: save it as AVI.")
        if grey:
            if frame.ndim == 3 and not _colourless(frame, stream.grey):
                return None
            if frame.ndim == 3:  # luma; of equal colours it is their value
                frame = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
            pixels[len(times)] = frame
        else:
            cv2.cvtColor(frame, cv2.COLOR_BGR2RGB, dst=pixels[len(times)])
        times.append(seconds)
    if len(times) < 0.95 * stream.frames - 1:
        raise UnreadableFile(
            f"{path.name} ends too early, after {len(times)} of {stream.frames} frames: copy it"
            " again."
        )
    return pixels[: len(times)], _steady(times, stream.rate)


def _steady(times: list[float], rate: float) -> Array:
    """Seconds of the frames, counted from the first; from the rate where the file has none."""
    found = np.asarray(times) - times[0]
    if len(found) > 1 and (np.diff(found) <= 0).any():
        return np.arange(len(found)) / rate
    steps = np.arange(len(found)) / rate
    # Containers round times to a millisecond: a steady clip stays steady.
    return steps if np.abs(found - steps).max() < min(0.002, 0.5 / rate) else found
