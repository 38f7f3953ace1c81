"""What a DNG's own tags say, exactly: LibRaw rounds or hides it."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plugins.formats.raw.tags import Ifd, Tiff

XMP_NAMESPACE = "urn:sordino:denoise:1.0/"
_COMPRESSIONS = {
    1: "uncompressed",
    7: "lossless JPEG",
    8: "deflate",
    34892: "lossy JPEG",
    52546: "JPEG XL",
}
_SENSOR_KINDS = (32803, 34892)  # PhotometricInterpretation: CFA, LinearRaw


@dataclass(frozen=True)
class Info:
    """Tags of a DNG; the defaults stand for any other file."""

    dng: bool = False
    camera: str = ""  # UniqueCameraModel
    samples: int = 0  # per pixel
    size: tuple[int, int] = (0, 0)  # rows, columns of the full frame
    active: tuple[int, int, int, int] | None = None  # top, left, height, width
    default_crop: tuple[int, int, int, int] | None = None  # the same, relative to `active`
    cfa_period: tuple[int, int] | None = None
    black: NDArray[np.float64] | None = None  # block from the active area's corner
    white: float = 0.0
    bits: int | None = None
    compression: str = ""
    noise_profile: tuple[float, ...] = ()
    baseline_exposure: float | None = None
    marked_denoised: bool = False
    ours: bool = False  # written by Sordino
    warnings: tuple[str, ...] = ()


def info(path: Path) -> Info:
    """Read the tags. Never raises for a damaged file: what cannot be read keeps its default."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read(Tiff(data))
    except (OSError, ValueError):
        return Info()


def raw_ifd(tiff: Tiff) -> tuple[int, Ifd]:
    """Offset and directory of the main sensor image. Raises ValueError when there is none."""
    found = [
        (offset, ifd)
        for offset, ifd in tiff.tree()
        if tiff.values(ifd.get(262))[:1] and tiff.values(ifd[262])[0] in _SENSOR_KINDS
    ]
    if not found:
        raise ValueError("no RAW image")

    def rank(entry: tuple[int, Ifd]) -> tuple[bool, float]:
        main = not (tiff.values(entry[1].get(254)) or (0,))[0]
        width, height = (tiff.values(entry[1].get(code)) or (0,) for code in (256, 257))
        return main, width[0] * height[0]

    return max(found, key=rank)


def _read(tiff: Tiff) -> Info:
    top = tiff.ifd(tiff.first)
    if 50706 not in top:
        return Info()
    _, ifd = raw_ifd(tiff)

    def values(code: int) -> tuple[float, ...]:
        return tiff.values(ifd.get(code)) or tiff.values(top.get(code))

    height, width = (int((values(code) or (0,))[0]) for code in (257, 256))
    active = _active(values(50829), height, width)
    period = values(33421)
    exposure = values(50730)
    sample_format = (values(339) or (1,))[0]
    return Info(
        dng=True,
        camera=tiff.text(top.get(50708)),
        samples=int((values(277) or (1,))[0]),
        size=(height, width),
        active=active,
        default_crop=_crop(values(50719), values(50720), active),
        cfa_period=(int(period[0]), int(period[1])) if len(period) == 2 else None,
        black=_black(values),
        white=(values(50717) or (0,))[0],
        bits=int((values(258) or (0,))[0]) or None,
        compression=_COMPRESSIONS.get(int((values(259) or (1,))[0]), ""),
        noise_profile=values(51041),
        baseline_exposure=exposure[0] if exposure else None,
        marked_denoised=_marked(top, values),
        ours=tiff.text(top.get(305)).startswith("Sordino"),
        warnings=(
            ("Floating-point DNG: read with 14 bits, values above white are lost.",)
            if sample_format == 3
            else ()
        ),
    )


def _active(box: tuple[float, ...], height: int, width: int) -> tuple[int, int, int, int]:
    """Top, left, height, width: the whole frame when the tag is missing or absurd."""
    if len(box) == 4:
        top, left, bottom, right = (int(edge) for edge in box)
        if 0 <= top < bottom <= height and 0 <= left < right <= width:
            return top, left, bottom - top, right - left
    return 0, 0, height, width


def _crop(
    origin: tuple[float, ...], size: tuple[float, ...], active: tuple[int, int, int, int]
) -> tuple[int, int, int, int] | None:
    if len(origin) != 2 or len(size) != 2:
        return None
    left, top, width, height = (round(number) for number in (*origin, *size))
    inside = left >= 0 and top >= 0 and top + height <= active[2] and left + width <= active[3]
    return (top, left, height, width) if inside and height > 0 and width > 0 else None


def _black(values: Callable[[int], tuple[float, ...]]) -> NDArray[np.float64] | None:
    """The black block, row and column deltas by their mean (as LibRaw takes them)."""
    rows, columns = (int(number) for number in (values(50713) or (1, 1))[:2])
    level = values(50714)
    if not level or len(level) != rows * columns or len(level) > 64 * 64:
        return None
    block = np.reshape(level, (rows, columns)).astype(float)
    for delta in (values(50715), values(50716)):
        if delta:
            block += float(np.mean(delta))
    return block


def _marked(top: Ifd, values: Callable[[int], tuple[float, ...]]) -> bool:
    """NoiseReductionApplied, Adobe's EnhanceParams or our own XMP."""
    xmp = top[700].data if 700 in top else b""
    return any(values(50935)) or 51182 in top or XMP_NAMESPACE.encode() in xmp
