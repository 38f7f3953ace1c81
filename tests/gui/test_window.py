"""The whole program, used as a person does: open, look, move a slider, undo, export, cancel."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

import resources
from core.engine import Job
from core.files import open_image
from core.format import Output
from core.recipe import Recipe, Step
from core.registry import load
from core.show import ShowAfter, Shown
from gui import actions
from gui.again import LANE
from gui.session import Origin
from gui.viewer import Compare
from gui.window import Window

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = resources.path("samples/bayer_iso12800.dng")


def test_nothing_heavy_is_imported_before_the_first_paint():
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from PySide6.QtCore import QSettings\n"
        "from PySide6.QtWidgets import QApplication\n"
        "from gui import app as program, theme\n"
        "app = QApplication([])\ntheme.apply(app)\n"
        "w = program.Window([])\n"
        "w.show()\napp.processEvents()\n"
        "heavy = ['torch', 'cv2', 'numba', 'rawpy', 'scipy', 'PIL', 'tifffile', 'pyqtgraph',\n"
        "'importlib.metadata', 'gui.export']\n"
        "core = ['numpy', 'core.image', 'core.render', 'gui.viewer', 'gui.queue_panel']\n"
        "print([name for name in heavy + core if name in sys.modules])\n"
        "from gui.compose import furnish\n"
        "furnish(w, QSettings('s.ini', QSettings.Format.IniFormat), Path('.'))\n"
        "app.processEvents()\n"
        "print([name for name in heavy if name in sys.modules])\nw.close()\n"
    )
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["[]", "[]"], done.stderr


def test_the_program_is_painted_then_furnished_and_ends():
    code = (
        "import sys\n"
        "from PySide6.QtCore import QTimer\n"
        "from gui.app import run\n"
        "from gui.window import Window\n"
        "begin = Window.begin\n"
        "def begun(w, paths):\n"
        "    print(w.furnished, paths)\n"
        "    begin(w, paths)\n"
        "    QTimer.singleShot(0, w.close)\n"
        "Window.begin = begun\n"
        f"sys.exit(run(['sordino', {str(SAMPLE)!r}]))\n"
    )
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"True [{str(SAMPLE)!r}]"


def test_a_window_closed_before_it_is_furnished(qtbot):
    window = Window([])
    qtbot.addWidget(window)
    window.show()
    assert not any(action.isEnabled() for action in window.actions_by_id.values())
    assert window.close()


def test_a_sample_is_shown_measured_and_denoised(opened):
    document = opened.session.document
    assert document.origin is Origin.MEASURED
    assert document.noise.gain[1] == pytest.approx(48, rel=0.1)
    assert opened.viewer.state_at_view() in ("full", "proxy")
    assert opened.pages.currentWidget() is opened.viewer
    assert "Visible region" in opened.statistics.title.text()


def test_amount_blends_without_computing_again(opened, settle):
    opened.viewer.zoom_to(1.0)
    settle(opened)
    cache = opened.bridge._desk.cache
    before = set(cache._held)
    opened.panel.amountEdited.emit(0.5, True)
    settle(opened)
    assert opened.session.document.recipe.amount == 0.5
    assert set(cache._held) == before


def test_a_setting_changes_the_picture_and_undo_brings_it_back(opened, qtbot, settle):
    start = opened.session.document.recipe
    opened.panel.rows["strength"].change(2.0)
    settle(opened)
    assert opened.session.document.recipe.steps[-1].method.strength == 2.0
    qtbot.keyClick(opened, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert opened.session.document.recipe == start
    assert opened.panel.rows["strength"].value == 1.0
    opened.actions_by_id["redo"].trigger()
    assert opened.session.document.recipe != start


def test_one_drag_is_one_undo_step(opened):
    method = opened.session.document.recipe.steps[-1].method
    for strength in (1.1, 1.2, 1.3):
        opened.panel.methodEdited.emit(type(method)(strength=strength), False)
    opened.panel.methodEdited.emit(type(method)(strength=1.3), True)
    opened.session.undo()
    assert opened.session.document.recipe.steps[-1].method == method
    assert not opened.session.can_undo


def test_newest_wish_wins_and_the_running_one_shows_a_tile(opened, qtbot, settle):
    shown: list[float] = []
    put = opened.viewer.put

    def record(layer, *rest):
        if layer == "after":
            shown.append(opened.bridge._after.work.recipe.steps[-1].method.strength)
        put(layer, *rest)

    opened.viewer.put = record
    method = type(opened.session.document.recipe.steps[-1].method)
    wishes = [round(0.5 + 0.05 * i, 3) for i in range(20)]
    for strength in wishes:
        opened.panel.methodEdited.emit(method(strength=strength), strength == wishes[-1])
        qtbot.wait(15)
    settle(opened)
    assert shown[-1] == wishes[-1]
    assert len(set(shown)) >= 2  # something was seen on the way


def test_pan_does_not_compute_what_is_there(opened, settle):
    opened.viewer.zoom_to(1.0)
    settle(opened)
    works = []
    submit = opened.bridge._engine.submit
    opened.bridge._engine.submit = lambda work, lane, rank=0: (
        works.append(work),
        submit(work, lane, rank),
    )[1]
    opened.viewer.pan_by(0, 3)
    opened.viewer.pan_by(0, -3)
    settle(opened)
    assert not [work for work in works if isinstance(work, ShowAfter)]


def test_compare_keys(opened, qtbot):
    for key, mode in ((Qt.Key.Key_3, Compare.WIPE), (Qt.Key.Key_5, Compare.DIFFERENCE)):
        qtbot.keyClick(opened, key)
        assert opened.viewer.compare is mode


def test_the_same_key_again_turns_the_comparison(opened, qtbot):
    viewer = opened.viewer
    for key in (Qt.Key.Key_3, Qt.Key.Key_4):
        qtbot.keyClick(opened, key)
        before, after = viewer._panes()
        assert after.clip.y0 == before.clip.y0 and after.clip.x0 > before.clip.x0
        qtbot.keyClick(opened, key)
        before, after = viewer._panes()
        assert after.clip.x0 == before.clip.x0 and after.clip.y0 > before.clip.y0
        opened.actions_by_id["wipe" if key == Qt.Key.Key_3 else "side"].trigger()  # the mouse
        assert not viewer.over


def test_exposure_is_view_only(opened, settle):
    opened.viewer.zoom_to(1.0)
    settle(opened)
    image = opened.viewer.grab().toImage()
    place = opened.viewer.rect().center()
    dark = image.pixelColor(place).lightness()
    opened.actions_by_id["brighter"].trigger()
    opened.actions_by_id["brighter"].trigger()
    assert not opened.bridge._stages and opened.bridge._after is None
    assert opened.viewer.grab().toImage().pixelColor(place).lightness() > dark


def test_export_equals_the_preview(opened, qtbot, tmp_path, settle):
    with qtbot.waitSignal(opened.bridge.exported, timeout=60_000):
        opened.bridge.export(str(tmp_path / "out.dng"), Output())
    settle(opened)
    from core.render import Renderer, assemble
    from core.tiles import Region

    d = opened.session.document
    part = Region(100, 100, 300, 300)
    seen = assemble(Renderer(d.image, d.noise, d.recipe, opened.bridge._desk), part)
    written = open_image(load(), tmp_path / "out.dng")
    assert np.abs(written.pixels[part.slices] - seen).max() <= 0.5
    assert written.meta["marked_denoised"]


def test_typed_noise_is_used_and_can_be_undone(opened, settle):
    measured = opened.session.document.noise
    opened.noise.rows[0].gain.edited.emit(12.0)
    opened.session.edit(noise=type(measured)((10.0,), (20.0,)), origin=Origin.TYPED)
    settle(opened)
    assert opened.session.document.origin is Origin.TYPED
    opened.session.undo()
    opened.session.undo()
    assert opened.session.document.noise.gain[1] == measured.gain[1]


def test_settings_are_copied_and_pasted(opened):
    opened.panel.rows["strength"].change(1.5)
    opened.actions_by_id["copy"].trigger()
    assert json.loads(QApplication.clipboard().text())["steps"][0]["settings"]["strength"] == 1.5
    opened.actions_by_id["reset"].trigger()
    assert opened.session.document.recipe.steps[-1].method.strength == 1.0
    opened.actions_by_id["paste"].trigger()
    assert opened.session.document.recipe.steps[-1].method.strength == 1.5


def test_settings_are_remembered_per_image(opened, qtbot, settle):
    opened.panel.rows["strength"].change(1.7)
    opened.actions_by_id["close"].trigger()
    assert opened.pages.currentWidget() is opened.start
    opened.open(str(SAMPLE))
    qtbot.waitUntil(lambda: opened.session.document is not None, timeout=30_000)
    assert opened.session.document.recipe.steps[-1].method.strength == 1.7
    settle(opened)


def test_cancel_leaves_nothing_running(opened, qtbot):
    opened.panel.rows["strength"].change(2.5)
    qtbot.wait(60)
    opened.actions_by_id["cancel"].trigger()
    bridge = opened.bridge
    qtbot.waitUntil(lambda: not bridge._running, timeout=20_000)
    qtbot.wait(250)  # longer than any rest after which work begins
    assert not bridge._running
    left = {type(job.work).__module__ for jobs in bridge._engine._jobs.values() for job, _ in jobs}
    assert left <= {"gui.works"}  # what the window itself needs, whatever is open


def test_a_dropped_bad_file_is_one_sentence(window, qtbot, tmp_path):
    bad = tmp_path / "bad.dng"
    bad.write_bytes(b"nothing")
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(bad))])
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    window.dropEvent(event)
    qtbot.waitUntil(lambda: bool(window.failures), timeout=20_000)
    assert window.failures[0][0] == "Opening"
    assert "bad.dng" in window.trouble.words and window.session.document is None


def test_closing_in_the_middle_of_work(window, qtbot):
    window.open(str(SAMPLE))
    qtbot.waitUntil(lambda: window.session.document is not None, timeout=30_000)
    window.close()
    assert all(not thread.is_alive() for thread in window.bridge._engine._threads)


def test_an_answer_to_an_older_question_is_shown_but_not_kept(opened, settle):
    """A tile of the old settings that comes after the change may cover all that is seen."""
    bridge, viewer = opened.bridge, opened.viewer
    document = opened.session.document
    (region, level), *_ = viewer.wanted()
    settings = document.recipe.steps[-1].method
    work = ShowAfter(document.image, document.noise, document.recipe, region, level, document.look)
    late = Job(work, LANE, 0, 0)
    store = np.full((-(-region.height // level), -(-region.width // level), 3), 9000, np.uint16)
    opened.session.edit(recipe=Recipe((Step(replace(settings, strength=0.3)),)))
    bridge._after = late
    bridge._show(late, Shown("after", level, region, store))
    assert viewer.state_of("after", level, region) != "full"
    bridge._after = None
    settle(opened)
    assert viewer.state_of("after", level, region) == "full"
    shown = viewer._layers._canvases["after", level].pixels
    assert not (shown == 9000).all()


def test_no_two_commands_have_the_same_key():
    commands = [each for parts in actions.MENUS.values() for part in parts for each in part]
    keys = [key for command in commands for key in command.keys]
    assert len(keys) == len(set(keys)), sorted(key for key in keys if keys.count(key) > 1)


def test_samples_have_titles_and_pictures(window, qtbot):
    page = window.start
    qtbot.waitUntil(lambda: all(not t.icon().isNull() for t in page.tiles.values()), timeout=10_000)
    assert page.tiles[SAMPLE].text() == "Still life\ncamera RAW, ISO 12800"
    assert len(page.tiles) == len(resources.sample_files())
    for width, columns in ((1500, 6), (1000, 3)):
        window.resize(width, 800)
        qtbot.waitUntil(
            lambda n=columns: len({t.y() for t in page.tiles.values()}) == 6 // n, timeout=5000
        )
    wanted = []
    page.pathWanted.connect(wanted.append)
    page.pathWanted.disconnect(window.open)
    QTest.mouseClick(page.tiles[SAMPLE], Qt.MouseButton.LeftButton)
    assert wanted == [str(SAMPLE)]
