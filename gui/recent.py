"""The files opened last. (Nothing but Qt is imported: they are part of the first paint.)"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSettings

RECENT = 10


class Recent:
    """The files opened last, newest first."""

    def __init__(self, settings: QSettings) -> None:
        self._settings = settings

    def paths(self) -> list[str]:
        """Those that still exist."""
        saved = self._settings.value("recent", [])
        found = [saved] if isinstance(saved, str) else saved if isinstance(saved, list) else []
        return [path for path in found if _exists(Path(path))][:RECENT]

    def add(self, path: str) -> None:
        """To the top."""
        rest = [other for other in self.paths() if other != path]
        self._settings.setValue("recent", [path, *rest][:RECENT])


def _exists(path: Path) -> bool:
    """Is it there, or the archive that it is in?"""
    return path.exists() or any(one.is_file() for one in path.parents)
