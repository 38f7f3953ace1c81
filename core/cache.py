"""Cache: values by equal key, bounded in bytes; the least recently used goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any

import numpy as np


def size_of(value: Any) -> int:
    """Bytes of the arrays in a value (or what it says of itself by `nbytes`)."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, tuple):
        return sum(size_of(part) for part in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return int(getattr(value, "nbytes", 64))


class Cache:
    """Shared by all workers. Holds frozen values only; never asks who wants them."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.used = 0
        self._held: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> Any | None:
        """The value, or None."""
        with self._lock:
            found = self._held.get(key)
            if found is None:
                return None
            self._held.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: Any) -> None:
        """Keep a value. One larger than the whole budget is not kept."""
        size = size_of(value)
        if size > self.budget:
            return
        with self._lock:
            old = self._held.pop(key, None)
            self.used += size - (old[1] if old else 0)
            self._held[key] = (value, size)
            while self.used > self.budget:
                _, (_, freed) = self._held.popitem(last=False)
                self.used -= freed

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._held.clear()
            self.used = 0
