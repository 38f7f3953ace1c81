"""Linked windows: several images side by side, looked at in the same place, slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QRect, QSettings
from PySide6.QtWidgets import QApplication

from core.cache import Cache
from core.planes import VIEWS
from gui import links
from gui.session import State

if TYPE_CHECKING:
    from gui.view import Place
    from gui.window import Window


class Linked(QObject):
    """The windows of one group, what goes together in them, and the memory that they share.

    `make` gives a furnished window that belongs to the group.
    """

    def __init__(self, make: Callable[[Linked], Window], cache: Cache, settings: QSettings) -> None:
        super().__init__()
        self.windows: list[Window] = []
        self.cache = cache
        self._make, self._settings, self._following = make, settings, False
        self._seen: dict[Window, Place | None] = {}
        self.links = {name: settings.value(f"link {name}") != "off" for name in links.NAMES}

    def add(self, window: Window) -> None:
        """From now on it moves with the others, and they with it."""
        self.windows.append(window)
        window.viewer.moved.connect(lambda: self._move(window))
        window.viewer.pointerMoved.connect(lambda place: self._point(window, place))
        window.viewer.showingChanged.connect(lambda: self._compare(window))
        window.session.changed.connect(lambda old, new: self._turn(window, old, new))
        for name, on in self.links.items():
            window.actions_by_id[f"link_{name}"].setChecked(on)
        self._share()

    def remove(self, window: Window) -> None:
        """It is closed."""
        self.windows = [one for one in self.windows if one is not window]
        self._seen.pop(window, None)
        self.cache.reserve(window.background.owner, 0)
        if self.windows:
            self._share()
        else:
            self.cache.close()

    def link(self, name: str, on: bool) -> None:
        """Have something go together in all windows, or no longer; remembered."""
        self.links[name] = on
        self._settings.setValue(f"link {name}", "on" if on else "off")
        for window in self.windows:
            window.actions_by_id[f"link_{name}"].setChecked(on)
            if not on:
                window.viewer.set_ghost(None)

    def another(self, beside: Window) -> Window:
        """A new window, the screen shared with the one it was asked for in."""
        made = self._make(self)
        place = beside.screen().availableGeometry()
        half = place.width() // 2
        if not beside.isMaximized() and beside.width() < half:
            made.resize(beside.size())
        else:
            beside.showNormal()
            beside.setGeometry(QRect(place.x(), place.y(), half, place.height()))
            made.setGeometry(QRect(place.x() + half, place.y(), half, place.height()))
        made.show()
        made.begin([])
        return made

    def quit(self) -> None:
        """Close all of them."""
        for window in tuple(self.windows):
            window.close()
        QApplication.processEvents()

    def _share(self) -> None:
        """All windows together take no more memory than one may."""
        for window in self.windows:
            window.background.windows = len(self.windows)
            window.background.allow()

    @contextmanager
    def _others(self, window: Window, link: str) -> Iterator[list[Window]]:
        """The windows that follow this one; what they do meanwhile moves no other."""
        known = [one for one in self.windows if one.session.document is not None]
        free = self._following or not self.links[link] or window not in known
        self._following, before = True, self._following
        try:
            yield [] if free else [one for one in known if one is not window]
        finally:
            self._following = before

    def _move(self, window: Window) -> None:
        """Zoom and pan: what is in the middle of one is in the middle of all."""
        seen, own = window.viewer.place, window.viewer.plane
        if seen == self._seen.get(window):
            return
        self._seen[window] = seen
        d, view = window.session.document, window.session.state.view
        with self._others(window, "place") as others:
            for other in others:
                theirs, there = other.viewer.plane, other.session.document
                if seen and own and theirs and d and there:
                    deep = view.at(d.image.stack)[own.across]
                    image = there.image
                    other.viewer.go_to(links.place(d.image, image, own, theirs, seen, deep))

    def _point(self, window: Window, pixel: object) -> None:
        """The pointer, as a small cross in the others."""
        d, view, across = window.session.document, window.session.state.view, window.viewer.under
        with self._others(window, "slice") as others:
            for other in others:
                there, spot = other.session.document, None
                if isinstance(pixel, tuple) and d is not None and there is not None:
                    _, row, column = VIEWS[across]
                    at = view.at(d.image.stack) | {row: pixel[0], column: pixel[1]}
                    spot = links.spot(d.image, there.image, across, at)
                other.viewer.set_ghost(spot)

    def _compare(self, window: Window) -> None:
        """Before, after, difference, with divider and gain."""
        mine = window.viewer
        with self._others(window, "view") as others:
            for other in others:
                if other.viewer.compare is not mine.compare:
                    other.compare(mine.compare)
                other.viewer.wipe = mine.wipe
                if other.viewer.difference_gain != mine.difference_gain:
                    other.viewer.difference_gain = mine.difference_gain
                other.viewer.blinking = mine.blinking

    def _turn(self, window: Window, old: State, new: State) -> None:
        """Slice, crosshair, planes and window of an image; a new one goes where the others are."""
        d, was = new.document, old.document
        if d is None:
            return
        if was is None or was.image is not d.image:
            self._join(window)
            return
        if new.view.front != old.view.front or new.view.cross != old.view.cross:
            with self._others(window, "slice") as others:
                for other in others:
                    self._go(window, other)
        if new.view.planes != old.view.planes:
            with self._others(window, "view") as others:
                for other in others:
                    self._show_planes(window, other)
        if d.look.window != was.look.window:
            with self._others(window, "window") as others:
                for other in others:
                    self._set_window(window, other, not new.view.held)

    def _join(self, window: Window) -> None:
        """An image of the same patient is first seen where the others are."""
        with self._others(window, "slice") as others:
            for other in others[:1]:
                d, there = window.session.document, other.session.document
                if d and there and links.same_frame(d.image, there.image):
                    self._go(other, window)

    def _go(self, window: Window, other: Window) -> None:
        d, there = window.session.document, other.session.document
        view, theirs = window.session.state.view, other.session.state.view
        if d is None or there is None:
            return
        at = dict(zip(d.image.stack, (span[0] for span in view.front), strict=False))
        at |= {"y": view.cross[0], "x": view.cross[1]}
        to = links.slices(d.image, there.image, at)
        now = dict(zip(there.image.stack, (span[0] for span in theirs.front), strict=False))
        now |= {"y": theirs.cross[0], "x": theirs.cross[1]}
        if any(to.get(axis, index) != index for axis, index in now.items()):
            other.scans.go(to)

    def _show_planes(self, window: Window, other: Window) -> None:
        d, there = window.session.document, other.session.document
        if d is not None and there is not None:
            wanted = links.shown(d.image, there.image, window.session.state.view.planes)
            if wanted and wanted != other.session.state.view.planes:
                other.scans.show(wanted)

    def _set_window(self, window: Window, other: Window, final: bool) -> None:
        d, there = window.session.document, other.session.document
        if d is not None and there is not None:
            look = links.window(d.image, d.look, there.image, there.look)
            if look is not None:
                other.session.edit(look=look, final=final)
