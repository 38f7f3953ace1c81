"""Profiles of the user's cameras: where they are kept, and which one belongs to a picture."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from core.image import Image
from core.noise.blocks import names
from core.noise.calibrate import Profile, Sensor
from core.noise.measured import GOOD, ChannelFit, Measured
from core.places import settings_folder

SAME = 0.02  # by how much the range of stored values may differ from the calibrated one


def folder() -> Path:
    """The user's folder of profiles."""
    return settings_folder() / "cameras"


def camera_of(image: Image) -> str:
    """Make and model, "" where the file does not say."""
    exif = _exif(image)
    make, model = (str(exif.get(key) or "").strip() for key in ("make", "model"))
    return model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()


def iso_of(image: Image) -> float:
    """ISO, 0 where the file does not say."""
    try:
        return max(float(_exif(image).get("iso") or 0), 0.0)
    except (TypeError, ValueError):
        return 0.0


def _exif(image: Image) -> Mapping[str, Any]:
    found = image.meta.get("exif")
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}


def path_of(camera: str, where: Path | None = None) -> Path:
    """The file of a camera's profile."""
    plain = re.sub(r"[^a-z0-9]+", "-", camera.lower()).strip("-") or "camera"
    return (where or folder()) / f"{plain}.json"


def read(path: Path) -> Profile | None:
    """The profile in a file; None where there is none, or it is broken."""
    try:
        return Profile.from_json(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write(profile: Profile, path: Path) -> None:
    """Put it into a file; ISOs that are only there stay. Raises OSError."""
    known = read(path)
    for sensor in known.sensors if known and known.camera == profile.camera else ():
        if all(sensor.iso != each.iso for each in profile.sensors):
            profile = profile.with_sensor(sensor)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".part")
    fresh.write_text(json.dumps(profile.to_json(), indent=1), "utf-8")
    fresh.replace(path)


def calibrated(image: Image, profile: Profile | None = None) -> Measured | None:
    """The noise of a picture by the profile of its camera, at its ISO.

    `profile`: one to use instead of the user's. None where there is no profile, or it does not fit:
    of another range of stored values, or other colours.
    """
    camera, iso = camera_of(image), iso_of(image)
    if iso <= 0 or image.kind not in ("mosaic", "linear") or (profile is None and not camera):
        return None
    known = profile or read(path_of(camera))
    if known is None or (profile is None and known.camera != camera):
        return None
    nearest = min(known.sensors, key=lambda each: abs(each.iso - iso))
    colors = names(image)
    if len(nearest.gain) != len(colors) or abs(image.levels.span / nearest.span - 1) > SAME:
        return None
    return _measured(known, nearest, iso, colors)


def _measured(profile: Profile, nearest: Sensor, iso: float, colors: str) -> Measured:
    model = profile.at(iso)
    between = "" if iso == nearest.iso else f", from ISO {nearest.iso:g} and others"
    why = (
        nearest.why
        if iso == nearest.iso
        else f"Between the ISOs that were calibrated. {nearest.why}"
    )
    count = len(nearest.points) // len(colors) if iso == nearest.iso else 0
    fits = tuple(
        ChannelFit(
            name, model.gain[at], model.read[at], (0.95 * model.read[at], 1.05 * model.read[at]),
            nearest.verdict, why, nearest.points[at * count : (at + 1) * count],
        )
        for at, name in enumerate(colors)
    )  # fmt: skip
    words = f"Calibrated: {profile.camera} at ISO {iso:g}{between}."
    judged = nearest.verdict if nearest.verdict != GOOD else ""
    return Measured(model, fits, words, judged=judged, calibrated=True)


__all__ = ["calibrated", "camera_of", "folder", "iso_of", "path_of", "read", "write"]
