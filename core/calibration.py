"""Calibrate: the Work that makes a camera's profile from the frames the user took for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from core.desk import Desk
from core.files import open_image
from core.image import Image
from core.job import Progress, Stop
from core.method import Cancelled
from core.noise.calibrate import BadFrames, Profile, calibrate, unlit
from core.noise.profiles import camera_of, iso_of

EDGE = 1440  # pixels of the middle of a frame that are looked at: whole CFA periods


@dataclass(frozen=True)
class Calibrate:
    """Decode the frames, sort them by ISO and light, measure; yields Progress, last a Profile.

    `camera` and `iso` where the files do not say. Raises BadFrames and UnreadableFile.
    """

    paths: tuple[str, ...]
    camera: str = ""
    iso: float = 0.0
    worker: ClassVar[str] = "light"

    def __call__(self, desk: Desk, cancelled: Stop) -> Iterator[Progress | Profile]:
        frames: list[Image] = []
        for at, path in enumerate(self.paths):
            yield Progress(0.7 * at / len(self.paths), None, "open")
            frames.append(_middle(open_image(desk.registry, Path(path), cancelled)))
        yield Progress(0.7, None, "measure")
        cameras = sorted({camera_of(frame) for frame in frames})
        if len(cameras) > 1:
            raise BadFrames(f"The frames are of several cameras: {', '.join(cameras)}.")
        profile = Profile(self.camera or (cameras[0] if cameras else "") or "Camera", ())
        groups = self._by_iso(frames)
        for at, (iso, some) in enumerate(groups.items()):
            if cancelled():
                raise Cancelled
            dark = [frame for frame in some if unlit(frame)]
            flat = [frame for frame in some if not unlit(frame)]
            try:
                profile = profile.with_sensor(calibrate(flat, dark, iso))
            except BadFrames as error:
                where = f"ISO {iso:g}: " if len(groups) > 1 else ""
                raise BadFrames(f"{where}{error}") from None
            yield Progress(0.7 + 0.3 * (at + 1) / len(groups), None, "measure")
        yield profile

    def _by_iso(self, frames: Sequence[Image]) -> dict[float, list[Image]]:
        found: dict[float, list[Image]] = {}
        for frame in frames:
            iso = self.iso or iso_of(frame)
            if iso <= 0:
                raise BadFrames("The frames do not say their ISO: name it (--iso).")
            found.setdefault(iso, []).append(frame)
        if not found:
            raise BadFrames(
                "Choose flat frames and frames without light, of one ISO or of several."
            )
        return dict(sorted(found.items()))


def _middle(image: Image) -> Image:
    """The middle of a frame, in whole periods of CFA and black levels."""
    if image.stack or image.kind not in ("mosaic", "linear", "array"):
        raise BadFrames(f"{Path(image.path).name} is no RAW frame of a camera.")
    y0, x0 = (max(size - EDGE, 0) // 2 // 12 * 12 for size in (image.height, image.width))
    part = np.ascontiguousarray(image.pixels[..., y0 : y0 + EDGE, x0 : x0 + EDGE])
    return replace(image, pixels=part)


__all__ = ["Calibrate"]
