"""Calibration: parameters of a simulated sensor recovered, profiles interpolated over ISO."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np
import pytest

from core.image import Cfa, Image, Levels
from core.noise.calibrate import BadFrames, Profile, calibrate, tukey_lambda
from core.noise.measured import GOOD
from core.noise.simulate import sensor

BAYER = Cfa(((0, 1), (1, 2)))
SHAPE = (360, 480)
BIAS = (3.0, -2.0, 1.5)


@lru_cache
def frames(gain: float, read: float, tail: float, row: float) -> tuple[list[Image], list[Image]]:
    """Flats at eight exposures under soft shading, and six bias frames."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] / 500
    shade = 1 - 0.4 * ((y - 0.3) ** 2 + (x - 0.4) ** 2)
    tint = np.array([0.6, 1.0, 0.8])[BAYER.colors(*SHAPE)]
    off = np.array(BIAS)[BAYER.colors(*SHAPE)]

    def frame(light: float) -> Image:
        signal = light * shade * tint
        noisy = sensor(signal, gain, read, rng, row, 0.0, tail) + off
        stored = np.clip(np.round(noisy + 512), 0, 16383).astype(np.uint16)
        return Image(stored, "yx", "mosaic", Levels(((512.0,),), 16383.0), BAYER)

    lights = np.geomspace(200, 12000, 8)
    return [frame(light) for light in lights], [frame(0.0) for _ in range(6)]


@pytest.mark.parametrize(
    ("gain", "read", "tail", "row"), [(2.0, 6.0, 0.14, 0.0), (7.0, 15.0, -0.1, 3.0)]
)
def test_parameters_recovered(gain: float, read: float, tail: float, row: float) -> None:
    found = calibrate(*frames(gain, read, tail, row), iso=800)
    assert found.verdict == GOOD, found.why
    assert found.gain == pytest.approx((gain,) * 3, rel=0.03)
    assert found.read == pytest.approx((read,) * 3, rel=0.04)
    assert found.bias == pytest.approx(BIAS, abs=0.25)
    assert found.row == pytest.approx(row, rel=0.05, abs=0.1)
    assert found.tail == pytest.approx(tail, abs=0.03)
    assert found.step == 1


def test_a_fixed_pattern_is_no_noise() -> None:
    rng = np.random.default_rng(8)
    flats = frames(7.0, 15.0, -0.1, 3.0)[0]
    pattern = 12 * rng.standard_normal(SHAPE)
    biases = []
    for _ in range(6):
        dark = sensor(np.zeros(SHAPE), 0, 15, rng, tukey_lambda=-0.1) + pattern + 512
        pixels = np.round(dark).astype(np.uint16)
        biases.append(Image(pixels, "yx", "mosaic", flats[0].levels, BAYER))
    found = calibrate(flats, biases, 800)
    assert found.read == pytest.approx((15,) * 3, rel=0.04)
    assert found.tail == pytest.approx(-0.1, abs=0.04)


@pytest.mark.parametrize("power", [-0.25, -0.1, 0.0, 0.14, 0.3])
def test_weight_of_tails(power: float) -> None:
    rng = np.random.default_rng(1)
    values = sensor(np.zeros((400, 500)), 0, 10, rng, tukey_lambda=power).ravel().astype(float)
    found, straight = tukey_lambda(values)
    assert found == pytest.approx(power, abs=0.02)
    assert straight > 0.999


def test_a_profile_between_and_beyond_its_speeds() -> None:
    low = calibrate(*frames(2.0, 6.0, 0.14, 0.0), iso=400)
    high = calibrate(*frames(7.0, 15.0, -0.1, 3.0), iso=1600)
    profile = Profile("Test", (high,)).with_sensor(low)
    assert [s.iso for s in profile.sensors] == [400, 1600]
    again = Profile.from_json(json.loads(json.dumps(profile.to_json())))
    assert again == profile
    assert profile.at(400).gain == pytest.approx(low.gain)
    middle, beyond = profile.at(800), profile.at(3200)
    assert middle.gain[0] == pytest.approx((low.gain[0] * high.gain[0]) ** 0.5, rel=1e-6)
    assert beyond.gain[0] == pytest.approx(2 * high.gain[0])
    with pytest.raises(ValueError, match="camera profile"):
        Profile.from_json({"sensors": [1]})


def test_frames_that_tell_nothing() -> None:
    flats, biases = frames(2.0, 6.0, 0.14, 0.0)
    with pytest.raises(BadFrames, match="two flat frames"):
        calibrate(flats[:1], biases, 100)
    small = Image(np.zeros((20, 20), np.uint16), "yx", "mosaic", Levels(), BAYER)
    with pytest.raises(BadFrames, match="one camera"):
        calibrate([*flats, small], biases, 100)
    burnt = Image(np.full(SHAPE, 16383, np.uint16), "yx", "mosaic", flats[0].levels, BAYER)
    with pytest.raises(BadFrames, match="overexposed"):
        calibrate([flats[0], burnt], biases, 100)
    assert calibrate(flats[:2], biases[:1], 100).verdict != GOOD
