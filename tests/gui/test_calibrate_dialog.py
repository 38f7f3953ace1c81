"""The dialog that calibrates a camera: frames that tell nothing, a profile, what is kept."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QLabel

import core.calibration
from core.noise import profiles
from core.noise.calibrate import Profile, calibrate
from gui.calibrate_dialog import row_of
from gui.session import Document, Origin
from tests.core.test_calibrate import frames
from tests.core.test_profiles import of


@pytest.fixture
def dialog(window, qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(profiles, "settings_folder", lambda: tmp_path)
    window.actions_by_id["calibrate"].trigger()
    return window.calibration


def test_frames_become_a_profile_that_is_used(dialog, window, qtbot, monkeypatch):
    flats, biases = frames(2.0, 6.0, 0.14, 0.0)
    files = {f"{at}.dng": of(frame, 400, f"{at}.dng") for at, frame in enumerate(flats + biases)}
    monkeypatch.setattr(core.calibration, "open_image", lambda _, path, *rest: files[path.name])
    assert not dialog.keep.isEnabled()
    dialog.begin(["0.dng", "1.dng"])
    qtbot.waitUntil(lambda: not dialog.running, timeout=30_000)
    assert "bias frame" in dialog.state.text()
    assert not dialog.keep.isEnabled()
    dialog.begin(list(files))
    qtbot.waitUntil(lambda: not dialog.running, timeout=60_000)
    assert dialog.state.text().startswith("Nikon D1: good.")
    words = [label.text() for label in dialog.findChildren(QLabel)]
    assert set(row_of(dialog.profile.sensors[0])[1:]) <= set(words)
    assert dialog.transfer.sketch is not None
    dialog.keep.click()
    assert profiles.read(profiles.path_of("Nikon D1")) == dialog.profile
    assert "Nikon D1 is calibrated" in window.status.words


def test_what_was_kept_is_the_model_until_measured(dialog, window, qtbot):
    flats, biases = frames(2.0, 6.0, 0.14, 0.0)
    profile = Profile("Nikon D1", (calibrate(flats, biases, 400),))
    profiles.write(profile, profiles.path_of("Nikon D1"))
    w = window
    recipe = w.automatic.begin(flats[3])[0]
    w.session.open(Document(of(flats[3], 400), recipe))
    qtbot.waitUntil(lambda: w.session.document.noise is not None, timeout=20_000)
    assert w.session.document.origin is Origin.CALIBRATED
    w.bridge.measure()
    qtbot.waitUntil(lambda: w.session.document.origin is Origin.MEASURED, timeout=20_000)
    w.session.undo()
    assert w.session.document.origin is Origin.CALIBRATED
