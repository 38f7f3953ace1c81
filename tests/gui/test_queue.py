"""The queue, by mouse and keys, with real small files."""

from __future__ import annotations

import shutil

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QToolButton

import resources
from core.batch import RANK
from core.files import open_image
from core.registry import load
from gui.batch import OVER, Stage
from gui.queue_list import details, state
from gui.queue_panel import CURRENT, summary

SAMPLE = resources.path("samples/bayer_iso12800.dng")
LEFT = Qt.MouseButton.LeftButton
CONTROL, ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
PATIENCE = 90_000


@pytest.fixture
def files(tmp_path):
    """Three small photographs in a folder of their own."""
    folder = tmp_path / "card"
    folder.mkdir()
    found = [folder / f"{name}.dng" for name in ("a", "b", "c")]
    for file in found:
        shutil.copy(SAMPLE, file)
    return found


@pytest.fixture
def queue(window, files):
    """The panel with the three files in it, shown."""
    window.show_queue()
    window.queue.add_paths(map(str, files))
    return window.queue


def click(widget):
    QTest.mouseClick(widget, LEFT)


def click_command(queue, name):
    buttons = queue.findChildren(QToolButton)
    click(next(b for b in buttons if b.defaultAction() is queue.commands[name]))


def names(queue):
    return [entry.name for entry in queue.batch.entries]


def over(queue):
    return all(entry.stage in OVER for entry in queue.batch.entries)


def pick(queue, row, keys=Qt.KeyboardModifier.NoModifier):
    box = queue.list.visualRect(queue.list.model().index(row))
    QTest.mouseClick(queue.list.viewport(), LEFT, keys, box.center())


def drop(widget, *paths):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, data, LEFT, Qt.KeyboardModifier.NoModifier
    )
    widget.dropEvent(event)


def test_all_files_are_written_beside_their_sources(queue, qtbot, files):
    click(queue.start)
    assert queue.start.text() == "Pause" and not queue.card.isVisible()
    qtbot.waitUntil(lambda: over(queue), timeout=PATIENCE)
    assert [e.stage for e in queue.batch.entries] == [Stage.DONE] * 3
    assert queue.words.text() == "3 of 3 done" and queue.bar.value() == 1000
    assert queue.start.text() == "Start" and not queue.start.isEnabled()
    written = [file.with_name(f"{file.stem}-sordino.dng") for file in files]
    assert all(open_image(load(), file).meta["marked_denoised"] for file in written)
    assert len(list(files[0].parent.iterdir())) == 6  # and nothing partial
    click_command(queue, "clear")
    assert names(queue) == []


def test_reasons_of_failure_and_retry(queue, qtbot, files):
    whole = files[1].read_bytes()
    files[1].write_bytes(whole[:1000])
    click(queue.start)
    qtbot.waitUntil(lambda: over(queue), timeout=PATIENCE)
    failed = queue.batch.entries[1]
    assert failed.stage is Stage.FAILED and failed.words.count(".") >= 1
    assert details(failed) == failed.words and "1 failed" in queue.words.text()
    files[1].write_bytes(whole)
    click_command(queue, "retry")
    assert queue.batch.running and queue.batch.entries[1].stage is not Stage.FAILED
    qtbot.waitUntil(lambda: over(queue), timeout=PATIENCE)
    assert queue.words.text() == "3 of 3 done"


def test_what_cannot_be_read_is_told_before_the_start(queue, qtbot, files):
    bad = files[0].with_name("bad.dng")
    bad.write_bytes(b"nothing")
    queue.add_paths([str(bad)])
    qtbot.waitUntil(lambda: queue.batch.count(Stage.FAILED) == 1, timeout=PATIENCE)
    assert "bad.dng" in queue.batch.entries[3].words
    qtbot.waitUntil(lambda: all(e.megapixels for e in queue.batch.entries[:3]), timeout=PATIENCE)
    assert details(queue.batch.entries[0]) == "0.9 MP"


def test_order_and_removal_by_keys(queue):
    pick(queue, 2)
    QTest.keyClick(queue.list, Qt.Key.Key_Up, ALT)
    QTest.keyClick(queue.list, Qt.Key.Key_Up, ALT)
    assert names(queue) == ["c.dng", "a.dng", "b.dng"]
    assert queue.list.numbers == [3]  # it stays selected
    QTest.keyClick(queue.list, Qt.Key.Key_Down, ALT)
    assert names(queue) == ["a.dng", "c.dng", "b.dng"]
    pick(queue, 0)
    pick(queue, 1, CONTROL)
    click_command(queue, "down")
    assert names(queue) == ["b.dng", "a.dng", "c.dng"]
    QTest.keyClick(queue.list, Qt.Key.Key_Delete)
    assert names(queue) == ["b.dng"]
    assert queue.list.numbers == [2]  # its neighbour is selected, to go on by keys
    QTest.keyClick(queue.list, Qt.Key.Key_Delete)
    assert names(queue) == [] and not queue.start.isEnabled()


def test_pause_keeps_what_was_done_and_goes_on(queue, qtbot):
    click(queue.start)
    qtbot.waitUntil(lambda: queue.batch.entries[0].done > 0, timeout=PATIENCE)
    click(queue.start)
    assert queue.start.text() == "Start" and not queue.batch.running
    begun = next(e for e in queue.batch.entries if e.stage not in OVER)
    if begun.stage is not Stage.WAITING:
        assert state(begun, queue.batch).startswith("paused")
    qtbot.wait(300)
    still = next(e for e in queue.batch.entries if e.number == begun.number)
    assert still.stage not in OVER
    click(queue.start)
    qtbot.waitUntil(lambda: over(queue), timeout=PATIENCE)
    assert queue.words.text() == "3 of 3 done"


