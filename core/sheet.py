"""Sheet: a mapped file in which one process lays arrays that another reads. It is reused."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from mmap import mmap
from pathlib import Path
from typing import Any

import numpy as np

from core.image import Array

PAGE = 4096


def make_map(path: Path, size: int) -> mmap:
    """A new mapped file of zeros. Raises OSError when the disk is full, and not later."""
    with path.open("w+b") as file:
        file.write(bytes(size))  # really written: a hole in a full disk would be a bus error
        file.flush()
        return mmap(file.fileno(), size)


class Sheet:
    """Float32 arrays in a file of a folder that two processes share; one lays, the other sees."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self._folder, self._prefix = folder, prefix
        self._name, self._count = "", 0
        self._map: mmap | None = None

    def lay(self, arrays: Sequence[Array]) -> dict[str, Any]:
        """Write arrays over what was there; returns what see() needs, as JSON."""
        need = sum(array.size * 4 for array in arrays)
        if self._map is None or len(self._map) < need:
            old, self._count = self._name, self._count + 1
            name = f"{self._prefix}{self._count}"
            made = make_map(self._folder / name, max(-(-need // PAGE), 1) * PAGE)
            self.close()
            self._name, self._map = name, made
            if old:
                with contextlib.suppress(OSError):  # Windows: the other still has it mapped
                    (self._folder / old).unlink()
        shapes = [list(array.shape) for array in arrays]
        for view, array in zip(_views(self._map, shapes), arrays, strict=True):
            np.copyto(view, array, casting="unsafe")
        return {"file": self._name, "shapes": shapes}

    def see(self, laid: Mapping[str, Any]) -> list[Array]:
        """Views of what the other process laid; they change when it lays again."""
        if self._map is None or self._name != laid["file"]:
            self.close()
            with (self._folder / laid["file"]).open("r+b") as file:
                self._name, self._map = laid["file"], mmap(file.fileno(), 0)
        return _views(self._map, laid["shapes"])

    def close(self) -> None:
        """Give the file back (where somebody holds a view: when that is gone)."""
        if self._map is not None:
            with contextlib.suppress(BufferError):
                self._map.close()
        self._map = None


def _views(mapped: mmap, shapes: Sequence[Sequence[int]]) -> list[Array]:
    found: list[Array] = []
    at = 0
    for shape in shapes:
        count = int(np.prod(shape))
        found.append(np.frombuffer(mapped, np.float32, count, at).reshape(shape))
        at += 4 * count
    return found
