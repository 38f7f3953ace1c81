"""The series of the folder that was opened, by name: a menu that opens another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QMenu

from core.folders import series_name, series_root
from core.image import Image
from gui.session import Session, State

NOTHING = "Open a folder, a disk or an archive with several series"


class SeriesMenu:
    """Filled when it is shown; remembers a folder's series while one of them is open."""

    def __init__(self, menu: QMenu, session: Session, open_path: Callable[[str], None]) -> None:
        self._menu, self._session, self._open = menu, session, open_path
        self._root, self._listing = Path(), list[Mapping[str, Any]]()
        session.changed.connect(self._remember)
        menu.aboutToShow.connect(self.fill)

    def _remember(self, old: State, new: State) -> None:
        d = new.document
        if d is None or (old.document is not None and old.document.image is d.image):
            return
        if listing := d.image.meta.get("series"):
            self._root, self._listing = series_root(Path(d.image.path), listing), listing

    def fill(self) -> None:
        """An entry for each series; the one that is open is marked."""
        self._menu.clear()
        d = self._session.document
        inside = d is not None and Path(d.image.path).is_relative_to(self._root)
        if d is None or not inside or len(self._listing) < 2:
            self._menu.addAction(NOTHING).setEnabled(False)
            return
        for one in self._listing:
            entry = self._menu.addAction(series_name(one).replace("&", "&&"))
            entry.setCheckable(True)
            entry.setChecked(same(one, d.image))
            entry.triggered.connect(partial(self._choose, str(self._root / one["file"])))

    def _choose(self, path: str, _checked: bool = False) -> None:
        self._open(path)


def same(one: Mapping[str, Any], image: Image) -> bool:
    """Is this the series of the image?"""
    told = image.meta.get("dicom") or {}
    known = (
        ("SeriesDescription", "description"),
        ("Modality", "modality"),
        ("SeriesNumber", "number"),
    )
    return all(str(told.get(a) or "") == str(one.get(b) or "") for a, b in known)
