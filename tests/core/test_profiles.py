"""Profiles of cameras: made from frames, kept, found again for a picture of that camera and ISO."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import core.calibration
from core.calibration import Calibrate
from core.cli import FAILED, OK, USAGE, main
from core.desk import Desk
from core.image import Image
from core.job import MeasureNoise
from core.noise import profiles
from core.noise.calibrate import BadFrames, Profile, Sensor
from core.noise.model import PoissonGaussian
from tests.core.test_calibrate import frames

CAMERA = {"make": "Nikon", "model": "Nikon D1"}


def sensor(iso: float, gain: float, read: float) -> Sensor:
    three = (gain,) * 3, (read,) * 3, (0.0,) * 3
    return Sensor(iso, "RGB", *three, 0.14, 0.0, 0.0, "good", "It agrees.", 15871.0)


def of(image: Image, iso: object, path: str = "") -> Image:
    return replace(image, meta={"exif": {**CAMERA, "iso": iso}}, path=path)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(profiles, "settings_folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def shots(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Frames of two ISOs, as if they were files."""
    files: dict[str, Image] = {}
    for iso, parameters in ((400, (2.0, 6.0, 0.14, 0.0)), (1600, (7.0, 15.0, -0.1, 3.0))):
        flats, biases = frames(*parameters)
        for at, frame in enumerate((*flats, *biases)):
            files[f"{iso}-{at}.dng"] = of(frame, iso, f"{iso}-{at}.dng")

    def opened(registry: object, path: Path, *_: object) -> Image:
        return files[path.name]

    monkeypatch.setattr(core.calibration, "open_image", opened)
    return list(files)


def test_kept_and_found_for_a_picture(home: Path) -> None:
    picture = of(frames(2.0, 6.0, 0.14, 0.0)[0][3], 800)
    assert profiles.camera_of(picture) == "Nikon D1"
    assert profiles.calibrated(picture) is None
    path = profiles.path_of("Nikon D1")
    assert path == home / "cameras" / "nikon-d1.json"
    profiles.write(Profile("Nikon D1", (sensor(400, 2, 6),)), path)
    profiles.write(Profile("Nikon D1", (sensor(1600, 8, 12),)), path)
    known = profiles.read(path)
    assert known is not None
    assert [s.iso for s in known.sensors] == [400, 1600]
    found = profiles.calibrated(picture)
    assert found is not None
    assert found.calibrated
    assert isinstance(found.model, PoissonGaussian)
    assert found.model.gain == pytest.approx((4,) * 3)
    assert found.model.read == pytest.approx((72**0.5,) * 3)
    assert "Nikon D1 at ISO 800" in found.summary
    for other in (of(picture, None), of(picture, "much"), replace(picture, meta={}),
                  replace(picture, levels=replace(picture.levels, white=4095.0))):  # fmt: skip
        assert profiles.calibrated(other) is None
    path.write_text("{", "utf-8")
    assert profiles.calibrated(picture) is None


def test_opening_takes_the_profile_and_measuring_does_not(home: Path) -> None:
    picture = of(frames(2.0, 6.0, 0.14, 0.0)[0][3], 400)
    profiles.write(Profile("Nikon D1", (sensor(400, 2, 6),)), profiles.path_of("Nikon D1"))
    opened, measured = (
        next(MeasureNoise(picture, profiled=on)(Desk(), lambda: False)) for on in (True, False)
    )
    assert (opened.calibrated, measured.calibrated) == (True, False)


def test_frames_are_sorted_by_iso_and_light(
    home: Path, shots: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    *_, found = Calibrate(tuple(shots))(Desk(), lambda: False)
    assert isinstance(found, Profile)
    assert found.camera == "Nikon D1"
    assert [s.iso for s in found.sensors] == [400, 1600]
    assert found.sensors[0].gain == pytest.approx((2,) * 3, rel=0.05)
    assert found.sensors[1].read == pytest.approx((15,) * 3, rel=0.05)
    target = home / "profile.json"
    assert main(["calibrate", *shots, "-o", str(target)]) == OK
    assert "ISO 1600: gain" in capsys.readouterr().out
    assert Profile.from_json(json.loads(target.read_text("utf-8"))) == found
    assert main(["calibrate", shots[0], shots[1], "-o", str(target)]) == FAILED
    assert "bias frame" in capsys.readouterr().err


def test_frames_of_two_cameras(shots: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: Any = core.calibration.open_image

    def mixed(registry: object, path: Path, *rest: object) -> Image:
        frame = opened(registry, path)
        return replace(frame, meta={}) if path.name == "400-0.dng" else frame

    monkeypatch.setattr(core.calibration, "open_image", mixed)
    with pytest.raises(BadFrames, match="several cameras"):
        list(Calibrate(tuple(shots[:4]))(Desk(), lambda: False))
    with pytest.raises(BadFrames, match="their ISO"):
        list(Calibrate((shots[0],))(Desk(), lambda: False))


def test_a_profile_as_noise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, source = tmp_path / "p.json", tmp_path / "in.npy"
    profiles.write(Profile("Nikon D1", (sensor(400, 2, 6),)), path)
    np.save(source, np.zeros((40, 40), np.float32))
    order = ["denoise", str(source), "-o", str(tmp_path / "out.npy"), "--noise", str(path)]
    assert main(order) == USAGE
    assert "does not fit in.npy" in capsys.readouterr().err
    path.write_text('{"sordino-camera": 1, "sensors": [{}]}', "utf-8")
    assert main(order) == USAGE
