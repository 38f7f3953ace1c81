"""What fails is a sentence with a button, and goes away when it succeeds."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt

import resources
from core.format import Output
from core.recipe import Recipe, Step
from core.show import ShowAfter

SAMPLE = resources.path("samples/bayer_iso12800.dng")

PLUGIN = '''
"""A method for tests: {name}."""
import os, time
from pathlib import Path
from core.method import Method

FLAG = Path({flag!r})


class {name}(Method):
    """For tests."""

    title = "{name}"
    tensors = False

    def run(self, tile, state, ctx):
        try:
            FLAG.touch(exist_ok=False)
        except FileExistsError:
            return tile * 0.5
        {act}
'''


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """A folder with methods of the user's own: each misbehaves once, then halves the picture."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    for name, act in (("Crashy", "os.abort()"), ("Hangs", "time.sleep(1000)")):
        code = PLUGIN.format(name=name, flag=str(tmp_path / name), act=act)
        (folder / f"{name.lower()}.py").write_text(code, "utf-8")
    monkeypatch.setenv("SORDINO_PLUGINS", str(folder))
    return tmp_path


def use(window, name):
    method = next(m for m in window.registry.methods.values() if m.title == name)
    window.session.edit(recipe=Recipe((Step(method()),)))


def full(window):
    return {window.viewer.state_of("after", level, r) for r, level in window.viewer.wanted()} == {
        "full"
    }


@pytest.fixture
def with_plugins(plugins, window, qtbot, settle):
    np.save(plugins / "flat.npy", np.full((64, 80), 100, np.uint16))
    window.open(str(plugins / "flat.npy"))
    qtbot.waitUntil(lambda: window.session.document is not None, timeout=30_000)
    settle(window)
    return window


def test_a_plugin_that_crashes_is_a_sentence_and_can_be_tried_again(with_plugins, qtbot, settle):
    window = with_plugins
    use(window, "Crashy")
    qtbot.waitUntil(lambda: window.trouble.words != "", timeout=60_000)
    assert window.trouble.words.startswith("Denoising failed: Crashy crashed")
    assert window.trouble.isVisible() and not full(window)
    works, submit = [], window.bridge._engine.submit
    window.bridge._engine.submit = lambda work, *rest: (works.append(work), submit(work, *rest))[1]
    qtbot.mouseClick(window.trouble.retry, Qt.MouseButton.LeftButton)
    assert window.trouble.words == "Trying again …" and not window.trouble.retry.isEnabled()
    qtbot.waitUntil(lambda: full(window), timeout=60_000)
    qtbot.waitUntil(lambda: window.trouble.words == "")
    assert isinstance(works[0], ShowAfter)
    assert window.failures.pop()[1].startswith("Crashy crashed")
    settle(window)


def test_a_plugin_that_hangs_is_killed_by_cancel_and_can_be_tried_again(
    with_plugins, plugins, qtbot, settle
):
    window = with_plugins
    use(window, "Hangs")
    qtbot.waitUntil(lambda: (plugins / "Hangs").exists(), timeout=60_000)
    (child,) = list(window.bridge._desk.children)
    window.actions_by_id["cancel"].trigger()
    qtbot.waitUntil(lambda: not window.bridge._running, timeout=20_000)
    assert not child.alive and window.trouble.words == "Cancelled: Denoising."
    qtbot.mouseClick(window.trouble.retry, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: full(window) and window.trouble.words == "", timeout=60_000)
    settle(window)


def test_other_settings_put_the_trouble_away(with_plugins, qtbot, settle):
    window = with_plugins
    use(window, "Crashy")
    qtbot.waitUntil(lambda: window.trouble.words != "", timeout=60_000)
    window.failures.clear()
    use(window, "Fast")
    qtbot.waitUntil(lambda: window.trouble.words == "", timeout=60_000)
    settle(window)


def test_a_file_that_could_not_be_read_is_opened_when_it_can(window, qtbot, tmp_path, settle):
    path = tmp_path / "late.npy"
    path.write_bytes(b"nothing")
    window.open(str(path))
    qtbot.waitUntil(lambda: "late.npy" in window.trouble.words, timeout=30_000)
    np.save(path, np.zeros((40, 50), np.uint16))
    window.failures.clear()
    window.trouble.retry.click()
    qtbot.waitUntil(lambda: window.session.document is not None, timeout=30_000)
    qtbot.waitUntil(lambda: window.trouble.words == "")
    settle(window)


def test_an_export_is_tried_again_to_the_same_file(opened, qtbot, tmp_path, settle):
    target = tmp_path / "there" / "out.dng"
    opened.bridge.export(str(target), Output())
    qtbot.waitUntil(lambda: opened.trouble.words.startswith("Export failed"), timeout=60_000)
    opened.failures.clear()
    target.parent.mkdir()
    with qtbot.waitSignal(opened.bridge.exported, timeout=60_000):
        opened.trouble.retry.click()
    qtbot.waitUntil(lambda: opened.trouble.words == "")
    assert target.exists()
    settle(opened)


def test_a_message_put_away_is_not_tried_again(opened, qtbot, tmp_path, settle):
    opened.bridge.export(str(tmp_path / "there" / "out.dng"), Output())
    qtbot.waitUntil(lambda: opened.trouble.words != "", timeout=60_000)
    opened.failures.clear()
    opened.trouble.close_button.click()
    assert opened.trouble.words == "" and not opened.bridge._again
    settle(opened)


def test_want_of_memory_is_said_and_tried_again(opened, qtbot, settle, monkeypatch):
    inner = ShowAfter.__call__

    def fails(self, desk, cancelled):
        raise MemoryError
        yield

    monkeypatch.setattr(ShowAfter, "__call__", fails)
    opened.panel.rows["strength"].change(2.0)
    qtbot.waitUntil(lambda: "memory" in opened.trouble.words, timeout=20_000)
    assert "close other programs" in opened.trouble.words
    monkeypatch.setattr(ShowAfter, "__call__", inner)
    opened.failures.clear()
    opened.trouble.retry.click()
    qtbot.waitUntil(lambda: opened.trouble.words == "", timeout=60_000)
    settle(opened)
