from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).with_name("soak.py")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_short_soak() -> None:
    """In a process of its own: memory of other tests does not count.

    The allocator needs a minute to come to rest: so short a run only finds large leaks.
    """
    options = ["--minutes", "0.33", "--seed", "1", "--spare", "200"]
    command = [sys.executable, str(SOAK), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "flat, and nothing left" in done.stdout