def test_removing_the_running_file_leaves_nothing_of_it(queue, qtbot, files):
    click(queue.start)
    qtbot.waitUntil(lambda: queue.batch.entries[0].done > 0, timeout=PATIENCE)
    running = next(e for e in queue.batch.entries if e.stage not in OVER)
    pick(queue, queue.batch.entries.index(running))
    QTest.keyClick(queue.list, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: over(queue), timeout=PATIENCE)
    assert len(queue.batch.entries) == 2
    left = {path.name for path in files[0].parent.iterdir()}
    assert not [name for name in left if ".part" in name]


def test_current_settings_folder_and_format(opened, qtbot, files, tmp_path, monkeypatch):
    """As the open picture is set now, not as it will be later."""
    queue, results = opened.queue, tmp_path / "results"
    results.mkdir()
    opened.panel.rows["strength"].change(1.9)
    opened.actions_by_id["queue"].trigger()
    queue.add_paths([str(files[0])])
    queue.how.setCurrentText(CURRENT)
    queue.suffix.setCurrentText(".tif")
    monkeypatch.setattr("gui.queue_panel.QFileDialog.getExistingDirectory", lambda *_: str(results))
    click(queue.folder)
    assert queue.folder.text() == "results"
    click(queue.start)
    opened.panel.rows["strength"].change(0.3)
    qtbot.waitUntil(lambda: over(queue), timeout=PATIENCE)
    assert [path.name for path in results.iterdir()] == ["a-sordino.tif"]
    assert queue.batch.settings.recipe.steps[-1].method.strength == 1.9
    assert opened.session.document.image.path == str(SAMPLE)  # still the open one


def test_the_open_picture_goes_in_with_its_own_settings(opened, files):
    opened.panel.rows["strength"].change(1.4)
    QTest.keyClick(
        opened,
        Qt.Key.Key_E,
        Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
    )
    (entry,) = opened.batch.entries
    assert entry.own.recipe.steps[-1].method.strength == 1.4
    assert "settings of its own" in details(entry)
    pages = opened.pages_by_dock["Denoise"]
    assert pages.tabText(2) == "Queue 0/1"


def test_the_picture_comes_before_the_queue(opened, qtbot, files):
    """Everything of the queue is submitted less urgent than the picture and its export."""
    ranks = {}
    submit = opened.bridge._engine.submit

    def record(work, lane, rank=0):
        ranks.setdefault(type(work).__name__, set()).add(rank)
        return submit(work, lane, rank)

    opened.bridge._engine.submit = record
    opened.queue.add_paths(map(str, files))
    click(opened.queue.start)
    opened.panel.rows["strength"].change(2.0)
    qtbot.waitUntil(lambda: over(opened.queue), timeout=PATIENCE)
    assert min(ranks["Load"] | ranks["Denoise"] | ranks["Write"]) == RANK > 10
    assert max(ranks["ShowAfter"]) == 0


def test_escape_leaves_the_queue_alone(queue, window, qtbot):
    click(queue.start)
    qtbot.waitUntil(lambda: queue.batch.entries[0].stage is not Stage.WAITING, timeout=PATIENCE)
    window.actions_by_id["cancel"].trigger()
    qtbot.waitUntil(lambda: over(queue), timeout=PATIENCE)
    assert queue.words.text() == "3 of 3 done"


def test_names_that_collide_are_numbered(window, qtbot, tmp_path, files):
    other = tmp_path / "second"
    other.mkdir()
    shutil.copy(SAMPLE, other / "a.dng")
    queue, results = window.queue, tmp_path / "results"
    results.mkdir()
    window.show_queue()
    queue.add_paths([str(files[0]), str(other / "a.dng"), str(files[0])])
    assert len(queue.batch.entries) == 2  # one that waits is not added twice
    queue.set_folder(str(results))
    click(queue.start)
    qtbot.waitUntil(lambda: over(queue), timeout=PATIENCE)
    assert sorted(p.name for p in results.iterdir()) == ["a-sordino-2.dng", "a-sordino.dng"]


def test_a_dropped_folder_adds_its_pictures(queue, files, tmp_path):
    (files[0].parent / "notes.txt").write_text("no picture")
    folder = tmp_path / "more"
    folder.mkdir()
    shutil.copy(SAMPLE, folder / "d.dng")
    drop(queue, folder, files[0].parent)
    assert names(queue) == ["a.dng", "b.dng", "c.dng", "d.dng"]


def test_several_files_dropped_on_the_window_are_queued(window, files):
    drop(window, *files[:2])
    assert names(window.queue) == ["a.dng", "b.dng"] and window.queue.isVisible()
    assert window.session.document is None


def test_time_is_told_before_the_start_and_known_in_the_next_session(queue, qtbot, window):
    batch = queue.batch
    qtbot.waitUntil(lambda: all(e.megapixels for e in batch.entries), timeout=PATIENCE)
    assert "left" not in summary(batch)  # nothing was measured on this machine
    window.bridge.rates.learn(window.automatic.guess(1.0), 0.05)
    assert state(batch.entries[0], batch) == "about 18 s"
    assert summary(batch) == "0 of 3 done, about 53 s left"


def test_closing_in_the_middle_of_the_queue(queue, qtbot, window, files):
    click(queue.start)
    qtbot.waitUntil(lambda: queue.batch.entries[0].done > 0, timeout=PATIENCE)
    window.close()
    assert all(not thread.is_alive() for thread in window.bridge._engine._threads)
    assert not [p for p in files[0].parent.iterdir() if ".part" in p.name]
