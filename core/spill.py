"""Spill: what does not fit into memory, on the disk, for as long as the program runs.

A crash leaves nothing but a folder, which the next start removes. A full disk ends the spilling,
never the work.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from core.image import Array

PREFIX = "sordino-spill-"
DISK = 1 / 300e6  # seconds per byte, written and read again: what is cheaper is computed again
SPARE = 2 << 30  # bytes that are left free for others

Layers = tuple[tuple[str, Array], ...]


@dataclass(frozen=True)
class _Entry:
    path: Path
    parts: tuple[tuple[str, str, tuple[int, ...]], ...]  # name, dtype, shape
    size: int


class Spill:
    """Named arrays by key, in files of a private folder; the oldest go first."""

    def __init__(self, budget: int, base: Path | None = None) -> None:
        self.budget, self.used = budget, 0
        self._base, self._folder = base or disk(), ""
        self._held: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._count = 0
        self._lock = Lock()

    def put(self, key: Hashable, value: Any, worth: float) -> None:
        """Keep a tuple of (name, array) that costs `worth` seconds per byte to make again."""
        if self.budget <= 0 or worth < DISK or not _layers(value):
            return
        size = sum(array.nbytes for _, array in value)
        with self._lock:
            if key in self._held or size > self.budget:
                return
            try:
                entry = self._write(value, size)
            except OSError:  # full, or gone: what is there stays, nothing more comes
                self.budget = self.used
                return
            self._held[key] = entry
            self.used += size
            while self.used > self.budget:
                self._drop(next(iter(self._held)))

    def get(self, key: Hashable) -> Layers | None:
        """The arrays, or None."""
        with self._lock:
            entry = self._held.get(key)
            if entry is None:
                return None
            self._held.move_to_end(key)
            try:
                with entry.path.open("rb") as file:
                    return tuple(
                        (name, _read(file, kind, shape)) for name, kind, shape in entry.parts
                    )
            except (OSError, ValueError):  # somebody cleaned up: it is computed again
                self._drop(key)
                return None

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            for key in list(self._held):
                self._drop(key)

    def close(self) -> None:
        """Remove the folder. Nothing is kept afterwards."""
        with self._lock:
            self._held.clear()
            self.budget = self.used = 0
            if self._folder:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = ""

    def _write(self, value: Layers, size: int) -> _Entry:
        if not self._folder:
            sweep(self._base)
            self._folder = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=self._base)
            weakref.finalize(self, shutil.rmtree, self._folder, True)
        if shutil.disk_usage(self._folder).free < size + SPARE:
            raise OSError("the disk is nearly full")
        self._count += 1
        path = Path(self._folder) / str(self._count)
        try:
            with path.open("wb") as file:
                for _, array in value:
                    file.write(np.ascontiguousarray(array).data)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        parts = tuple((name, str(array.dtype), array.shape) for name, array in value)
        return _Entry(path, parts, size)

    def _drop(self, key: Hashable) -> None:
        entry = self._held.pop(key)
        self.used -= entry.size
        with contextlib.suppress(OSError):
            entry.path.unlink()


def _layers(value: Any) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(part, tuple) and len(part) == 2 and isinstance(part[1], np.ndarray)  # pyright: ignore[reportUnknownArgumentType]
        for part in value  # pyright: ignore[reportUnknownVariableType]
    )


def _read(file: Any, kind: str, shape: tuple[int, ...]) -> Array:
    found = np.fromfile(file, kind, int(np.prod(shape, dtype=np.int64)))
    return found.reshape(shape)


def disk() -> Path:
    """Where temporary files may grow; a 64 MB /dev/shm, usual in containers, is no such place."""
    base = Path(tempfile.gettempdir())
    return Path("/var/tmp") if base.is_relative_to("/dev/shm") else base


def sweep(base: Path) -> None:
    """Remove what programs that crashed have left: folders whose process is gone."""
    with contextlib.suppress(OSError):
        for folder in base.glob(f"{PREFIX}*"):
            number = folder.name.removeprefix(PREFIX).partition("-")[0]
            if number.isdigit() and not _alive(int(number)):
                shutil.rmtree(folder, ignore_errors=True)


def _alive(process: int) -> bool:
    if os.name != "posix":
        return process == os.getpid()
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def scratch(shape: tuple[int, ...], limit: int, base: Path | None = None) -> Array:
    """Room for float32 pixels: memory up to `limit` bytes, else a file that is gone when unused.

    Raises OSError where the disk has no room: the file is filled at once, because a map of a
    sparse one would end the program when the disk fills up.
    """
    size = 4 * int(np.prod(shape, dtype=np.int64))
    if size <= limit:
        return np.empty(shape, np.float32)
    try:
        with tempfile.TemporaryFile(prefix=PREFIX, dir=base or disk()) as file:
            if shutil.disk_usage(base or disk()).free < size + SPARE // 4:
                raise OSError("the disk is nearly full")
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            return np.memmap(file, np.float32, "r+", 0, shape)
    except OSError:
        need = f"{size / 1e9:.1f} GB of temporary room are needed: free some disk space"
        raise OSError(need) from None
