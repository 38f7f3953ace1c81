import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QFocusEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication

from core.tiles import Region
from gui.viewer import Compare

pytestmark = pytest.mark.tiny
LEFT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton


def chart(height, width):
    """Every pixel another colour: its row, its column, and both beyond 256."""
    y, x = np.mgrid[:height, :width]
    planes = y % 256, x % 256, y // 256 * 16 + x // 256
    return (np.stack(planes, -1) * 257).astype(np.uint16)


def flat(height, width, value):
    return np.full((height, width, 3), value * 257, np.uint16)


def mouse(viewer, kind, x, y, button=LEFT, modifiers=Qt.KeyboardModifier.NoModifier):
    held = button
    if kind is QEvent.Type.MouseMove:
        button = Qt.MouseButton.NoButton
    if kind is QEvent.Type.MouseButtonRelease:
        held = Qt.MouseButton.NoButton
    place = QPointF(x, y)
    event = QMouseEvent(kind, place, viewer.mapToGlobal(place), button, held, modifiers)
    QApplication.sendEvent(viewer, event)


def drag(viewer, start, stop, **how):
    mouse(viewer, QEvent.Type.MouseButtonPress, *start, **how)
    mouse(viewer, QEvent.Type.MouseMove, *stop, **how)
    mouse(viewer, QEvent.Type.MouseButtonRelease, *stop, **how)


