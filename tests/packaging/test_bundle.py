"""Plugins from outside, in the program as it is started from here, and in a bundle of it.

SORDINO_BUNDLE names the bundle's program (packaging/README.md); without it that part is skipped.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = os.environ.get("SORDINO_BUNDLE", "")
PLUGIN = """
import os, signal, time
from pathlib import Path
from core.method import Method, Needs

class Outside(Method):
    title = "Outside"
    domain = "signal"
    tensors = False
    kinds = ("array",)

    def needs(self, image):
        return Needs(tile=32)

    def run(self, tile, state, ctx):
        note = Path(__file__).with_name("note")
        note.write_text(f"{os.getpid()} {os.getppid()}")
        ACT
        return tile / 2
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(params=["checkout", "bundle"])
def start(request, tmp_path):
    """Starts `denoise` of a small array with a plugin that does something first."""
    if request.param == "bundle" and not BUNDLE:
        pytest.skip("no bundle: SORDINO_BUNDLE does not name one")
    program = [BUNDLE] if request.param == "bundle" else [sys.executable, "-P", "-m", "gui"]
    source, target = tmp_path / "in.npy", tmp_path / "out.npy"
    np.save(source, np.random.default_rng(0).normal(100, 5, (48, 64)).astype(np.float32))
    (tmp_path / "plugins").mkdir()
    kept = ("HOME", "PATH", "LANG", "LD_LIBRARY_PATH", "XDG_CACHE_HOME", "TMPDIR")
    surroundings = {name: os.environ[name] for name in kept if name in os.environ}
    surroundings["SORDINO_PLUGINS"] = str(tmp_path / "plugins")
    if request.param == "checkout":
        surroundings["PYTHONPATH"] = str(ROOT)

    def run(act: str) -> tuple[subprocess.Popen[str], Path, Path]:
        (tmp_path / "plugins" / "outside.py").write_text(PLUGIN.replace("ACT", act))
        words = ["denoise", str(source), "-o", str(target), "--method", "outside"]
        words += ["--noise", "gaussian:5"]
        process = subprocess.Popen(
            [*program, *words], env=surroundings, stderr=subprocess.PIPE, text=True
        )
        return process, target, tmp_path / "plugins" / "note"

    return run


def gone(pid: int) -> bool:
    """Has a process ended, or will when its parent looks?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_plugin_from_outside_works_in_a_process_of_its_own(start):
    process, target, note = start("pass")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    np.testing.assert_allclose(np.load(target).mean(), 50, atol=1)
    child, parent = map(int, note.read_text().split())
    assert child != process.pid and parent == process.pid


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signal")
def test_its_crash_is_one_sentence(start):
    process, target, _ = start("os.kill(os.getpid(), signal.SIGSEGV)")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Outside" in errors and "Traceback" not in errors
    assert not target.exists() and not list(target.parent.glob("*.part"))


@linux
def test_a_hang_is_ended_by_an_interrupt(start):
    process, target, note = start("time.sleep(600)")
    end = time.monotonic() + 120
    while not note.exists() or not note.read_text():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    child = int(note.read_text().split()[0])
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in errors
    assert not target.exists()
    while not gone(child):
        assert time.monotonic() < end
        time.sleep(0.05)
