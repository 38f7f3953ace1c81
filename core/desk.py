"""Desk: what a Work may use: plugins, cache, devices, threads, memory. Made once, by its owner."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from core.cache import Cache
from core.children import Children
from core.devices import CPU, Device, limit
from core.files import Decoder
from core.recipe import Recipe
from core.registry import Registry, load
from core.roster import Roster


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
    """Shared by all workers of one engine; holds no image and no setting.

    `memory` is the most of this machine's that tiles in work, the cache and results may take
    together, in bytes (0: half of what is free); beyond it the cache spills and results lie in
    files. `limits` are those of other devices, by name; one that is not named may take most of what
    is free there. Where several desks share a machine each takes its part; a cache that is `lent`
    is closed by whoever lent it.
    """

    cache: Cache = field(default_factory=lambda: Cache(min(free_memory() // 4, 4 << 30)))
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    tile: int = 0  # edge of a tile in pixels; 0: what each method likes
    memory: int = 0
    limits: Mapping[str, int] = field(default_factory=dict[str, int])
    sharing: int = 1  # how many desks there are
    lent: bool = False
    device: str = ""  # that shares the work of others (a queue's): used where it can be
    decoder: Decoder = field(default_factory=Decoder)
    roster: Roster = field(default_factory=Roster)
    children: Children = field(default_factory=Children)

    @cached_property
    def registry(self) -> Registry:
        """Methods and formats; loaded by the first worker that asks."""
        return load()

    @property
    def room(self) -> int:
        """Bytes that one result may take in memory."""
        return (self.memory // 2 or free_memory() // 2) // self.sharing

    def allowed(self, device: Device) -> int:
        """Bytes that tiles in work may take on a device. They decide how many, never a pixel."""
        own = self.memory // 4 if device.name == CPU.name else self.limits.get(device.name, 0)
        return (own or limit(device)) // self.sharing

    def place(self, work: Any) -> str:
        """The device that a Work computes on, "" for the CPU: see Engine.divide."""
        recipe: Recipe | None = getattr(work, "recipe", None)
        steps = recipe.active.steps if recipe and work.worker == "compute" else ()
        if not steps:
            return ""
        device = self.roster.choose(steps[-1].method, wish=getattr(work, "device", ""))[0]
        return "" if device == CPU else device.name

    def close(self) -> None:
        """End what outlives a Work: waiting children, files of the cache."""
        self.decoder.close()
        self.children.close()
        if not self.lent:
            self.cache.close()