def wheel(viewer, x, y, notches):
    place = QPointF(x, y)
    event = QWheelEvent(
        place, viewer.mapToGlobal(place), QPoint(), QPoint(0, round(120 * notches)),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(viewer, event)


# --- comparing by hand ---------------------------------------------------------------------------


def test_divider_is_dragged(viewer, load, seen, qtbot):
    load(flat(300, 400, 40), flat(300, 400, 200))
    viewer.compare = Compare.WIPE
    with qtbot.waitSignal(viewer.wipeMoved) as moved:
        drag(viewer, (203, 250), (100, 20))
    assert moved.args == [0.25] and viewer.wipe == 0.25
    row = seen()[250, :, 0]
    assert (row[:97] == 40).all() and (row[103:] == 200).all()
    drag(viewer, (100, 100), (-50, 100))
    assert viewer.wipe == 0


def test_divider_lies_level_and_is_dragged(viewer, load, seen):
    load(flat(300, 400, 40), flat(300, 400, 200))
    viewer.compare, viewer.over = Compare.WIPE, True
    height = viewer.height()
    drag(viewer, (100, height // 2 + 3), (20, height // 4))
    assert abs(viewer.wipe - 0.25) < 0.02
    column, at = seen()[:, 200, 0], round(viewer.wipe * height)
    shown = column[(column == 40) | (column == 200)]
    assert (column[: at - 3] != 200).all() and (column[at + 3 :] != 40).all()
    assert {40, 200} <= set(shown.tolist())
    viewer.over = False
    assert viewer.wipe < 0.3 and not viewer._near_divider(QPointF(300, 10))


def test_a_press_beside_the_divider_pans(viewer, load):
    load(chart(700, 900))
    viewer.compare = Compare.WIPE
    viewer.zoom_to(1)
    start = viewer.sensor_at(QPointF(150, 100))
    drag(viewer, (150, 100), (170, 85))
    assert viewer.wipe == 0.5
    assert viewer.sensor_at(QPointF(170, 85)) == start


def test_middle_button_and_space_pan_over_the_divider(viewer, load, qtbot):
    load(chart(700, 900))
    viewer.compare = Compare.WIPE
    viewer.zoom_to(1)
    start = viewer.sensor_at(QPointF(200, 100))
    drag(viewer, (200, 100), (230, 110), button=MIDDLE)
    assert viewer.sensor_at(QPointF(230, 110)) == start
    qtbot.keyPress(viewer, Qt.Key.Key_Space)
    drag(viewer, (200, 100), (210, 100))
    qtbot.keyRelease(viewer, Qt.Key.Key_Space)
    assert viewer.wipe == 0.5 and viewer.sensor_at(QPointF(240, 110)) == start


def test_blink_while_the_key_is_held(viewer, load, seen, qtbot):
    load(flat(300, 400, 40), flat(300, 400, 200))
    assert seen()[200, 200, 0] == 200
    qtbot.keyPress(viewer, Qt.Key.Key_B)
    assert seen()[200, 200, 0] == 40 and viewer.compare is Compare.AFTER
    qtbot.keyRelease(viewer, Qt.Key.Key_B)
    assert seen()[200, 200, 0] == 200
    viewer.compare = Compare.BEFORE
    viewer.blinking = True
    assert seen()[200, 200, 0] == 200


def test_loupe_magnifies_before_and_after(viewer, load, seen, qtbot):
    load(flat(900, 1200, 40), flat(900, 1200, 200), levels=(1, 2, 4))
    mouse(viewer, QEvent.Type.MouseMove, 200, 150)
    with qtbot.waitSignal(viewer.viewChanged):
        qtbot.keyPress(viewer, Qt.Key.Key_L)
    (_, coarse), (region, fine) = viewer.wanted()
    assert (coarse, fine) == (2, 1) and region.y0 < 450 < region.y1
    row = seen()[150, :, 0]
    assert row[100] == 40 and row[300] == 200
    qtbot.keyRelease(viewer, Qt.Key.Key_L)
    assert not viewer.loupe and seen()[150, 100, 0] == 200


def test_nothing_stays_held_when_the_focus_goes(viewer, load):
    load(flat(30, 40, 40))
    viewer.blinking = viewer.loupe = True
    QApplication.sendEvent(viewer, QFocusEvent(QEvent.Type.FocusOut))
    assert viewer.shown is Compare.AFTER and not viewer.loupe


# --- zoom, pan, pointer --------------------------------------------------------------------------


def test_wheel_keeps_the_point_under_the_pointer(viewer, load):
    load(chart(3000, 4000), orientation=8, levels=(1, 2, 4))
    viewer.zoom_to(0.5)
    point = QPointF(123, 217)
    for notches in (1, 1, 1, 2.5, 3, -2, 4, -1):
        y, x = viewer.sensor_at(point)
        wheel(viewer, point.x(), point.y(), notches)
        v, u = viewer.sensor_at(point)
        assert max(abs(v - y), abs(u - x)) * viewer.scale <= 1  # half a device pixel, twice


def test_wheel_stops_at_full_size(viewer, load):
    load(chart(700, 900), levels=(1, 2))
    for _ in range(12):
        wheel(viewer, 200, 150, 1)
        if viewer.scale >= 1:
            break
    assert viewer.scale == 1


def test_zoom_has_limits(viewer, load):
    load(chart(700, 900))
    viewer.zoom_to(1e9)
    assert viewer.scale == 32
    viewer.zoom_to(1e-9)
    assert viewer.wanted()[0][0] == Region.whole(700, 900)


def test_double_click_toggles(viewer, load):
    load(chart(700, 900))
    assert viewer.fitted
    y, x = viewer.sensor_at(QPointF(120, 80))
    mouse(viewer, QEvent.Type.MouseButtonDblClick, 120, 80)
    assert viewer.scale == 1 and np.allclose(viewer.sensor_at(QPointF(120, 80)), (y, x), atol=1)
    mouse(viewer, QEvent.Type.MouseButtonDblClick, 120, 80)
    assert viewer.fitted and viewer.scale < 1


def test_the_picture_cannot_be_lost(viewer, load):
    load(chart(700, 900))
    viewer.zoom_to(1)
    viewer.pan_by(1e6, -1e6)
    assert viewer.wanted()[0][0] == Region(400, 0, 700, 400)


def test_view_changes_are_told_once(viewer, qtbot):
    viewer.set_image(700, 900, 6, (1, 2))
    told = []
    viewer.viewChanged.connect(lambda *args: told.append(args))
    viewer.zoom_to(1)
    viewer.zoom_to(1)
    viewer.pan_by(0, 10)
    assert told == [(Region(150, 300, 550, 600), 1), (Region(150, 290, 550, 590), 1)]
    viewer.resize(300, 300)
    assert told[-1] == (Region(200, 290, 500, 590), 1)
    viewer.fit()
    assert told[-1] == (Region.whole(700, 900), 2)
    viewer.resize(500, 400)
    assert viewer.fitted and viewer.scale == pytest.approx(400 / 900)


def test_pointer_in_sensor_pixels(viewer, load):
    load(chart(100, 200), orientation=6)
    viewer.zoom_to(1)
    told = []
    viewer.pointerMoved.connect(told.append)
    mouse(viewer, QEvent.Type.MouseMove, 150, 50, button=Qt.MouseButton.NoButton)
    mouse(viewer, QEvent.Type.MouseMove, 10, 10, button=Qt.MouseButton.NoButton)
    QApplication.sendEvent(viewer, QEvent(QEvent.Type.Leave))
    assert told == [(99, 0), None, None]


def test_dragging_is_told(viewer, load):
    load(chart(100, 200))
    told = []
    viewer.dragging.connect(told.append)
    drag(viewer, (100, 100), (120, 100))
    assert told == [True, False]


def test_slow_frames_are_coarse_while_moving(viewer, load, seen, qtbot):
    load(chart(700, 900))
    viewer.zoom_to(1)
    viewer._slow = True
    mouse(viewer, QEvent.Type.MouseButtonPress, 100, 100)
    mouse(viewer, QEvent.Type.MouseMove, 101, 100)
    region, _ = viewer.wanted()[0]
    whole = (chart(700, 900) >> 8)[region.slices]
    coarse = seen()
    assert np.array_equal(coarse[::2, ::2], coarse[1::2, 1::2])
    assert not np.array_equal(coarse, whole)
    qtbot.waitUntil(lambda: not viewer._draft)
    assert np.array_equal(seen(), whole)
    mouse(viewer, QEvent.Type.MouseButtonRelease, 101, 100)


# --- the measured area ---------------------------------------------------------------------------


def test_area_is_drawn_in_sensor_pixels(viewer, load, qtbot):
    load(chart(100, 200), orientation=6)  # shown 100 wide, 200 high, from (150, 50)
    viewer.zoom_to(1)
    with qtbot.waitSignal(viewer.roiChanged) as told:
        drag(viewer, (160, 70), (190, 110), modifiers=Qt.KeyboardModifier.ShiftModifier)
    assert told.args == [Region(60, 20, 90, 60)] and viewer.roi == Region(60, 20, 90, 60)
    assert viewer.compare is Compare.AFTER


def test_area_is_cut_to_the_image_moved_by_its_corners_and_cleared(viewer, load):
    load(chart(100, 200))  # fitted: two device pixels each
    viewer.start_roi()
    drag(viewer, (100, 100), (4000, 4000))
    assert viewer.roi == Region(25, 50, 100, 200)
    drag(viewer, (102, 101), (20, 80))  # the upper left corner
    assert viewer.roi == Region(15, 10, 100, 200)
    drag(viewer, (50, 50), (60, 60))  # no longer armed: pans
    assert viewer.roi == Region(15, 10, 100, 200)
    drag(viewer, (50, 60), (50, 60), modifiers=Qt.KeyboardModifier.ShiftModifier)
    assert viewer.roi is None


def test_escape_leaves_the_area_as_it_was(viewer, load, qtbot):
    load(chart(100, 200))
    viewer.set_roi(Region(-5, 3, 20, 40))
    assert viewer.roi == Region(0, 3, 20, 40)
    viewer.start_roi()
    mouse(viewer, QEvent.Type.MouseButtonPress, 200, 200)
    mouse(viewer, QEvent.Type.MouseMove, 220, 220)
    qtbot.keyPress(viewer, Qt.Key.Key_Escape)
    mouse(viewer, QEvent.Type.MouseButtonRelease, 220, 220)
    assert viewer.roi == Region(0, 3, 20, 40)
    viewer.set_roi(None)
    assert viewer.roi is None


# --- the toolkit ---------------------------------------------------------------------------------


def test_focus_by_key_is_visible(viewer, load, seen):
    load(flat(300, 400, 90))
    by_mouse = QFocusEvent(QEvent.Type.FocusIn, Qt.FocusReason.MouseFocusReason)
    QApplication.sendEvent(viewer, by_mouse)
    plain = seen()
    QApplication.sendEvent(viewer, QFocusEvent(QEvent.Type.FocusIn, Qt.FocusReason.TabFocusReason))
    framed = seen()
    assert (plain == 90).all() and (framed[3:-3, 3:-3] == 90).all()
    assert (framed[0] != plain[0]).any(-1).all()
    assert viewer.focusPolicy() is Qt.FocusPolicy.StrongFocus and viewer.accessibleName()


def test_none_keeps_its_references(viewer, load):
    """PySide6 6.12 takes one from None per void call, until CPython 3.11 aborts."""
    load(flat(30, 40, 90))
    start = sys.getrefcount(None)
    for _ in range(1000):
        viewer.update()
    assert sys.getrefcount(None) > start - 100


def run(code, **env):
    root = Path(__file__).parents[2]
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(root)} | env
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_an_empty_window_paints_without_opencv():
    run("""
import sys
from PySide6.QtWidgets import QApplication
app = QApplication([])
from gui.viewer import Viewer
viewer = Viewer()
viewer.show()
viewer.grab()
assert not {"cv2", "torch"} & set(sys.modules)
""")


def test_full_size_is_exact_at_one_and_a_half_device_pixels():
    run(
        """
import numpy as np
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
app = QApplication([])
from core.tiles import Region
from gui.viewer import Viewer
viewer = Viewer()
viewer.resize(301, 201)
viewer.show()
assert viewer.devicePixelRatioF() == 1.5
y, x = np.mgrid[:700, :900]
store = (np.stack((y % 256, x % 256, y * 0), -1) * 257).astype(np.uint16)
viewer.set_image(700, 900, 1, (1,))
viewer.put("after", 1, Region.whole(700, 900), store)
for scale in (1, 2):
    viewer.zoom_to(scale)
    image = viewer.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    shown = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    shown = shown[:300, : 450 * 3].reshape(300, 450, 3)
    region, _ = viewer.wanted()[0]
    expected = (store >> 8)[region.slices].repeat(scale, 0).repeat(scale, 1)
    assert any(  # the view may begin within a pixel
        np.array_equal(shown, expected[a : a + 300, b : b + 450]) for a in (0, 1) for b in (0, 1)
    ), (scale, shown.shape, region)
""",
        QT_SCALE_FACTOR="1.5",
    )
