"""Places: the user's folders on each platform, and where compiled kernels are kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_KERNELS = "NUMBA_CACHE_DIR"  # what numba asks the environment for


def cache_folder() -> Path:
    """Where the platform keeps what a program can make again."""
    return _own("LOCALAPPDATA", "Library/Caches", "XDG_CACHE_HOME", ".cache")


def settings_folder() -> Path:
    """Where the platform keeps what the user chose."""
    return _own("APPDATA", "Library/Application Support", "XDG_CONFIG_HOME", ".config")


def _own(windows: str, mac: str, variable: str, other: str) -> Path:
    """Our folder in the place that Windows, macOS and all others have for such files."""
    if sys.platform == "win32":
        base = Path(os.environ.get(windows) or Path.home())
    elif sys.platform == "darwin":
        base = Path.home() / mac
    else:
        base = Path(os.environ.get(variable) or Path.home() / other)
    return base / "sordino"


def keep_kernels() -> None:
    """Tell numba where to keep kernels when their own folder may not be written to.

    That is a bundle, or an installation for all users. Without a place numba refuses to compile at
    all: where there is no home either, they live as long as this process. Children inherit it.
    """
    if _KERNELS in os.environ:
        return
    frozen = getattr(sys, "frozen", False)
    if not frozen and os.access(Path(__file__).parent / "ops", os.W_OK):
        return
    import atexit
    import shutil
    import tempfile

    try:
        folder = cache_folder() / "kernels"
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError):  # RuntimeError: no home is known
        folder = Path(tempfile.mkdtemp(prefix="sordino-kernels-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[_KERNELS] = str(folder)
