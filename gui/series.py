"""The series of the folder that was opened, by name: a menu that opens another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QMenu

from core.image import Image
from gui.session import Session

NOTHING = "Open a folder, a DICOMDIR or a disk with several series"


class SeriesMenu:
    """Filled when it is shown; remembers a folder's series while one of them is open."""

    def __init__(self, menu: QMenu, session: Session, open_path: Callable[[str], None]) -> None:
        self._menu, self._session, self._open = menu, session, open_path
        self._root, self._listing = Path(), list[Mapping[str, Any]]()
        session.changed.connect(lambda *_: self._remember())
        menu.aboutToShow.connect(self.fill)

    def _remember(self) -> None:
        d = self._session.document
        listing = d.image.meta.get("series") if d is not None else None
        if d is not None and listing and any(one.get("file") for one in listing):
            path = Path(d.image.path)
            self._root = path if path.is_dir() else path.parent
            self._listing = [one for one in listing if one.get("file")]

    def fill(self) -> None:
        """An entry for each series; the one that is open is marked."""
        self._menu.clear()
        d = self._session.document
        inside = d is not None and Path(d.image.path).is_relative_to(self._root)
        if d is None or not inside or len(self._listing) < 2:
            self._menu.addAction(NOTHING).setEnabled(False)
            return
        for one in self._listing:
            entry = self._menu.addAction(words(one))
            entry.setCheckable(True)
            entry.setChecked(same(one, d.image))
            entry.triggered.connect(partial(self._choose, str(self._root / str(one["file"]))))

    def _choose(self, path: str, _checked: bool = False) -> None:
        self._open(path)


def words(one: Mapping[str, Any]) -> str:
    """`3: T1 axial (MR, 24 pictures)`."""
    name = str(one.get("description") or "without a name").replace("&", "&&")
    number = f"{one['number']}: " if one.get("number") else ""
    count = int(one.get("pictures") or 0)
    pictures = f"{count} picture{'s' if count != 1 else ''}"
    return f"{number}{name} ({', '.join(filter(None, (one.get('modality'), pictures)))})"


def same(one: Mapping[str, Any], image: Image) -> bool:
    """Is this the series of the image?"""
    told = image.meta.get("dicom") or {}
    known = (
        ("SeriesDescription", "description"),
        ("Modality", "modality"),
        ("SeriesNumber", "number"),
    )
    return all(str(told.get(a) or "") == str(one.get(b) or "") for a, b in known)
