"""View: what is looked at, and how: the image's pixels, zoom and place, way of comparing.

Regions and positions are in sensor pixels, whatever the zoom, the rotation or the screen's pixel
ratio. Painting is in picture.py, mouse and keys are in viewer.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from core.image import Array
from core.planes import Plane
from core.tiles import Region
from gui.annotations import Notes
from gui.camera import Camera
from gui.layers import Layers
from gui.panes import Compare, Pane, loupe, nearest, panes
from gui.render import Screen
from gui.sheets import Sheet, boxes, fitted
from gui.showing import Showing

LOUPE = 200  # edge of each of the loupe's halves, logical pixels


@dataclass(frozen=True)
class Place:
    """What is seen of a picture of any size: shares of it, and how wide all of it would be."""

    fitted: bool
    down: float
    right: float
    wide: float  # logical pixels
    exact: bool = False  # also where the picture's edge comes into the pane


class View(Showing):
    """Shows one image: `set_image`, then `put` its pixels; `viewChanged` says which are wanted."""

    viewChanged = Signal(object, int)  # the visible Region, the binning wanted for it
    moved = Signal()  # perhaps: the `place`

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sheets: dict[str, Sheet] = {}  # by the axis that their plane lies across
        self._shown, self._active = "z", "z"  # which are on screen; the one that keys act on
        self._notes = Notes()
        self._screen: Screen = _plain
        self._other: Screen | None = None  # of "after", where that is another layer
        self._other_words = ""
        self._fitted = True
        self._asked: list[tuple[Region, int]] = []  # what viewChanged stood for last

    # --- pixels --------------------------------------------------------------------------------

    def set_image(
        self,
        height: int,
        width: int,
        orientation: int = 1,
        levels: Sequence[int] = (1,),
        planes: Sequence[Plane] = (),
    ) -> None:
        """A new image of height x width sensor pixels; `levels`: the binnings `put` may bring.

        `planes`: those of a volume, the stored one first; its size and orientation are then theirs.
        """
        plain = Plane("z", "", height, width, 1, orientation, (1, 1), 0.0)
        self._sheets = {each.across: Sheet.of(each, levels) for each in planes or (plain,)}
        self._shown = self._active = self._marked = next(iter(self._sheets))
        self._asked = []
        self.clear_marks()
        self.fit()

    def show_planes(self, shown: str, active: str) -> None:
        """The planes on screen, by the axes they lie across; keys act on the active one."""
        if shown != self._shown:
            self._shown, self._active = shown, active
            self.fit()
        self._active = active
        self.update()

    def set_notes(self, notes: Notes) -> None:
        """What is written over the picture."""
        if notes != self._notes:
            self._notes = notes
            self.update()

    def clear(self) -> None:
        """No image."""
        self._sheets = {}
        self._asked = []
        self.clear_marks()
        self.update()

    @property
    def plane(self) -> Plane | None:
        """The active one."""
        sheet = self._sheets.get(self._active)
        return sheet.plane if sheet else None

    @property
    def _layers(self) -> Layers | None:
        sheet = self._sheets.get(self._active)
        return sheet.layers if sheet else None

    @property
    def _camera(self) -> Camera | None:
        sheet = self._sheets.get(self._active)
        return sheet.camera if sheet else None

    @property
    def planes(self) -> str:
        """Those on screen, by the axes they lie across."""
        return self._shown if self._sheets else ""

    def begin(self, layer: str) -> None:
        """The pixels of "before" or "after" are stale: drawn until `put` replaces them."""
        for sheet in self._sheets.values():
            sheet.layers.begin(layer)

    def turn(self, across: str = "z") -> None:
        """Another slice: its "before" replaces the old one's, of "after" there is nothing yet."""
        if sheet := self._sheets.get(across):
            sheet.layers.begin("before")
            sheet.layers.drop("after")
            self.update()

    def put(
        self,
        layer: str,
        level: int,
        region: Region,
        store: Array,
        proxy: bool = False,
        across: str = "z",
    ) -> None:
        """Developed pixels of a region, uint16 (rows, columns, 3), binned `level` times.

        Raises ValueError for a level that `set_image` did not name.
        """
        if across not in self._sheets:
            return
        self._sheets[across].layers.put(layer, level, region, store, proxy)
        if self._loupe:
            self.update()
            return
        for pane in self._panes():
            if pane.across == across:
                self.update(self._logical(pane.view.box_of(region)).toAlignedRect())

    def values(self, layer: str) -> Array:
        """What is held of a layer of the active plane, uint16, at most some 250 000 of them."""
        return self._layers.values(layer) if self._layers else np.zeros(0, np.uint16)

    def set_screen(self, to_screen: Screen) -> None:
        """Another look (exposure, curve, monitor profile): a repaint and nothing else."""
        self._screen = to_screen
        self.update()

    def set_other(self, to_screen: Screen | None, words: str = "") -> None:
        """How "after" is shown where it is another layer, and its name; None: as a picture."""
        self._other, self._other_words = to_screen, words
        self.update()

    def wanted(self, across: str = "") -> list[tuple[Region, int]]:
        """Regions and their binnings, the most wanted first: what is seen, then the loupe's.

        Of the active plane, or of the one across an axis.
        """
        across = across or self._active
        sheet = self._sheets.get(across)
        if not sheet:
            return []
        found: list[tuple[Region, int]] = []
        whole = sheet.whole
        seen, near = ([pane for pane in shown if pane.across == across][:1]
                      for shown in (self._panes(), self._loupe_panes()))  # fmt: skip
        for pane in seen + near:
            frame = pane.camera.frame(pane.place, pane.place)  # both sides of a divider
            if frame:
                region = frame.region(whole.height, whole.width)
                found.append((region, sheet.layers.level(frame.scale)))
        if self._fitted and found:  # all of it, though rounding to screen pixels may cut a row
            found[0] = whole, found[0][1]
        return found

    def value(self, layer: str, y: int, x: int, across: str) -> float | None:
        """The store's value at a pixel of a plane; None where it is not known."""
        sheet = self._sheets.get(across)
        return sheet.layers.value(layer, y, x) if sheet else None

    @property
    def levels(self) -> tuple[int, ...]:
        """The binnings of the image, finest first."""
        return self._layers.levels if self._layers else ()

    @property
    def nbytes(self) -> int:
        """Bytes that the pixels held here take."""
        return sum(sheet.layers.nbytes for sheet in self._sheets.values())

    def state_of(self, layer: str, level: int, region: Region, across: str = "") -> str:
        """How good a layer is there: "full", "proxy" (current but coarse) or "partial"."""
        sheet = self._sheets.get(across or self._active)
        return sheet.layers.state(layer, level, region) if sheet else "partial"

    def state_at_view(self) -> str:
        """The worst `state_of` of what is seen now: for the status line."""
        wanted = self.wanted()
        if not wanted:
            return "partial"
        region, level = wanted[0]
        both = {Compare.AFTER, Compare.BEFORE}
        states = [self.state_of(each.value, level, region) for each in both & {self.shown} or both]
        return next(state for state in ("partial", "proxy", "full") if state in states)

    # --- zoom and pan --------------------------------------------------------------------------

    @property
    def scale(self) -> float:
        """Device pixels per sensor pixel: 1.0 is 100 %."""
        return self._camera.scale if self._camera else 1.0

    @property
    def fitted(self) -> bool:
        """Whether the whole picture is shown, and stays so when the window changes its size."""
        return self._fitted

    def fit(self) -> None:
        """The whole picture."""
        self._fitted = True
        self._lay_out()

    def zoom_to(self, scale: float, around: QPointF | None = None) -> None:
        """`scale` device pixels per sensor pixel; the point `around` (default: middle) stays."""
        if not self._sheets:
            return
        self._fitted = False
        pane = self._own(self._active) if around is None else self._pane_at(around)
        point = None if around is None else self._device_point(around)
        self._sheets[pane.across].camera = pane.camera.zoomed(scale, pane.place, point)
        self._view_moved()

    def zoom_by(self, factor: float, around: QPointF | None = None) -> None:
        """Larger or smaller; stops at 100 % on the way, where noise is seen as it is."""
        now = self._pane_at(around).camera.scale if around is not None and self._sheets else None
        now = now or self.scale
        scale = now * factor
        if min(now, scale) < 1 < max(now, scale):
            scale = 1.0
        self.zoom_to(scale, around)

    def pan_by(self, dx: float, dy: float) -> None:
        """Moves the picture by so many logical pixels to the right and down."""
        if self._sheets:
            ratio, pane = self.devicePixelRatioF(), self._own(self._active)
            moved = pane.camera.panned(dy * ratio, dx * ratio, pane.place)
            self._sheets[self._active].camera = moved
            self._view_moved()

    @property
    def place(self) -> Place | None:
        """What is looked at, for a view of another image to look at the same."""
        camera = self._camera
        if camera is None:
            return None
        (height, width), (v, u) = camera.size, camera.centre
        wide = camera.scale * width / self.devicePixelRatioF()
        return Place(self._fitted, v / height, u / width, wide)

    def go_to(self, place: Place) -> None:
        """Look at it."""
        camera = self._camera
        if camera is None:
            return
        if place.fitted:
            self.fit()
            return
        self._fitted = False
        height, width = camera.size
        moved = replace(camera, centre=(place.down * height, place.right * width))
        scale = place.wide * self.devicePixelRatioF() / width
        if place.exact:
            moved = replace(moved, scale=scale)
        else:
            moved = moved.scaled(scale, self._own(self._active).place)
        self._sheets[self._active].camera = moved
        self._view_moved()

    def sensor_at(self, point: QPointF, across: str = "") -> tuple[float, float] | None:
        """Sensor (y, x) under a point of the widget, in the plane there or the one `across` names.

        It may lie outside the image.
        """
        if not self._sheets:
            return None
        return self._pane_at(point, across).view.sensor(*self._device_point(point))

    def _lay_out(self) -> None:
        """Fits the cameras to panes that may have changed."""
        sheets = [self._sheets[across] for across in self._shown if across in self._sheets]
        places = [self._own(across).place for across in self._shown] if sheets else []
        if self._fitted:
            fitted(sheets, places)
        for sheet, place in zip(sheets, places, strict=True):
            if not self._fitted:
                sheet.camera = sheet.camera.zoomed(sheet.camera.scale, place)
        self._view_moved()

    def _view_moved(self) -> None:
        self.update()
        self.moved.emit()
        asked = [each for across in self.planes for each in self.wanted(across)]
        if asked and asked != self._asked:
            self._asked = asked
            self.viewChanged.emit(*(self.wanted() or asked)[0])

    # --- panes ---------------------------------------------------------------------------------

    def _extent(self) -> Region | None:
        sheet = self._sheets.get(self._active)
        return sheet.whole if sheet else None

    def _alone(self) -> bool:
        return len(self._shown) == 1

    @property
    def _whole(self) -> Region:
        ratio = self.devicePixelRatioF()
        height, width = math.ceil(self.height() * ratio), math.ceil(self.width() * ratio)
        return Region.whole(max(height, 1), max(width, 1))

    def _boxes(self) -> list[tuple[str, Region]]:
        """The planes on screen and their places."""
        columns = self.shown is Compare.SIDE and not self._alone()
        return list(zip(self.planes, boxes(self._whole, len(self.planes), columns), strict=True))

    def _panes(self) -> list[Pane]:
        return [pane for across, box in self._boxes() for pane in self._in(across, box)]

    def _in(self, across: str, box: Region) -> list[Pane]:
        column = self.shown is Compare.SIDE and not self._alone()  # it has before above after
        over = self.over or column
        return panes(self.shown, self._sheets[across].camera, box, self._wipe, across, over)

    def _own(self, across: str) -> Pane:
        """The first pane of a plane."""
        shown = self._panes()
        return next((pane for pane in shown if pane.across == across), shown[0])

    def _loupe_panes(self) -> list[Pane]:
        if not self._loupe or not self._sheets or self._pointer is None:
            return []
        y, x = self._device_point(self._pointer)
        edge = round(LOUPE * self.devicePixelRatioF())
        return loupe(self._pane_at(self._pointer), self._whole, y, x, edge)

    def _pane_at(self, point: QPointF, across: str = "") -> Pane:
        shown = [pane for pane in self._panes() if across in ("", pane.across)]
        return nearest(shown or self._panes(), *self._device_point(point))

    def _device_point(self, point: QPointF) -> tuple[float, float]:
        ratio = self.devicePixelRatioF()
        return point.y() * ratio, point.x() * ratio

    def _device(self, area: QRect) -> Region:
        ratio = self.devicePixelRatioF()
        top, left = math.floor(area.y() * ratio), math.floor(area.x() * ratio)
        bottom, right = area.y() + area.height(), area.x() + area.width()
        return Region(top, left, math.ceil(bottom * ratio), math.ceil(right * ratio))

    def _logical(self, box: Region) -> QRectF:
        ratio = self.devicePixelRatioF()
        return QRectF(box.x0 / ratio, box.y0 / ratio, box.width / ratio, box.height / ratio)

    # --- the window system ---------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Qt: keep the view in a widget of another size."""
        super().resizeEvent(event)
        self._lay_out()

    def event(self, event: QEvent) -> bool:
        """Qt: another screen may have other pixels."""
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._lay_out()
        return super().event(event)


def _plain(store: Array) -> Array:
    return (store >> 8).astype(np.uint8)
