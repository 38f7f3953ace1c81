"""Clips in the window: playing in real time, before and after in step, frames ahead, keys."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from gui.player import Player

COUNT = 6


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_a_player_keeps_to_the_frame_times_and_counts_what_comes_too_late():
    clock = Clock()
    player = Player([0.0, 0.1, 0.2, 0.5, 0.6], clock)
    assert player.rate == pytest.approx(10)
    player.play(0)
    assert player.due() is None
    seen = []
    for ms in range(5, 700, 5):
        clock.now = 100 + ms / 1000
        if (at := player.due()) is not None:
            player.shown()
            seen.append((at, ms))
    assert seen == [(1, 100), (2, 200), (3, 500), (4, 600)] and player.dropped == 0
    clock.now = 100.7
    assert player.due() == 0  # the loop begins again
    clock.now = 101.3
    assert player.due() == 4 and player.dropped == 3
    player.pause()
    clock.now = 109
    assert player.due() is None and player.at == 4


def test_speed_and_loop_of_a_player():
    clock = Clock()
    player = Player([at / 10 for at in range(10)], clock)
    player.set_loop(6, 3)
    player.play(9)
    assert player.at == 3  # outside: from the loop's first frame
    player.set_speed(0.5)
    found = []
    for ms in range(0, 1700, 10):
        clock.now = 100 + ms / 1000
        if (at := player.due()) is not None:
            player.shown()
            found.append(at)
    assert found == [4, 5, 6, 3, 4, 5, 6, 3] and player.dropped == 0
    assert player.measured == pytest.approx(5, rel=0.02) and player.rate == pytest.approx(5)


def write_clip(path):
    """A MetaImage sequence of some frames: number n is n * 20 bright, with a little noise."""
    rng = np.random.default_rng(2)
    frames = np.arange(COUNT)[:, None, None] * 20 + 60 + rng.normal(0, 3, (COUNT, 48, 64))
    head = [
        "ObjectType = Image", "NDims = 3", f"DimSize = 64 48 {COUNT}", "ElementType = MET_UCHAR",
        "ElementSpacing = 0.3 0.3 1", "BinaryData = True", "BinaryDataByteOrderMSB = False",
        "Kinds = domain domain list",
        *(f"Seq_Frame{at:04d}_Timestamp = {10 + at * 0.04:.3f}" for at in range(COUNT)),
        "ElementDataFile = LOCAL",
    ]  # fmt: skip
    data = np.clip(np.rint(frames), 0, 255).astype(np.uint8)
    path.write_bytes(("\n".join(head) + "\n").encode() + data.tobytes())


@pytest.fixture
def clip(window, qtbot, settle, tmp_path):
    """The window with a short clip open."""
    write_clip(tmp_path / "clip.mha")
    window.open(str(tmp_path / "clip.mha"))
    qtbot.waitUntil(lambda: window.session.document is not None, timeout=30_000)
    assert window.session.document.image.axes == "tyx"
    settle(window)
    window.viewer.setFocus()
    return window


def at(window):
    return window.session.state.view.front[0][0]


def means(window):
    """What the canvases hold, 0..255 (None: nothing)."""
    level = window.viewer.wanted()[0][1]
    held = window.viewer._layers._canvases
    found = [held.get((layer, level)) for layer in ("before", "after")]
    return [None if one is None or not one.marks.all() else one.pixels.mean() for one in found]


def test_keys_go_through_a_clip_as_through_every_stack(clip, settle):
    (row,) = clip.slices.rows
    assert row.place.text() == "0.000 s" and clip.clips.bar.isVisible()
    for key, expected in (
        (Qt.Key.Key_Right, 1), (Qt.Key.Key_Right, 2), (Qt.Key.Key_Left, 1), (Qt.Key.Key_End, 5),
        (Qt.Key.Key_Home, 0), (Qt.Key.Key_PageUp, 1),
    ):  # fmt: skip
        QTest.keyClick(clip.viewer, key)
        assert at(clip) == expected
    assert row.place.text() == "0.040 s"
    clip.viewer.zoom_to(20.0)
    before = clip.viewer._camera.centre
    QTest.keyClick(clip.viewer, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert at(clip) == 1 and clip.viewer._camera.centre != before
    settle(clip)


def test_a_picture_is_panned_with_the_arrows(opened):
    opened.viewer.zoom_to(4.0)
    before = opened.viewer._camera.centre
    QTest.keyClick(opened.viewer, Qt.Key.Key_Right)
    assert opened.viewer._camera.centre != before
    assert opened.clips.bar is None  # nothing was made for a picture


def test_it_plays_while_frames_are_denoised_and_then_both_sides_in_step(clip, qtbot, settle):
    QTest.keyClick(clip.viewer, Qt.Key.Key_Space)
    assert clip.clips.player.playing and clip.session.state.view.playing
    seen = []
    put = clip.viewer.put

    def record(layer, level, region, store, *rest):
        put(layer, level, region, store, *rest)
        seen.append((layer, region.front[0][0], float(store.mean())))

    clip.viewer.put = record
    qtbot.waitUntil(lambda: len(clip.clips.ready) == COUNT, timeout=60_000)
    assert clip.slices.rows[0].slider._done == ((0.0, 1.0),)
    assert "all frames ready" in clip.clips.bar.ready.text()
    seen.clear()
    qtbot.waitUntil(lambda: len(seen) > 12, timeout=30_000)
    pairs = [(a, b) for a, b in pairwise(seen) if a[0] == "before"]
    for before, after in pairs:
        assert after[0] == "after" and after[1] == before[1]
        assert after[2] == pytest.approx(before[2], rel=0.02)
    assert len({one[1] for one in seen}) > 2
    assert clip.clips.player.dropped >= 0 and "of 25 frames/s" in clip.clips.bar.rate.text()
    QTest.keyClick(clip.viewer, Qt.Key.Key_Space)
    assert not clip.session.state.view.playing
    clip.viewer.put = put
    settle(clip)
    shown = means(clip)
    assert None not in shown and shown[0] == pytest.approx(shown[1], rel=0.02)
    assert clip.viewer.state_at_view() == "full"


def test_other_settings_make_the_frames_ahead_anew(clip, qtbot, settle):
    clip.actions_by_id["play"].trigger()
    qtbot.waitUntil(lambda: len(clip.clips.ready) == COUNT, timeout=60_000)
    key = clip.clips._key(0)
    clip.session.edit(recipe=clip.session.document.recipe.with_amount(0.5))
    assert len(clip.clips.ready) < COUNT and clip.clips._key(0) != key
    qtbot.waitUntil(lambda: len(clip.clips.ready) == COUNT, timeout=60_000)
    clip.clips.stop()
    settle(clip)


def test_a_loop_range_between_brackets(clip, qtbot, settle):
    control = Qt.KeyboardModifier.ControlModifier
    QTest.keyClick(clip.viewer, Qt.Key.Key_Right)
    QTest.keyClick(clip.viewer, Qt.Key.Key_Left, control)
    for _ in range(2):
        QTest.keyClick(clip.viewer, Qt.Key.Key_Right)
    QTest.keyClick(clip.viewer, Qt.Key.Key_Right, control)
    assert clip.clips.player.loop == (1, 3) and clip.slices.rows[0].slider._range == (0.2, 0.6)
    QTest.keyClick(clip.viewer, Qt.Key.Key_P)
    qtbot.waitUntil(lambda: clip.clips.ready == {1, 2, 3}, timeout=60_000)
    assert 1 <= at(clip) <= 3
    QTest.keyClick(clip.viewer, Qt.Key.Key_Right)  # a step stops
    assert not clip.clips.player.playing
    QTest.keyClick(clip.viewer, Qt.Key.Key_Up, control)
    assert clip.clips.player.loop == (0, COUNT - 1)
    settle(clip)


def test_space_with_a_drag_pans_and_does_not_play(clip, settle):
    clip.viewer.zoom_to(20.0)
    before = clip.viewer._camera.centre
    QTest.keyPress(clip.viewer, Qt.Key.Key_Space)
    middle = clip.viewer.rect().center()
    QTest.mousePress(clip.viewer, Qt.MouseButton.LeftButton, pos=middle)
    QTest.mouseMove(clip.viewer, middle * 0.9)
    QTest.mouseRelease(clip.viewer, Qt.MouseButton.LeftButton, pos=middle * 0.9)
    QTest.keyRelease(clip.viewer, Qt.Key.Key_Space)
    assert clip.viewer._camera.centre != before and not clip.clips.player.playing
    settle(clip)
