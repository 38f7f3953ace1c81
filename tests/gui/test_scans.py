"""Medical volumes in the window: planes, crosshair, window and level, values and places."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from core.develop.window import level_and_width
from core.image import Image
from core.planes import VIEWS
from gui import overlay
from gui.panes import Compare
from tests.plugins.dicoms import save, series, slice_of

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
PLAIN, CONTROL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier
SIZES = 12, 40, 30  # z y x


def body():
    """Air, water and a little noise: HU + 1000, and every slice 10 HU more."""
    pixels = np.random.default_rng(1).normal(0, 8, SIZES)
    pixels[:, 8:32, 6:24] += 1000
    return np.clip(pixels + 10 * np.arange(SIZES[0])[:, None, None], 0, None).astype(np.uint16)


@pytest.fixture
def scan(window, qtbot, settle, monkeypatch):
    """The window with a CT open, 0.8 mm voxels in slices 3 mm apart."""
    from core.develop import Look
    from core.develop import settle as settled
    from core.job import Opened

    image = Image(
        body(), "zyx", "scan", path="/nowhere/patient.dcm",
        coords={
            "spacing": {"z": 3.0, "y": 0.8, "x": 0.8},
            "affine": [[0.8, 0, 0, -12], [0, 0.8, 0, -16], [0, 0, 3, 100], [0, 0, 0, 1]],
        },
        meta={
            "scale": (1.0, -1000.0, "HU"), "window": (840.0, 1240.0),
            "windows": [("File 1", 40.0, 400.0), ("File 2", 300.0, 1500.0)],
            "identifiers": {"PatientName": "Muster^Eva", "PatientID": "4711"},
            "dicom": {"Modality": "CT"},
        },
    )  # fmt: skip
    window.bridge.opened.emit(Opened(image, settled(image, Look())))
    settle(window)
    return window


def mouse(viewer, kind, point, button=LEFT, modifiers=PLAIN):
    held = Qt.MouseButton.NoButton if kind is QEvent.Type.MouseButtonRelease else button
    pressed = Qt.MouseButton.NoButton if kind is QEvent.Type.MouseMove else button
    event = QMouseEvent(kind, point, viewer.mapToGlobal(point), pressed, held, modifiers)
    QApplication.sendEvent(viewer, event)


def drag(viewer, start, *stops, button=LEFT, modifiers=PLAIN):
    mouse(viewer, QEvent.Type.MouseButtonPress, start, button, modifiers)
    for stop in stops:
        mouse(viewer, QEvent.Type.MouseMove, stop, button, modifiers)
    mouse(viewer, QEvent.Type.MouseButtonRelease, stops[-1], button, modifiers)


def wheel(viewer, point, notches, modifiers=PLAIN):
    event = QWheelEvent(
        point, viewer.mapToGlobal(point), QPoint(), QPoint(0, round(120 * notches)),
        Qt.MouseButton.NoButton, modifiers, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(viewer, event)


def shown(window):
    d = window.session.document
    return level_and_width(d.image, d.look.window)


def at(window):
    return window.session.state.view.at(window.session.document.image.stack)


def place(window, across, row, column):
    """The point of the widget where a pixel of a plane is shown."""
    viewer = window.viewer
    y, x = viewer._own(across).view.device(row + 0.5, column + 0.5)
    return QPointF(x, y) / viewer.devicePixelRatioF()


# --- window and level ----------------------------------------------------------------------------


def test_the_files_window_comes_first_and_keys_change_it(scan):
    assert shown(scan) == (40, 400, False)
    assert scan.look.rows["preset"].value == "File 1"
    assert scan.look.rows["level"].edit.text() == "40 HU"
    for key, expected in (
        (Qt.Key.Key_F5, (-600, 1500, False)),
        (Qt.Key.Key_F7, (40, 80, False)),
        (Qt.Key.Key_F2, (40, 400, False)),
        (Qt.Key.Key_F2, (300, 1500, False)),
        (Qt.Key.Key_I, (300, 1500, True)),
        (Qt.Key.Key_F4, (40, 400, True)),
    ):
        QTest.keyClick(scan, key)
        assert shown(scan) == pytest.approx(expected)
    assert scan.look.rows["preset"].value == "File 1"  # the same numbers as soft tissue
    assert scan.look.rows["inverted"].value is True
    assert scan.viewer._notes.window == "W 400  L 40 HU  File 1  inverted"


def test_a_right_drag_sets_width_and_level_in_one_undo_step(scan):
    start = QPointF(200, 200)
    stops = QPointF(300, 200), QPointF(350, 200), QPointF(350, 230)
    drag(scan.viewer, start, *stops, button=RIGHT)
    level, width, _ = shown(scan)
    assert width == pytest.approx(800) and level == pytest.approx(40 + 30 * 800 / 300)
    scan.session.undo()
    assert shown(scan) == (40, 400, False)
    drag(scan.viewer, start, QPointF(50, 200), modifiers=CONTROL)
    assert shown(scan)[:2] == pytest.approx((40, 200))


def test_a_window_turned_round_stays_so_under_hand_and_slider(scan):
    QTest.keyClick(scan, Qt.Key.Key_I)
    drag(scan.viewer, QPointF(200, 200), QPointF(350, 200), button=RIGHT)
    assert shown(scan) == pytest.approx((40, 800, True))
    scan.look.rows["width"].change(300.0)
    scan.look.rows["level"].change(100.0)
    assert shown(scan) == pytest.approx((100, 300, True))


def test_automatic_window_fits_the_slice_that_is_seen(scan):
    QTest.keyClick(scan, Qt.Key.Key_F3)
    level, width, _ = shown(scan)
    values = scan.session.document.image.pixels[6] - 1000.0
    low, high = np.percentile(values, (0.5, 99.5))
    assert (level - width / 2, level + width / 2) == pytest.approx((low, high), abs=2)


def test_presets_of_ct_are_not_for_other_numbers(scan, settle):
    from dataclasses import replace

    d = scan.session.document
    scan.session.edit(image=replace(d.image, meta={}))
    before = scan.session.document.look
    QTest.keyClick(scan, Qt.Key.Key_F5)
    assert scan.session.document.look == before and "Hounsfield" in scan.status.words
    settle(scan)


def test_photographs_have_no_window_to_drag(opened):
    look = opened.session.document.look
    drag(opened.viewer, QPointF(200, 200), QPointF(300, 250), button=RIGHT)
    QTest.keyClick(opened, Qt.Key.Key_F5)
    assert opened.session.document.look == look and not opened.session.can_undo
    scale = opened.viewer.scale
    wheel(opened.viewer, QPointF(200, 200), 2)
    assert opened.viewer.scale > scale and not opened.viewer._notes.medical


# --- slices, planes, crosshair -------------------------------------------------------------------


def test_the_wheel_goes_through_slices_and_zooms_with_control(scan, settle):
    scale = scan.viewer.scale
    assert at(scan)["z"] == 6
    wheel(scan.viewer, QPointF(200, 200), 2)
    wheel(scan.viewer, QPointF(200, 200), -0.5)
    wheel(scan.viewer, QPointF(200, 200), -0.5)
    assert at(scan)["z"] == 7 and scan.viewer.scale == scale
    wheel(scan.viewer, QPointF(200, 200), 2, CONTROL)
    assert scan.viewer.scale > scale
    settle(scan)


def test_a_key_shows_another_plane_and_its_slider(scan, settle):
    for key, across, count in ((Qt.Key.Key_C, "y", 40), (Qt.Key.Key_S, "x", 30)):
        QTest.keyClick(scan, key)
        settle(scan)
        assert scan.viewer.planes == across and scan.viewer.state_at_view() == "full"
        row = scan.slices.cross[across]
        assert row.isVisible() and row.count == count and not scan.slices.rows[0].isVisible()
        was = at(scan)[across]
        QTest.keyClick(scan.viewer, Qt.Key.Key_PageUp)
        assert at(scan)[across] == was + 1 and row.value == was + 1
        settle(scan)
        d, plane = scan.session.document, scan.viewer._sheets[across]
        for layer in ("before", "after"):
            assert plane.layers.value(layer, 0, 10) is not None
        # a voxel is 3 mm high and 0.8 mm wide
        view = scan.viewer._own(across).view
        (v0, u0), (v1, u1) = view.device(0, 0), view.device(1, 1)
        assert abs((v1 - v0) / (u1 - u0)) == pytest.approx(3 / 0.8, rel=1e-6)
        assert d.image.axes == "zyx"
    QTest.keyClick(scan, Qt.Key.Key_A)
    settle(scan)
    assert scan.viewer.planes == "z" and scan.slices.rows[0].isVisible()


def test_three_planes_share_a_crosshair(scan, settle):
    QTest.keyClick(scan, Qt.Key.Key_X)
    settle(scan)
    viewer = scan.viewer
    assert viewer.planes == "zyx" and at(scan) == {"z": 6, "y": 20, "x": 15}
    for across in "zyx":
        (region, level), *_ = viewer.wanted(across)
        for layer in ("before", "after"):
            assert viewer.state_of(layer, level, region, across) == "full"
    target = {"z": 3, "y": 11, "x": 22}
    for across in "zy":
        _, row, column = VIEWS[across]
        drag(viewer, place(scan, across, 5, 5), place(scan, across, target[row], target[column]))
    assert at(scan) == target and scan.session.state.view.across == "y"
    settle(scan)
    value = body()
    for across, front in (("z", 3), ("y", 11), ("x", 22)):
        held = viewer._sheets[across].layers._canvases["before", 1].pixels[..., 1].astype(float)
        expected = np.take(value, front, "zyx".index(across)).astype(float)
        assert np.corrcoef(held.ravel(), expected.ravel())[0, 1] > 0.9999
    wheel(viewer, place(scan, "x", 5, 5), -2)  # over the sagittal plane: its slices
    assert at(scan)["x"] == 20
    drag(viewer, place(scan, "x", 5, 5), QPointF(-90, -90))  # stops at the edge
    assert at(scan)["z"] == 11 and at(scan)["y"] == 0
    settle(scan)


def test_three_planes_before_and_after(scan, settle):
    QTest.keyClick(scan, Qt.Key.Key_X)
    for mode in Compare:
        scan.viewer.compare = mode
        settle(scan)
        panes = scan.viewer._panes()
        assert len(panes) == (6 if mode in (Compare.SIDE, Compare.WIPE) else 3)
        scan.viewer.grab()
    viewer = scan.viewer
    viewer.compare = Compare.WIPE
    box = viewer._own("y").place
    line = QPointF(box.x0 + box.width / 2, (box.y0 + box.y1) / 2)
    drag(viewer, line, line + QPointF(box.width / 4, 0))
    assert viewer.wipe == pytest.approx(0.75, abs=0.01)


def test_a_double_click_enlarges_a_plane(scan, settle):
    QTest.keyClick(scan, Qt.Key.Key_X)
    point = place(scan, "y", 6, 10)
    mouse(scan.viewer, QEvent.Type.MouseButtonDblClick, point)
    assert scan.viewer.planes == "y" and scan.session.state.view.across == "y"
    settle(scan)


def test_value_and_place_in_the_patient_under_the_pointer(scan, settle):
    mouse(scan.viewer, QEvent.Type.MouseMove, place(scan, "z", 20, 10), Qt.MouseButton.NoButton)
    words = scan.status._pointer.text()
    stored = int(scan.session.document.image.pixels[6, 20, 10]) - 1000
    assert words.startswith("x 10  y 20  z 6") and f"{stored}".replace("-", "−") in words
    assert "→" in words and words.endswith(" HU   R 4.0  P 0.0  S 118.0 mm")
    QTest.keyClick(scan, Qt.Key.Key_S)
    settle(scan)
    mouse(scan.viewer, QEvent.Type.MouseMove, place(scan, "x", 2, 5), Qt.MouseButton.NoButton)
    assert scan.status._pointer.text().startswith("x 15  y 5  z 2")


# --- areas and edges -----------------------------------------------------------------------------


def test_areas_and_an_edge_are_drawn_and_measured(scan, qtbot, settle):
    def cell(name, side):
        return float(scan.quality.cells[name, side].text().replace("−", "-"))

    viewer = scan.viewer
    with qtbot.waitSignal(scan.inspector.measured, timeout=20_000) as told:
        QTest.keyClick(scan, Qt.Key.Key_R)
        drag(viewer, place(scan, "z", 10, 8), place(scan, "z", 29, 22))
        QTest.keyClick(scan, Qt.Key.Key_D)
        drag(viewer, place(scan, "z", 0, 0), place(scan, "z", 38, 3))
        QTest.keyClick(scan, Qt.Key.Key_W)
        drag(viewer, place(scan, "z", 20, 1), place(scan, "z", 20, 14))
    qtbot.waitUntil(lambda: ("CNR of A over B", "after") in scan.quality.cells, timeout=20_000)
    area = body()[6, 10:30, 8:23] - 1000.0
    assert cell("Mean A, HU", "before") == pytest.approx(area.mean(), rel=0.02)
    assert cell("σ A, HU", "before") == pytest.approx(area.std(), rel=0.05)
    assert cell("σ A, HU", "after") < 0.8 * cell("σ A, HU", "before")
    assert cell("gCNR, 0 to 1", "before") > 0.95
    assert cell("Edge 10–90 %, mm", "after") < 3
    assert told.args is not None and scan.quality.edge.sketch is not None
    assert len(viewer.grab().toImage().size().toTuple()) == 2  # it paints
    QTest.keyClick(scan, Qt.Key.Key_R, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: not scan.quality.cells, timeout=20_000)
    assert scan.session.state.view.roi is None and viewer._line is None
    settle(scan)


def test_what_is_compared_lies_in_one_plane(scan, qtbot, settle):
    QTest.keyClick(scan, Qt.Key.Key_X)
    shift = Qt.KeyboardModifier.ShiftModifier
    drag(scan.viewer, place(scan, "z", 10, 8), place(scan, "z", 29, 22), modifiers=shift)
    view = scan.session.state.view
    assert view.roi is not None and view.roi_across == "z"
    drag(scan.viewer, place(scan, "y", 2, 8), place(scan, "y", 9, 22), modifiers=shift)
    view = scan.session.state.view
    assert (view.roi.height, view.roi_across, view.across) == (8, "y", "y")
    settle(scan)
    assert "slice 21" in scan.statistics.title.text()
    QTest.keyClick(scan, Qt.Key.Key_D)
    drag(scan.viewer, place(scan, "x", 2, 8), place(scan, "x", 9, 22))
    view = scan.session.state.view
    assert view.roi is None and view.second is not None and view.roi_across == "x"
    settle(scan)


# --- what must always be said --------------------------------------------------------------------


def test_denoised_pictures_say_that_they_are_not_for_diagnosis(scan, monkeypatch):
    said = []
    monkeypatch.setattr(
        overlay, "label", lambda painter, area, text, *rest, **more: said.append(text)
    )
    for mode in Compare:
        said.clear()
        scan.viewer.compare = mode
        scan.viewer.grab()
        warned = [words for words in said if "not for diagnosis" in words]
        assert len(warned) == (mode is not Compare.BEFORE), mode
    QTest.keyClick(scan, Qt.Key.Key_1)
    QTest.keyPress(scan.viewer, Qt.Key.Key_B)  # the original is one key away
    said.clear()
    scan.viewer.grab()
    assert said == ["before"]


def test_the_patient_is_named_on_wish_only(scan):
    assert scan.windowTitle() == "patient.dcm — Sordino"
    action = scan.actions_by_id["identifiers"]
    QTest.keyClick(scan, Qt.Key.Key_I, CONTROL)
    assert action.isChecked() and scan.windowTitle() == "Muster^Eva 4711 — patient.dcm — Sordino"
    assert "Muster" in scan.scans.info.words.text() or not scan.scans.info.isVisible()
    QTest.keyClick(scan, Qt.Key.Key_I, CONTROL)
    assert "Muster" not in scan.windowTitle()


def test_the_file_tells_of_itself_and_hides_the_patient(scan):
    scan.pages_by_dock["Measure"].setCurrentIndex(3)
    words = scan.scans.info.words.text()
    assert "0.8 × 0.8 × 3 mm" in words and "CT" in words and "Muster" not in words
    QTest.mouseClick(
        scan.scans.info.switch, LEFT, pos=QPoint(8, scan.scans.info.switch.height() // 2)
    )
    assert "Muster^Eva" in scan.scans.info.words.text() and "Muster" in scan.windowTitle()
    QTest.keyClick(scan, Qt.Key.Key_I, CONTROL)
    assert "Muster" not in scan.scans.info.words.text() and not scan.scans.info.switch.isChecked()


@pytest.mark.parametrize("archive", [False, True])
def test_series_of_a_folder_are_offered_by_name(archive, window, qtbot, settle, tmp_path):
    series(tmp_path / "disk" / "a", 5)
    scout = slice_of(9, SeriesInstanceUID="1.2.3", SeriesDescription="Scout", SeriesNumber=7)
    (tmp_path / "disk" / "b").mkdir()
    save(tmp_path / "disk" / "b" / "one.dcm", scout)
    window.series.fill()
    assert not window.series_menu.actions()[0].isEnabled()
    disk = tmp_path / "disk"
    window.open(shutil.make_archive(str(disk), "zip", disk) if archive else str(disk))
    qtbot.waitUntil(lambda: window.session.document is not None, timeout=30_000)
    settle(window)
    for name, shape in (("7: Scout (CT, 1 picture)", (20, 31)),
                        ("Abdomen 2.5 mm (CT, 5 pictures)", (5, 20, 31))):  # fmt: skip
        window.series.fill()
        entries = {entry.text(): entry for entry in window.series_menu.actions()}
        assert name in entries and len(entries) == 2, list(entries)
        assert not entries[name].isChecked()
        entries[name].trigger()
        qtbot.waitUntil(
            lambda s=shape: window.session.document.image.pixels.shape == s, timeout=30_000
        )
        settle(window)
        window.series.fill()
        assert [e.text() for e in window.series_menu.actions() if e.isChecked()] == [name]
