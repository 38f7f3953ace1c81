"""The command line as a program of its own: processes, signals, what is imported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.cli import FAILED, INTERRUPTED, OK

ROOT = Path(__file__).resolve().parents[2]
SIGMA = ("--noise", "gaussian:0.1")


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "core", *map(str, args)]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def test_as_a_program(picture: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        command("denoise", picture, "-o", tmp_path / "out.npy", *SIGMA, "--json"),
        capture_output=True,
        env=environment(),
        cwd=tmp_path,
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (OK, False)
    assert json.loads(done.stdout)["files"] == [str(tmp_path / "out.npy")]
    bad = subprocess.run(command("info", "none.npy"), capture_output=True, env=environment())
    assert (bad.returncode, bad.stdout, bad.stderr.count(b"\n")) == (FAILED, b"", 1)


def test_listing_needs_no_torch() -> None:
    code = (
        "import sys; from core.cli import main; main(['methods']); "
        "print(sorted({'torch', 'numba', 'cv2', 'PySide6'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment()
    )
    assert done.stdout.splitlines()[-1] == "[]"


TELLS = """
import sys
from core.cli import main
from core.render import Renderer

original = Renderer._together

def together(*args):
    print("computing", file=sys.stderr, flush=True)
    return original(*args)

Renderer._together = together
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_leaves_nothing_partial(number: signal.Signals, tmp_path: Path) -> None:
    source, out = tmp_path / "large.npy", tmp_path / "out"
    np.save(source, np.zeros((4000, 4000), np.float32))
    out.mkdir()
    options = ("--method", "nlm", "--set", "search=12", "--threads", "1", *SIGMA)
    process = subprocess.Popen(
        [sys.executable, "-c", TELLS, "denoise", source, "-o", out / "out.npy", *options],
        stderr=subprocess.PIPE,
        env=environment(),
        start_new_session=True,  # Ctrl-C of who runs the tests is not meant
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == b"computing\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == INTERRUPTED
    assert b"interrupted" in errors
    assert b"Traceback" not in errors
    assert list(out.iterdir()) == []
