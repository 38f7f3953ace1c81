"""Cache: values by equal key, bounded in bytes; the least useful goes first."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from core.spill import Spill

CHEAP = 1e-9  # seconds per byte: what a value is taken to cost where nobody says


def size_of(value: Any) -> int:
    """Bytes of the arrays in a value (or what it says of itself by `nbytes`)."""
    own = getattr(value, "nbytes", None)
    if own is not None:
        return int(own)
    parts: list[Any] = []
    if isinstance(value, tuple | list):
        parts = list(cast("tuple[Any, ...]", value))
    elif isinstance(value, Mapping):
        parts = list(cast("Mapping[Any, Any]", value).values())
    elif is_dataclass(value):
        parts = [getattr(value, field.name) for field in fields(value)]
    return sum(map(size_of, parts)) if parts else 64


@dataclass(eq=False)
class _Held:
    value: Any
    size: int
    worth: float  # seconds per byte to make it again
    rank: tuple[float, int] = (0.0, 0)  # the lowest goes first


class Cache:
    """Shared by all workers. Holds frozen values only; never asks who wants them.

    One budget for tiles, prepared states and, by `reserve`, what others hold. Which value goes
    follows P. Cao, S. Irani, "Cost-aware WWW proxy caching algorithms" (GreedyDual-Size), USENIX
    1997: cheap for its size, and long not asked for. What is dear goes to the disk, if there is a
    `spill`.
    """

    def __init__(self, budget: int, spill: Spill | None = None) -> None:
        self.budget = budget
        self.used = 0
        self.spill = spill
        self._held: dict[Hashable, _Held] = {}
        self._order: list[tuple[tuple[float, int], Hashable]] = []  # a heap; may hold old ranks
        self._reserved: dict[str, int] = {}
        self._age, self._tick = 0.0, 0
        self._lock = Lock()

    @property
    def room(self) -> int:
        """Bytes that may be used here: the budget without what others have reserved."""
        return max(self.budget - sum(self._reserved.values()), 0)

    def get(self, key: Hashable) -> Any | None:
        """The value, or None."""
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._touch(key, found)
                return found.value
        return self.spill.get(key) if self.spill else None

    def put(self, key: Hashable, value: Any, seconds: float | None = None) -> None:
        """Keep a value that took so long to make. One larger than the whole room is not kept."""
        size = size_of(value)
        dropped: list[tuple[Hashable, _Held]] = []
        with self._lock:
            if size <= self.room:
                old = self._held.pop(key, None)
                self.used += size - (old.size if old else 0)
                worth = CHEAP if seconds is None else seconds / max(size, 1)
                held = self._held[key] = _Held(value, size, worth)
                self._touch(key, held)
                dropped = self._shrink()
        self._keep(dropped)

    def reserve(self, owner: str, size: int) -> None:
        """Somebody else holds so many bytes of the same memory (0: no longer)."""
        with self._lock:
            self._reserved[owner] = size
            dropped = self._shrink()
        self._keep(dropped)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._held.clear()
            self._order.clear()
            self.used = 0
        if self.spill:
            self.spill.clear()

    def close(self) -> None:
        """Remove what lies on the disk."""
        if self.spill:
            self.spill.close()

    def _touch(self, key: Hashable, held: _Held) -> None:
        self._tick += 1
        held.rank = self._age + held.worth, self._tick  # the tick is unique: keys never compare
        heapq.heappush(self._order, (held.rank, key))
        if len(self._order) > 4 * len(self._held) + 64:  # old ranks are swept out
            self._order = [(each.rank, name) for name, each in self._held.items()]
            heapq.heapify(self._order)

    def _shrink(self) -> list[tuple[Hashable, _Held]]:
        dropped: list[tuple[Hashable, _Held]] = []
        while self.used > self.room and self._held:
            rank, key = heapq.heappop(self._order)
            held = self._held.get(key)
            if held is None or held.rank != rank:
                continue
            self._age = rank[0]
            del self._held[key]
            self.used -= held.size
            dropped.append((key, held))
        return dropped

    def _keep(self, dropped: list[tuple[Hashable, _Held]]) -> None:
        if self.spill:
            for key, held in dropped:
                self.spill.put(key, held.value, held.worth)
