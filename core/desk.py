"""Desk: what a Work may use: plugins, cache, device, threads. Made once, by whoever makes it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property

from core.cache import Cache
from core.files import Decoder
from core.registry import Registry, load


def free_memory() -> int:
    """Bytes that could be used now (4 GiB where the system does not tell)."""
    try:
        with open("/proc/meminfo", encoding="ascii") as table:
            rows = dict(line.split(":", 1) for line in table)
        return int(rows["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return 4 << 30


@dataclass(eq=False)
class Desk:
    """Shared by all workers of one engine; holds no image and no setting."""

    cache: Cache = field(default_factory=lambda: Cache(min(free_memory() // 4, 4 << 30)))
    device: str = "cpu"
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    tile: int = 0  # edge of a tile in pixels; 0: what each method likes
    decoder: Decoder = field(default_factory=Decoder)

    @cached_property
    def registry(self) -> Registry:
        """Methods and formats; loaded by the first worker that asks."""
        return load()

    def close(self) -> None:
        """End what outlives a Work: the waiting decoder."""
        self.decoder.close()
