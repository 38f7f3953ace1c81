"""What the user lets Sordino take of the machine: device, memory, disk. Remembered."""

from __future__ import annotations

import os
import shutil

from PySide6.QtCore import QSettings

from core.cache import Cache
from core.desk import Desk, free_memory
from core.devices import CPU, LEAST, SHARE, Device
from core.roster import Roster
from core.spill import Spill, disk

GB = 1 << 30
MOST_CACHE = 4 * GB  # unless the user allows more
USUAL_DISK = 16.0  # GB
ON_DEVICE = "memory on device GB"  # group of settings, by the device's name


class Machine:
    """The choices; numbers in GB. A value that is the default is not written down."""

    def __init__(self, settings: QSettings) -> None:
        self._settings = settings
        free = free_memory()
        self.memory_default = _round(free / 2 / GB)
        self.memory_most = max(_round(_all_memory(free) / GB), self.memory_default)
        room = shutil.disk_usage(disk()).free / GB
        self.disk_default = min(_round(room / 4), USUAL_DISK)
        self.disk_most = max(_round(room), self.disk_default, 1.0)

    @property
    def device(self) -> str:
        """The device to be used for everything; "": the faster."""
        return str(self._settings.value("device", ""))

    @device.setter
    def device(self, name: str) -> None:
        self._settings.setValue("device", name)

    @property
    def memory(self) -> float:
        """Of memory at most."""
        return self._number("memory GB", self.memory_default)

    @memory.setter
    def memory(self, value: float) -> None:
        self._keep("memory GB", value, self.memory_default)

    def memory_ends(self, device: Device) -> tuple[float, float, float]:
        """Of a device's memory: what is taken at most unless the user chooses, least, most."""
        if device.name == CPU.name:
            return self.memory_default, 0.5, self.memory_most
        default = _round(SHARE[1] * (device.free or LEAST) / GB)
        return default, 0.5, max(_round(device.total / GB), default)

    def memory_on(self, device: Device) -> float:
        """Of a device's memory at most."""
        if device.name == CPU.name:
            return self.memory
        return self._number(f"{ON_DEVICE}/{device.name}", self.memory_ends(device)[0])

    def allow_on(self, device: Device, value: float) -> None:
        """The user's choice for a device."""
        if device.name == CPU.name:
            self.memory = value
        else:
            self._keep(f"{ON_DEVICE}/{device.name}", value, self.memory_ends(device)[0])

    @property
    def limits(self) -> tuple[tuple[str, int], ...]:
        """As Desk.limits wants them: the devices for which the user chose, and bytes."""
        self._settings.beginGroup(ON_DEVICE)
        names = sorted(self._settings.childKeys())
        self._settings.endGroup()
        chosen = ((name, self._number(f"{ON_DEVICE}/{name}", 0.0)) for name in names)
        return tuple((name, int(number * GB)) for name, number in chosen)

    @property
    def disk(self) -> float:
        """Of temporary disk space at most; 0: none."""
        return self._number("disk GB", self.disk_default)

    @disk.setter
    def disk(self, value: float) -> None:
        self._keep("disk GB", value, self.disk_default)

    @property
    def memory_bytes(self) -> int:
        """As Desk.memory wants it: 0 where the user did not choose, so that it follows the day."""
        return int(self.memory * GB) if self.memory != self.memory_default else 0

    @property
    def cache_bytes(self) -> int:
        """The cache's part of it."""
        if self.memory_bytes:
            return self.memory_bytes // 4
        return min(int(self.memory_default * GB) // 2, MOST_CACHE)

    @property
    def disk_bytes(self) -> int:
        """As Spill wants it."""
        return int(self.disk * GB)

    def cache(self) -> Cache:
        """A cache within these bounds, for all windows."""
        return Cache(self.cache_bytes, Spill(self.disk_bytes))

    def desk(self, roster: Roster, cache: Cache) -> Desk:
        """A desk within these bounds; the cache is lent to it."""
        limits = dict(self.limits)
        return Desk(cache, memory=self.memory_bytes, limits=limits, roster=roster, lent=True)

    def _number(self, key: str, default: float) -> float:
        try:
            return max(float(str(self._settings.value(key, default))), 0.0)
        except ValueError:
            return default

    def _keep(self, key: str, value: float, default: float) -> None:
        if value == default:
            self._settings.remove(key)
        else:
            self._settings.setValue(key, value)


def _round(gigabytes: float) -> float:
    return max(round(gigabytes, 1 if gigabytes < 10 else 0), 0.5)


def _all_memory(free: int) -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 4 * free
