"""Small pictures of the samples for the start page, each with its title as the JPEG's comment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from core.develop import Look, thumbnail
from core.files import open_image
from core.image import Image
from core.registry import load

FOLDER = "pictures"
SIZE = 288, 192  # twice what the start page shows, for fine screens
TITLES = {  # two lines each
    "aerial_cube": "Fields from the air\nhyperspectral, 64 bands",
    "bayer_iso12800": "Still life\ncamera RAW, ISO 12800",
    "bmode_clip": "Tissue phantom\nultrasound clip",
    "ct_belly": "Belly\nCT at low dose",
    "mr_head": "Head\nMR, T1",
    "xtrans_iso6400": "Still life\nX-Trans RAW, ISO 6400",
}


def make(samples: Iterable[Path], folder: Path) -> list[Path]:
    """A picture of every sample, noise and all, into `folder`."""
    registry, made = load(), list[Path]()
    (folder / FOLDER).mkdir(exist_ok=True)
    for path in samples:
        picture = _filled(thumbnail(_middle(open_image(registry, path)), 3 * SIZE[0], Look()))
        made.append(folder / FOLDER / f"{path.stem.partition('.')[0]}.jpg")
        title = TITLES[made[-1].stem].encode()
        _, packed = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
        data, comment = packed.tobytes(), b"\xff\xfe" + (len(title) + 2).to_bytes(2) + title
        made[-1].write_bytes(data[:2] + comment + data[2:])
    return made


def _middle(image: Image) -> Image:
    """The middle slice of a volume; all else as it is."""
    if image.kind != "scan" or image.axes != "zyx":
        return image
    return replace(image, pixels=image.pixels[image.pixels.shape[0] // 2], axes="yx")


def _filled(picture: np.ndarray) -> np.ndarray:
    """The middle of a picture, scaled to fill SIZE."""
    width, height = SIZE
    scale = max(width / picture.shape[1], height / picture.shape[0])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=how)
    y, x = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    return np.ascontiguousarray(large[max(y, 0) :, max(x, 0) :][:height, :width])
