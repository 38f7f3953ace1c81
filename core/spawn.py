"""Spawn: how a child process is started, from a checkout or in a bundle."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence


def command() -> list[str]:
    """How the child process is started."""
    if getattr(sys, "frozen", False):
        return [sys.executable, "--child"]
    return [sys.executable, "-P", "-m", "core.child"]  # -P: never import from the current folder


def start_child(
    replies: int = subprocess.DEVNULL, shared: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start `core.child`, which waits for its request; `replies` is its standard output.

    `shared` are file descriptors that it gets under the same numbers (not on Windows).
    """
    places = os.pathsep.join(place for place in sys.path if place)
    environment = {**os.environ, "PYTHONPATH": places, "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        command(),
        stdin=subprocess.PIPE,
        stdout=replies,
        stderr=subprocess.DEVNULL,
        env=environment,
        pass_fds=shared,
        start_new_session=True,  # Ctrl+C is for the parent, who ends the child
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
